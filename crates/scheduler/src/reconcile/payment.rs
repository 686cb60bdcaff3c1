//! Claim: what was not finished in time is paid back.

use std::sync::Arc;

use alloy_primitives::U256;
use protocol::TaskId;
use protocol::abi::Hub;
use sdk::chain::ChainError;

use super::{closed, each, spawn};
use crate::board::Job;
use crate::context::Context;
use crate::task::{Event, Stage};

/// Gives requesters their money back for tasks that were not finished in time.
pub(crate) async fn claim(context: Arc<Context>) {
    each(&context, &context.board.wake.claim, |context| {
        for task in context.board.take(Job::Claim, usize::MAX) {
            let shared = context.clone();
            spawn(context, async move {
                let outcome = claim_one(&shared, task).await;
                shared.settle_turn(Job::Claim, task, outcome).await;
            });
        }
    })
    .await;
}

async fn claim_one(context: &Context, id: TaskId) -> Result<(Event, u64), ChainError> {
    let task = context
        .board
        .lock()
        .task(id)
        .map(|task| (task.stage, task.deal, task.index));
    let Some((stage, deal, index)) = task else {
        return Err(closed("claim"));
    };
    let Ok(_room) = context.transactions.acquire().await else {
        return Err(closed("claim"));
    };
    let receipt = match stage {
        Stage::Unset => {
            let (dealid, idx) = (vec![deal.0], vec![U256::from(index)]);
            context
                .sender
                .hub(Hub::initializeAndClaimArrayCall { dealid, idx })
                .await?
        }
        Stage::Active | Stage::Revealing { .. } | Stage::Completed | Stage::Claimed => {
            context.sender.hub(Hub::claimCall { taskid: id.0 }).await?
        }
    };
    tracing::info!(task.id = %id, "claimed: the requester has the money back");
    Ok((Event::Claimed, receipt.block))
}
