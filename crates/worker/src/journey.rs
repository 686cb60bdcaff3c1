//! One task's way at a worker, a chain of types: who holds an [`AtComputed`] has a digest, who holds an
//! [`AtContributed`] has it on chain. Each `next(self)` takes one step and leaves it in the journal.
//!
//! ```text
//! AtAssigned ─fetch─► AtFetched ─run─► AtComputed ─contribute─► AtContributed ─reveal─► AtRevealed ─upload─► AtUploaded ─► over
//!                                          └──upload, contributeAndFinalize (trust 1, where the pool offers it)────────► over
//! ```
//!
//! Before each step that costs money the chain is asked whether it is still right, and whether it was perhaps taken
//! already: a worker that was killed between sending a transaction and hearing of it does not send another. What the
//! pool says only makes a journey look sooner. Up to the contribution a task can be given up; after it the stake is at
//! risk, and only the chain ends the journey.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, Signature, keccak256};
use futures::TryStreamExt as _;
use futures::future::Either;
use protocol::abi::Hub;
use protocol::app::Kind;
use protocol::contribution::{ContributionStatus, authorization_hash, hash, message_hash};
use protocol::ids::TaskId;
use protocol::params::DealParams;
use protocol::result::{Digest, ResultLink};
use protocol::task::{Task, TaskStatus, deadlines};
use runtime::{InputFile, Job, Limits, Module};
use sdk::chain::ChainError;
use sdk::contribution::{ContributionError, Enclave, Standing};
use sdk::wire::pool::{
    Assignment, ErrorBody, FailureCause, LOG_TAIL_BYTES, StoredResult, TaskFailure, ToPool,
    UPLOAD_SHA256_HEADER, UPLOAD_SIGNATURE_HEADER, UPLOAD_WORKER_HEADER, upload_digest,
};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::io::ReaderStream;

use crate::cache::Held;
use crate::conduct::{Conduct, Stage};
use crate::desk::{Desk, Terms};
use crate::journal::{Entry, JournalError, Reached};
use crate::package;

/// How often a waiting journey looks at the chain by itself: a net under what the chain's events and the pool tell it.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The first and the longest pause before something that failed in passing is tried again.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// After how long of failing looks at the chain the log says so, and how often from then on.
const LOOK_WARN_AFTER: Duration = Duration::from_secs(5);
const LOOK_WARN_EVERY: Duration = Duration::from_secs(60);
/// How long a step before the contribution is tried again while chain or pool are away; later the pool has long given
/// the task to another.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the bytes are offered to a pool that is away, before the contribution goes first as ever.
const EARLY_UPLOAD_WITHIN: Duration = Duration::from_secs(20);
/// How long a task that was computed may be unknown to the chain: a node lags behind, or a reorganisation is not over.
/// Forgotten sooner, a contribution that is mined again would never be revealed, and its stake be lost.
const UNKNOWN_FOR: Duration = Duration::from_secs(3600);

/// How a journey ended, or why it does not go on.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Not for this worker.
    Declined(String),
    /// It failed here; nothing was contributed.
    Failed(TaskFailure),
    /// Nothing is left to do.
    Over(String),
    /// The worker is stopping; the journal keeps the task.
    Stopped,
    /// The worker was told to die here.
    Died,
}

/// What the pool has hinted about a task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    /// Counts the requests to upload.
    pub(crate) uploads: u64,
    pub(crate) abandoned: Option<String>,
    /// Counts whatever else is a reason to look at the chain.
    pub(crate) looks: u64,
}

/// What goes along from stage to stage.
pub(crate) struct Walk {
    pub(crate) desk: Arc<Desk>,
    pub(crate) assignment: Assignment,
    pub(crate) hints: watch::Receiver<Hints>,
    /// The slot of a task that is to be computed.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// A journey at any of its stages.
pub(crate) enum Journey {
    Assigned(AtAssigned),
    Fetched(AtFetched),
    Computed(AtComputed),
    Contributed(AtContributed),
    Revealed(AtRevealed),
    Uploaded(AtUploaded),
}

/// Checked against the chain, accepted, in the journal.
pub(crate) struct AtAssigned {
    walk: Walk,
    terms: Arc<Terms>,
    params: DealParams,
}

/// Module and inputs are on disk, and stay there while this lives.
pub(crate) struct AtFetched {
    walk: Walk,
    terms: Arc<Terms>,
    params: DealParams,
    module: Arc<Held>,
    inputs: Vec<Arc<Held>>,
}

/// The digest is in the journal, the result's zip on disk.
pub(crate) struct AtComputed {
    walk: Walk,
    digest: Digest,
    /// A contribution was sent before a restart, and nobody heard what became of it.
    may_be_out: bool,
}

/// The contribution is on chain.
pub(crate) struct AtContributed {
    walk: Walk,
    digest: Digest,
}

/// The digest is on chain.
pub(crate) struct AtRevealed {
    walk: Walk,
    digest: Digest,
    uploads_done: u64,
    /// The bytes travelled beside the reveal.
    delivered: bool,
}

/// The result is with the pool.
pub(crate) struct AtUploaded {
    walk: Walk,
    digest: Digest,
    uploads_done: u64,
}

impl Journey {
    /// Takes a task that the pool has just assigned, if the chain agrees.
    pub(crate) async fn begin(walk: Walk) -> Result<Self, Ending> {
        Box::pin(AtAssigned::accept(walk)).await.map(Self::Assigned)
    }

    /// Goes on with a task from the journal.
    pub(crate) async fn resume(walk: Walk, reached: Reached) -> Result<Self, Ending> {
        let task = walk.task();
        match reached {
            Reached::Assigned => Box::pin(AtAssigned::accept(walk)).await.map(Self::Assigned),
            Reached::Computed { digest } => Ok(Self::Computed(AtComputed {
                walk,
                digest,
                may_be_out: false,
            })),
            Reached::Contributing { digest } => Ok(Self::Computed(AtComputed {
                walk,
                digest,
                may_be_out: true,
            })),
            Reached::Contributed { digest } => {
                walk.tell(ToPool::Contributed { task });
                Ok(Self::Contributed(AtContributed { walk, digest }))
            }
            Reached::Revealed { digest } => {
                walk.tell(ToPool::Revealed { task });
                Ok(Self::Revealed(AtRevealed {
                    walk,
                    digest,
                    uploads_done: 0,
                    delivered: false,
                }))
            }
            Reached::Uploaded { digest } => {
                walk.tell(ToPool::Uploaded { task });
                Ok(Self::Uploaded(AtUploaded {
                    walk,
                    digest,
                    uploads_done: 0,
                }))
            }
        }
    }

