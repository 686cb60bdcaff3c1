//! The reconcilers that act on one task at a time: what is filed under their job is taken, done, and filed again.
//!
//! All have the same shape ([`each`]): taken tasks are worked on side by side, transactions pipelined through the
//! pool's one sender; a task in trouble keeps only itself busy. None of them takes an input: what to do stands on the
//! board.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{B256, Bytes, U256};
use protocol::abi::Hub;
use protocol::contribution::authorization_hash;
use protocol::result::ResultLink;
use protocol::{DealId, TaskId};
use sdk::chain::ChainError;
use sdk::wire::pool::{Assignment, ToWorker};
use tokio::sync::Notify;

use crate::board::{Choice, Job};
use crate::context::Context;
use crate::task::{Event, Stage};

/// Gives tasks to workers, each with its authorization.
pub(crate) async fn assign(context: Arc<Context>) {
    each(&context, &context.board.wake.assign, |context| {
        let choices = context.board.lock().assign();
        let any = !choices.is_empty();
        for choice in choices {
            // Signing takes a moment and needs no lock.
            let (task, worker) = (choice.task, choice.worker);
            let message = ToWorker::Assign(Box::new(assignment(context, choice)));
            let mut state = context.board.lock();
            if !state.send(worker, message) {
                // The connection went; the replica went with it, unless it never was registered.
                state.apply(task, Event::Lost { worker });
            }
        }
        if any {
            context.board.ring();
        }
    })
    .await;
}

fn assignment(context: &Context, choice: Choice) -> Assignment {
    let enclave_challenge = alloy_primitives::Address::ZERO;
    let authorized = authorization_hash(choice.worker, choice.task, enclave_challenge);
    tracing::debug!(task.id = %choice.task, worker = %choice.worker, "assigned");
    Assignment {
        task: choice.task,
        deal: choice.deal,
        index: choice.index,
        authorization: context.wallet.sign_message(authorized.as_slice()),
        enclave_challenge,
        app: choice.pins.app,
        inputs: choice.pins.inputs,
    }
}

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
            Ok(_) => {
                for (_, task) in tasks {
                    context
                        .settle_turn(Job::Initialize, *task, Ok(Event::Initialized))
                        .await;
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
            context
                .settle_turn(Job::Initialize, task, outcome.map(|_| Event::Initialized))
                .await;
        });
    }
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

async fn finalize_one(context: &Context, task: TaskId) -> Result<Event, ChainError> {
    let call = {
        let state = context.board.lock();
        let found = state
            .task(task)
            .and_then(|it| it.result.as_ref())
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
    context.sender.hub(call).await?;
    tracing::info!(task.id = %task, "finalized");
    Ok(Event::Finalized)
}

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
                    shared
                        .sender
                        .hub(Hub::reopenCall { taskid: task.0 })
                        .await?;
                    tracing::info!(task.id = %task, "reopened: nobody revealed in time");
                    Ok(Event::Reopened)
                }
                .await;
                shared.settle_turn(Job::Reopen, task, outcome).await;
            });
        }
    })
    .await;
}

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

async fn claim_one(context: &Context, id: TaskId) -> Result<Event, ChainError> {
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
    match stage {
        Stage::Unset => {
            let (dealid, idx): (Vec<B256>, _) = (vec![deal.0], vec![U256::from(index)]);
            context
                .sender
                .hub(Hub::initializeAndClaimArrayCall { dealid, idx })
                .await?;
        }
        Stage::Active | Stage::Revealing { .. } | Stage::Completed | Stage::Claimed => {
            context.sender.hub(Hub::claimCall { taskid: id.0 }).await?;
        }
    }
    tracing::info!(task.id = %id, "claimed: the requester has the money back");
    Ok(Event::Claimed)
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
