//! `eth_call` and `eth_estimateGas`: what a transaction would do, without doing it.
//!
//! Asked for the latest state (or for pending), a call sees the present time rather than the last block's, because
//! with instant mining the last block may be long ago and a deadline passed since. Asked for a block by number or
//! hash, it sees that block's.

use std::convert::Infallible;

use alloy::consensus::Header;
use alloy::eips::eip2930::{AccessList, AccessListItem, AccessListResult};
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::rpc::types::TransactionRequest;
use alloy::rpc::types::state::StateOverride;
use alloy::rpc::types::{BlockOverrides, TransactionInput};
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use jsonrpsee::core::RegisterMethodError;
use revm::ExecuteEvm;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, ResultAndState};
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::either::Either;
use revm::database_interface::WrapDatabaseRef;
use revm::state::EvmState;

use super::error::{Answer, invalid, rejected, reverted, server};
use super::{Module, Named, Node, required, slow};
use crate::chain::Chain;
use crate::evm::{self, Strictness};
use crate::ledger::{Overlay, View};

/// The most gas an `eth_call` may burn, whatever it asks for.
const CALL_GAS_LIMIT: u64 = 200_000_000;

/// A plain transfer.
const TRANSFER_GAS: u64 = 21_000;

/// How often an access list is made anew because making it changed what is touched.
const ACCESS_LIST_ROUNDS: usize = 8;

/// How near the least gas an estimate has to come, in thousandths.
const ESTIMATE_TOLERANCE: u64 = 15;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    slow(module, &["eth_call"], |node, arguments| {
        let request = arguments.next()?;
        let id = arguments.optional()?.unwrap_or_default();
        let state = arguments.optional()?.unwrap_or_default();
        let block = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        let scene = Scene::set(&chain, id, state, block)?;
        scene.call(&chain, request)
    })?;
    slow(module, &["eth_estimateGas"], |node, arguments| {
        let request = arguments.next()?;
        let id = arguments
            .optional()?
            .unwrap_or(BlockId::Number(BlockNumberOrTag::Pending));
        let state = arguments.optional()?.unwrap_or_default();
        let block = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        let scene = Scene::set(&chain, id, state, block)?;
        scene.estimate(&chain, request).map(U64::from)
    })?;
    slow(module, &["eth_createAccessList"], |node, arguments| {
        let request = arguments.next()?;
        let id = arguments.optional()?.unwrap_or_default();
        let state = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        let scene = Scene::set(&chain, id, state, BlockOverrides::default())?;
        scene.access_list(&chain, request)
    })?;
    Ok(())
}

/// The gas a request needs on top of the newest state.
pub(super) fn estimate(node: &Node, request: TransactionRequest) -> Answer<u64> {
    let chain = node.read();
    Scene::set(
        &chain,
        BlockId::pending(),
        StateOverride::default(),
        BlockOverrides::default(),
    )?
    .estimate(&chain, request)
}

/// The state and block a call sees.
struct Scene {
    overlay: Overlay,
    header: Header,
}

impl Scene {
    fn set(
        chain: &Chain,
        id: BlockId,
        state: StateOverride,
        block: BlockOverrides,
    ) -> Answer<Scene> {
        let (mut overlay, mut header) = match (required(chain, id)?, id) {
            (Named::Pending, _) => (Overlay::default(), chain.next_header()),
            (Named::Made(block), BlockId::Number(BlockNumberOrTag::Latest)) => {
                let mut header = block.header.inner().clone();
                header.timestamp = chain.next_header().timestamp;
                (Overlay::default(), header)
            }
            (Named::Made(block), _) => (
                chain.overlay_at(block.number())?,
                block.header.inner().clone(),
            ),
        };
        for (address, assumed) in state {
            if assumed.move_precompile_to.is_some() {
                return Err(invalid("moving precompiles is not supported"));
            }
            overlay.assume_identity(&chain.ledger, address, |account| {
                account.balance = assumed.balance.unwrap_or(account.balance);
                account.nonce = assumed.nonce.unwrap_or(account.nonce);
            });
            if let Some(code) = assumed.code {
                overlay.assume_code(&chain.ledger, address, code);
            }
            let slots = |slots: alloy_primitives::map::B256HashMap<_>| {
                slots.into_iter().map(
                    |(key, value): (alloy_primitives::B256, alloy_primitives::B256)| {
                        (key.into(), value.into())
                    },
                )
            };
            match (assumed.state, assumed.state_diff) {
                (Some(_), Some(_)) => {
                    return Err(invalid(format!(
                        "account {address} has both 'state' and 'stateDiff'"
                    )));
                }
                (Some(whole), None) => overlay.assume_storage(address, true, slots(whole)),
                (None, Some(some)) => overlay.assume_storage(address, false, slots(some)),
                (None, None) => {}
            }
        }
        if let Some(number) = block.number {
            header.number =
                u64::try_from(number).map_err(|_| invalid("the block number is too large"))?;
        }
        header.timestamp = block.time.unwrap_or(header.timestamp);
        header.gas_limit = block.gas_limit.unwrap_or(header.gas_limit);
        header.beneficiary = block.coinbase.unwrap_or(header.beneficiary);
        header.mix_hash = block.random.unwrap_or(header.mix_hash);
        if let Some(base_fee) = block.base_fee {
            header.base_fee_per_gas =
                Some(u64::try_from(base_fee).map_err(|_| invalid("the base fee is too large"))?);
        }
        for (number, hash) in block.block_hash.unwrap_or_default() {
            overlay.assume_block_hash(number, hash);
        }
        Ok(Scene { overlay, header })
    }

