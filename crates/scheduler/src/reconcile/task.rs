//! Initialize: puts the tasks of a deal on chain, so that they can be contributed to.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::U256;
use protocol::abi::Hub;
use protocol::{DealId, TaskId};

use super::{each, spawn};
use crate::board::Job;
use crate::context::Context;
use crate::task::Event;

/// Initializes tasks, several of a deal in one transaction.
pub(crate) async fn initialize(context: Arc<Context>) {
    each(&context, &context.board.wake.initialize, |context| {
        let taken = context.board.take(Job::Initialize, usize::MAX);
        let mut by_deal: BTreeMap<DealId, Vec<(u64, TaskId)>> = BTreeMap::new();
        {
            let state = context.board.lock();
            for id in &taken {
                if let Some(task) = state.task(*id) {
                    by_deal
                        .entry(task.deal)
                        .or_default()
                        .push((task.index, *id));
                }
            }
        }
        for (deal, mut tasks) in by_deal {
            tasks.sort_unstable();
            for some in tasks.chunks(context.options.initialize_batch.max(1)) {
                let (shared, some) = (context.clone(), some.to_vec());
                spawn(context, async move {
                    initialize_some(&shared, deal, &some).await
                });
            }
        }
    })
    .await;
}

async fn initialize_some(context: &Arc<Context>, deal: DealId, tasks: &[(u64, TaskId)]) {
    if tasks.len() > 1 {
        let call = Hub::initializeArrayCall {
            dealid: vec![deal.0; tasks.len()],
            idx: tasks.iter().map(|(index, _)| U256::from(*index)).collect(),
        };
        let outcome = {
            let Ok(_room) = context.transactions.acquire().await else {
                return;
            };
            context.sender.hub(call).await
        };
        match outcome {
            Ok(receipt) => {
                for (_, task) in tasks {
                    let done = (Event::Initialized, receipt.block);
                    context.settle_turn(Job::Initialize, *task, Ok(done)).await;
                }
                return;
            }
            // One that cannot be initialized spoils the lot: each by itself.
            Err(error) => {
                tracing::warn!(deal.id = %deal, %error, "cannot initialize several tasks at once")
            }
        }
    }
    for (index, task) in tasks {
        let (context, index, task) = (context.clone(), *index, *task);
        let shared = context.clone();
        spawn(&shared, async move {
            let call = Hub::initializeCall {
                dealid: deal.0,
                idx: U256::from(index),
            };
            let outcome = {
                let Ok(_room) = context.transactions.acquire().await else {
                    return;
                };
                context.sender.hub(call).await
            };
            let done = outcome.map(|receipt| (Event::Initialized, receipt.block));
            context.settle_turn(Job::Initialize, task, done).await;
        });
    }
}
