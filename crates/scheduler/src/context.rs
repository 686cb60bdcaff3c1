//! What every part of the scheduler holds on to.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use protocol::TaskId;
use sdk::chain::{Chain, ChainError, Sender};
use sdk::wallet::Wallet;
use sdk::wire::pool::{PinnedBlob, PoolInfo};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Options;
use crate::board::{Board, Fault, Job};
use crate::db::Db;
use crate::storage::Storage;
use crate::task::Event;
use crate::waiting::Waiting;

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) chain: Chain,
    pub(crate) sender: Sender,
    pub(crate) wallet: Wallet,
    pub(crate) blobs: blobs::Store,
    pub(crate) board: Board,
    pub(crate) db: Db,
    pub(crate) info: PoolInfo,
    /// Where uploads wait for their check.
    pub(crate) incoming: PathBuf,
    /// Apps pinned already: an entry never changes.
    pub(crate) apps: Mutex<HashMap<Address, PinnedBlob>>,
    /// Blobs of ours that were read whole since the start, so that a popular input is not read for every deal.
    pub(crate) verified: Mutex<HashMap<blobs::Address, blobs::Stored>>,
    /// How much of the disk strangers have.
    pub(crate) storage: Storage,
    /// What tasks wait for, as it was a moment ago.
    pub(crate) waiting: Mutex<WaitingSeen>,
    /// Uploads of results under way.
    pub(crate) uploading: Mutex<BTreeSet<(Address, TaskId)>>,
    /// Room for fetches of what strangers' deals name.
    pub(crate) fetches: Semaphore,
    /// Tasks that `watch` shall compare with the chain.
    pub(crate) recheck: mpsc::UnboundedSender<Vec<TaskId>>,
    /// True once everything that happened before the start is known.
    pub(crate) ready: watch::Receiver<bool>,
    /// Room for transactions on their way.
    pub(crate) transactions: Semaphore,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// What tasks wait for, how long it took to find out, and when that was.
pub(crate) type WaitingSeen = Option<(Vec<(Waiting, usize, u64)>, Duration, Instant)>;

/// Of the board's time, one part in so many at most goes into saying what tasks wait for.
const WAITING_SHARE: u32 = 20;

impl Context {
    /// How many open tasks wait for what, and since when the oldest does. Every task is looked at for that, and anybody
    /// may ask: the answer stands for a while, the longer the more it took.
    pub(crate) fn waiting(&self) -> Vec<(Waiting, usize, u64)> {
        let mut seen = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((waiting, took, at)) = &*seen
            && at.elapsed() < *took * WAITING_SHARE
        {
            return waiting.clone();
        }
        let began = Instant::now();
        let waiting = self.board.lock().waiting();
        *seen = Some((waiting.clone(), began.elapsed(), Instant::now()));
        waiting
    }

    /// Waits until the past is known; false when stopped instead.
    pub(crate) async fn caught_up(&self) -> bool {
        let mut ready = self.ready.clone();
        tokio::select! {
            () = self.stop.cancelled() => false,
            caught_up = ready.wait_for(|ready| *ready) => caught_up.is_ok(),
        }
    }

    /// Sleeps, but not through a stop: false then.
    pub(crate) async fn pause(&self, duration: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }

    pub(crate) fn safety_net(&self) -> Duration {
        Duration::from_secs(self.options.safety_net_secs.max(1))
    }

    /// Ends a taken task's turn in which a transaction was sent: what it did, in which block. What the hub has refused, or left uncertain, is
    /// compared with the chain, then tried again after a pause if it is still wanted.
    pub(crate) async fn settle_turn(
        &self,
        job: Job,
        task: TaskId,
        outcome: Result<(Event, u64), ChainError>,
    ) {
        match outcome {
            Ok((event, block)) => {
                let mut state = self.board.lock();
                state.counters.transactions += 1;
                state.untroubled(task);
                state.apply_in(Some(block), task, event);
            }
            Err(error) => {
                let fault = fault(&error);
                tracing::warn!(task.id = %task, %error, "cannot {} the task for now", job.verb());
                let pause = {
                    let mut state = self.board.lock();
                    state.counters.transactions += 1;
                    state.counters.transactions_failed += 1;
                    state.counters.transactions_refused += u64::from(fault == Fault::Hubs);
                    state.troubled(task, job, error.to_string(), fault)
                };
                // Nobody listens any more when stopping.
                let _ = self.recheck.send(vec![task]);
                // Nobody's while it waits: what happens to it meanwhile may ask for something else.
                self.board.done(task);
                if let Some(pause) = pause
                    && self.pause(pause).await
                {
                    self.board.resume(task, job);
                }
                return;
            }
        }
        self.board.done(task);
    }
}

fn fault(error: &ChainError) -> Fault {
    match error {
        ChainError::Unreachable { .. }
        | ChainError::Uncertain { .. }
        | ChainError::Closed { .. } => Fault::Passing,
        ChainError::Refused { .. } | ChainError::OutOfGas { .. } => Fault::Hubs,
        ChainError::Node { .. }
        | ChainError::Unreadable { .. }
        | ChainError::WrongChain { .. }
        | ChainError::NothingThere { .. }
        | ChainError::NoEther { .. }
        | ChainError::BadUrl { .. }
        | ChainError::NoClient { .. } => Fault::Nodes,
    }
}

impl Job {
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Assign => "assign",
            Self::Upload => "collect the result of",
            Self::Finalize => "finalize",
            Self::Reopen => "reopen",
            Self::Claim => "claim",
        }
    }
}
