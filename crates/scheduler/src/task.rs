//! A task as the pool sees it, and the only place where that changes.
//!
//! Pure: no clock, no socket, no database. [`Task::apply`] takes what was seen (on chain) or done (here) and gives
//! the task that follows, or says why the two do not fit. What the chain says always fits when it comes once more,
//! since logs are read again after a restart; what a worker says is only accepted where it makes sense.
//!
//! ```text
//! Unset ─Initialized─► Active ─Consensus─► Revealing ─Finalized─► Completed
//!                        ▲  └──────────────Finalized──────────────────▲      (contributeAndFinalize)
//!                        └────Reopened────────┘
//! Unset, Active, Revealing ─Claimed─► Claimed
//! ```
//!
//! Beside the stage stand the replicas: one per try of one worker. A worker contributes once at most; it may try
//! again only when an earlier try ended before a contribution. Workers may be given a task that is still Unset: while
//! `initialize` is on its way they fetch and compute.

use alloy_primitives::{Address, B256, Bytes};
use protocol::{DealId, TaskId};
use sdk::wire::pool::{FailureCause, PinnedBlob, ReplicaReport, TaskFailure, TaskReport};

/// A task, from the deal's notice to its end on chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) deal: DealId,
    /// Index within the request order.
    pub(crate) index: u64,
    pub(crate) stage: Stage,
    /// Since when it is at this stage, or given up; by this machine's clock, for people to read.
    pub(crate) since_secs: u64,
    /// Why no more workers are given to it; its money goes back by a claim.
    pub(crate) given_up: Option<String>,
    /// Tries, oldest first.
    pub(crate) replicas: Vec<Replica>,
    /// Who was asked for the result's bytes and has not delivered yet.
    pub(crate) asked: Option<Asked>,
    /// Checked bytes, of each digest those that came first. Which of them are the task's result is the chain's to say, and
    /// it may say otherwise after a reorganisation: see [`Task::result`].
    pub(crate) results: Vec<TaskResult>,
}

/// Where the task stands on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The deal allows it; nobody initialized it.
    Unset,
    /// Contributions are welcome.
    Active,
    /// Consensus was reached; those who are right reveal.
    Revealing {
        /// The result hash that won.
        consensus: B256,
        /// Until when to reveal, chain time. A guess until the chain was asked for this task.
        deadline_secs: u64,
    },
    /// Finalized, paid.
    Completed,
    /// Failed; the requester has the money back.
    Claimed,
}

/// One try of one worker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Replica {
    pub(crate) worker: Address,
    pub(crate) state: ReplicaState,
    /// When it came into this state: seconds since 1970 by this machine's clock.
    pub(crate) since_secs: u64,
    /// How often this worker was asked for the result's bytes.
    pub(crate) uploads_asked: u32,
    /// When it was last.
    pub(crate) upload_asked_secs: u64,
}

/// How far a try got.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReplicaState {
    /// Sent, no answer yet.
    Assigned,
    /// Accepted.
    Computing,
    /// Its claim is on chain.
    Contributed { hash: B256 },
    /// Its digest is on chain; it was right.
    Revealed { hash: B256, digest: B256 },
    /// Its claim had won, nobody revealed in time, and the task was reopened without it.
    Rejected,
    /// It said so itself; nothing was contributed.
    Failed(TaskFailure),
    /// The connection broke, or it was silent for too long, before contributing.
    Lost,
    /// It does not want the task.
    Declined { reason: String },
    /// The pool told it to stop: the task needs it no more.
    Abandoned,
}

/// A worker was asked for the result's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) worker: Address,
    pub(crate) at_secs: u64,
}

/// The checked bytes of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskResult {
    pub(crate) worker: Address,
    /// Made from these bytes by the pool.
    pub(crate) digest: B256,
    pub(crate) blob: PinnedBlob,
    /// What the requester's contract is called with, where the deal names one.
    pub(crate) callback: Option<Bytes>,
}

/// What was seen or done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    // On chain, in the order of a task's life.
    Initialized,
    Contributed {
        worker: Address,
        hash: B256,
    },
    Consensus {
        consensus: B256,
        deadline_secs: u64,
    },
    Revealed {
        worker: Address,
        digest: B256,
    },
    Reopened,
    Finalized,
    Claimed,

    // Between pool and workers.
    Assigned {
        worker: Address,
    },
    Accepted {
        worker: Address,
    },
    Declined {
        worker: Address,
        reason: String,
    },
    Failed {
        worker: Address,
        failure: TaskFailure,
    },
    Lost {
        worker: Address,
    },
    /// It came back after all, still holding the task, and the task still has a place for it.
    Returned {
        worker: Address,
    },

    // The result's bytes.
    UploadAsked {
        worker: Address,
    },
    UploadFailed {
        worker: Address,
    },
    Stored(TaskResult),

    // The pool's own decision.
    GivenUp {
        reason: String,
    },
}

/// An event that does not fit the task: a worker's mistake, or ours.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("task {task} is {stage:?} and cannot take {event:?}")]
pub(crate) struct Illegal {
    task: TaskId,
    stage: Stage,
    event: Box<Event>,
}

/// What the chain says of a task when asked as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OnChain {
    pub(crate) stage: Stage,
    pub(crate) contributions: Vec<(Address, OnChainContribution)>,
}

/// A contribution as the chain keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnChainContribution {
    Contributed { hash: B256 },
    Proved { hash: B256, digest: B256 },
    Rejected,
}

