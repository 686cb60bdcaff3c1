//! The contracts themselves, on an EVM in this process.
//!
//! Bare of everything a node puts around it (no blocks, no signatures of transactions, no fees), so that a step costs
//! little more than its execution and a hundred thousand lives can be afforded. That a node makes no difference is
//! for [`devchain`](crate::devchain) to show, with fewer lives.

use alloy_primitives::{Address, Bytes, TxKind, U256, address, hex};
use alloy_sol_types::{SolEventInterface, SolInterface};
use protocol::abi::{AppRegistry, DatasetRegistry, Hub as abi, RLC, WorkerpoolRegistry};
use protocol::deployment::{Deployment, Proof, Step, plan};
use protocol::model::{Call, Event, Outcome, Refusal};
use revm::bytecode::Bytecode;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{CacheDB, DatabaseRef, EmptyDB};
use revm::handler::MainnetContext;
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{DatabaseCommit, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

use crate::deed::Deed;
use crate::law::{Footprint, Law};
use crate::people::Person;
use crate::town::{START, STRANGERS, Town};
use crate::words::score_word;

type Db = CacheDB<EmptyDB>;

/// The proxy that deploys deterministically on every chain, and its code.
const DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
const DEPLOYER_CODE: [u8; 69] = hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// The contracts as they stand at some moment. Cheap to copy: code is shared.
#[derive(Clone)]
pub(crate) struct State {
    db: Db,
    deployment: Deployment,
}

/// A chain that goes on from a state.
pub(crate) struct Chain {
    machine: MainnetEvm<MainnetContext<Db>>,
    deployment: Deployment,
}

impl State {
    /// A chain of its own that goes on from here.
    pub(crate) fn chain(&self) -> Chain {
        let mut rules = CfgEnv::new_with_spec(SpecId::CANCUN);
        rules.chain_id = self.deployment.chain_id;
        rules.disable_nonce_check = true;
        rules.disable_balance_check = true;
        rules.disable_base_fee = true;
        let block = BlockEnv {
            number: U256::ONE,
            gas_limit: u64::MAX,
            ..BlockEnv::default()
        };
        Chain {
            machine: Context::mainnet()
                .with_db(self.db.clone())
                .with_block(block)
                .with_cfg(rules)
                .build_mainnet(),
            deployment: self.deployment.clone(),
        }
    }
}

impl Chain {
    /// Plays the deployment by the town's owner, all but the seal: a life may bring that, and the hub's governance has
    /// more to be compared before it than after.
    pub(crate) fn deployed() -> Self {
        let deployer = Person::deployer().address;
        let plan = plan(31_337, deployer);
        let mut chain = State {
            db: CacheDB::default(),
            deployment: plan.deployment,
        }
        .chain();
        chain.put(DEPLOYER, &DEPLOYER_CODE);
        let open = |step: &Step| !matches!(step.proof, Some(Proof::HubSealed));
        for step in plan.steps.into_iter().filter(open) {
            let kind = step.to.map_or(TxKind::Create, TxKind::Call);
            let (result, _) = chain.send(deployer, START, kind, step.input);
            assert!(result.is_success(), "{}: {result:?}", step.label);
        }
        chain
    }

    /// Registers the town's app, dataset and workerpool, spreads the token, and puts the strange contracts there.
    pub(crate) fn with_town() -> (Self, Town) {
        let mut chain = Self::deployed();
        let town = settle(&mut chain);
        for (address, code) in town.strangers() {
            chain.put(address, &code);
        }
        (chain, town)
    }

    /// What everything is now, to go on from again and again.
    pub(crate) fn state(&self) -> State {
        State {
            db: self.db().clone(),
            deployment: self.deployment.clone(),
        }
    }

    fn db(&self) -> &Db {
        &self.machine.ctx.journaled_state.database
    }

    fn db_mut(&mut self) -> &mut Db {
        &mut self.machine.ctx.journaled_state.database
    }

    /// Puts code somewhere, whatever was there before.
    pub(crate) fn put(&mut self, address: Address, code: &[u8]) {
        let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
        self.db_mut()
            .insert_account_info(address, AccountInfo::from_bytecode(code));
    }

    /// A word of storage.
    pub(crate) fn word(&self, address: Address, slot: U256) -> U256 {
        self.db().storage_ref(address, slot).expect("in memory")
    }

    /// Writes a word of storage behind its contract's back.
    pub(crate) fn set_word(&mut self, address: Address, slot: U256, word: U256) {
        self.db_mut()
            .insert_account_storage(address, slot, word)
            .expect("in memory");
    }

    /// What a transaction would answer, or what it would be refused with.
    pub(crate) fn foresee(&mut self, call: Call, to: Address, data: Bytes) -> Result<Bytes, Bytes> {
        match self.run(call.sender, call.time, TxKind::Call(to), data).0 {
            ExecutionResult::Success {
                output: Output::Call(answer),
                ..
            } => Ok(answer),
            ExecutionResult::Revert { output, .. } => Err(output),
            other => panic!("no answer: {other:?}"),
        }
    }

    fn send(
        &mut self,
        sender: Address,
        time: u64,
        kind: TxKind,
        data: Bytes,
    ) -> (ExecutionResult, Footprint) {
        let (result, state) = self.run(sender, time, kind, data);
        let mut footprint = Footprint::default();
        for (address, account) in &state {
            footprint.created += usize::from(account.is_created());
            footprint.words.extend(
                account
                    .changed_storage_slots()
                    .map(|(slot, _)| (*address, *slot)),
            );
        }
        self.db_mut().commit(state);
        footprint.told = result
            .logs()
            .iter()
            .filter(|log| STRANGERS.contains(&log.address))
            .map(|log| (log.address, log.data.data.clone()))
            .collect();
        (result, footprint)
    }

    fn run(
        &mut self,
        sender: Address,
        time: u64,
        kind: TxKind,
        data: Bytes,
    ) -> (ExecutionResult, revm::state::EvmState) {
        self.machine.ctx.block.timestamp = U256::from(time);
        let account = self.db().cache.accounts.get(&sender);
        let transaction = TxEnv {
            caller: sender,
            kind,
            data,
            gas_limit: 30_000_000,
            chain_id: Some(self.deployment.chain_id),
            nonce: account.map_or(0, |account| account.info.nonce),
            ..TxEnv::default()
        };
        let outcome = self
            .machine
            .transact(transaction)
            .expect("the transaction is well formed");
        (outcome.result, outcome.state)
    }
}

impl Law for Chain {
    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn play(&mut self, call: Call, to: Address, data: Bytes) -> (Outcome, Option<Footprint>) {
        let hub = self.deployment.hub;
        let (result, footprint) = self.send(call.sender, call.time, TxKind::Call(to), data);
        let outcome = match result {
            ExecutionResult::Success { logs, .. } => Ok(logs
                .iter()
                .filter(|log| log.address == hub)
                .map(|log| Event::decode_log(log).expect("an event of the hub").data)
                .collect()),
            ExecutionResult::Revert { output, .. } => Err(refusal(&output)),
            ExecutionResult::Halt { .. } => panic!("it halts: {result:?}"),
        };
        (outcome, Some(footprint))
    }

    fn now(&self) -> u64 {
        START
    }

    fn ask(&mut self, sender: Address, to: Address, data: Bytes) -> Result<Bytes, Bytes> {
        let time = START;
        self.foresee(Call { sender, time }, to, data)
    }

    fn set_score(&mut self, worker: Address, score: U256) {
        let (hub, slot) = (self.deployment.hub, score_word(worker));
        let word = self.word(hub, slot);
        self.set_word(hub, slot, word | score << 192);
    }
}

/// Registers the app, the dataset and the workerpool, gives everybody token and lets the hub take it.
pub(crate) fn settle(law: &mut impl Law) -> Town {
    let owner = |name: &str| Person::named(name).address;
    let at = law.deployment().clone();
    let deployer = Person::deployer().address;
    let entries = [
        law.call(
            deployer,
            at.app_registry,
            &AppRegistry::createAppCall {
                appOwner: owner("app owner"),
                appName: "app".to_owned(),
                appType: "WASM".to_owned(),
                appMultiaddr: Bytes::from_static(b"/ipfs/bafk"),
                appChecksum: Default::default(),
                appMREnclave: Bytes::new(),
            },
        ),
        law.call(
            deployer,
            at.dataset_registry,
            &DatasetRegistry::createDatasetCall {
                datasetOwner: owner("dataset owner"),
                datasetName: "dataset".to_owned(),
                datasetMultiaddr: Bytes::from_static(b"/ipfs/bafk"),
                datasetChecksum: Default::default(),
            },
        ),
        law.call(
            deployer,
            at.workerpool_registry,
            &WorkerpoolRegistry::createWorkerpoolCall {
                workerpoolOwner: owner("scheduler"),
                workerpoolDescription: "pool".to_owned(),
            },
        ),
    ];
    let mut town = Town::new(&at, entries);
    town.hub.sealed = law.view(&abi::isSealedCall {});
    for (holder, amount) in town.hub.token.balances.clone() {
        if holder != deployer {
            law.call(
                deployer,
                at.rlc,
                &RLC::transferCall {
                    to: holder,
                    value: amount,
                },
            );
            law.call(
                holder,
                at.rlc,
                &RLC::approveCall {
                    spender: at.hub,
                    value: U256::MAX,
                },
            );
        }
    }
    town
}

/// What a revert says, in the twin's words.
pub(crate) fn refusal(output: &Bytes) -> Refusal {
    if output.is_empty() {
        return Refusal::Silent;
    }
    if let Ok(error) = abi::HubErrors::abi_decode(output) {
        return Refusal::from(error);
    }
    if let Ok(error) = RLC::RLCErrors::abi_decode(output) {
        return Refusal::Token(Box::new(error));
    }
    let overflow = [&[0x4e, 0x48, 0x7b, 0x71][..], &[0; 31], &[0x11]].concat();
    if output[..] == overflow {
        return Refusal::Overflow;
    }
    panic!("a refusal without a name: {output}");
}

/// The deed on the contracts.
pub(crate) fn play(
    law: &mut impl Law,
    town: &Town,
    call: Call,
    deed: &Deed,
) -> (Outcome, Option<Footprint>) {
    let (to, data) = deed.transaction(call.sender, town, law.deployment());
    law.play(call, to, data)
}
