//! Blocks, transactions, accounts, fees: what can be looked up.

use std::sync::Arc;

use alloy::consensus::Transaction as _;
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::rpc::types::{Block as RpcBlock, FeeHistory, Transaction};
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256, keccak256};
use jsonrpsee::core::RegisterMethodError;
use serde_json::{Value, json};

use super::error::{Answer, invalid};
use super::{Arguments, Module, Named, Node, by_id, by_tag, quick, required, slow, view};
use crate::block::{Block, SignedTransaction};
use crate::chain::{Chain, SUGGESTED_TIP};
use crate::ledger::Overlay;

/// The most blocks `eth_feeHistory` tells of.
const FEE_HISTORY_LIMIT: u64 = 1_024;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    quick(module, &["eth_chainId"], |node, _| {
        Ok(U64::from(node.read().chain_id()))
    })?;
    quick(module, &["net_version", "eth_networkId"], |node, _| {
        Ok(node.read().chain_id().to_string())
    })?;
    quick(module, &["net_listening"], |_, _| Ok(true))?;
    quick(module, &["net_peerCount"], |_, _| Ok(U64::ZERO))?;
    quick(module, &["web3_clientVersion"], |_, _| {
        Ok(concat!("oxec-devchain/v", env!("CARGO_PKG_VERSION")))
    })?;
    quick(module, &["web3_sha3"], |_, arguments| {
        Ok(keccak256(arguments.next::<Bytes>()?))
    })?;
    quick(module, &["eth_syncing", "eth_mining"], |_, _| Ok(false))?;
    quick(module, &["eth_hashrate"], |_, _| Ok(U64::ZERO))?;
    quick(module, &["eth_coinbase"], |_, _| Ok(Address::ZERO))?;
    quick(module, &["eth_blockNumber"], |node, _| {
        Ok(U64::from(node.read().head().number()))
    })?;

    quick(module, &["eth_getBlockByNumber"], block_by_number)?;
    quick(module, &["eth_getBlockByHash"], block_by_hash)?;
    quick(
        module,
        &["eth_getBlockTransactionCountByNumber"],
        |node, arguments| {
            let tag = arguments.next()?;
            let chain = node.read();
            Ok(by_tag(&chain, tag).map(|named| U64::from(count(&chain, &named))))
        },
    )?;
    quick(
        module,
        &["eth_getBlockTransactionCountByHash"],
        |node, arguments| {
            let hash = arguments.next()?;
            let chain = node.read();
            Ok(chain
                .blocks
                .by_hash(hash)
                .map(|block| U64::from(block.played.len())))
        },
    )?;
    quick(
        module,
        &["eth_getUncleCountByBlockNumber"],
        |node, arguments| {
            let tag = arguments.next()?;
            Ok(by_tag(&node.read(), tag).map(|_| U64::ZERO))
        },
    )?;
    quick(
        module,
        &["eth_getUncleCountByBlockHash"],
        |node, arguments| {
            let hash = arguments.next()?;
            Ok(node.read().blocks.by_hash(hash).map(|_| U64::ZERO))
        },
    )?;
    quick(
        module,
        &[
            "eth_getUncleByBlockNumberAndIndex",
            "eth_getUncleByBlockHashAndIndex",
        ],
        |_, _| Ok(Value::Null),
    )?;
    quick(module, &["eth_getHeaderByNumber"], |node, arguments| {
        let tag = arguments.next()?;
        let chain = node.read();
        Ok(match by_tag(&chain, tag) {
            Some(Named::Made(block)) => Some(view::header(&block)),
            Some(Named::Pending) => Some(pending(&chain, false).header),
            None => None,
        })
    })?;
    quick(module, &["eth_getHeaderByHash"], |node, arguments| {
        let hash = arguments.next()?;
        Ok(node
            .read()
            .blocks
            .by_hash(hash)
            .map(|block| view::header(block)))
    })?;

    quick(module, &["eth_getTransactionByHash"], |node, arguments| {
        let hash: B256 = arguments.next()?;
        let chain = node.read();
        Ok(match chain.blocks.of_transaction(hash) {
            Some((block, index)) => view::transaction(block, index),
            None => chain
                .pool
                .get(hash)
                .map(|waiting| view::waiting_transaction(waiting)),
        })
    })?;
    quick(
        module,
        &["eth_getRawTransactionByHash"],
        |node, arguments| {
            let hash: B256 = arguments.next()?;
            let chain = node.read();
            let found = match chain.blocks.of_transaction(hash) {
                Some((block, index)) => block.played.get(index).map(|played| &played.transaction),
                None => chain.pool.get(hash),
            };
            Ok(found.map(|transaction| Bytes::from(transaction.inner().encoded_2718())))
        },
    )?;
    quick(
        module,
        &["eth_getTransactionByBlockNumberAndIndex"],
        in_block_by_number,
    )?;
    quick(
        module,
        &["eth_getTransactionByBlockHashAndIndex"],
        in_block_by_hash,
    )?;
    quick(
        module,
        &["eth_getRawTransactionByBlockNumberAndIndex"],
        |node, arguments| Ok(in_block_by_number(node, arguments)?.map(raw)),
    )?;
    quick(
        module,
        &["eth_getRawTransactionByBlockHashAndIndex"],
        |node, arguments| Ok(in_block_by_hash(node, arguments)?.map(raw)),
    )?;
    quick(module, &["eth_getTransactionReceipt"], |node, arguments| {
        let hash = arguments.next()?;
        let found = node
            .read()
            .blocks
            .of_transaction(hash)
            .map(|(block, index)| (block.clone(), index));
        Ok(found.and_then(|(block, index)| view::receipt(&block, index)))
    })?;
    quick(module, &["eth_getBlockReceipts"], |node, arguments| {
        let id = arguments.next()?;
        Ok(match by_id(&node.read(), id) {
            Some(Named::Made(block)) => Some(
                (0..block.played.len())
                    .filter_map(|index| view::receipt(&block, index))
                    .collect::<Vec<_>>(),
            ),
            Some(Named::Pending) => Some(Vec::new()),
            None => None,
        })
    })?;

    quick(module, &["eth_getTransactionCount"], |node, arguments| {
        let address = arguments.next()?;
        let id = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        let nonce = match required(&chain, id)? {
            Named::Pending => chain.next_nonce(address),
            named => with_state(&chain, &named, |state| {
                state.identity(address).map_or(0, |account| account.nonce)
            })?,
        };
        Ok(U64::from(nonce))
    })?;
    quick(module, &["eth_getBalance"], |node, arguments| {
        let address = arguments.next()?;
        let id = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        with_state(&chain, &required(&chain, id)?, |state| {
            state
                .identity(address)
                .map_or(U256::ZERO, |account| account.balance)
        })
    })?;
    quick(module, &["eth_getAccountInfo"], |node, arguments| {
        let address = arguments.next()?;
        let id = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        with_state(&chain, &required(&chain, id)?, |state| {
            let account = state.identity(address).unwrap_or_default();
            json!({
                "balance": account.balance,
                "nonce": U64::from(account.nonce),
                "code": state.code(address),
            })
        })
    })?;
    quick(module, &["eth_getCode"], |node, arguments| {
        let address = arguments.next()?;
        let id = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        with_state(&chain, &required(&chain, id)?, |state| state.code(address))
    })?;
    quick(module, &["eth_getStorageAt"], |node, arguments| {
        let address = arguments.next()?;
        let key: U256 = arguments.next()?;
        let id = arguments.optional()?.unwrap_or_default();
        let chain = node.read();
        with_state(&chain, &required(&chain, id)?, |state| {
            B256::from(state.slot(address, key))
        })
    })?;

    quick(module, &["eth_gasPrice"], |node, _| {
        Ok(U128::from(
            u128::from(node.read().base_fee()) + u128::from(SUGGESTED_TIP),
        ))
    })?;
    quick(module, &["eth_maxPriorityFeePerGas"], |_, _| {
        Ok(U64::from(SUGGESTED_TIP))
    })?;
    quick(module, &["eth_blobBaseFee"], |_, _| Ok(U64::from(1)))?;
    slow(module, &["eth_feeHistory"], fee_history)?;

    quick(module, &["txpool_status"], |node, _| {
        let (ready, gapped) = waiting(&node.read());
        Ok(json!({
            "pending": U64::from(ready.len()),
            "queued": U64::from(gapped.len()),
        }))
    })?;
    slow(module, &["txpool_inspect"], |node, _| {
        let (ready, gapped) = waiting(&node.read());
        Ok(json!({
            "pending": by_sender(&ready, |transaction| json!(in_words(transaction))),
            "queued": by_sender(&gapped, |transaction| json!(in_words(transaction))),
        }))
    })?;
    slow(module, &["txpool_content"], |node, _| {
        let (ready, gapped) = waiting(&node.read());
        let whole = |transaction: &SignedTransaction| json!(view::waiting_transaction(transaction));
        Ok(json!({
            "pending": by_sender(&ready, whole),
            "queued": by_sender(&gapped, whole),
        }))
    })?;
    Ok(())
}

