//! Following the chain: filters, which are polled, and subscriptions, which are told.
//!
//! Neither keeps a queue. Each holds the place it has read up to (a block's number and hash), and the chain says what
//! happened since, undone blocks included; a slow reader loses nothing and costs nothing. The chain's bell only says
//! that it is time to look.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use alloy::rpc::types::pubsub::SubscriptionKind;
use alloy::rpc::types::{Filter, Log};
use alloy_primitives::{B256, U256};
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::server::SubscriptionSink;
use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::error::{Answer, invalid, server, too_much};
use super::{Arguments, Module, Node, logs, quick, slow, view};
use crate::chain::{News, Place};

/// A filter nobody asks for this long is forgotten.
const FILTER_LIFE: Duration = Duration::from_secs(300);
/// The most filters there may be.
const FILTER_LIMIT: usize = 10_000;
/// How many blocks are looked at before anything else may have its turn.
const STRIDE: usize = 256;

/// The filters, by their number.
#[derive(Default)]
pub(super) struct Filters {
    last: u64,
    open: HashMap<U256, Open>,
}

struct Open {
    kind: Kind,
    asked: Instant,
}

#[derive(Clone)]
enum Kind {
    Blocks(Place),
    Pending(u64),
    Logs(Box<Filter>, Place),
}

pub(super) fn register(module: &mut Module) -> Result<(), RegisterMethodError> {
    quick(module, &["eth_newBlockFilter"], |node, _| {
        let place = node.read().place();
        open(node, Kind::Blocks(place))
    })?;
    quick(module, &["eth_newPendingTransactionFilter"], |node, _| {
        let position = node.read().pending_position();
        open(node, Kind::Pending(position))
    })?;
    quick(module, &["eth_newFilter"], |node, arguments| {
        let filter: Filter = arguments.next()?;
        let place = node.read().place();
        open(node, Kind::Logs(Box::new(filter), place))
    })?;
    quick(module, &["eth_uninstallFilter"], |node, arguments| {
        let id: U256 = arguments.next()?;
        Ok(filters(node).open.remove(&id).is_some())
    })?;
    slow(module, &["eth_getFilterChanges"], |node, arguments| {
        let id: U256 = arguments.next()?;
        let mut filters = filters(node);
        let filter = filters
            .open
            .get_mut(&id)
            .ok_or_else(|| server("filter not found"))?;
        filter.asked = Instant::now();
        Ok(changes(node, &mut filter.kind))
    })?;
    slow(module, &["eth_getFilterLogs"], |node, arguments| {
        let id: U256 = arguments.next()?;
        let kind = filters(node).open.get(&id).map(|open| open.kind.clone());
        match kind {
            Some(Kind::Logs(filter, _)) => logs::matching(node, &filter),
            Some(Kind::Blocks(_) | Kind::Pending(_)) | None => Err(server("filter not found")),
        }
    })?;
    module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, node, _| async move {
            let wanted =
                match Arguments::of(&params).and_then(|mut arguments| wanted(&mut arguments)) {
                    Ok(wanted) => wanted,
                    Err(fault) => {
                        pending.reject(fault).await;
                        return;
                    }
                };
            // Before the answer goes out: whatever happens after it is told.
            let (bell, place, position) = {
                let chain = node.read();
                (chain.subscribe(), chain.place(), chain.pending_position())
            };
            let Ok(sink) = pending.accept().await else {
                return;
            };
            tell(&node, &sink, wanted, bell, place, position).await;
        },
    )?;
    Ok(())
}

fn filters(node: &Node) -> std::sync::MutexGuard<'_, Filters> {
    node.filters.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(node: &Node, kind: Kind) -> Answer<U256> {
    let mut filters = filters(node);
    let now = Instant::now();
    filters
        .open
        .retain(|_, open| now.duration_since(open.asked) < FILTER_LIFE);
    if filters.open.len() >= FILTER_LIMIT {
        return Err(too_much(format!("{FILTER_LIMIT} filters are open")));
    }
    filters.last += 1;
    let id = U256::from(filters.last);
    filters.open.insert(id, Open { kind, asked: now });
    Ok(id)
}

