//! How blocks, transactions, receipts and logs look in JSON.

use std::sync::Arc;

use alloy::consensus::{Header, ReceiptEnvelope, Transaction as _, TxEnvelope};
use alloy::rpc::types::{
    Block as RpcBlock, BlockTransactions, Filter, Header as RpcHeader, Log, Transaction,
    TransactionReceipt,
};
use alloy_primitives::{U64, U256};
use serde::Serialize;

use crate::block::{Block, Played, SignedTransaction};

/// A receipt, and when its block was made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    #[serde(flatten)]
    receipt: TransactionReceipt<ReceiptEnvelope<Log>>,
    block_timestamp: U64,
}

pub(super) fn header(block: &Block) -> RpcHeader {
    RpcHeader {
        hash: block.hash(),
        inner: block.header.inner().clone(),
        total_difficulty: Some(U256::ZERO),
        size: Some(U256::from(block.size())),
    }
}

pub(super) fn block(block: &Block, full: bool) -> RpcBlock {
    let transactions = if full {
        BlockTransactions::Full(
            (0..block.played.len())
                .filter_map(|index| transaction(block, index))
                .collect(),
        )
    } else {
        BlockTransactions::Hashes(
            block
                .played
                .iter()
                .map(|played| *played.transaction.hash())
                .collect(),
        )
    };
    RpcBlock {
        header: header(block),
        uncles: Vec::new(),
        transactions,
        withdrawals: Some(Default::default()),
    }
}

/// The block that would be made now, as far as it can be known.
pub(super) fn pending_block(
    next: Header,
    waiting: &[Arc<SignedTransaction>],
    full: bool,
) -> RpcBlock {
    let transactions = if full {
        BlockTransactions::Full(
            waiting
                .iter()
                .map(|transaction| waiting_transaction(transaction))
                .collect(),
        )
    } else {
        BlockTransactions::Hashes(waiting.iter().map(|waiting| *waiting.hash()).collect())
    };
    RpcBlock {
        header: RpcHeader {
            hash: next.hash_slow(),
            inner: next,
            total_difficulty: Some(U256::ZERO),
            size: Some(U256::ZERO),
        },
        uncles: Vec::new(),
        transactions,
        withdrawals: Some(Default::default()),
    }
}

pub(super) fn transaction(block: &Block, index: usize) -> Option<Transaction<TxEnvelope>> {
    let played = block.played.get(index)?;
    Some(Transaction {
        inner: played.transaction.as_ref().clone(),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(effective_gas_price(block, played)),
        block_timestamp: Some(block.timestamp()),
    })
}

pub(super) fn waiting_transaction(transaction: &SignedTransaction) -> Transaction<TxEnvelope> {
    Transaction {
        inner: transaction.clone(),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        // The most it may cost, as long as no block has decided.
        effective_gas_price: Some(transaction.max_fee_per_gas()),
        block_timestamp: None,
    }
}

fn effective_gas_price(block: &Block, played: &Played) -> u128 {
    played
        .transaction
        .effective_gas_price(block.header.base_fee_per_gas)
}

pub(super) fn receipt(block: &Block, index: usize) -> Option<Receipt> {
    let played = block.played.get(index)?;
    let mut log_index = 0;
    let inner = played.receipt.clone().map_logs(|inner| {
        let log = log(block, index, played, inner, log_index, false);
        log_index += 1;
        log
    });
    let receipt = TransactionReceipt {
        inner,
        transaction_hash: *played.transaction.hash(),
        transaction_index: Some(index as u64),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        gas_used: played.gas_used,
        effective_gas_price: effective_gas_price(block, played),
        blob_gas_used: None,
        // Nobody can use any, and this is what it costs.
        blob_gas_price: Some(1),
        from: played.transaction.signer(),
        to: played.transaction.to(),
        contract_address: played.created(),
    };
    Some(Receipt {
        receipt,
        block_timestamp: U64::from(block.timestamp()),
    })
}

fn log(
    block: &Block,
    index: usize,
    played: &Played,
    inner: alloy_primitives::Log,
    log_index: u64,
    removed: bool,
) -> Log {
    Log {
        inner,
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        block_timestamp: Some(block.timestamp()),
        transaction_hash: Some(*played.transaction.hash()),
        transaction_index: Some(index as u64),
        log_index: Some(played.first_log + log_index),
        removed,
    }
}

/// Appends the logs of a block that match address and topics.
pub(super) fn matching_logs(block: &Block, filter: &Filter, removed: bool, out: &mut Vec<Log>) {
    if !filter.matches_bloom(block.header.logs_bloom) {
        return;
    }
    for (index, played) in block.played.iter().enumerate() {
        for (log_index, inner) in played.receipt.logs().iter().enumerate() {
            if filter.matches(inner) {
                out.push(log(
                    block,
                    index,
                    played,
                    inner.clone(),
                    log_index as u64,
                    removed,
                ));
            }
        }
    }
}