impl Task {
    /// As the deal's notice makes it.
    pub(crate) fn new(id: TaskId, deal: DealId, index: u64) -> Self {
        Self {
            id,
            deal,
            index,
            stage: Stage::Unset,
            since_secs: 0,
            given_up: None,
            replicas: Vec::new(),
            asked: None,
            results: Vec::new(),
        }
    }

    /// The task after `event`, which was seen or done at `now_secs` (this machine's clock).
    pub(crate) fn apply(self, event: Event, now_secs: u64) -> Result<Self, Illegal> {
        let before = (self.stage, self.given_up.is_some());
        self.step(event, now_secs)
            .map(|after| after.noted(before, now_secs))
    }

    /// Keeps what follows from the stage: since when it is so.
    fn noted(mut self, before: (Stage, bool), now_secs: u64) -> Self {
        if (self.stage, self.given_up.is_some()) != before {
            self.since_secs = now_secs;
        }
        self
    }

    /// The result's bytes: of the digest on chain once there is one, else those that came last.
    pub(crate) fn result(&self) -> Option<&TaskResult> {
        let mut latest_first = self.results.iter().rev();
        latest_first.find(|result| self.may_be_the_result(result.digest))
    }

    /// The bytes of this digest.
    pub(crate) fn result_of(&self, digest: B256) -> Option<&TaskResult> {
        self.results.iter().find(|result| result.digest == digest)
    }

    /// What this worker has delivered.
    pub(crate) fn delivered_by(&self, worker: Address) -> impl Iterator<Item = &TaskResult> {
        let mut results = self.results.iter();
        std::iter::from_fn(move || results.find(|result| result.worker == worker))
    }

    /// Whether bytes of this digest are, or may become, the task's result.
    pub(crate) fn may_be_the_result(&self, digest: B256) -> bool {
        match self.stage {
            Stage::Unset | Stage::Active | Stage::Claimed => true,
            Stage::Revealing { consensus, .. } => {
                protocol::contribution::hash(self.id, digest.into()) == consensus
            }
            Stage::Completed => self.revealed().any(|replica| {
                matches!(replica.state, ReplicaState::Revealed { digest: shown, .. } if shown == digest)
            }),
        }
    }

    fn step(mut self, event: Event, now_secs: u64) -> Result<Self, Illegal> {
        use Stage::{Active, Claimed, Completed, Revealing, Unset};
        match (self.stage, event) {
            // The chain goes forward; what it said before may be heard again.
            (Unset, Event::Initialized) => self.stage = Active,
            (Active | Revealing { .. } | Completed | Claimed, Event::Initialized) => {}

            (
                Unset | Active | Revealing { .. } | Completed | Claimed,
                Event::Contributed { worker, hash },
            ) => {
                if self.stage == Unset {
                    self.stage = Active;
                }
                self.contributed(worker, hash, now_secs);
            }

            // Heard again: the deadline known already is the better one.
            (
                Revealing {
                    consensus: known, ..
                },
                Event::Consensus { consensus, .. },
            ) if known == consensus => {}
            (
                Unset | Active | Revealing { .. },
                Event::Consensus {
                    consensus,
                    deadline_secs,
                },
            ) => {
                self.stage = Revealing {
                    consensus,
                    deadline_secs,
                };
                // Whoever was still at it was quicker than our giving up: now there is a result to be had, and paid.
                self.given_up = None;
                self.abandon(now_secs);
            }
            (Completed | Claimed, Event::Consensus { .. }) => {}

            (
                Unset | Active | Revealing { .. } | Completed | Claimed,
                Event::Revealed { worker, digest },
            ) => {
                self.note_reveal(worker, digest, now_secs);
            }

            (Unset | Active, Event::Reopened) => self.stage = Active,
            (Revealing { consensus, .. }, Event::Reopened) => {
                self.stage = Active;
                self.asked = None;
                self.reject(consensus, now_secs);
            }
            (Completed | Claimed, Event::Reopened) => {}

            (Unset | Active | Revealing { .. } | Completed, Event::Finalized) => {
                self.close(Completed, now_secs)
            }
            (Unset | Active | Revealing { .. } | Claimed, Event::Claimed) => {
                self.close(Claimed, now_secs)
            }
            // One end excludes the other: such logs are of two histories, and the whole task must be asked for.
            (Claimed, event @ Event::Finalized) | (Completed, event @ Event::Claimed) => {
                return Err(self.illegal(event));
            }

            // Workers.
            (Unset | Active, Event::Assigned { worker }) if self.may_be_given_to(worker) => {
                self.replicas.push(Replica {
                    worker,
                    state: ReplicaState::Assigned,
                    since_secs: now_secs,
                    uploads_asked: 0,
                    upload_asked_secs: 0,
                });
            }
            (Unset | Active | Revealing { .. }, Event::Accepted { worker })
                if self.is_pending(worker) =>
            {
                self.set(worker, ReplicaState::Computing, now_secs);
            }
            // The chain was quicker than the message.
            (Active | Revealing { .. } | Completed | Claimed, Event::Accepted { worker })
                if self
                    .latest(worker)
                    .is_some_and(|replica| replica.state.is_on_chain()) => {}
            (Unset | Active | Revealing { .. }, Event::Declined { worker, reason })
                if self.is_pending(worker) =>
            {
                self.set(worker, ReplicaState::Declined { reason }, now_secs);
            }
            (Unset | Active | Revealing { .. }, Event::Failed { worker, failure })
                if self.is_pending(worker) =>
            {
                self.set(worker, ReplicaState::Failed(failure), now_secs);
            }
            (Unset | Active | Revealing { .. }, Event::Lost { worker })
                if self.is_pending(worker) =>
            {
                self.set(worker, ReplicaState::Lost, now_secs);
            }
            (Unset | Active, Event::Returned { worker }) if self.may_return(worker) => {
                self.set_or_push(worker, ReplicaState::Computing, now_secs);
            }
            (
                Unset | Active | Revealing { .. } | Completed | Claimed,
                event @ (Event::Assigned { .. }
                | Event::Accepted { .. }
                | Event::Declined { .. }
                | Event::Failed { .. }
                | Event::Lost { .. }
                | Event::Returned { .. }),
            ) => return Err(self.illegal(event)),

            // The result's bytes.
            (Revealing { .. }, Event::UploadAsked { worker })
                if self.result().is_none() && self.has_won(worker) =>
            {
                self.asked = Some(Asked {
                    worker,
                    at_secs: now_secs,
                });
                if let Some(replica) = self.latest_mut(worker) {
                    replica.uploads_asked += 1;
                    replica.upload_asked_secs = now_secs;
                }
            }
            (Revealing { .. }, Event::UploadFailed { worker })
                if self.asked.is_some_and(|asked| asked.worker == worker) =>
            {
                self.asked = None;
            }
            (Unset | Active | Revealing { .. }, Event::Stored(result))
                if self.may_deliver(result.worker, result.digest) =>
            {
                self.asked = None;
                // The first stay: somebody may be about to name them on chain.
                if self.result_of(result.digest).is_none() {
                    self.results.push(result);
                }
            }
            (
                Unset | Active | Revealing { .. } | Completed | Claimed,
                event @ (Event::UploadAsked { .. } | Event::UploadFailed { .. } | Event::Stored(_)),
            ) => return Err(self.illegal(event)),

            (Unset | Active | Revealing { .. }, Event::GivenUp { reason }) => {
                self.given_up = Some(reason);
                self.abandon(now_secs);
            }
            (Completed | Claimed, event @ Event::GivenUp { .. }) => return Err(self.illegal(event)),
        }
        Ok(self)
    }