/// Waiting transactions by sender and nonce.
fn by_sender(list: &[Arc<SignedTransaction>], show: impl Fn(&SignedTransaction) -> Value) -> Value {
    let mut senders = serde_json::Map::new();
    for transaction in list {
        if let Value::Object(queue) = senders
            .entry(transaction.signer().to_string())
            .or_insert_with(|| json!({}))
        {
            queue.insert(transaction.nonce().to_string(), show(transaction));
        }
    }
    Value::Object(senders)
}

/// A transaction as `txpool_inspect` tells of it.
fn in_words(transaction: &SignedTransaction) -> String {
    let to = transaction
        .to()
        .map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    format!(
        "{to}: {} wei + {} gas × {} wei",
        transaction.value(),
        transaction.gas_limit(),
        transaction.max_fee_per_gas()
    )
}

fn raw(transaction: Transaction) -> Bytes {
    transaction.inner.inner().encoded_2718().into()
}

fn block_by_number(node: &Node, arguments: &mut Arguments<'_>) -> Answer<Option<RpcBlock>> {
    let tag: BlockNumberOrTag = arguments.next()?;
    let full = arguments.optional()?.unwrap_or(false);
    let chain = node.read();
    Ok(by_tag(&chain, tag).map(|named| match named {
        Named::Made(block) => {
            drop(chain);
            view::block(&block, full)
        }
        Named::Pending => pending(&chain, full),
    }))
}