/// What a filter has not told yet.
fn changes(node: &Node, kind: &mut Kind) -> Value {
    match kind {
        Kind::Pending(position) => {
            let (hashes, now) = node.read().pending_since(*position);
            *position = now;
            json!(hashes)
        }
        Kind::Blocks(place) => {
            let (news, now) = node.read().since(*place, usize::MAX);
            *place = now;
            json!(
                news.made
                    .iter()
                    .map(|block| block.hash())
                    .collect::<Vec<_>>()
            )
        }
        Kind::Logs(filter, place) => {
            let (news, now) = node.read().since(*place, usize::MAX);
            *place = now;
            json!(logs_in(&news, filter))
        }
    }
}

/// The logs that are no more, then those that came.
fn logs_in(news: &News, filter: &Filter) -> Vec<Log> {
    let mut logs = Vec::new();
    for block in &news.undone {
        let start = logs.len();
        view::matching_logs(block, filter, true, &mut logs);
        logs[start..].reverse();
    }
    for block in &news.made {
        if filter.matches_block_range(block.number()) {
            view::matching_logs(block, filter, false, &mut logs);
        }
    }
    logs
}

/// What a subscriber asked for.
enum Wanted {
    Heads,
    Logs(Box<Filter>),
    /// The hashes of transactions taken in, or the transactions themselves.
    Pending {
        full: bool,
    },
    /// Never happens here.
    Syncing,
}

fn wanted(arguments: &mut Arguments<'_>) -> Answer<Wanted> {
    let kind: Value = arguments.next()?;
    let kind = serde_json::from_value(kind.clone())
        .map_err(|_| invalid(format!("unknown subscription {kind}")))?;
    match kind {
        SubscriptionKind::NewHeads => Ok(Wanted::Heads),
        SubscriptionKind::Logs => Ok(Wanted::Logs(arguments.optional()?.unwrap_or_default())),
        SubscriptionKind::NewPendingTransactions => Ok(Wanted::Pending {
            full: arguments.optional()?.unwrap_or(false),
        }),
        SubscriptionKind::Syncing => Ok(Wanted::Syncing),
        other @ SubscriptionKind::TransactionReceipts => {
            Err(invalid(format!("unsupported subscription {other:?}")))
        }
    }
}

async fn tell(
    node: &Node,
    sink: &SubscriptionSink,
    wanted: Wanted,
    mut bell: tokio::sync::watch::Receiver<()>,
    mut place: Place,
    mut position: u64,
) {
    loop {
        loop {
            let told = match &wanted {
                Wanted::Syncing => break,
                Wanted::Pending { full } => {
                    let (hashes, now) = node.read().pending_since(position);
                    position = now;
                    if hashes.is_empty() {
                        break;
                    }
                    tell_pending(node, sink, &hashes, *full).await
                }
                Wanted::Heads => {
                    let (news, now) = node.read().since(place, STRIDE);
                    if now == place {
                        break;
                    }
                    place = now;
                    let headers = news.made.iter().map(|block| view::header(block));
                    each(sink, &headers.collect::<Vec<_>>()).await
                }
                Wanted::Logs(filter) => {
                    let (news, now) = node.read().since(place, STRIDE);
                    if now == place {
                        break;
                    }
                    place = now;
                    each(sink, &logs_in(&news, filter)).await
                }
            };
            if !told {
                return;
            }
        }
        tokio::select! {
            () = sink.closed() => return,
            changed = bell.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

async fn tell_pending(node: &Node, sink: &SubscriptionSink, hashes: &[B256], full: bool) -> bool {
    if !full {
        return each(sink, hashes).await;
    }
    let transactions = {
        let chain = node.read();
        hashes
            .iter()
            .filter_map(|hash| match chain.blocks.of_transaction(*hash) {
                Some((block, index)) => {
                    let played = block.played.get(index)?;
                    Some(view::waiting_transaction(&played.transaction))
                }
                None => Some(view::waiting_transaction(chain.pool.get(*hash)?)),
            })
            .collect::<Vec<_>>()
    };
    each(sink, &transactions).await
}

/// `false` when nobody listens any more.
async fn each<T: Serialize>(sink: &SubscriptionSink, items: &[T]) -> bool {
    for item in items {
        let Ok(message) = to_raw_value(item) else {
            return false;
        };
        if sink.send(message).await.is_err() {
            return false;
        }
    }
    true
}
