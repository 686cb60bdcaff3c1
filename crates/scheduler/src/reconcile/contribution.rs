//! Assign: gives tasks to workers, with the pool's authorization to contribute.
//!
//! Who gets what, and how many workers a task needs, the board decides ([`State::assign`](crate::board::State)), by
//! the hub's own arithmetic. Giving a task up, when its application fails everywhere, happens there too.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use protocol::contribution::authorization_hash;
use sdk::wire::pool::{Assignment, ToWorker};

use super::{each, spawn};
use crate::board::Choice;
use crate::context::Context;
use crate::task::Event;

/// Gives tasks to workers, each with its authorization.
pub(crate) async fn assign(context: Arc<Context>) {
    each(&context, &context.board.wake.assign, |context| {
        let (choices, recall) = {
            let mut state = context.board.lock();
            let choices = state.assign();
            (choices, state.take_recall())
        };
        if let Some(pause) = recall {
            let shared = context.clone();
            spawn(context, async move {
                // Whole seconds, so that the moment itself is over.
                shared.pause(pause + Duration::from_secs(1)).await;
                shared.board.lock().recall();
                shared.board.ring();
            });
        }
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
    let enclave_challenge = Address::ZERO;
    let authorized = authorization_hash(choice.worker, choice.task, enclave_challenge);
    tracing::debug!(task.id = %choice.task, worker = %choice.worker, "assigned");
    Assignment {
        task: choice.task,
        deal: choice.deal,
        index: choice.index,
        authorization: context.wallet.sign_message(authorized.as_slice()),
        enclave_challenge,
        one_step: choice.one_step,
        app: choice.pins.app,
        inputs: choice.pins.inputs,
    }
}
