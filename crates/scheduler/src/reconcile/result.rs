//! Upload and finalize: from the first reveal to the result on chain.

use std::sync::Arc;

use alloy_primitives::Bytes;
use protocol::TaskId;
use protocol::abi::Hub;
use protocol::result::ResultLink;
use sdk::chain::ChainError;

use super::{closed, each, spawn};
use crate::board::Job;
use crate::context::Context;
use crate::task::Event;

/// Asks for the bytes of what was revealed.
pub(crate) async fn upload(context: Arc<Context>) {
    each(&context, &context.board.wake.upload, |context| {
        let asked = context.board.lock().ask_uploads();
        if asked > 0 {
            context.board.ring();
        }
    })
    .await;
}

/// Finalizes tasks whose result is here. Never waits for anybody on the requester's side.
pub(crate) async fn finalize(context: Arc<Context>) {
    each(&context, &context.board.wake.finalize, |context| {
        for task in context.board.take(Job::Finalize, usize::MAX) {
            let shared = context.clone();
            spawn(context, async move {
                let outcome = finalize_one(&shared, task).await;
                shared.settle_turn(Job::Finalize, task, outcome).await;
            });
        }
    })
    .await;
}

async fn finalize_one(context: &Context, task: TaskId) -> Result<(Event, u64), ChainError> {
    let call = {
        let state = context.board.lock();
        let found = state
            .task(task)
            .and_then(|it| it.result())
            .zip(state.task(task).and_then(|it| state.deal(it.deal)));
        found.map(|(result, deal)| {
            let (link, callback) = match (&result.callback, deal.deal.has_callback()) {
                (Some(data), true) => (ResultLink::callback(deal.deal.callback), data.clone()),
                _ => (ResultLink::ipfs(&result.blob.cid), Bytes::new()),
            };
            Hub::finalizeCall {
                taskid: task.0,
                results: link.to_bytes(),
                resultsCallback: callback,
            }
        })
    };
    let Some(call) = call else {
        return Err(closed("finalize"));
    };
    let Ok(_room) = context.transactions.acquire().await else {
        return Err(closed("finalize"));
    };
    let receipt = context.sender.hub(call).await?;
    tracing::info!(task.id = %task, "finalized");
    Ok((Event::Finalized, receipt.block))
}