fn block_by_hash(node: &Node, arguments: &mut Arguments<'_>) -> Answer<Option<RpcBlock>> {
    let hash = arguments.next()?;
    let full = arguments.optional()?.unwrap_or(false);
    let found = node.read().blocks.by_hash(hash).cloned();
    Ok(found.map(|block| view::block(&block, full)))
}

fn pending(chain: &Chain, full: bool) -> RpcBlock {
    view::pending_block(chain.next_header(), &waiting(chain).0, full)
}

/// Waiting transactions that the next blocks can take, and those behind a gap.
fn waiting(chain: &Chain) -> (Vec<Arc<SignedTransaction>>, Vec<Arc<SignedTransaction>>) {
    let mut all = chain.pool.all().cloned().collect::<Vec<_>>();
    all.sort_by_key(|transaction| (transaction.signer(), transaction.nonce()));
    all.into_iter()
        .partition(|transaction| transaction.nonce() < chain.next_nonce(transaction.signer()))
}

fn count(chain: &Chain, named: &Named) -> usize {
    match named {
        Named::Made(block) => block.played.len(),
        Named::Pending => waiting(chain).0.len(),
    }
}

/// The transaction at an index of the block with a number or tag.
fn in_block_by_number(node: &Node, arguments: &mut Arguments<'_>) -> Answer<Option<Transaction>> {
    let tag = arguments.next()?;
    let index = arguments.quantity()?;
    let chain = node.read();
    Ok(by_tag(&chain, tag).and_then(|named| at_index(&chain, &named, index)))
}