    /// To the end.
    pub(crate) async fn travel(mut self) -> Ending {
        loop {
            let next = match self {
                Self::Assigned(at) => Box::pin(at.next()).await.map(Self::Fetched),
                Self::Fetched(at) => Box::pin(at.next()).await.map(Self::Computed),
                Self::Computed(at) => Box::pin(at.next()).await.map(Self::Contributed),
                Self::Contributed(at) => Box::pin(at.next()).await.map(Self::Revealed),
                Self::Revealed(at) => Box::pin(at.next()).await.map(Self::Uploaded),
                Self::Uploaded(at) => return Box::pin(at.next()).await,
            };
            self = match next {
                Ok(journey) => journey,
                Err(ending) => return ending,
            };
        }
    }
}

impl AtAssigned {
    /// Checks an assignment against the chain and writes it down.
    async fn accept(walk: Walk) -> Result<Self, Ending> {
        let terms = walk.patiently(
            "look at the deal",
            || walk.desk.terms(walk.assignment.deal),
            |error| error.is_transient(),
        );
        let terms = terms.await.map_err(|error| walk.decline(error))?;
        let params = walk.check(&terms).await?;
        // In one step nothing is staked; should it come to a contribution after all, the stake is seen to then.
        if !walk.may_finish_in_one_step(&terms) {
            let stake = terms.deal.worker_stake;
            let reserved = walk.patiently(
                "cover the stake",
                || walk.desk.purse.reserve(walk.task(), stake),
                |error| error.is_transient(),
            );
            reserved.await.map_err(|error| walk.decline(error))?;
        }
        walk.reached(Reached::Assigned).await?;
        walk.tell(ToPool::Accepted { task: walk.task() });
        walk.die_at(Stage::Assigned)?;
        Ok(Self {
            walk,
            terms,
            params,
        })
    }

    /// Brings module and inputs.
    pub(crate) async fn next(self) -> Result<AtFetched, Ending> {
        let Self {
            mut walk,
            terms,
            params,
        } = self;
        let fetched = {
            let walk = &walk;
            async move {
                let fetch = |blob| {
                    walk.patiently(
                        "fetch",
                        move || walk.desk.cache.get(&walk.desk.door, blob),
                        |error| error.is_transient(),
                    )
                };
                let module = fetch(&walk.assignment.app).await?;
                let inputs = futures::future::try_join_all(
                    walk.assignment
                        .inputs
                        .iter()
                        .map(|input| fetch(&input.blob)),
                );
                Ok((module, inputs.await?))
            }
        };
        let mut hints = walk.hints.clone();
        let fetched: Result<_, crate::cache::FetchError> = tokio::select! {
            fetched = fetched => fetched,
            ending = interrupted(&walk.desk, &mut hints) => return Err(ending),
        };
        let (module, inputs) = fetched
            .map_err(|error| walk.fail(FailureCause::Worker, in_full(&error), String::new()))?;
        walk.die_at(Stage::Fetched)?;
        walk.hints = hints;
        Ok(AtFetched {
            walk,
            terms,
            params,
            module,
            inputs,
        })
    }
}

impl AtFetched {
    /// Runs the application.
    pub(crate) async fn next(self) -> Result<AtComputed, Ending> {
        let Self {
            mut walk,
            terms,
            params,
            module,
            inputs,
        } = self;
        let task = walk.task();
        let folder = walk.desk.journal.folder(task);
        let mut hints = walk.hints.clone();
        if let Conduct::Slow(pause) = walk.desk.conduct {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                ending = interrupted(&walk.desk, &mut hints) => return Err(ending),
            }
        }
        walk.tell(ToPool::Computing { task });
        let job = walk.job(&terms, &params, &module, &inputs, &folder)?;
        let outcome = tokio::select! {
            outcome = walk.desk.engine.run(job) => outcome,
            ending = interrupted(&walk.desk, &mut hints) => return Err(ending),
        };
        let outcome = outcome.map_err(|failed| {
            let cause = if failed.failure.is_applications() {
                FailureCause::Application
            } else {
                FailureCause::Worker
            };
            walk.fail(cause, failed.failure.to_string(), failed.log)
        })?;
        tracing::info!(
            task.id = %task, digest = %outcome.result.digest, fuel = outcome.fuel, wall = ?outcome.wall, "computed"
        );
        let zip = walk.desk.journal.result(task);
        let packed = tokio::task::spawn_blocking(move || {
            package::package(&outcome.out, &outcome.stdout, &outcome.stderr, &zip)?;
            std::fs::remove_dir_all(folder.join("run"))?;
            Ok::<_, std::io::Error>(outcome.result.digest)
        });
        let packed = packed
            .await
            .map_err(std::io::Error::other)
            .and_then(|packed| packed);
        let computed = packed.map_err(|error| {
            walk.fail(
                FailureCause::Worker,
                format!("packing the result: {error}"),
                String::new(),
            )
        })?;
        let digest = match walk.desk.conduct {
            Conduct::Lying => Digest(keccak256(computed.0)),
            Conduct::Honest | Conduct::Slow(_) | Conduct::Dying(_) => computed,
        };
        walk.slot = None;
        walk.hints = hints;
        walk.reached(Reached::Computed { digest }).await?;
        walk.die_at(Stage::Computed)?;
        Ok(AtComputed {
            walk,
            digest,
            may_be_out: false,
        })
    }
}

impl AtComputed {
    /// Contributes, unless that was done before a restart.
    pub(crate) async fn next(self) -> Result<AtContributed, Ending> {
        let Self {
            mut walk,
            digest,
            may_be_out,
        } = self;
        if !may_be_out {
            walk.finish_in_one_step(digest).await?;
        }
        walk.contribute(digest, may_be_out).await?;
        let task = walk.task();
        walk.reached(Reached::Contributed { digest }).await?;
        walk.tell(ToPool::Contributed { task });
        walk.die_at(Stage::Contributed)?;
        Ok(AtContributed { walk, digest })
    }
}

