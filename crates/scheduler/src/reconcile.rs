//! The reconcilers, by stage: each compares what is known with what should be, and does the next thing.
//!
//! All have the same shape ([`each`]): what is filed under their job on the board is taken, worked on side by side
//! (transactions pipelined through the pool's one sender), and filed again. A task in trouble keeps only itself busy.
//! None of them takes an input: what to do stands on the board.
//!
//! Payment's other half, telling workers that a task is settled, needs no reconciler: the board does it as soon as
//! the chain says so.

mod consensus;
mod contribution;
mod deal;
mod payment;
mod result;
mod task;

use std::sync::Arc;

use sdk::chain::ChainError;
use tokio::sync::Notify;

use crate::context::Context;

/// Starts all of them; the service's tracker owns them.
pub(crate) fn start(context: &Arc<Context>) {
    let tasks = &context.tasks;
    tasks.spawn(deal::pin(context.clone()));
    tasks.spawn(task::initialize(context.clone()));
    tasks.spawn(contribution::assign(context.clone()));
    tasks.spawn(consensus::reopen(context.clone()));
    tasks.spawn(result::upload(context.clone()));
    tasks.spawn(result::finalize(context.clone()));
    tasks.spawn(payment::claim(context.clone()));
}

/// Calls `step` whenever the bell rings, and now and then in case it did not, until the service stops.
async fn each(context: &Arc<Context>, bell: &Notify, mut step: impl FnMut(&Arc<Context>)) {
    if !context.caught_up().await {
        return;
    }
    loop {
        step(context);
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = bell.notified() => {}
            () = tokio::time::sleep(context.safety_net()) => {}
        }
    }
}

/// Work on the side, owned by the service: a stop ends it where it waits.
fn spawn(context: &Arc<Context>, work: impl Future<Output = ()> + Send + 'static) {
    let stop = context.stop.clone();
    context.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    });
}

fn closed(verb: &str) -> ChainError {
    ChainError::Closed {
        verb: verb.to_owned(),
    }
}
