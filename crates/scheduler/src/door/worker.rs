//! The worker door: one WebSocket per worker, as `sdk::wire::pool` says.
//!
//! The connection's task owns the socket; the board only holds the sending end of a bounded queue. A worker that does
//! not read its messages fills that queue and is cut off, one that says nothing for too long likewise: in both cases
//! its tasks go to others at once, and it is welcome back.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use protocol::TaskId;
use protocol::abi::Hub;
use sdk::wire::pool::{LOG_TAIL_BYTES, TaskFailure, ToPool, ToWorker, hello_digest};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::result::signer;
use crate::context::Context;
use crate::task::Event;

/// From the challenge to a valid hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// For one message to leave.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Largest frame from a worker: a hello that names a few thousand tasks.
const FRAME_BYTES: usize = 1 << 20;
/// Messages that may wait for a worker, beside those about the tasks it brings.
const QUEUE: usize = 1024;
/// Longest sentence kept of a worker.
const SENTENCE_BYTES: usize = 1000;

pub(super) async fn connect(
    State(context): State<Arc<Context>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES)
        .on_upgrade(move |socket| {
            let tasks = context.tasks.clone();
            // Tracked, so that a shutdown waits for the farewells.
            tasks.track_future(async move {
                let stop = context.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = serve(&context, socket) => {}
                }
            })
        })
}

async fn serve(context: &Context, mut socket: WebSocket) {
    let hello = match timeout(HELLO_WITHIN, introduce(context, &mut socket)).await {
        Ok(Some(Ok(hello))) => hello,
        Ok(Some(Err(reason))) => return refuse(&mut socket, reason).await,
        Ok(None) => return,
        Err(_) => return refuse(&mut socket, "no hello came in time".to_owned()).await,
    };
    // Before the past is known, a task it holds would look like one nobody knows, and be thrown away.
    if !context.caught_up().await {
        return;
    }
    let worker = hello.worker;
    // The score decides how many replicas a task needs; without an answer of the node the worker counts as new.
    match context.chain.hub(Hub::viewScoreCall { worker }).await {
        Ok(score) => context.board.lock().set_score(worker, score),
        Err(error) => tracing::warn!(%worker, %error, "cannot read the worker's score"),
    }
    let room = QUEUE + 4 * (hello.slots + hello.holding.len());
    let (to, outbox) = mpsc::channel(room);
    let connection = context
        .board
        .lock()
        .welcome(worker, hello.slots, &hello.holding, to);
    context.board.ring();
    tracing::info!(%worker, slots = hello.slots, holding = hello.holding.len(), "a worker is here");
    let why = talk(context, worker, &mut socket, outbox).await;
    context.board.lock().farewell(worker, connection);
    context.board.ring();
    tracing::info!(%worker, why, "a worker is gone");
}

struct Hello {
    worker: Address,
    slots: usize,
    holding: Vec<TaskId>,
}

/// Challenge and hello; `None` when the connection went.
async fn introduce(context: &Context, socket: &mut WebSocket) -> Option<Result<Hello, String>> {
    let nonce = B256::from(rand::random::<[u8; 32]>());
    send(socket, &ToWorker::Challenge { nonce }).await.ok()?;
    let text = loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => break text,
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) => return Some(Err("frames must be JSON texts".to_owned())),
            Message::Close(_) => return None,
        }
    };
    let hello =
        match serde_json::from_str(&text) {
            Ok(ToPool::Hello {
                worker,
                signature,
                runtime_profile,
                slots,
                holding,
            }) => check_hello(context, nonce, worker, &signature, &runtime_profile, slots).map(
                |slots| Hello {
                    worker,
                    slots,
                    holding,
                },
            ),
            Ok(_) => Err("say hello first".to_owned()),
            Err(error) => Err(format!("the hello cannot be read: {error}")),
        };
    Some(hello)
}