impl AtContributed {
    /// Waits for consensus, and reveals if it is ours.
    pub(crate) async fn next(self) -> Result<AtRevealed, Ending> {
        let Self { mut walk, digest } = self;
        let task = walk.task();
        let mut delivered = false;
        loop {
            let (view, own) = walk.look().await?;
            match (view.status, own) {
                (TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Unset, _) => {
                    return Err(walk.over(&view));
                }
                (_, ContributionStatus::Rejected) => {
                    return Err(Ending::Over(
                        "nobody revealed in time and the task was reopened".to_owned(),
                    ));
                }
                (_, ContributionStatus::Proved) => break,
                // A reorganised chain has forgotten it. Contributing looks again before it does anything.
                (TaskStatus::Active, ContributionStatus::Unset) => {
                    walk.contribute(digest, true).await?;
                }
                (TaskStatus::Active, ContributionStatus::Contributed) => {
                    walk.wait(Duration::ZERO).await?
                }
                (TaskStatus::Revealing, ContributionStatus::Unset) => {
                    return Err(Ending::Over(
                        "consensus was reached without this worker".to_owned(),
                    ));
                }
                // Consensus is on another result. Should nobody reveal that, the task is reopened, this contribution
                // still counts, and consensus may come to be on it.
                (TaskStatus::Revealing, ContributionStatus::Contributed)
                    if view.consensus_value != hash(task, digest) =>
                {
                    walk.wait(Duration::ZERO).await?;
                }
                (TaskStatus::Revealing, ContributionStatus::Contributed) => {
                    let (sent, uploaded) = walk.reveal_and_upload(digest).await;
                    delivered |= uploaded;
                    match sent {
                        Ok(receipt) => {
                            tracing::info!(task.id = %task, tx = %receipt.tx, "revealed");
                            break;
                        }
                        Err(error) => {
                            // Refused or unheard of: the next look tells which, and whether it is too late.
                            tracing::warn!(task.id = %task, error = in_full(&error), "the reveal did not go through");
                            walk.wait(PAUSE_MAX).await?;
                        }
                    }
                }
            }
        }
        walk.reached(Reached::Revealed { digest }).await?;
        walk.tell(ToPool::Revealed { task });
        walk.die_at(Stage::Revealed)?;
        Ok(AtRevealed {
            walk,
            digest,
            uploads_done: 0,
            delivered,
        })
    }
}

impl AtRevealed {
    /// Waits until the pool wants the result, and sends it.
    pub(crate) async fn next(self) -> Result<AtUploaded, Ending> {
        let Self {
            mut walk,
            digest,
            mut uploads_done,
            delivered,
        } = self;
        loop {
            let wanted = walk.hints.borrow_and_update().uploads;
            if delivered || wanted > uploads_done && walk.upload().await? {
                uploads_done = wanted;
                break;
            }
            // A refused upload is not tried again until it is asked for again.
            uploads_done = wanted;
            let (view, own) = walk.look().await?;
            if view.status.is_over() {
                return Err(walk.over(&view));
            }
            walk = walk.still_revealed(own, digest).await?;
            walk.finish_for_the_pool(&view).await?;
            walk.wait(Duration::ZERO).await?;
        }
        walk.reached(Reached::Uploaded { digest }).await?;
        walk.tell(ToPool::Uploaded { task: walk.task() });
        walk.die_at(Stage::Uploaded)?;
        Ok(AtUploaded {
            walk,
            digest,
            uploads_done,
        })
    }
}

impl AtUploaded {
    /// Waits until the task is over on chain. A pool that lost the result may ask for it again.
    pub(crate) async fn next(self) -> Ending {
        let Self {
            mut walk,
            digest,
            mut uploads_done,
        } = self;
        loop {
            let wanted = walk.hints.borrow_and_update().uploads;
            if wanted > uploads_done {
                uploads_done = wanted;
                match walk.upload().await {
                    Ok(true) => walk.tell(ToPool::Uploaded { task: walk.task() }),
                    Ok(false) => {}
                    Err(ending) => return ending,
                }
            }
            let (view, own) = match walk.look().await {
                Ok((view, _)) if view.status.is_over() => {
                    tracing::debug!(task.id = %walk.task(), %digest, "the task is over");
                    return walk.over(&view);
                }
                Ok(looked) => looked,
                Err(ending) => return ending,
            };
            walk = match walk.still_revealed(own, digest).await {
                Ok(walk) => walk,
                Err(ending) => return ending,
            };
            let waited = match walk.finish_for_the_pool(&view).await {
                Ok(()) => walk.wait(Duration::ZERO).await,
                Err(ending) => Err(ending),
            };
            if let Err(ending) = waited {
                return ending;
            }
        }
    }
}

/// The end of a journey that has not contributed: the worker stops, or the pool wants no more of it.
async fn interrupted(desk: &Desk, hints: &mut watch::Receiver<Hints>) -> Ending {
    loop {
        if let Some(reason) = hints.borrow_and_update().abandoned.clone() {
            return Ending::Over(format!("the pool gave it up: {reason}"));
        }
        tokio::select! {
            () = desk.stop.cancelled() => return Ending::Stopped,
            changed = hints.changed() => if changed.is_err() {
                return Ending::Stopped;
            },
        }
    }
}

impl Walk {
    pub(crate) fn task(&self) -> TaskId {
        self.assignment.task
    }

    fn tell(&self, message: ToPool) {
        self.desk.line.tell(self.task(), message);
    }

    fn decline(&self, reason: impl std::error::Error) -> Ending {
        Ending::Declined(in_full(&reason))
    }

    fn fail(&self, cause: FailureCause, message: String, mut log: String) -> Ending {
        let cut = log.len().saturating_sub(LOG_TAIL_BYTES);
        let cut = (cut..=log.len())
            .find(|at| log.is_char_boundary(*at))
            .unwrap_or(0);
        log.drain(..cut);
        Ending::Failed(TaskFailure {
            cause,
            message,
            log,
        })
    }

    fn over(&self, view: &Task) -> Ending {
        Ending::Over(format!("the task is {} on chain", view.status))
    }

    /// Writes down how far the task has come.
    async fn reached(&self, reached: Reached) -> Result<(), Ending> {
        let entry = Entry {
            assignment: self.assignment.clone(),
            reached,
        };
        let journal = self.desk.journal.clone();
        let saved = tokio::task::spawn_blocking(move || journal.save(&entry)).await;
        let error = match saved {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => in_full::<JournalError>(&error),
            Err(error) => error.to_string(),
        };
        match reached {
            Reached::Assigned | Reached::Computed { .. } | Reached::Contributing { .. } => {
                Err(self.fail(
                    FailureCause::Worker,
                    format!("the journal: {error}"),
                    String::new(),
                ))
            }
            // The chain remembers; giving up now would cost the stake.
            Reached::Contributed { .. } | Reached::Revealed { .. } | Reached::Uploaded { .. } => {
                tracing::error!(task.id = %self.task(), error, "the journal cannot be written, going on");
                Ok(())
            }
        }
    }

    fn die_at(&self, stage: Stage) -> Result<(), Ending> {
        if self.desk.conduct == Conduct::Dying(stage) {
            Err(Ending::Died)
        } else {
            Ok(())
        }
    }