    fn call(&self, chain: &Chain, request: TransactionRequest) -> Answer<Bytes> {
        let view = chain.view(&self.overlay);
        let environment = called(chain, &view, request)?;
        match run(chain, view, evm::surroundings(&self.header), environment)? {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(reverted(&output)),
            ExecutionResult::Halt { reason, .. } => Err(server(reason)),
        }
    }

    /// What the request touches, and the gas it uses when it says so beforehand.
    fn access_list(&self, chain: &Chain, request: TransactionRequest) -> Answer<AccessListResult> {
        let view = chain.view(&self.overlay);
        let mut environment = called(chain, &view, request)?;
        let mut rounds = 0;
        loop {
            let outcome = played(
                chain,
                view,
                evm::surroundings(&self.header),
                environment.clone(),
            )?;
            let touched = self.touched(&outcome.state, &environment);
            rounds += 1;
            // What is touched may depend on the gas that is left, and that on the list.
            if touched == environment.access_list || rounds == ACCESS_LIST_ROUNDS {
                return Ok(AccessListResult {
                    access_list: touched,
                    gas_used: U256::from(outcome.result.tx_gas_used()),
                    error: match outcome.result {
                        ExecutionResult::Success { .. } => None,
                        ExecutionResult::Revert { output, .. } => Some(reverted(&output).message()),
                        ExecutionResult::Halt { reason, .. } => Some(reason.to_string()),
                    },
                });
            }
            environment.access_list = touched;
            environment.tx_type = environment.tx_type.max(1);
        }
    }

    /// Accounts and their slots, but accounts without slots that a transaction has touched anyway.
    fn touched(&self, state: &EvmState, environment: &TxEnv) -> AccessList {
        let to = match environment.kind {
            TxKind::Call(to) => to,
            TxKind::Create => environment.caller.create(environment.nonce),
        };
        let warm = |address: &Address| {
            *address == environment.caller
                || *address == to
                || *address == self.header.beneficiary
                || evm::is_precompile(address)
        };
        let mut items = state
            .iter()
            .filter(|(address, account)| !account.storage.is_empty() || !warm(address))
            .map(|(address, account)| {
                let mut storage_keys = account
                    .storage
                    .keys()
                    .map(|key| B256::from(*key))
                    .collect::<Vec<_>>();
                storage_keys.sort_unstable();
                AccessListItem {
                    address: *address,
                    storage_keys,
                }
            })
            .collect::<Vec<_>>();
        items.sort_unstable_by_key(|item| item.address);
        AccessList(items)
    }

    /// The least gas, or a little more, with which the request succeeds. Not simply what it used: refunds come
    /// after, and a call passes on at most 63/64 of what is left.
    fn estimate(&self, chain: &Chain, request: TransactionRequest) -> Answer<u64> {
        let view = chain.view(&self.overlay);
        let most = request
            .gas
            .unwrap_or(u64::MAX)
            .min(chain.block_gas_limit())
            .min(evm::TRANSACTION_GAS_CAP);
        let environment = environment(&view, request)?;
        let mut most = most.min(affordable(&view, &environment)?);
        payable(&environment)?;
        let block = evm::surroundings(&self.header);
        let attempt = |gas: u64| {
            let mut environment = environment.clone();
            environment.gas_limit = gas;
            run(chain, view, block.clone(), environment)
        };
        if let TxKind::Call(to) = environment.kind
            && environment.data.is_empty()
            && environment.authorization_list.is_empty()
            && environment.access_list.is_empty()
            && view.code(to).is_empty()
            && most >= TRANSFER_GAS
            && attempt(TRANSFER_GAS).is_ok_and(|result| result.is_success())
        {
            return Ok(TRANSFER_GAS);
        }
        let least = evm::least_gas(&environment);
        if most < least {
            return Err(server(format!("gas required exceeds allowance ({most})")));
        }
        let used = match attempt(most)? {
            ExecutionResult::Success { gas, .. } => gas,
            ExecutionResult::Revert { output, .. } => return Err(reverted(&output)),
            ExecutionResult::Halt {
                reason: HaltReason::OutOfGas(_),
                ..
            } => {
                return Err(server(format!("gas required exceeds allowance ({most})")));
            }
            ExecutionResult::Halt { reason, .. } => return Err(server(reason)),
        };
        let suffices = |gas: u64| attempt(gas).is_ok_and(|result| result.is_success());
        // Mostly what it spends is also what it needs, and less is not.
        let spent = used.total_gas_spent().max(least);
        if spent < most && suffices(spent) {
            return Ok(spent);
        }
        // Too little: what it used net of refunds, less one.
        let mut too_little = used.tx_gas_used().max(least) - 1;
        // A good first guess: what it used before refunds, with a 64th for the calls inside.
        let guess = spent.saturating_add(spent / 63).saturating_add(2_300);
        if guess < most {
            if suffices(guess) {
                most = guess;
            } else {
                too_little = too_little.max(guess);
            }
        }
        while too_little + 1 < most && (most - too_little) * 1_000 > most * ESTIMATE_TOLERANCE {
            let middle = too_little + (most - too_little) / 2;
            if suffices(middle) {
                most = middle;
            } else {
                too_little = middle;
            }
        }
        Ok(most)
    }
}

