//! The contracts themselves, on an EVM in this process.

use alloy_primitives::{Address, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, SolEventInterface, SolInterface, SolValue};
use protocol::abi::{AppRegistry, DatasetRegistry, Hub as abi, RLC, WorkerpoolRegistry};
use protocol::deployment::{Deployment, plan};
use protocol::model::{Call, Event, Outcome, Refusal};
use revm::bytecode::Bytecode;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{CacheDB, DatabaseRef, EmptyDB};
use revm::handler::MainnetContext;
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

use crate::town::{GROUP, START, Town, WALLET};

type Db = CacheDB<EmptyDB>;

#[derive(Clone)]
pub(crate) struct Chain {
    db: Db,
    pub(crate) deployment: Deployment,
}

impl Chain {
    /// Plays the deployment by the town's owner.
    pub(crate) fn deployed() -> Self {
        let deployer = crate::people::Person::named("owner").address;
        let plan = plan(31_337, deployer, 0);
        let mut chain = Self {
            db: CacheDB::default(),
            deployment: plan.deployment,
        };
        for step in plan.steps {
            let kind = step.to.map_or(TxKind::Create, TxKind::Call);
            let result = chain.send(deployer, START, kind, step.input);
            assert!(result.is_success(), "{}: {result:?}", step.label);
        }
        chain
    }