    /// The task as the chain tells it when asked as a whole, which goes before all we believed. `now_secs` as above.
    pub(crate) fn corrected_by(self, chain: OnChain, now_secs: u64) -> Self {
        let before = (self.stage, self.given_up.is_some());
        self.corrected(chain, now_secs).noted(before, now_secs)
    }

    fn corrected(mut self, chain: OnChain, now_secs: u64) -> Self {
        let reopened = self.consensus().is_some() && chain.stage == Stage::Active;
        if reopened {
            self.asked = None;
        }
        for (worker, contribution) in &chain.contributions {
            match *contribution {
                OnChainContribution::Contributed { hash } => {
                    self.contributed(*worker, hash, now_secs)
                }
                OnChainContribution::Proved { hash, digest } => {
                    self.set_or_push(*worker, ReplicaState::Revealed { hash, digest }, now_secs);
                }
                OnChainContribution::Rejected => {
                    self.set_or_push(*worker, ReplicaState::Rejected, now_secs)
                }
            }
        }
        // What the chain does not know was undone with the blocks it stood in.
        for replica in &mut self.replicas {
            let on_chain = chain
                .contributions
                .iter()
                .any(|(worker, _)| *worker == replica.worker);
            if replica.state.is_on_chain() && !on_chain {
                replica.state = ReplicaState::Lost;
                replica.since_secs = now_secs;
            }
        }
        match chain.stage {
            end @ (Stage::Completed | Stage::Claimed) => self.close(end, now_secs),
            Stage::Revealing { .. } => {
                if self.consensus().is_none() {
                    self.given_up = None;
                }
                self.stage = chain.stage;
                self.abandon(now_secs);
            }
            Stage::Unset | Stage::Active => self.stage = chain.stage,
        }
        self
    }

    /// Counts the time of those still at it from now on: after a restart, whatever the clock was before.
    pub(crate) fn not_before(&mut self, now_secs: u64) {
        for replica in &mut self.replicas {
            if replica.state.is_pending() {
                replica.since_secs = now_secs;
            }
            replica.since_secs = replica.since_secs.min(now_secs);
        }
        self.since_secs = self.since_secs.min(now_secs);
        if self.since_secs == 0 {
            self.since_secs = now_secs;
        }
    }

    /// Whether it is over.
    pub(crate) fn is_closed(&self) -> bool {
        match self.stage {
            Stage::Completed | Stage::Claimed => true,
            Stage::Unset | Stage::Active | Stage::Revealing { .. } => false,
        }
    }

    /// The hash that won, while it is being revealed.
    pub(crate) fn consensus(&self) -> Option<B256> {
        match self.stage {
            Stage::Revealing { consensus, .. } => Some(consensus),
            Stage::Unset | Stage::Active | Stage::Completed | Stage::Claimed => None,
        }
    }

