//! The only place that speaks to revm: under which rules, in which block, what a transaction looks like to it.

use alloy::consensus::{Header, Transaction, Typed2718};
use alloy_primitives::{Address, TxKind, U256};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::either::Either;
use revm::database_interface::Database;
use revm::handler::MainnetContext;
use revm::precompile::{PrecompileSpecId, Precompiles};
use revm::primitives::hardfork::SpecId;
use revm::{MainBuilder, MainContext, MainnetEvm};

use crate::block::SignedTransaction;

/// The rules played by.
pub(crate) const RULES: SpecId = SpecId::OSAKA;

/// The most gas one transaction may ask for (EIP-7825).
pub(crate) const TRANSACTION_GAS_CAP: u64 = 1 << 24;

/// The most bytes of creation code (EIP-3860).
pub(crate) const CREATION_CODE_LIMIT: usize = 49_152;

/// How strictly a transaction is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// As in a block.
    Block,
    /// As in `eth_call`: nobody has to own the money for the gas, have the right nonce, or pay the base fee.
    Call,
}

pub(crate) fn machine<DB: Database>(
    db: DB,
    chain_id: u64,
    block: BlockEnv,
    strictness: Strictness,
) -> MainnetEvm<MainnetContext<DB>> {
    let mut rules = CfgEnv::new_with_spec(RULES);
    rules.chain_id = chain_id;
    match strictness {
        Strictness::Block => {}
        Strictness::Call => {
            rules.tx_chain_id_check = false;
            rules.disable_nonce_check = true;
            rules.disable_balance_check = true;
            rules.disable_block_gas_limit = true;
            rules.disable_eip3607 = true;
            rules.disable_base_fee = true;
            rules.tx_gas_limit_cap = Some(u64::MAX);
        }
    }
    Context::mainnet()
        .with_db(db)
        .with_block(block)
        .with_cfg(rules)
        .build_mainnet()
}

/// The block around a transaction.
pub(crate) fn surroundings(header: &Header) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: 1,
        }),
        ..BlockEnv::default()
    }
}

pub(crate) fn environment(transaction: &SignedTransaction) -> TxEnv {
    TxEnv {
        tx_type: transaction.ty(),
        caller: transaction.signer(),
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        kind: transaction.to().map_or(TxKind::Create, TxKind::Call),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        authorization_list: transaction
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(Either::Left)
            .collect(),
        ..TxEnv::default()
    }
}

/// The gas a transaction needs before its first instruction: intrinsic, or the floor for its data if that is more.
pub(crate) fn least_gas(environment: &TxEnv) -> u64 {
    let gas = revm::context_interface::cfg::gas::calculate_initial_tx_gas_for_tx(
        environment,
        RULES,
        None,
    );
    gas.initial_total_gas().max(gas.floor_gas)
}

/// Whether something is at this address that is not a contract's code.
pub(crate) fn is_precompile(address: &Address) -> bool {
    Precompiles::new(PrecompileSpecId::from_spec_id(RULES)).contains(address)
}
