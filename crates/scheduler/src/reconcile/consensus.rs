//! Reopen: a consensus that nobody reveals in time is void, and others may contribute.
//!
//! That winners are asked to reveal needs no transaction of ours: the board tells them as soon as the chain says so,
//! and its sweep says it again.

use std::sync::Arc;

use protocol::abi::Hub;

use super::{closed, each, spawn};
use crate::board::Job;
use crate::context::Context;
use crate::task::Event;

/// Reopens tasks that reached consensus and that nobody revealed in time.
pub(crate) async fn reopen(context: Arc<Context>) {
    each(&context, &context.board.wake.reopen, |context| {
        for task in context.board.take(Job::Reopen, usize::MAX) {
            let shared = context.clone();
            spawn(context, async move {
                let outcome = async {
                    let Ok(_room) = shared.transactions.acquire().await else {
                        return Err(closed("reopen"));
                    };
                    let receipt = shared
                        .sender
                        .hub(Hub::reopenCall { taskid: task.0 })
                        .await?;
                    tracing::info!(task.id = %task, "reopened: nobody revealed in time");
                    Ok((Event::Reopened, receipt.block))
                }
                .await;
                shared.settle_turn(Job::Reopen, task, outcome).await;
            });
        }
    })
    .await;
}