/// What is to be run for a call: with the gas it asks for, as far as there is so much, and money enough for it.
fn called(chain: &Chain, view: &View<'_>, request: TransactionRequest) -> Answer<TxEnv> {
    let gas = request
        .gas
        .unwrap_or(chain.block_gas_limit())
        .min(CALL_GAS_LIMIT);
    let mut environment = environment(view, request)?;
    environment.gas_limit = gas;
    affordable(view, &environment)?;
    payable(&environment)?;
    Ok(environment)
}

fn environment(view: &View<'_>, request: TransactionRequest) -> Answer<TxEnv> {
    if request.has_eip4844_fields() {
        return Err(server(crate::pool::Refusal::Blobs));
    }
    let TransactionInput { input, data } = request.input;
    if let (Some(input), Some(data)) = (&input, &data)
        && input != data
    {
        return Err(invalid(
            "both 'data' and 'input' are set and not equal: prefer 'input'",
        ));
    }
    let caller = request.from.unwrap_or(Address::ZERO);
    let mut environment = TxEnv {
        caller,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: input.or(data).unwrap_or_default(),
        chain_id: None,
        nonce: match request.nonce {
            Some(nonce) => nonce,
            None => view.identity(caller).map_or(0, |account| account.nonce),
        },
        gas_price: request
            .gas_price
            .or(request.max_fee_per_gas)
            .unwrap_or_default(),
        ..TxEnv::default()
    };
    if request.max_priority_fee_per_gas > request.max_fee_per_gas
        && request.max_fee_per_gas.is_some()
    {
        return Err(invalid(
            "max priority fee per gas higher than max fee per gas",
        ));
    }
    if let Some(list) = request.access_list {
        environment.access_list = list;
        environment.tx_type = 1;
    }
    if let Some(list) = request.authorization_list
        && !list.is_empty()
    {
        environment.authorization_list = list.into_iter().map(Either::Left).collect();
        environment.gas_priority_fee = Some(0);
        environment.tx_type = 4;
    }
    Ok(environment)
}

/// How much gas the caller can pay for; an error where not even the value is there.
fn affordable(view: &View<'_>, environment: &TxEnv) -> Answer<u64> {
    if environment.value.is_zero() && environment.gas_price == 0 {
        return Ok(u64::MAX);
    }
    let balance = view
        .identity(environment.caller)
        .map_or(U256::ZERO, |account| account.balance);
    let Some(left) = balance.checked_sub(environment.value) else {
        return Err(rejected(format!(
            "insufficient funds for transfer: address {} have {balance} want {}",
            environment.caller, environment.value
        )));
    };
    match left.checked_div(U256::from(environment.gas_price)) {
        Some(gas) => Ok(u64::try_from(gas).unwrap_or(u64::MAX)),
        None => Ok(u64::MAX),
    }
}

/// revm adds up what a caller would have to own, fees in 128 bits, and trusts that it can be added up.
fn payable(environment: &TxEnv) -> Answer<()> {
    u128::from(CALL_GAS_LIMIT)
        .checked_mul(environment.gas_price)
        .and_then(|fee| U256::from(fee).checked_add(environment.value))
        .map(|_| ())
        .ok_or_else(|| rejected("insufficient funds for gas * price + value: the sum overflows"))
}

fn run(
    chain: &Chain,
    view: View<'_>,
    block: BlockEnv,
    transaction: TxEnv,
) -> Answer<ExecutionResult> {
    played(chain, view, block, transaction).map(|outcome| outcome.result)
}

fn played(
    chain: &Chain,
    view: View<'_>,
    block: BlockEnv,
    transaction: TxEnv,
) -> Answer<ResultAndState<HaltReason>> {
    let mut machine = evm::machine(
        WrapDatabaseRef(view),
        chain.chain_id(),
        block,
        Strictness::Call,
    );
    machine
        .transact(transaction)
        .map_err(|error| server(readable(error)))
}

fn readable(error: EVMError<Infallible>) -> String {
    match error {
        EVMError::Transaction(error) => error.to_string(),
        other => other.to_string(),
    }
}