/// The transaction at an index of the block with a hash.
fn in_block_by_hash(node: &Node, arguments: &mut Arguments<'_>) -> Answer<Option<Transaction>> {
    let hash = arguments.next()?;
    let index = arguments.quantity()?;
    let chain = node.read();
    Ok(chain
        .blocks
        .by_hash(hash)
        .and_then(|block| view::transaction(block, usize::try_from(index).ok()?)))
}

fn at_index(chain: &Chain, named: &Named, index: u64) -> Option<Transaction> {
    let index = usize::try_from(index).ok()?;
    match named {
        Named::Made(block) => view::transaction(block, index),
        Named::Pending => waiting(chain)
            .0
            .get(index)
            .map(|waiting| view::waiting_transaction(waiting)),
    }
}

/// Looks at the state after a block. What waits has no state of its own: pending is latest.
fn with_state<T>(
    chain: &Chain,
    named: &Named,
    look: impl FnOnce(crate::ledger::View<'_>) -> T,
) -> Answer<T> {
    let overlay = match named {
        Named::Made(block) => chain.overlay_at(block.number())?,
        Named::Pending => Overlay::default(),
    };
    Ok(look(chain.view(&overlay)))
}

fn fee_history(node: &Node, arguments: &mut Arguments<'_>) -> Answer<FeeHistory> {
    let count = arguments.quantity()?.min(FEE_HISTORY_LIMIT);
    let newest: BlockNumberOrTag = arguments.next()?;
    let percentiles: Vec<f64> = arguments.optional()?.unwrap_or_default();
    if percentiles.len() > 100
        || percentiles
            .iter()
            .any(|percentile| !(0.0..=100.0).contains(percentile))
        || percentiles.windows(2).any(|pair| pair[0] > pair[1])
    {
        return Err(invalid(
            "reward percentiles must be at most 100, ascending, and between 0 and 100",
        ));
    }
    let (blocks, next_base_fee) = {
        let chain = node.read();
        let last = match required(&chain, BlockId::Number(newest))? {
            Named::Made(block) => block.number(),
            Named::Pending => chain.head().number(),
        };
        let first = (last + 1).saturating_sub(count);
        let blocks = (first..=last)
            .filter_map(|number| chain.blocks.get(number).cloned())
            .collect::<Vec<_>>();
        let next = match chain.blocks.get(last + 1) {
            Some(block) => block.base_fee(),
            None => chain.base_fee(),
        };
        (blocks, next)
    };
    if count == 0 || blocks.is_empty() {
        return Ok(FeeHistory::default());
    }
    Ok(FeeHistory {
        oldest_block: blocks[0].number(),
        base_fee_per_gas: blocks
            .iter()
            .map(|block| u128::from(block.base_fee()))
            .chain([u128::from(next_base_fee)])
            .collect(),
        gas_used_ratio: blocks
            .iter()
            .map(|block| block.header.gas_used as f64 / block.header.gas_limit.max(1) as f64)
            .collect(),
        base_fee_per_blob_gas: vec![1; blocks.len() + 1],
        blob_gas_used_ratio: vec![0.0; blocks.len()],
        reward: (!percentiles.is_empty()).then(|| {
            blocks
                .iter()
                .map(|block| rewards(block, &percentiles))
                .collect()
        }),
    })
}

/// The tips at these percentiles of the block's gas.
fn rewards(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let mut tips = block
        .played
        .iter()
        .map(|played| {
            let tip = played
                .transaction
                .effective_tip_per_gas(block.base_fee())
                .unwrap_or_default();
            (tip, played.gas_used)
        })
        .collect::<Vec<_>>();
    tips.sort_unstable();
    percentiles
        .iter()
        .map(|percentile| {
            let wanted = block.header.gas_used as f64 * percentile / 100.0;
            let mut passed = 0;
            tips.iter()
                .find(|(_, gas)| {
                    passed += gas;
                    passed as f64 >= wanted
                })
                .map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
