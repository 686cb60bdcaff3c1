//! The thread that takes transactions in and makes blocks.
//!
//! Senders hand over a transaction and wait for its answer. The thread takes all that have come by now, takes them in
//! under one lock, makes as many blocks as they need, writes, and only then answers: under load many transactions
//! share a block, a lock and a write, and alone one is answered as soon as its block stands.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use tokio::sync::oneshot;

use crate::block::SignedTransaction;
use crate::chain::Chain;
use crate::config::Mining;
use crate::pool::Refusal;

/// How many transactions are taken in at once; more would let the first wait too long.
const BATCH: usize = 2_000;

/// How soon blocks are tried again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(crate) enum Order {
    Submit {
        transaction: Arc<SignedTransaction>,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The way of mining was changed, or transactions came back from undone blocks.
    LookAgain,
    Stop,
}

/// The door to the thread.
#[derive(Debug, Clone)]
pub(crate) struct Miner {
    orders: mpsc::Sender<Order>,
}

impl Miner {
    /// Starts the thread.
    pub(crate) fn start(chain: Arc<RwLock<Chain>>) -> std::io::Result<(Miner, JoinHandle<()>)> {
        let (orders, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("devchain-miner".to_owned())
            .spawn(move || work(&chain, &inbox))?;
        Ok((Miner { orders }, thread))
    }

    /// Hands a transaction over and waits until it is in a block, or waits for one, and is kept.
    pub(crate) async fn submit(&self, transaction: Arc<SignedTransaction>) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.orders
            .send(Order::Submit {
                transaction,
                answer,
            })
            .map_err(|_| Refusal::Stopping)?;
        answered.await.map_err(|_| Refusal::Stopping)?
    }

    pub(crate) fn look_again(&self) {
        let _ = self.orders.send(Order::LookAgain);
    }

    pub(crate) fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }
}

/// Somebody who waits for an answer.
struct Waiter {
    hash: B256,
    answer: oneshot::Sender<Result<(), Refusal>>,
    replaced: Option<Arc<SignedTransaction>>,
}

fn work(chain: &RwLock<Chain>, inbox: &Receiver<Order>) {
    let mut last_block = Instant::now();
    let mut failed = false;
    loop {
        let interval = match chain.read().unwrap_or_else(PoisonError::into_inner).mining {
            Mining::Interval(interval) => Some(interval.max(Duration::from_millis(1))),
            // There may be room again, and what was taken in earlier still waits.
            Mining::Instant if failed => Some(RETRY),
            Mining::Instant | Mining::Manual => None,
        };
        let first = match interval {
            None => inbox.recv().ok(),
            Some(interval) => {
                match inbox
                    .recv_timeout((last_block + interval).saturating_duration_since(Instant::now()))
                {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => Some(Order::LookAgain),
                    Err(RecvTimeoutError::Disconnected) => None,
                }
            }
        };
        let Some(first) = first else {
            return;
        };
        let mut waiters: Vec<Waiter> = Vec::new();
        let mut stop = false;
        let mut guard = chain.write().unwrap_or_else(PoisonError::into_inner);
        for order in std::iter::once(first).chain(inbox.try_iter().take(BATCH)) {
            match order {
                Order::Submit {
                    transaction,
                    answer,
                } => {
                    let hash = *transaction.hash();
                    match guard.admit(transaction) {
                        Ok(replaced) => waiters.push(Waiter {
                            hash,
                            answer,
                            replaced,
                        }),
                        Err(refusal) => {
                            let _ = answer.send(Err(refusal));
                        }
                    }
                }
                Order::LookAgain => {}
                Order::Stop => {
                    stop = true;
                    break;
                }
            }
        }
        let mut refused = Vec::new();
        let mining = guard.mining;
        let kept = match mining {
            Mining::Instant => {
                last_block = Instant::now();
                make_all(&mut guard, &mut refused)
            }
            Mining::Interval(interval) if last_block.elapsed() >= interval && !stop => {
                last_block = Instant::now();
                guard.make_block(true).map(|made| refused = made.refused)
            }
            Mining::Interval(_) | Mining::Manual => Ok(()),
        };
        let hashes = waiters.iter().map(|waiter| waiter.hash).collect::<Vec<_>>();
        let kept = kept.and_then(|()| guard.keep_waiting(&hashes));
        failed = kept.is_err();
        let failure = kept.err().map(|error| {
            tracing::error!(%error, "the chain cannot be written");
            Refusal::NotKept(error.to_string())
        });
        let refused = refused.into_iter().collect::<HashMap<_, _>>();
        let answers = waiters
            .into_iter()
            .map(|waiter| {
                let outcome = match (refused.get(&waiter.hash), &failure) {
                    (Some(refusal), _) => Err(refusal.clone()),
                    // What stands in a block was kept, whatever failed afterwards. The rest was not kept, so it is not
                    // taken.
                    (None, Some(failure)) if guard.blocks.of_transaction(waiter.hash).is_none() => {
                        guard.take_back(waiter.hash, waiter.replaced);
                        Err(failure.clone())
                    }
                    (None, _) => Ok(()),
                };
                (waiter.answer, outcome)
            })
            .collect::<Vec<_>>();
        drop(guard);
        for (answer, outcome) in answers {
            // A sender that has gone away does not want to know.
            let _ = answer.send(outcome);
        }
        if stop {
            return;
        }
    }
}

/// Makes blocks until nothing is left that can be executed.
fn make_all(
    chain: &mut Chain,
    refused: &mut Vec<(B256, Refusal)>,
) -> Result<(), crate::store::StoreError> {
    loop {
        let made = chain.make_block(false)?;
        let idle = made.block.is_none() && made.refused.is_empty();
        refused.extend(made.refused);
        if idle {
            return Ok(());
        }
    }
}