    /// Registers the town's app, dataset and workerpool, spreads the token, and puts the two strange contracts there.
    pub(crate) fn with_town() -> (Self, Town) {
        let mut chain = Self::deployed();
        let owner = |name: &str| crate::people::Person::named(name).address;
        let at = chain.deployment.clone();
        let nobody = Address::repeat_byte(0x55);
        let entries = [
            chain.call(
                nobody,
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
            chain.call(
                nobody,
                at.dataset_registry,
                &DatasetRegistry::createDatasetCall {
                    datasetOwner: owner("dataset owner"),
                    datasetName: "dataset".to_owned(),
                    datasetMultiaddr: Bytes::from_static(b"/ipfs/bafk"),
                    datasetChecksum: Default::default(),
                },
            ),
            chain.call(
                nobody,
                at.workerpool_registry,
                &WorkerpoolRegistry::createWorkerpoolCall {
                    workerpoolOwner: owner("scheduler"),
                    workerpoolDescription: "pool".to_owned(),
                },
            ),
        ];
        let town = Town::new(&at, entries);
        for (holder, amount) in town.hub.token.balances.clone() {
            if holder != town.owner.address {
                chain.call(
                    town.owner.address,
                    at.rlc,
                    &RLC::transferCall {
                        to: holder,
                        value: amount,
                    },
                );
                chain.call(
                    holder,
                    at.rlc,
                    &RLC::approveCall {
                        spender: at.hub,
                        value: U256::MAX,
                    },
                );
            }
        }
        // Says it signed anything: the selector of isValidSignature, in the highest four bytes of a word.
        chain.put(
            WALLET,
            &[
                0x63, 0x16, 0x26, 0xba, 0x7e, 0x60, 0xe0, 0x1b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3,
            ],
        );
        // Says whether its first argument is the requester.
        let mut group = vec![0x73];
        group.extend_from_slice(town.requester.address.as_slice());
        group.extend_from_slice(&[0x60, 0x04, 0x35, 0x14, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]);
        chain.put(GROUP, &group);
        (chain, town)
    }

    fn put(&mut self, address: Address, code: &[u8]) {
        let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
        self.db
            .insert_account_info(address, AccountInfo::from_bytecode(code));
    }

    fn machine(&mut self, time: u64) -> MainnetEvm<MainnetContext<&mut Db>> {
        let mut rules = CfgEnv::new_with_spec(SpecId::CANCUN);
        rules.chain_id = self.deployment.chain_id;
        rules.disable_nonce_check = true;
        rules.disable_balance_check = true;
        rules.disable_base_fee = true;
        let block = BlockEnv {
            number: U256::ONE,
            timestamp: U256::from(time),
            gas_limit: u64::MAX,
            ..BlockEnv::default()
        };
        Context::mainnet()
            .with_db(&mut self.db)
            .with_block(block)
            .with_cfg(rules)
            .build_mainnet()
    }

    fn send(&mut self, sender: Address, time: u64, kind: TxKind, data: Bytes) -> ExecutionResult {
        let transaction = self.transaction(sender, kind, data);
        self.machine(time)
            .transact_commit(transaction)
            .expect("the transaction is well formed")
    }

    fn transaction(&self, sender: Address, kind: TxKind, data: Bytes) -> TxEnv {
        let account = self.db.cache.accounts.get(&sender);
        TxEnv {
            caller: sender,
            kind,
            data,
            gas_limit: 30_000_000,
            chain_id: Some(self.deployment.chain_id),
            nonce: account.map_or(0, |account| account.info.nonce),
            ..TxEnv::default()
        }
    }

    /// A call that must succeed.
    pub(crate) fn call<C: SolCall>(&mut self, sender: Address, to: Address, call: &C) -> C::Return {
        let result = self.send(sender, START, TxKind::Call(to), call.abi_encode().into());
        let ExecutionResult::Success {
            output: Output::Call(answer),
            ..
        } = result
        else {
            panic!("{}: {result:?}", C::SIGNATURE);
        };
        C::abi_decode_returns(&answer).expect("as the ABI says")
    }

    /// What a view of the hub answers.
    pub(crate) fn view<C: SolCall>(&mut self, call: &C) -> C::Return {
        let to = TxKind::Call(self.deployment.hub);
        let transaction = self.transaction(Address::ZERO, to, call.abi_encode().into());
        let outcome = self
            .machine(START)
            .transact(transaction)
            .expect("the transaction is well formed");
        let ExecutionResult::Success {
            output: Output::Call(answer),
            ..
        } = outcome.result
        else {
            panic!("{}: {:?}", C::SIGNATURE, outcome.result);
        };
        C::abi_decode_returns(&answer).expect("as the ABI says")
    }

    /// Plays a call of the hub, and tells it in the twin's words.
    pub(crate) fn play(&mut self, call: Call, verb: &abi::HubCalls) -> Outcome {
        self.outcome(call, self.deployment.hub, verb.abi_encode().into())
    }

    /// `approveAndCall` of the token, which leads to the hub.
    pub(crate) fn deposit_by_approval(
        &mut self,
        call: Call,
        amount: U256,
        data: &Bytes,
    ) -> Outcome {
        let (rlc, spender) = (self.deployment.rlc, self.deployment.hub);
        let verb = RLC::approveAndCallCall {
            spender,
            amount,
            data: data.clone(),
        };
        self.outcome(call, rlc, verb.abi_encode().into())
    }

    /// Gives a worker a history, by writing it where the hub keeps accounts: a word each, the score in its highest
    /// 64 bits, in the mapping at slot 2.
    pub(crate) fn set_score(&mut self, worker: Address, score: U256) {
        let slot = U256::from_be_bytes(keccak256((worker, U256::from(2)).abi_encode()).0);
        let hub = self.deployment.hub;
        let word = self.db.storage_ref(hub, slot).expect("in memory");
        self.db
            .insert_account_storage(hub, slot, word | score << 192)
            .expect("in memory");
    }

    fn outcome(&mut self, call: Call, to: Address, data: Bytes) -> Outcome {
        let hub = self.deployment.hub;
        let result = self.send(call.sender, call.time, TxKind::Call(to), data);
        match result {
            ExecutionResult::Success { logs, .. } => Ok(logs
                .iter()
                .filter(|log| log.address == hub)
                .map(|log| Event::decode_log(log).expect("an event of the hub").data)
                .collect()),
            ExecutionResult::Revert { output, .. } => Err(refusal(&output)),
            ExecutionResult::Halt { .. } => panic!("it halts: {result:?}"),
        }
    }
}

fn refusal(output: &Bytes) -> Refusal {
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