fn check_hello(
    context: &Context,
    nonce: B256,
    worker: Address,
    signature: &Bytes,
    runtime_profile: &str,
    slots: u32,
) -> Result<usize, String> {
    let digest = hello_digest(
        context.chain.deployment().chain_id,
        context.options.workerpool,
        nonce,
    );
    if signer(digest, signature) != Some(worker) {
        return Err(format!("the hello is not signed by {worker}"));
    }
    let expected = &context.options.runtime_profile;
    if runtime_profile != expected {
        return Err(format!(
            "your runtime profile is {runtime_profile:?}, this pool's is {expected:?}: equal work would not give equal \
             digests; use the same version"
        ));
    }
    if slots == 0 {
        return Err("a worker needs at least one slot".to_owned());
    }
    Ok(slots.min(context.options.slots_limit) as usize)
}

/// Carries messages both ways until the connection ends; says why it did.
async fn talk(
    context: &Context,
    worker: Address,
    socket: &mut WebSocket,
    mut outbox: mpsc::Receiver<ToWorker>,
) -> &'static str {
    let silence = Duration::from_secs(context.options.silence_secs.max(1));
    let mut pings = tokio::time::interval(silence / 3);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = outbox.recv() => {
                let Some(message) = message else {
                    refuse(socket, "a newer connection of yours, or your unread messages, ended this one".to_owned()).await;
                    return "replaced, or did not read";
                };
                if send(socket, &message).await.is_err() {
                    return "does not take messages";
                }
            }
            frame = socket.recv() => {
                heard = Instant::now();
                match frame {
                    Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                        Ok(message) => hear(context, worker, message),
                        Err(error) => tracing::warn!(%worker, %error, "a worker's message cannot be read"),
                    },
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Binary(_))) => tracing::warn!(%worker, "a worker's frame is no text"),
                    Some(Ok(Message::Close(_))) | None => return "closed",
                    Some(Err(_)) => return "broken",
                }
            }
            _ = pings.tick() => {
                if heard.elapsed() >= silence {
                    return "silent";
                }
                if !matches!(timeout(SEND_WITHIN, socket.send(Message::Ping(bytes::Bytes::new()))).await, Ok(Ok(()))) {
                    return "does not take messages";
                }
            }
        }
    }
}

/// A message of a worker. What it says of the chain is not taken from here: the chain says it itself.
fn hear(context: &Context, worker: Address, message: ToPool) {
    let (task, event) = match message {
        ToPool::Accepted { task } | ToPool::Computing { task } => {
            (task, Event::Accepted { worker })
        }
        ToPool::Declined { task, reason } => {
            tracing::info!(task.id = %task, %worker, reason, "declined");
            (
                task,
                Event::Declined {
                    worker,
                    reason: shortened(reason, SENTENCE_BYTES),
                },
            )
        }
        ToPool::Failed { task, failure } => {
            tracing::info!(task.id = %task, %worker, cause = ?failure.cause, message = failure.message, "failed");
            let failure = TaskFailure {
                cause: failure.cause,
                message: shortened(failure.message, SENTENCE_BYTES),
                log: shortened(failure.log, LOG_TAIL_BYTES),
            };
            (task, Event::Failed { worker, failure })
        }
        ToPool::Contributed { task } | ToPool::Revealed { task } | ToPool::Uploaded { task } => {
            tracing::debug!(task.id = %task, %worker, "the worker says it has acted");
            return;
        }
        ToPool::Hello { .. } => {
            tracing::debug!(%worker, "a second hello is ignored");
            return;
        }
    };
    let accepted = matches!(event, Event::Accepted { .. });
    if !context.board.apply(task, event) && accepted {
        let reason = "this task is not yours (any more)".to_owned();
        context
            .board
            .lock()
            .send(worker, ToWorker::Abandon { task, reason });
    }
}

async fn refuse(socket: &mut WebSocket, reason: String) {
    // It goes anyway.
    let _ = send(socket, &ToWorker::Refused { reason }).await;
    let _ = timeout(SEND_WITHIN, socket.send(Message::Close(None))).await;
}

async fn send(socket: &mut WebSocket, message: &ToWorker) -> Result<(), ()> {
    let text = serde_json::to_string(message)
        .map_err(|error| tracing::error!(%error, "a message cannot be written"))?;
    match timeout(SEND_WITHIN, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

/// At most so many bytes of a text, whole characters.
fn shortened(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let end = (0..=bytes)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}