    /// Workers that were given the task and have neither contributed nor ended otherwise.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Replica> {
        self.replicas
            .iter()
            .filter(|replica| replica.state.is_pending())
    }

    pub(crate) fn is_pending(&self, worker: Address) -> bool {
        self.latest(worker)
            .is_some_and(|replica| replica.state.is_pending())
    }

    /// Whether a worker that still holds the task may go on with it. One never heard of may: its assignment was lost
    /// with our database, or with a message.
    pub(crate) fn may_return(&self, worker: Address) -> bool {
        self.given_up.is_none()
            && self.latest(worker).is_none_or(|replica| {
                matches!(replica.state, ReplicaState::Lost | ReplicaState::Abandoned)
            })
    }

    /// The worker's last try.
    pub(crate) fn latest(&self, worker: Address) -> Option<&Replica> {
        self.replicas
            .iter()
            .rev()
            .find(|replica| replica.worker == worker)
    }

    fn latest_mut(&mut self, worker: Address) -> Option<&mut Replica> {
        self.replicas
            .iter_mut()
            .rev()
            .find(|replica| replica.worker == worker)
    }

    /// Whether the chain would take a contribution of this worker, as far as we know.
    fn may_be_given_to(&self, worker: Address) -> bool {
        self.given_up.is_none()
            && self
                .latest(worker)
                .is_none_or(|replica| replica.state.may_be_followed())
    }

    /// Whether to ask this worker (again), now. Who was away may start over; who declined, or failed by its own fault,
    /// gets a pause that grows from try to try, since the reason may pass (all slots busy, no stake left); where the
    /// app itself failed it would fail again.
    pub(crate) fn may_ask(&self, worker: Address, now_secs: u64, pause_secs: u64) -> Asking {
        let Some(last) = self.latest(worker) else {
            return Asking::Now;
        };
        let tries = self
            .replicas
            .iter()
            .filter(|replica| replica.worker == worker)
            .count();
        if self.given_up.is_some() || tries >= TRIES_PER_WORKER {
            return Asking::Never;
        }
        let after = match &last.state {
            ReplicaState::Lost | ReplicaState::Abandoned if tries < 3 => last.since_secs,
            ReplicaState::Lost | ReplicaState::Abandoned | ReplicaState::Declined { .. } => {
                last.since_secs + pause_after(tries, pause_secs)
            }
            ReplicaState::Failed(failure) if failure.cause == FailureCause::Worker => {
                last.since_secs + pause_after(tries, pause_secs)
            }
            ReplicaState::Failed(_)
            | ReplicaState::Assigned
            | ReplicaState::Computing
            | ReplicaState::Contributed { .. }
            | ReplicaState::Revealed { .. }
            | ReplicaState::Rejected => return Asking::Never,
        };
        if now_secs >= after {
            Asking::Now
        } else {
            Asking::From(after)
        }
    }

    /// Contributors whose hash won.
    pub(crate) fn winners(&self) -> impl Iterator<Item = &Replica> {
        let consensus = self.consensus();
        self.replicas
            .iter()
            .filter(move |replica| consensus.is_some() && replica.state.hash() == consensus)
    }

    /// Whether this worker's claim is the one that won.
    pub(crate) fn has_won(&self, worker: Address) -> bool {
        self.winners().any(|replica| replica.worker == worker)
    }

    /// Whether bytes of this digest are taken from this worker: those it claimed on chain, or, as long as nothing is
    /// there, those of a task it was given.
    pub(crate) fn may_deliver(&self, worker: Address, digest: B256) -> bool {
        match self.latest(worker).map(|replica| &replica.state) {
            Some(ReplicaState::Assigned | ReplicaState::Computing) => {
                matches!(self.stage, Stage::Unset | Stage::Active)
            }
            Some(ReplicaState::Contributed { hash }) => {
                *hash == protocol::contribution::hash(self.id, digest.into())
            }
            Some(ReplicaState::Revealed { digest: shown, .. }) => *shown == digest,
            Some(
                ReplicaState::Rejected
                | ReplicaState::Failed(_)
                | ReplicaState::Lost
                | ReplicaState::Declined { .. }
                | ReplicaState::Abandoned,
            )
            | None => false,
        }
    }

    pub(crate) fn revealed(&self) -> impl Iterator<Item = &Replica> {
        self.replicas
            .iter()
            .filter(|replica| matches!(replica.state, ReplicaState::Revealed { .. }))
    }

    /// Whether nobody is left whose reveal could be waited for.
    pub(crate) fn all_winners_revealed(&self) -> bool {
        let mut winners = self.winners().peekable();
        // Consensus of nobody is none: then the contributions are not known here yet.
        winners.peek().is_some()
            && winners.all(|replica| matches!(replica.state, ReplicaState::Revealed { .. }))
    }

    /// Different workers on which the application itself failed.
    pub(crate) fn app_failures(&self) -> Vec<(Address, &TaskFailure)> {
        let mut failures: Vec<(Address, &TaskFailure)> = Vec::new();
        for replica in &self.replicas {
            if let ReplicaState::Failed(failure) = &replica.state
                && failure.cause == FailureCause::Application
                && failures.iter().all(|(worker, _)| *worker != replica.worker)
            {
                failures.push((replica.worker, failure));
            }
        }
        failures
    }

    /// What people are told; `why` is [`waiting`](crate::waiting)'s sentence.
    pub(crate) fn report(&self, why: String) -> TaskReport {
        TaskReport {
            task: self.id,
            deal: self.deal,
            index: self.index,
            state: self.state_in_words(),
            why,
            replicas: self
                .replicas
                .iter()
                .map(|replica| {
                    let delivered = self
                        .result()
                        .is_some_and(|result| result.worker == replica.worker);
                    replica
                        .report(delivered && matches!(replica.state, ReplicaState::Revealed { .. }))
                })
                .collect(),
        }
    }

    fn state_in_words(&self) -> String {
        match self.stage {
            Stage::Completed => "completed".to_owned(),
            Stage::Claimed => "claimed".to_owned(),
            Stage::Unset | Stage::Active if self.given_up.is_some() => {
                format!("given up: {}", self.given_up.as_deref().unwrap_or_default())
            }
            Stage::Unset | Stage::Active if self.pending().next().is_some() => {
                "computing".to_owned()
            }
            Stage::Active
                if self
                    .replicas
                    .iter()
                    .any(|replica| replica.state.hash().is_some()) =>
            {
                "waiting for consensus".to_owned()
            }
            Stage::Unset | Stage::Active => "waiting for a worker".to_owned(),
            Stage::Revealing { .. } if self.given_up.is_some() => {
                format!("given up: {}", self.given_up.as_deref().unwrap_or_default())
            }
            Stage::Revealing { .. } if self.revealed().next().is_none() => "revealing".to_owned(),
            Stage::Revealing { .. } if self.result().is_none() => "uploading".to_owned(),
            Stage::Revealing { .. } => "finalizing".to_owned(),
        }
    }

    fn contributed(&mut self, worker: Address, hash: B256, now_secs: u64) {
        match self.latest(worker).map(|replica| &replica.state) {
            Some(
                ReplicaState::Contributed { .. }
                | ReplicaState::Revealed { .. }
                | ReplicaState::Rejected,
            ) => {}
            Some(
                ReplicaState::Assigned
                | ReplicaState::Computing
                | ReplicaState::Failed(_)
                | ReplicaState::Lost
                | ReplicaState::Declined { .. }
                | ReplicaState::Abandoned,
            )
            | None => self.set_or_push(worker, ReplicaState::Contributed { hash }, now_secs),
        }
    }

    fn note_reveal(&mut self, worker: Address, digest: B256, now_secs: u64) {
        // The hub lets nobody reveal what does not hash to the claim.
        let hash = protocol::contribution::hash(self.id, digest.into());
        self.set_or_push(worker, ReplicaState::Revealed { hash, digest }, now_secs);
    }

    /// Stops everybody who is still at it.
    fn abandon(&mut self, now_secs: u64) {
        for replica in &mut self.replicas {
            if replica.state.is_pending() {
                replica.state = ReplicaState::Abandoned;
                replica.since_secs = now_secs;
            }
        }
    }

    fn reject(&mut self, consensus: B256, now_secs: u64) {
        for replica in &mut self.replicas {
            if replica.state.hash() == Some(consensus) {
                replica.state = ReplicaState::Rejected;
                replica.since_secs = now_secs;
            }
        }
    }

    fn set(&mut self, worker: Address, state: ReplicaState, now_secs: u64) {
        if let Some(replica) = self.latest_mut(worker) {
            replica.state = state;
            replica.since_secs = now_secs;
        }
    }

    fn set_or_push(&mut self, worker: Address, state: ReplicaState, now_secs: u64) {
        if self.latest(worker).is_some() {
            self.set(worker, state, now_secs);
        } else {
            self.replicas.push(Replica {
                worker,
                state,
                since_secs: now_secs,
                uploads_asked: 0,
                upload_asked_secs: 0,
            });
        }
    }

    fn close(&mut self, stage: Stage, now_secs: u64) {
        self.stage = stage;
        self.asked = None;
        self.abandon(now_secs);
    }

    fn illegal(&self, event: Event) -> Illegal {
        Illegal {
            task: self.id,
            stage: self.stage,
            event: Box::new(event),
        }
    }
}

