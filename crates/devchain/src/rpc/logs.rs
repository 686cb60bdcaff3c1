//! `eth_getLogs`, and the range of blocks a filter means.

use std::sync::Arc;

use alloy::eips::BlockNumberOrTag;
use alloy::rpc::types::{Filter, FilterBlockOption, Log};
use jsonrpsee::core::RegisterMethodError;

use super::error::{Answer, invalid, server, too_much};
use super::{Module, Named, Node, by_tag, slow, view};
use crate::block::Block;
use crate::chain::Chain;

/// The most logs one answer holds.
const LOG_LIMIT: usize = 100_000;

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    slow(module, &["eth_getLogs"], |node, arguments| {
        let filter: Filter = arguments.next()?;
        matching(node, &filter)
    })
}

/// All logs a filter means.
pub(super) fn matching(node: &Node, filter: &Filter) -> Answer<Vec<Log>> {
    // The lock is let go before the blocks are looked through.
    let blocks = range(&node.read(), filter)?;
    let mut logs = Vec::new();
    for block in blocks {
        view::matching_logs(&block, filter, false, &mut logs);
        if logs.len() > LOG_LIMIT {
            return Err(too_much(format!(
                "query returned more than {LOG_LIMIT} results: ask for fewer blocks"
            )));
        }
    }
    Ok(logs)
}

fn range(chain: &Chain, filter: &Filter) -> Answer<Vec<Arc<Block>>> {
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => match chain.blocks.by_hash(hash) {
            Some(block) => Ok(vec![block.clone()]),
            None => Err(server("unknown block")),
        },
        FilterBlockOption::Range {
            from_block,
            to_block,
        } => {
            let head = chain.head().number();
            let number = |tag: Option<BlockNumberOrTag>| match tag {
                None => head,
                Some(BlockNumberOrTag::Number(number)) => number,
                Some(tag) => match by_tag(chain, tag) {
                    Some(Named::Made(block)) => block.number(),
                    // Nothing that waits has logs.
                    Some(Named::Pending) => head + 1,
                    None => head,
                },
            };
            let (from, to) = (number(from_block), number(to_block));
            // Blocks that are still to come have no logs; a range that runs backwards is a mistake.
            if let (Some(BlockNumberOrTag::Number(from)), Some(BlockNumberOrTag::Number(to))) =
                (from_block, to_block)
                && from > to
            {
                return Err(invalid(format!("invalid block range: from {from} to {to}")));
            }
            Ok((from..=to.min(head))
                .filter_map(|number| chain.blocks.get(number).cloned())
                .collect())
        }
    }
}