    /// Tries again while something is away, for as long as anybody would wait for this worker.
    async fn patiently<T, E: std::error::Error, F: Future<Output = Result<T, E>>>(
        &self,
        doing: &str,
        mut attempt: impl FnMut() -> F,
        is_transient: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let started = tokio::time::Instant::now();
        let mut pause = PAUSE;
        loop {
            match attempt().await {
                Err(error)
                    if is_transient(&error)
                        && started.elapsed() < PATIENCE
                        && !self.desk.stop.is_cancelled() =>
                {
                    tracing::debug!(task.id = %self.task(), error = in_full(&error), "cannot {doing} yet");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.desk.stop.cancelled() => {}
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                other => return other,
            }
        }
    }

    /// Whether the assignment is what the deal on chain says, and whether this worker can do it.
    async fn check(&self, terms: &Terms) -> Result<DealParams, Ending> {
        let (desk, given) = (&self.desk, &self.assignment);
        let declined = |reason: &str| Err(Ending::Declined(reason.to_owned()));
        let deal = &terms.deal;
        let index = alloy_primitives::U256::from(given.index);
        if given.task != TaskId::derive(given.deal, index) || !deal.has_index(index) {
            return declined("the deal has no such task");
        }
        if deal.workerpool.pointer != desk.info.workerpool {
            return declined("the deal is with another workerpool");
        }
        if given.enclave_challenge != Address::ZERO || deal.needs_enclave() {
            return declined("the deal asks for an enclave, and this worker has none");
        }
        let authorized = authorization_hash(desk.address(), given.task, given.enclave_challenge);
        if signer(&given.authorization, authorized) != Some(deal.workerpool.owner) {
            return declined(
                "the authorization is not signed by the workerpool's owner in this deal",
            );
        }
        if terms.app.kind != Kind::Wasm {
            return declined("this worker runs WASM applications only");
        }
        if given.app.sha256 != terms.app.checksum {
            return declined(
                "the module the pool offers is not the one whose checksum is on chain",
            );
        }
        if deal.has_dataset() {
            return declined("the deal has a dataset, which this worker cannot be given yet");
        }
        let params = terms.params.clone().map_err(|error| {
            self.fail(FailureCause::Application, error.to_string(), String::new())
        })?;
        if params.network == Some(true) {
            return declined(
                "the application asks for network, which this worker's owner does not allow",
            );
        }
        if params.result_encryption == Some(true) {
            return declined("the result is to be encrypted, which this worker cannot do yet");
        }
        if params.input_files.len() != given.inputs.len() {
            return declined("the pool does not offer the inputs the deal names");
        }
        for (named, offered) in params.input_files.iter().zip(&given.inputs) {
            let pin = named.pin().map_err(|error| {
                self.fail(FailureCause::Application, error.to_string(), String::new())
            })?;
            if named.text != offered.url || pin.is_some_and(|pin| pin != offered.blob.sha256) {
                return declined("the pool offers other inputs than the deal names");
            }
        }
        let views = || async {
            let (task, own, block) = tokio::join!(
                Box::pin(sdk::task::view(&desk.chain, given.task)),
                Box::pin(sdk::contribution::view(
                    &desk.chain,
                    given.task,
                    desk.address()
                )),
                Box::pin(desk.chain.block()),
            );
            let asked = |error: &dyn std::error::Error, transient| Asked {
                why: in_full(error),
                transient,
            };
            let task = task.map_err(|error| asked(&error, error.is_transient()))?;
            let own = own.map_err(|error| asked(&error, error.is_transient()))?;
            let block = block.map_err(|error| asked(&error, error.is_transient()))?;
            Ok((task, own, block))
        };
        let asked = self
            .patiently("look at the task", views, |error: &Asked| error.transient)
            .await;
        let (task, own, block) = asked.map_err(|error| self.decline(error))?;
        // With the task in the journal it is this very journey's, made just before the worker was killed.
        if own.status != ContributionStatus::Unset && !desk.journal.folder(given.task).exists() {
            return declined("this worker has contributed already");
        }
        let until = deadlines(deal.start_time, terms.category.time_secs).contribution;
        match task.status {
            // Its initialization is on its way, or our node lags behind the pool's: the deal says all there is to know
            // for computing, and without the task on chain nothing can be contributed.
            TaskStatus::Unset | TaskStatus::Active if block.time_secs < until => Ok(params),
            TaskStatus::Unset
            | TaskStatus::Active
            | TaskStatus::Revealing
            | TaskStatus::Completed
            | TaskStatus::Failed => declined("the task takes no contributions any more"),
        }
    }

    /// What the sandbox is to do.
    fn job(
        &self,
        terms: &Terms,
        params: &DealParams,
        module: &Held,
        inputs: &[Arc<Held>],
        folder: &Path,
    ) -> Result<Job, Ending> {
        let deal = &terms.deal;
        let (index, first, size) = (
            self.assignment.index,
            deal.bot_first.saturating_to::<u64>(),
            deal.bot_size.saturating_to::<u64>(),
        );
        let args = params.args_for(index, first, size).map_err(|error| {
            self.fail(FailureCause::Application, error.to_string(), String::new())
        })?;
        let names = input_names(params);
        let inputs = inputs
            .iter()
            .zip(names)
            .map(|(held, names)| InputFile {
                host_path: held.path().to_path_buf(),
                names,
            })
            .collect();
        Ok(Job {
            module: Module {
                path: module.path().to_path_buf(),
                sha256: self.assignment.app.sha256,
            },
            args,
            environment: environment(&self.assignment, terms, params),
            inputs,
            folder: folder.join("run"),
            limits: Limits {
                time: Duration::from_secs(terms.category.time_secs),
                ..Limits::default()
            },
            start_time_secs: deal.start_time,
            random_seed: self.task().0,
            cancel: self.desk.stop.child_token(),
        })
    }

    /// Reveals, and brings the bytes meanwhile if the pool asks for them: it may, as soon as there is consensus, and then
    /// nothing but the last reveal keeps it from finalizing. Says whether they were taken.
    async fn reveal_and_upload(
        &self,
        digest: Digest,
    ) -> (
        Result<sdk::chain::Receipt, sdk::contribution::ContributionError>,
        bool,
    ) {
        let reveal = Box::pin(sdk::contribution::reveal(
            &self.desk.sender,
            self.task(),
            digest,
        ));
        let begun = AtomicBool::new(false);
        let upload = Box::pin(async {
            let mut hints = self.hints.clone();
            while hints.borrow_and_update().uploads == 0 {
                if hints.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            begun.store(true, Ordering::Relaxed);
            // One try: what fails is asked for again.
            self.put().await.is_ok()
        });
        match futures::future::select(reveal, upload).await {
            Either::Left((sent, upload)) if begun.load(Ordering::Relaxed) => (sent, upload.await),
            Either::Left((sent, _)) => (sent, false),
            Either::Right((uploaded, reveal)) => (reveal.await, uploaded),
        }
    }

    /// After the reveal: where a reorganised chain has forgotten it, the contribution is taken from there to the reveal
    /// once more, since unrevealed it would lose its stake.
    async fn still_revealed(self, own: ContributionStatus, digest: Digest) -> Result<Self, Ending> {
        if own == ContributionStatus::Proved {
            return Ok(self);
        }
        tracing::warn!(task.id = %self.task(), %own, "the chain has forgotten the reveal");
        let again = AtContributed { walk: self, digest };
        Box::pin(again.next()).await.map(|at| at.walk)
    }

    /// Ends the task in the pool's place, once that has been silent for so long that a worker who revealed may: what the
    /// pool would have earned by it is this worker's then. One worker after the other, so that not all of them send.
    async fn finish_for_the_pool(&mut self, view: &Task) -> Result<(), Ending> {
        let mine = |worker: &Address| *worker == self.desk.address();
        let Some(place) = view.contributors.iter().position(mine) else {
            return Ok(());
        };
        if view.status != TaskStatus::Revealing {
            return Ok(());
        }
        // So long after the reveals, and as long again until the final deadline: each gets a part of that to be first.
        let half = view.time_secs / 2;
        let turns = view.contributors.len() as u64 + 1;
        let mine = half + half / turns * place as u64;
        let Ok(newest) = Box::pin(self.desk.chain.block()).await else {
            return Ok(());
        };
        if newest.time_secs < view.reveal_deadline.saturating_add(mine) {
            return Ok(());
        }
        let task = self.task();
        let package = self.desk.journal.result(task);
        let data = tokio::task::spawn_blocking(move || package::callback_data(&package)).await;
        let data = match data {
            Ok(Ok(data)) => data.unwrap_or_default(),
            Ok(Err(error)) => {
                tracing::warn!(task.id = %task, error = in_full(&error), "the result cannot be read");
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        tracing::info!(task.id = %task, "the pool is silent: finishing the task in its place");
        match Box::pin(sdk::task::finalize_with(
            &self.desk.sender,
            task,
            Bytes::new(),
            data,
        ))
        .await
        {
            Ok(receipt) => {
                tracing::info!(task.id = %task, tx = %receipt.tx, "finished in the pool's place");
                Err(Ending::Over(
                    "finished by this worker, since the pool was silent".to_owned(),
                ))
            }
            Err(error) => {
                // Somebody else was first, or the next look tries again.
                tracing::warn!(task.id = %task, error = in_full(&error), "the task could not be finished in the pool's place");
                Ok(())
            }
        }
    }

    /// Whether this task is to be ended by one transaction of this worker's: one worker decides, the pool has offered to
    /// take the bytes before, and no contract of the requester's would be called at this worker's cost. Workers that
    /// show off what goes wrong later do it the long way.
    fn may_finish_in_one_step(&self, terms: &Terms) -> bool {
        let conduct = match self.desk.conduct {
            Conduct::Honest | Conduct::Slow(_) => true,
            Conduct::Dying(stage) => stage <= Stage::Computed,
            Conduct::Lying => false,
        };
        let deal = &terms.deal;
        self.assignment.one_step
            && conduct
            && deal.trust <= alloy_primitives::U256::ONE
            && !deal.has_callback()
            && !deal.needs_enclave()
    }

    /// Brings the bytes to the pool and ends the task in one transaction. `Ok`: not this way; contribute as ever.
    async fn finish_in_one_step(&mut self, digest: Digest) -> Result<(), Ending> {
        if !self.assignment.one_step {
            return Ok(());
        }
        let terms = self.patiently(
            "look at the deal",
            || self.desk.terms(self.assignment.deal),
            |error| error.is_transient(),
        );
        match terms.await {
            Ok(terms) if self.may_finish_in_one_step(&terms) => {}
            Ok(_) | Err(_) => return Ok(()),
        }
        let task = self.task();
        // Begun the long way before a restart, a stake hangs on it, and it is walked that way to its end.
        let own = sdk::contribution::view(&self.desk.chain, task, self.desk.address());
        if Box::pin(own)
            .await
            .is_ok_and(|own| own.status != ContributionStatus::Unset)
        {
            return Ok(());
        }
        let Some(link) = self.upload_early().await? else {
            return Ok(());
        };
        let mut pause = PAUSE;
        loop {
            if self.desk.stop.is_cancelled() {
                return Err(Ending::Stopped);
            }
            let (view, own) = self.look().await?;
            // Nothing is at stake: where the pool has given the task to another, that one shall not send in vain.
            if let Some(reason) = self.hints.borrow().abandoned.clone() {
                return Err(Ending::Over(format!("the pool gave it up: {reason}")));
            }
            if view.status != TaskStatus::Active {
                // Over, or on its way by another's contribution. A contribution of our own is walked to its end.
                return match own {
                    ContributionStatus::Contributed if view.status == TaskStatus::Revealing => {
                        Ok(())
                    }
                    _ => Err(self.over(&view)),
                };
            }
            if own != ContributionStatus::Unset {
                return Ok(());
            }
            let sent = Box::pin(sdk::contribution::contribute_and_finalize(
                &self.desk.sender,
                task,
                digest,
                link.to_bytes(),
                Bytes::new(),
                self.assignment.authorization.clone(),
                Enclave::default(),
            ))
            .await;
            match sent {
                Ok(receipt) => {
                    tracing::info!(task.id = %task, tx = %receipt.tx, "contributed and finalized");
                    return Err(Ending::Over("it is finished, in one step".to_owned()));
                }
                Err(error) if may_pass(&error) => {
                    tracing::warn!(task.id = %task, error = in_full(&error), "the task could not be finished, looking again");
                    self.wait(pause).await?;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => {
                    let (view, _) = self.look().await?;
                    if view.status != TaskStatus::Active {
                        return Err(self.over(&view));
                    }
                    // The hub may still take a contribution, and if not, it says why.
                    tracing::warn!(task.id = %task, error = in_full(&error), "the task cannot be finished in one step");
                    return Ok(());
                }
            }
        }
    }

    /// Sends the zip before anything is on chain. `None`: the pool will not have it now.
    async fn upload_early(&mut self) -> Result<Option<ResultLink>, Ending> {
        let started = tokio::time::Instant::now();
        let mut pause = PAUSE;
        let mut hints = self.hints.clone();
        loop {
            let put = tokio::select! {
                put = self.put() => put,
                ending = interrupted(&self.desk, &mut hints) => return Err(ending),
            };
            match put {
                Ok(cid) => return Ok(cid.map(|cid| ResultLink::ipfs(&cid))),
                // It has read all of it, and does not come to a result: nobody would ever take it.
                Err(UploadError::Refused { status: 422, says }) => {
                    return Err(self.fail(
                        FailureCause::Worker,
                        format!("the pool does not take the result: {says}"),
                        String::new(),
                    ));
                }
                Err(UploadError::Refused { status, says }) => {
                    tracing::info!(task.id = %self.task(), status, says, "the pool does not take the result before the contribution");
                    return Ok(None);
                }
                Err(UploadError::Lost { error }) => {
                    return Err(self.fail(
                        FailureCause::Worker,
                        format!("the result is not on this disk any more: {error}"),
                        String::new(),
                    ));
                }
                Err(UploadError::Away { error }) if started.elapsed() < EARLY_UPLOAD_WITHIN => {
                    tracing::debug!(task.id = %self.task(), error, "the pool is away, the result waits");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        ending = interrupted(&self.desk, &mut hints) => return Err(ending),
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(UploadError::Away { error }) => {
                    tracing::warn!(task.id = %self.task(), error, "the pool stays away; contributing before the result is there");
                    return Ok(None);
                }
            }
        }
    }

    /// Makes the contribution, unless the chain has it. Only the chain or the worker's stop ends the trying.
    /// `may_be_out`: one was sent before.
    async fn contribute(&mut self, digest: Digest, may_be_out: bool) -> Result<(), Ending> {
        self.try_to_contribute(digest, may_be_out).await?;
        self.desk.purse.release(self.task()).await;
        Ok(())
    }

    async fn try_to_contribute(
        &mut self,
        digest: Digest,
        mut may_be_out: bool,
    ) -> Result<(), Ending> {
        let task = self.task();
        // What was sent and not heard of may be mined at any time, and what hinders a second may be the first.
        let mut noted = may_be_out;
        let started = tokio::time::Instant::now();
        let mut pause = PAUSE;
        loop {
            if self.desk.stop.is_cancelled() {
                return Err(Ending::Stopped);
            }
            let (view, own) = self.look().await?;
            match own {
                ContributionStatus::Contributed | ContributionStatus::Proved => return Ok(()),
                ContributionStatus::Rejected => return Err(self.over(&view)),
                ContributionStatus::Unset => {}
            }
            if view.status != TaskStatus::Active {
                return Err(self.over(&view));
            }
            if let Err(ending) = self.cover_the_stake().await {
                if !may_be_out || matches!(ending, Ending::Stopped) {
                    return Err(ending);
                }
                tracing::warn!(task.id = %task, "the stake of a contribution that may be on its way cannot be covered again");
                self.wait_unless_too_late(&view, PAUSE_MAX, ending).await?;
                continue;
            }
            if !noted {
                self.reached(Reached::Contributing { digest }).await?;
                noted = true;
            }
            let authorization = self.assignment.authorization.clone();
            let sent = Box::pin(sdk::contribution::contribute(
                &self.desk.sender,
                task,
                digest,
                authorization,
                Enclave::default(),
            ))
            .await;
            match sent {
                Ok(receipt) => {
                    tracing::info!(task.id = %task, tx = %receipt.tx, "contributed");
                    return Ok(());
                }
                // Its fate is unknown, or nothing was sent: the next look tells.
                Err(error) if may_be_on_chain(&error, started.elapsed()) => {
                    tracing::warn!(task.id = %task, error = in_full(&error), "the contribution did not go through");
                    may_be_out = true;
                    self.wait(pause).await?;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => {
                    // Perhaps consensus came first. If not, the hub does not want it, and says why.
                    let (view, own) = self.look().await?;
                    if own != ContributionStatus::Unset {
                        return Ok(());
                    }
                    if view.status != TaskStatus::Active {
                        return Err(self.over(&view));
                    }
                    let ending = self.fail(FailureCause::Worker, in_full(&error), String::new());
                    if may_be_out {
                        tracing::warn!(task.id = %task, error = in_full(&error), "refused, but an earlier one may be on its way");
                        self.wait_unless_too_late(&view, pause, ending).await?;
                        pause = (pause * 2).min(PAUSE_MAX);
                        continue;
                    }
                    // Nothing is out: the journal need not outlast this.
                    self.reached(Reached::Computed { digest }).await?;
                    return Err(ending);
                }
            }
        }
    }

    /// Waits before another look for a contribution that may be on its way. Once the hub takes none any more, it cannot
    /// be mined with effect, and this is the end.
    async fn wait_unless_too_late(
        &mut self,
        view: &Task,
        pause: Duration,
        ending: Ending,
    ) -> Result<(), Ending> {
        match Box::pin(self.desk.chain.block()).await {
            Ok(block) if block.time_secs >= view.contribution_deadline => Err(ending),
            Ok(_) | Err(_) => self.wait(pause).await,
        }
    }

    /// Keeps the stake of a task that was computed before a restart, or is contributed once more; others were accepted
    /// with it.
    async fn cover_the_stake(&self) -> Result<(), Ending> {
        let task = self.task();
        if self.desk.purse.keeps(task).await {
            return Ok(());
        }
        let failed = |error: &dyn std::error::Error| {
            self.fail(FailureCause::Worker, in_full(error), String::new())
        };
        let terms = self.patiently(
            "look at the deal",
            || self.desk.terms(self.assignment.deal),
            |error| error.is_transient(),
        );
        let stake = terms
            .await
            .map_err(|error| failed(&error))?
            .deal
            .worker_stake;
        let reserved = self.patiently(
            "cover the stake",
            || self.desk.purse.reserve(task, stake),
            |error| error.is_transient(),
        );
        reserved.await.map_err(|error| failed(&error))
    }

    /// The task and this worker's contribution on chain, in one and the same block; waits while the chain is away, or does not know the task.
    async fn look(&mut self) -> Result<(Task, ContributionStatus), Ending> {
        let mut pause = PAUSE;
        let mut unknown_since = None;
        let (mut failing_since, mut warn_after) = (None, LOOK_WARN_AFTER);
        loop {
            let standing =
                sdk::contribution::standing(&self.desk.chain, self.task(), self.desk.address());
            let error = match Box::pin(standing).await {
                Ok(Standing { task, .. }) if task.status == TaskStatus::Unset => {
                    (failing_since, warn_after) = (None, LOOK_WARN_AFTER);
                    let since = unknown_since.get_or_insert_with(tokio::time::Instant::now);
                    if since.elapsed() > UNKNOWN_FOR {
                        return Err(self.over(&task));
                    }
                    // Not initialized yet: the pool says when it is, and blocks may say it sooner or later.
                    self.wait_for_a_hint(pause.max(PAUSE * 5)).await?;
                    pause = (pause * 2).min(LOOK_EVERY);
                    continue;
                }
                Ok(standing) => return Ok((standing.task, standing.contribution.status)),
                Err(error) => in_full(&error),
            };
            let since = *failing_since.get_or_insert_with(tokio::time::Instant::now);
            if since.elapsed() >= warn_after {
                warn_after = since.elapsed() + LOOK_WARN_EVERY;
                let seconds = since.elapsed().as_secs();
                tracing::warn!(task.id = %self.task(), error, seconds, "cannot look at the chain, waiting");
            } else {
                tracing::debug!(task.id = %self.task(), error, "cannot look at the chain, waiting");
            }
            self.wait(pause).await?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Waits for a hint, at most so long, or for the worker's stop.
    async fn wait_for_a_hint(&mut self, at_most: Duration) -> Result<(), Ending> {
        let hinted = async {
            if self.hints.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.desk.stop.cancelled() => Err(Ending::Stopped),
            () = hinted => Ok(()),
            () = tokio::time::sleep(at_most) => Ok(()),
        }
    }

    /// Waits for a hint, for a while (at most `LOOK_EVERY` if not said), or for the worker's stop.
    async fn wait(&mut self, pause: Duration) -> Result<(), Ending> {
        let hinted = async {
            if !pause.is_zero() {
                // A pause for something that failed: hints do not shorten it.
                std::future::pending::<()>().await;
            }
            if self.hints.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.desk.stop.cancelled() => Err(Ending::Stopped),
            () = hinted => Ok(()),
            () = tokio::time::sleep(if pause.is_zero() { LOOK_EVERY } else { pause }) => Ok(()),
        }
    }

    /// Sends the result's zip to the pool. False: the pool will not have it.
    async fn upload(&mut self) -> Result<bool, Ending> {
        let mut pause = PAUSE;
        loop {
            let error = match self.put().await {
                Ok(_) => return Ok(true),
                Err(UploadError::Refused { status, says }) => {
                    tracing::warn!(task.id = %self.task(), status, says, "the pool does not take the result");
                    return Ok(false);
                }
                Err(UploadError::Lost { error }) => {
                    tracing::error!(task.id = %self.task(), error, "the result is not on this disk any more");
                    return Ok(false);
                }
                Err(UploadError::Away { error }) => error,
            };
            tracing::debug!(task.id = %self.task(), error, "the pool is away, the result waits");
            let (view, _) = self.look().await?;
            if view.status.is_over() {
                return Err(self.over(&view));
            }
            self.wait(pause).await?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One try to send the zip. Gives its content address, if that is what the pool has stored.
    async fn put(&self) -> Result<Option<String>, UploadError> {
        let path = self.desk.journal.result(self.task());
        let hashing = path.clone();
        let lost = |error: std::io::Error| UploadError::Lost {
            error: error.to_string(),
        };
        let own = tokio::task::spawn_blocking(move || package::address(&hashing))
            .await
            .map_err(|error| UploadError::Away {
                error: error.to_string(),
            })?
            .map_err(lost)?;
        let (sha256, length) = (B256::from(own.sha256), own.length);
        let signature: Bytes = self
            .desk
            .wallet
            .sign_message(upload_digest(self.task(), sha256).as_slice());
        let file = tokio::fs::File::open(&path).await.map_err(lost)?;
        let away = |error: reqwest::Error| UploadError::Away {
            error: in_full(&error),
        };
        let mut url = self.desk.pool.clone();
        url.set_path(&format!("/results/{}", self.task()));
        let body =
            reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, 64 * 1024).into_stream());
        let answer = self
            .desk
            .http
            .put(url)
            .header(UPLOAD_WORKER_HEADER, self.desk.address().to_string())
            .header(UPLOAD_SIGNATURE_HEADER, signature.to_string())
            .header(UPLOAD_SHA256_HEADER, format!("{sha256:x}"))
            .header(reqwest::header::CONTENT_LENGTH, length)
            .body(body)
            .send()
            .await
            .map_err(away)?;
        let status = answer.status();
        let text = answer.text().await.map_err(away)?;
        if status.is_success() {
            let cid = own.cid.to_string();
            // Where another's bytes of the same digest were there before, they stay.
            let stored = serde_json::from_str::<StoredResult>(&text);
            return Ok(stored
                .is_ok_and(|stored| stored.blob.cid == cid)
                .then_some(cid));
        }
        let says = serde_json::from_str::<ErrorBody>(&text).map_or(text, |body| body.error);
        let busy = matches!(
            status,
            reqwest::StatusCode::REQUEST_TIMEOUT | reqwest::StatusCode::TOO_MANY_REQUESTS
        );
        if status.is_client_error() && !busy {
            Err(UploadError::Refused {
                status: status.as_u16(),
                says,
            })
        } else {
            Err(UploadError::Away {
                error: format!("{status}: {says}"),
            })
        }
    }
}

/// Why a result did not arrive.
enum UploadError {
    Refused { status: u16, says: String },
    Away { error: String },
    Lost { error: String },
}

/// A look at the chain that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Asked {
    why: String,
    transient: bool,
}

/// Whether a contribution may be on chain, or be mined yet, although sending it ended like this: giving up such a task
/// would give up its stake. `trying`: for how long it has been tried.
fn may_be_on_chain(error: &ContributionError, trying: Duration) -> bool {
    let ContributionError::Chain { source, .. } = error else {
        return false;
    };
    match source {
        ChainError::Unreachable { .. }
        | ChainError::Uncertain { .. }
        | ChainError::Closed { .. } => true,
        // Views lag behind: the hub has it already.
        ChainError::Refused { refusal, .. } => refusal.is::<Hub::AlreadyContributed>(),
        // A node that fails may have passed the transaction on before.
        ChainError::Node { .. } | ChainError::Unreadable { .. } => trying < PATIENCE,
        ChainError::WrongChain { .. }
        | ChainError::NothingThere { .. }
        | ChainError::NoEther { .. }
        | ChainError::OutOfGas { .. }
        | ChainError::BadUrl { .. }
        | ChainError::NoClient { .. } => false,
    }
}

/// Whether a refused or unheard-of transaction may go through, or turn out to have, after another look at the chain.
fn may_pass(error: &ContributionError) -> bool {
    let ContributionError::Chain { source, .. } = error else {
        return false;
    };
    match source {
        ChainError::Unreachable { .. }
        | ChainError::Uncertain { .. }
        | ChainError::Node { .. }
        | ChainError::Unreadable { .. }
        | ChainError::Closed { .. } => true,
        // The node that estimates lags behind the one that was looked at.
        ChainError::Refused { refusal, .. } => refusal.is::<Hub::TaskNotActive>(),
        ChainError::WrongChain { .. }
        | ChainError::NothingThere { .. }
        | ChainError::NoEther { .. }
        | ChainError::OutOfGas { .. }
        | ChainError::BadUrl { .. }
        | ChainError::NoClient { .. } => false,
    }
}

/// An error and all its causes in one sentence.
pub(crate) fn in_full<E: std::error::Error + ?Sized>(error: &E) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Whose EIP-191 signature over these 32 bytes this is.
fn signer(signature: &Bytes, signed: B256) -> Option<Address> {
    let signature = Signature::from_raw(signature).ok()?;
    signature
        .recover_address_from_prehash(&message_hash(signed))
        .ok()
}

/// The names of each input in `/iexec_in`: the hash of its URL, and its own name where no other has it too.
pub(crate) fn input_names(params: &DealParams) -> Vec<Vec<String>> {
    let mut names: Vec<Vec<String>> = Vec::new();
    let base_names: Vec<Option<String>> = params
        .input_files
        .iter()
        .map(|input| input.base_name())
        .collect();
    let file_names: Vec<String> = params
        .input_files
        .iter()
        .map(|input| input.file_name())
        .collect();
    for (at, file_name) in file_names.iter().enumerate() {
        // The same URL twice is the same file; it can be there once.
        if file_names[..at].contains(file_name) {
            names.push(Vec::new());
            continue;
        }
        let mut own = vec![file_name.clone()];
        if let Some(name) = &base_names[at] {
            let others = |(other, base): (usize, &Option<String>)| {
                other != at && base.as_ref() == Some(name) && file_names[other] != *file_name
            };
            let ambiguous = base_names.iter().enumerate().any(others) || file_names.contains(name);
            if !ambiguous && name.len() <= 255 {
                own.push(name.clone());
            }
        }
        names.push(own);
    }
    names
}

/// What the contract gives an application as its environment.
pub(crate) fn environment(
    given: &Assignment,
    terms: &Terms,
    params: &DealParams,
) -> Vec<(String, String)> {
    let deal = &terms.deal;
    let mut variables: Vec<(String, String)> = [
        ("IEXEC_DEAL_ID", given.deal.to_string()),
        ("IEXEC_TASK_ID", given.task.to_string()),
        ("IEXEC_TASK_INDEX", given.index.to_string()),
        ("IEXEC_IN", "/iexec_in".to_owned()),
        ("IEXEC_OUT", "/iexec_out".to_owned()),
        ("IEXEC_BOT_SIZE", deal.bot_size.to_string()),
        ("IEXEC_BOT_FIRST_INDEX", deal.bot_first.to_string()),
        ("IEXEC_BOT_TASK_INDEX", given.index.to_string()),
        ("IEXEC_DATASET_ADDRESS", String::new()),
        ("IEXEC_DATASET_FILENAME", String::new()),
        (
            "IEXEC_INPUT_FILES_NUMBER",
            params.input_files.len().to_string(),
        ),
        ("IEXEC_INPUT_FILES_FOLDER", "/iexec_in".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (number, input) in (1..).zip(&params.input_files) {
        variables.push((format!("IEXEC_INPUT_FILE_NAME_{number}"), input.file_name()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use protocol::app::{App, Kind, Location};
    use protocol::deal::{Category, Deal, Resource};
    use protocol::ids::DealId;
    use protocol::payment::Nrlc;
    use sdk::wire::pool::PinnedBlob;

    use super::*;

    fn params(urls: &[&str]) -> DealParams {
        DealParams {
            input_files: urls.iter().map(|url| (*url).into()).collect(),
            ..DealParams::default()
        }
    }

    #[test]
    fn inputs_bear_the_hash_of_their_url_and_their_own_name_unless_others_have_it_too() {
        let urls = [
            "http://a/tile.svg",
            "http://b/tile.svg",
            "http://a/font.ttf",
            "http://a/font.ttf",
            "http://a/",
        ];
        let params = params(&urls);
        let hashed: Vec<String> = params
            .input_files
            .iter()
            .map(|input| input.file_name())
            .collect();
        let expected = [
            vec![hashed[0].clone()],
            vec![hashed[1].clone()],
            vec![hashed[2].clone(), "font.ttf".to_owned()],
            vec![],
            vec![hashed[4].clone()],
        ];
        assert_eq!(input_names(&params), expected);
    }

    #[test]
    fn an_input_cannot_take_the_hashed_name_of_another() {
        let victim = "http://a/x";
        let hashed = params(&[victim]).input_files[0].file_name();
        let thief = format!("http://b/{hashed}");
        let names = input_names(&params(&[victim, &thief]));
        assert_eq!(names[0], [hashed, "x".to_owned()]);
        assert_eq!(names[1].len(), 1);
    }

    #[test]
    fn the_environment_is_the_contracts() {
        let resource = Resource {
            pointer: Address::ZERO,
            owner: Address::ZERO,
            price: Nrlc::ZERO,
        };
        let terms = Terms {
            deal: Deal {
                app: resource,
                dataset: resource,
                workerpool: resource,
                trust: alloy_primitives::U256::from(1),
                category: alloy_primitives::U256::ZERO,
                tag: Default::default(),
                requester: Address::ZERO,
                beneficiary: Address::ZERO,
                callback: Address::ZERO,
                params: String::new(),
                start_time: 0,
                bot_first: alloy_primitives::U256::from(10),
                bot_size: alloy_primitives::U256::from(5),
                worker_stake: Nrlc::ZERO,
                scheduler_reward_ratio: alloy_primitives::U256::ZERO,
                sponsor: Address::ZERO,
            },
            category: Category {
                name: "XS".to_owned(),
                description: String::new(),
                time_secs: 300,
            },
            app: App {
                owner: Address::ZERO,
                name: String::new(),
                kind: Kind::Wasm,
                location: Location::Name("nowhere".to_owned()),
                checksum: B256::ZERO,
                mrenclave: Bytes::new(),
            },
            params: Ok(DealParams::default()),
        };
        let given = Assignment {
            task: TaskId(B256::repeat_byte(2)),
            deal: DealId(B256::repeat_byte(1)),
            index: 12,
            authorization: Bytes::new(),
            enclave_challenge: Address::ZERO,
            one_step: false,
            app: PinnedBlob {
                cid: String::new(),
                length: 0,
                sha256: B256::ZERO,
            },
            inputs: Vec::new(),
        };
        let params = params(&["http://a/x"]);
        let text: String = environment(&given, &terms, &params)
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        let (deal, task) = ("01".repeat(32), "02".repeat(32));
        let expected = format!(
            "IEXEC_DEAL_ID=0x{deal}\nIEXEC_TASK_ID=0x{task}\nIEXEC_TASK_INDEX=12\nIEXEC_IN=/iexec_in\nIEXEC_OUT=/iexec_out\n\
             IEXEC_BOT_SIZE=5\nIEXEC_BOT_FIRST_INDEX=10\nIEXEC_BOT_TASK_INDEX=12\nIEXEC_DATASET_ADDRESS=\n\
             IEXEC_DATASET_FILENAME=\nIEXEC_INPUT_FILES_NUMBER=1\nIEXEC_INPUT_FILES_FOLDER=/iexec_in\n\
             IEXEC_INPUT_FILE_NAME_1={}\n",
            params.input_files[0].file_name()
        );
        assert_eq!(text, expected);
    }
}