/// Most tries of one worker at one task: one that breaks every time shall not break for ever.
const TRIES_PER_WORKER: usize = 50;

/// The pause after so many tries of one worker: short at first, `pause_secs` after the third, then doubling.
fn pause_after(tries: usize, pause_secs: u64) -> u64 {
    match tries {
        0 | 1 => pause_secs / 30,
        2 => pause_secs / 6,
        more => pause_secs << (more - 3).min(4),
    }
}

/// Between two questions to one worker for the same result, seconds.
const UPLOAD_PAUSE_SECS: u64 = 5;

/// Whether a worker may be given a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    Now,
    /// From this second on.
    From(u64),
    Never,
}

impl ReplicaState {
    /// Given, and neither on chain nor over.
    pub(crate) fn is_pending(&self) -> bool {
        match self {
            Self::Assigned | Self::Computing => true,
            Self::Contributed { .. }
            | Self::Revealed { .. }
            | Self::Rejected
            | Self::Failed(_)
            | Self::Lost
            | Self::Declined { .. }
            | Self::Abandoned => false,
        }
    }

    fn is_on_chain(&self) -> bool {
        match self {
            Self::Contributed { .. } | Self::Revealed { .. } | Self::Rejected => true,
            Self::Assigned
            | Self::Computing
            | Self::Failed(_)
            | Self::Lost
            | Self::Declined { .. }
            | Self::Abandoned => false,
        }
    }

    /// Whether the same worker may try once more.
    fn may_be_followed(&self) -> bool {
        match self {
            Self::Lost | Self::Declined { .. } | Self::Abandoned => true,
            Self::Failed(failure) => match failure.cause {
                FailureCause::Worker => true,
                FailureCause::Application => false,
            },
            Self::Assigned
            | Self::Computing
            | Self::Contributed { .. }
            | Self::Revealed { .. }
            | Self::Rejected => false,
        }
    }

    /// The result hash that counts on chain.
    pub(crate) fn hash(&self) -> Option<B256> {
        match self {
            Self::Contributed { hash } | Self::Revealed { hash, .. } => Some(*hash),
            Self::Assigned
            | Self::Computing
            | Self::Rejected
            | Self::Failed(_)
            | Self::Lost
            | Self::Declined { .. }
            | Self::Abandoned => None,
        }
    }

    /// One word, as in [`ReplicaReport::state`] and in the database.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Computing => "computing",
            Self::Contributed { .. } => "contributed",
            Self::Revealed { .. } => "revealed",
            Self::Rejected => "rejected",
            Self::Failed(_) => "failed",
            Self::Lost => "lost",
            Self::Declined { .. } => "declined",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Replica {
    /// One that failed to deliver gets a pause before it is asked again.
    pub(crate) fn may_be_asked_for_result(&self, now_secs: u64) -> bool {
        self.uploads_asked == 0
            || now_secs.saturating_sub(self.upload_asked_secs) >= UPLOAD_PAUSE_SECS
    }

    fn report(&self, delivered: bool) -> ReplicaReport {
        let failure = match &self.state {
            ReplicaState::Failed(failure) => Some(failure.clone()),
            ReplicaState::Declined { reason } => Some(TaskFailure {
                cause: FailureCause::Worker,
                message: reason.clone(),
                log: String::new(),
            }),
            ReplicaState::Assigned
            | ReplicaState::Computing
            | ReplicaState::Contributed { .. }
            | ReplicaState::Revealed { .. }
            | ReplicaState::Rejected
            | ReplicaState::Lost
            | ReplicaState::Abandoned => None,
        };
        let state = if delivered {
            "uploaded"
        } else {
            self.state.word()
        };
        ReplicaReport {
            worker: self.worker,
            state: state.to_owned(),
            failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Address = Address::repeat_byte(0xa);
    const B: Address = Address::repeat_byte(0xb);
    const C: Address = Address::repeat_byte(0xc);

    fn task() -> Task {
        Task::new(
            TaskId(B256::repeat_byte(1)),
            DealId(B256::repeat_byte(2)),
            0,
        )
    }

    fn hash_of(digest: B256) -> B256 {
        protocol::contribution::hash(task().id, digest.into())
    }

    fn digest() -> B256 {
        B256::repeat_byte(0xd)
    }

    fn failure(cause: FailureCause) -> TaskFailure {
        TaskFailure {
            cause,
            message: "exit code 1".to_owned(),
            log: String::new(),
        }
    }

    fn result_of(worker: Address) -> TaskResult {
        let blob = PinnedBlob {
            cid: "bafkrei".to_owned(),
            length: 1,
            sha256: B256::ZERO,
        };
        TaskResult {
            worker,
            digest: digest(),
            blob,
            callback: None,
        }
    }

    /// A task to which all of this has happened, at second 100.
    fn after(events: impl IntoIterator<Item = Event>) -> Task {
        let mut task = task();
        for event in events {
            task = task.apply(event, 100).expect("a legal life");
        }
        task
    }

    fn consensus() -> Event {
        Event::Consensus {
            consensus: hash_of(digest()),
            deadline_secs: 500,
        }
    }

    fn contributed(worker: Address) -> Event {
        Event::Contributed {
            worker,
            hash: hash_of(digest()),
        }
    }

    fn revealed(worker: Address) -> Event {
        Event::Revealed {
            worker,
            digest: digest(),
        }
    }

    #[test]
    fn a_task_walks_from_notice_to_payment() {
        let mut task = task();
        for (event, words) in [
            (Event::Initialized, "waiting for a worker"),
            (Event::Assigned { worker: A }, "computing"),
            (Event::Accepted { worker: A }, "computing"),
            (contributed(A), "waiting for consensus"),
            (consensus(), "revealing"),
            (revealed(A), "uploading"),
            (Event::UploadAsked { worker: A }, "uploading"),
            (Event::Stored(result_of(A)), "finalizing"),
            (Event::Finalized, "completed"),
        ] {
            task = task.apply(event, 100).expect("a legal step");
            assert_eq!(task.report(String::new()).state, words);
        }
        assert!(task.is_closed());
        assert_eq!(task.report(String::new()).replicas[0].state, "uploaded");
    }

    #[test]
    fn the_chain_may_say_everything_twice() {
        let life = [
            Event::Initialized,
            contributed(A),
            consensus(),
            revealed(A),
            Event::Finalized,
        ];
        let once = after(life.clone());
        let twice = after(life.clone().into_iter().chain(life));
        assert_eq!(once, twice);
    }

    #[test]
    fn a_worker_is_not_assigned_what_it_has() {
        let task = after([Event::Initialized, Event::Assigned { worker: A }]);
        task.clone()
            .apply(Event::Assigned { worker: A }, 100)
            .expect_err("it has it");
        task.apply(Event::Assigned { worker: B }, 100)
            .expect("another may");
    }

    #[test]
    fn who_contributed_is_never_asked_again() {
        let task = after([
            Event::Initialized,
            Event::Assigned { worker: A },
            contributed(A),
        ]);
        assert_eq!(task.may_ask(A, 10_000, 60), Asking::Never);
        task.apply(Event::Lost { worker: A }, 100)
            .expect_err("what is on chain is not lost");
    }

    #[test]
    fn an_answer_that_the_chain_overtook_changes_nothing() {
        let task = after([
            Event::Initialized,
            Event::Assigned { worker: A },
            contributed(A),
            consensus(),
        ]);
        assert_eq!(
            task.clone()
                .apply(Event::Accepted { worker: A }, 100)
                .expect("no fault of the worker"),
            task
        );
    }

    #[test]
    fn consensus_reached_all_the_same_undoes_giving_up() {
        let reason = "the time to contribute is over".to_owned();
        let given_up = Event::GivenUp { reason };
        let begun = [Event::Initialized, contributed(A), given_up.clone()];
        let task = after(begun.clone().into_iter().chain([consensus(), revealed(A)]));
        assert_eq!(task.report(String::new()).state, "uploading");
        task.apply(Event::UploadAsked { worker: A }, 100)
            .expect("its result is wanted");

        let (hash, digest) = (hash_of(digest()), digest());
        let seen = OnChain {
            stage: Stage::Revealing {
                consensus: hash,
                deadline_secs: 500,
            },
            contributions: vec![(A, OnChainContribution::Proved { hash, digest })],
        };
        let compared = after(begun).corrected_by(seen.clone(), 100);
        assert_eq!(compared.report(String::new()).state, "uploading");

        // Given up after it, for want of what the requester's contract is to be called with, it stays so.
        let task = after([contributed(A), consensus(), revealed(A), given_up]);
        assert!(task.corrected_by(seen, 100).given_up.is_some());
    }

    #[test]
    fn a_lost_worker_may_try_again_and_may_come_back() {
        let task = after([
            Event::Initialized,
            Event::Assigned { worker: A },
            Event::Lost { worker: A },
        ]);
        assert_eq!(task.may_ask(A, 100, 60), Asking::Now);
        assert_eq!(task.may_ask(B, 100, 60), Asking::Now);
        let task = task
            .apply(Event::Returned { worker: A }, 100)
            .expect("it comes back");
        assert!(task.is_pending(A));
    }

    #[test]
    fn who_declined_gets_a_pause_that_grows() {
        let declined = Event::Declined {
            worker: A,
            reason: "no stake".to_owned(),
        };
        let mut task = after([Event::Initialized]);
        for pause in [2, 10, 60, 120, 240, 480, 960, 960] {
            task = task
                .apply(Event::Assigned { worker: A }, 100)
                .expect("a new try");
            task = task.apply(declined.clone(), 100).expect("declined");
            assert_eq!(task.may_ask(A, 100, 60), Asking::From(100 + pause));
            assert_eq!(task.may_ask(A, 100 + pause, 60), Asking::Now);
        }
    }

    #[test]
    fn an_app_that_failed_on_a_worker_is_not_tried_there_again() {
        let failed = Event::Failed {
            worker: A,
            failure: failure(FailureCause::Application),
        };
        let task = after([Event::Initialized, Event::Assigned { worker: A }, failed]);
        assert_eq!(task.may_ask(A, 10_000, 60), Asking::Never);
        assert_eq!(task.app_failures().len(), 1);
        let failed = Event::Failed {
            worker: B,
            failure: failure(FailureCause::Worker),
        };
        let task = [Event::Assigned { worker: B }, failed]
            .into_iter()
            .fold(task, |task, event| task.apply(event, 100).expect("legal"));
        assert_eq!(
            task.app_failures().len(),
            1,
            "a worker's own trouble says nothing of the app"
        );
    }

    #[test]
    fn consensus_stops_those_who_are_still_at_it() {
        let task = after([
            Event::Initialized,
            Event::Assigned { worker: B },
            contributed(A),
            consensus(),
        ]);
        assert_eq!(
            task.latest(B).map(|replica| &replica.state),
            Some(&ReplicaState::Abandoned)
        );
        assert!(task.pending().next().is_none());
    }

    #[test]
    fn nobody_won_is_not_everybody_revealed() {
        let task = after([Event::Initialized, consensus()]);
        assert!(!task.all_winners_revealed());
        let task = after([
            Event::Initialized,
            contributed(A),
            contributed(B),
            consensus(),
            revealed(A),
        ]);
        assert!(!task.all_winners_revealed());
        assert!(
            task.apply(revealed(B), 100)
                .expect("legal")
                .all_winners_revealed()
        );
    }

    #[test]
    fn reopening_rejects_the_silent_and_forgets_nothing_else() {
        let other = Event::Contributed {
            worker: B,
            hash: B256::repeat_byte(9),
        };
        let task = after([
            Event::Initialized,
            contributed(A),
            other,
            consensus(),
            Event::Reopened,
        ]);
        assert_eq!(task.stage, Stage::Active);
        assert_eq!(
            task.latest(A).map(|replica| &replica.state),
            Some(&ReplicaState::Rejected)
        );
        assert!(
            task.latest(B)
                .and_then(|replica| replica.state.hash())
                .is_some()
        );
        assert_eq!(task.may_ask(A, 10_000, 60), Asking::Never);
    }

    #[test]
    fn a_result_is_taken_only_from_who_has_won() {
        let task = after([
            Event::Initialized,
            contributed(A),
            contributed(B),
            consensus(),
            revealed(A),
        ]);
        task.clone()
            .apply(Event::Stored(result_of(C)), 100)
            .expect_err("a stranger");
        task.clone()
            .apply(Event::UploadAsked { worker: C }, 100)
            .expect_err("a stranger");
        let other = TaskResult {
            digest: B256::repeat_byte(0xe),
            ..result_of(B)
        };
        task.clone()
            .apply(Event::Stored(other), 100)
            .expect_err("not what B claimed");
        task.clone()
            .apply(Event::Stored(result_of(B)), 100)
            .expect("its claim has won, and so may its bytes be here before its reveal");
        task.apply(Event::Stored(result_of(A)), 100)
            .expect("revealed");
    }

    #[test]
    fn who_has_the_task_may_deliver_before_anything_is_on_chain() {
        let given = [Event::Assigned { worker: A }, Event::Accepted { worker: A }];
        let task = after(given);
        assert_eq!(task.stage, Stage::Unset, "while initialize is on its way");
        task.clone()
            .apply(Event::Stored(result_of(B)), 100)
            .expect_err("it has not been given to B");
        let task = task
            .apply(Event::Stored(result_of(A)), 100)
            .expect("A has the task");
        let one_step = [
            Event::Initialized,
            contributed(A),
            consensus(),
            revealed(A),
            Event::Finalized,
        ];
        let finish = |task: Task, life: [Event; 5]| {
            life.into_iter()
                .fold(task, |task, event| task.apply(event, 101).expect("legal"))
        };
        let finished = finish(task.clone(), one_step);
        assert_eq!(
            (finished.stage, finished.since_secs),
            (Stage::Completed, 101)
        );
        assert!(
            finished.result().is_some(),
            "the bytes are those of the chain's digest"
        );

        let lie = B256::repeat_byte(0xe);
        let hash = protocol::contribution::hash(task.id, lie.into());
        let other = [
            Event::Initialized,
            Event::Contributed { worker: A, hash },
            Event::Consensus {
                consensus: hash,
                deadline_secs: 500,
            },
            Event::Revealed {
                worker: A,
                digest: lie,
            },
            Event::Finalized,
        ];
        assert!(
            finish(task, other).result().is_none(),
            "bytes of another digest are not its result"
        );
    }

    #[test]
    fn the_chain_chooses_among_the_bytes_that_came_before_it_spoke() {
        let other = |worker| TaskResult {
            digest: B256::repeat_byte(0xe),
            ..result_of(worker)
        };
        // A's line breaks after its transaction went out, and B gets the task.
        let task = after([
            Event::Assigned { worker: A },
            Event::Stored(result_of(A)),
            Event::Lost { worker: A },
            Event::Assigned { worker: B },
            Event::Stored(other(B)),
            Event::Initialized,
            contributed(A),
            consensus(),
            revealed(A),
            Event::Finalized,
        ]);
        let worker = |task: &Task| task.result().map(|result| result.worker);
        assert_eq!(worker(&task), Some(A));
        // A reorganisation takes that back, and B is the one whose transaction is mined.
        let hash = hash_of(B256::repeat_byte(0xe));
        let digest = B256::repeat_byte(0xe);
        let seen = OnChain {
            stage: Stage::Completed,
            contributions: vec![(B, OnChainContribution::Proved { hash, digest })],
        };
        let task = task.corrected_by(seen, 100);
        assert_eq!(worker(&task), Some(B));
        assert_eq!(task.delivered_by(B).count(), 1);
        assert_eq!(task.delivered_by(C).count(), 0);
    }

    #[test]
    fn of_two_who_bring_the_same_digest_the_first_ones_bytes_stay() {
        let task = after([
            Event::Assigned { worker: A },
            Event::Assigned { worker: B },
            Event::Stored(result_of(A)),
            Event::Stored(result_of(B)),
        ]);
        assert_eq!(task.results, [result_of(A)]);
    }

    #[test]
    fn two_ends_exclude_each_other() {
        after([Event::Initialized, Event::Finalized])
            .apply(Event::Claimed, 100)
            .expect_err("paid already");
        after([Event::Initialized, Event::Claimed])
            .apply(Event::Finalized, 100)
            .expect_err("refunded already");
    }

    #[test]
    fn giving_up_stops_everybody_and_says_why() {
        let given_up = Event::GivenUp {
            reason: "no such file".to_owned(),
        };
        let task = after([Event::Initialized, Event::Assigned { worker: A }, given_up]);
        assert_eq!(task.report(String::new()).state, "given up: no such file");
        assert!(task.pending().next().is_none());
        task.apply(Event::Assigned { worker: B }, 100)
            .expect_err("no more workers");
    }

    #[test]
    fn the_chain_as_a_whole_goes_before_what_was_believed() {
        let believed = after([
            Event::Initialized,
            contributed(A),
            consensus(),
            revealed(A),
            Event::Finalized,
        ]);
        let chain = OnChain {
            stage: Stage::Active,
            contributions: vec![(
                B,
                OnChainContribution::Contributed {
                    hash: hash_of(digest()),
                },
            )],
        };
        let task = believed.corrected_by(chain, 200);
        assert_eq!(task.stage, Stage::Active);
        assert_eq!(
            task.latest(A).map(|replica| &replica.state),
            Some(&ReplicaState::Lost)
        );
        assert_eq!(
            task.latest(B).map(|replica| replica.state.hash()),
            Some(Some(hash_of(digest())))
        );
    }

    #[test]
    fn a_comparison_that_brings_no_news_changes_nothing() {
        let task = after([
            Event::Initialized,
            Event::Assigned { worker: B },
            contributed(A),
        ]);
        let chain = OnChain {
            stage: Stage::Active,
            contributions: vec![(
                A,
                OnChainContribution::Contributed {
                    hash: hash_of(digest()),
                },
            )],
        };
        assert_eq!(task.clone().corrected_by(chain, 200), task);
    }
}
