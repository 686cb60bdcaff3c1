//! The worker as a service: start it, ask it, stop it.
//!
//! One task keeps the line to the pool ([`session`](crate::session)), one task walks each journey. All of them hang on
//! two tokens: `stop` lets each finish its transaction and keep its journal; `kill` drops them where they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::Address;
use futures::StreamExt as _;
use protocol::abi::Hub;
use protocol::contribution::ContributionStatus;
use protocol::ids::TaskId;
use runtime::wasm::{Engine, EngineOptions};
use sdk::chain::{BlockRef, Followed};
use sdk::wallet::Wallet;
use sdk::wire::pool::{Assignment, ToPool};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::Cache;
use crate::desk::{Desk, Line, Parts};
use crate::journal::{Entry, Journal, JournalError};
use crate::journey::{Ending, Hints, Journey, Walk, in_full};
use crate::options::Options;
use crate::session;

/// How long a stopping worker waits for its transactions.
const STOP_WITHIN: Duration = Duration::from_secs(150);

/// How deep the end of a task must lie until its journal is thrown away, and after how long it is in any case (a chain
/// that makes blocks on demand may make none for days).
const SETTLED_BLOCKS: u64 = 64;
const SETTLED_FOR: Duration = Duration::from_secs(10 * 60);
/// At how many tasks that are over a last look is taken at once.
const LAST_LOOKS_AT_ONCE: usize = 8;
/// How often it is looked whether the ends of tasks still stand where nothing was heard of a reorganisation, and which of
/// them are certain by now. Nobody waits for that: a reveal that was taken back may be made again for two category times.
const SETTLED_LOOK: Duration = Duration::from_secs(30);
/// The pause until a chain that does not answer is asked again.
const CHAIN_PAUSE: Duration = Duration::from_secs(5);

/// A worker.
#[derive(Debug)]
pub struct Service;

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("the worker's folder {path} cannot be used")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the worker's folder {path} is in use by another worker")]
    InUse { path: PathBuf },
    #[error("the worker's journal cannot be used")]
    Journal(#[from] JournalError),
    #[error("the worker's sandbox cannot be set up")]
    Sandbox(#[from] runtime::wasm::EngineError),
    #[error("a worker needs at least one slot")]
    NoSlots,
}

/// A running worker. Cheap to clone; when the last clone is dropped, the worker stops where it is.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Dropped>,
}

#[derive(Debug)]
struct Dropped {
    address: Address,
    connected: watch::Receiver<bool>,
    held: watch::Receiver<usize>,
    stop: CancellationToken,
    kill: CancellationToken,
    ended: CancellationToken,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

impl Service {
    /// Starts a worker with a sandbox of its own. Returns at once: a pool or chain that is away is waited for.
    pub async fn start(options: Options, wallet: Wallet) -> Result<Handle, WorkerError> {
        let engine = Engine::new(EngineOptions {
            cache: Some(options.folder.join("compiled")),
            slots: options.slots,
            ..EngineOptions::default()
        })?;
        Self::start_on(engine, options, wallet).await
    }

    /// Starts a worker on a sandbox shared with others of this process, so that a module is compiled once.
    pub async fn start_on(
        engine: Engine,
        options: Options,
        wallet: Wallet,
    ) -> Result<Handle, WorkerError> {
        if options.slots == 0 {
            return Err(WorkerError::NoSlots);
        }
        let lock = lock(&options.folder)?;
        let journal = Journal::open(&options.folder)?;
        let entries = journal.load()?;
        let (connected_now, connected) = watch::channel(false);
        let (held_now, held) = watch::channel(entries.len());
        let (line, said) = Line::new();
        let (stop, kill, ended) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let address = wallet.address();
        let office = Arc::new(Office {
            slots: Arc::new(Semaphore::new(options.slots as usize)),
            options,
            wallet,
            engine,
            journal,
            line,
            stop: stop.clone(),
            kill: kill.clone(),
            journeys: TaskTracker::new(),
            held: Mutex::default(),
            settled: Mutex::default(),
            held_now,
            connected: connected_now,
        });
        tokio::spawn({
            let (kill, ended) = (kill.clone(), ended.clone());
            async move {
                tokio::select! {
                    () = kill.cancelled() => {}
                    () = office.clone().run(entries, said) => {}
                }
                office.connected.send_replace(false);
                // Whatever still runs was given up: by a kill, or by a stop that took too long.
                kill.cancel();
                drop(lock);
                ended.cancel();
            }
        });
        Ok(Handle {
            shared: Arc::new(Dropped {
                address,
                connected,
                held,
                stop,
                kill,
                ended,
            }),
        })
    }
}

impl Handle {
    /// The worker's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.shared.address
    }

    /// Whether it is connected to its pool and was welcomed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        *self.shared.connected.borrow()
    }

    /// Waits until it is connected to its pool and was welcomed; returns early if it has ended.
    pub async fn connected(&self) {
        let mut connected = self.shared.connected.clone();
        tokio::select! {
            _ = connected.wait_for(|connected| *connected) => {}
            () = self.shared.ended.cancelled() => {}
        }
    }

    /// How many tasks it holds.
    #[must_use]
    pub fn tasks(&self) -> usize {
        *self.shared.held.borrow()
    }

    /// Waits until it has ended: by [`Handle::shutdown`], or by dying where it was told to.
    pub async fn ended(&self) {
        self.shared.ended.cancelled().await;
    }

    /// Finishes the transactions under way and stops; the journal keeps the rest.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.ended.cancelled().await;
    }

    /// Stops dead where it is, finishing and cleaning up nothing, as if the power had failed. For tests.
    pub async fn kill(self) {
        self.shared.kill.cancel();
        self.shared.ended.cancelled().await;
    }
}

/// Two workers in one folder would walk the same journal.
fn lock(folder: &Path) -> Result<File, WorkerError> {
    let unusable = |source| WorkerError::Folder {
        path: folder.to_path_buf(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("lock"))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(WorkerError::InUse {
            path: folder.to_path_buf(),
        }),
        Err(std::fs::TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// The worker itself: what it owns, and the journeys under way.
pub(crate) struct Office {
    pub(crate) options: Options,
    pub(crate) wallet: Wallet,
    pub(crate) engine: Engine,
    pub(crate) journal: Journal,
    pub(crate) line: Arc<Line>,
    pub(crate) stop: CancellationToken,
    kill: CancellationToken,
    slots: Arc<Semaphore>,
    journeys: TaskTracker,
    held: Mutex<BTreeMap<TaskId, watch::Sender<Hints>>>,
    /// Tasks that are over, of which a reorganisation may take back what a stake hangs on.
    settled: Mutex<BTreeMap<TaskId, Settled>>,
    held_now: watch::Sender<usize>,
    pub(crate) connected: watch::Sender<bool>,
}

/// When a task was seen to be over.
#[derive(Debug, Clone, Copy)]
struct Settled {
    block: BlockRef,
    at: tokio::time::Instant,
}

impl Office {
    async fn run(self: Arc<Self>, entries: Vec<Entry>, mut said: mpsc::UnboundedReceiver<ToPool>) {
        tokio::select! {
            () = session::keep(&self, entries, &mut said) => {}
            () = self.stop.cancelled() => {}
        }
        self.journeys.close();
        let through = tokio::time::timeout(STOP_WITHIN, self.journeys.wait()).await;
        if through.is_err() {
            tracing::warn!(
                "stopping although a transaction is still under way; it is in the journal"
            );
        }
    }

    /// A desk for a pool on its chain.
    pub(crate) fn desk(
        &self,
        chain: sdk::chain::Chain,
        info: sdk::wire::pool::PoolInfo,
    ) -> Result<Arc<Desk>, std::io::Error> {
        let cache = Cache::open(self.options.folder.join("cache"), self.options.cache_bytes)?;
        Ok(Arc::new(Desk::new(Parts {
            wallet: self.wallet.clone(),
            chain,
            pool: self.options.pool.clone(),
            info,
            engine: self.engine.clone(),
            journal: self.journal.clone(),
            cache,
            deposit_stakes: self.options.deposit_stakes,
            conduct: self.options.conduct,
            line: self.line.clone(),
            stop: self.stop.clone(),
        })))
    }

    /// The tasks held, for the pool to say which are still worth it.
    pub(crate) fn holding(&self) -> Vec<TaskId> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .copied()
            .collect()
    }

    /// Passes a hint on to a task's journey; an unknown task is none of ours any more.
    pub(crate) fn hint(&self, task: TaskId, change: impl FnOnce(&mut Hints)) {
        if let Some(hints) = self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&task)
        {
            hints.send_modify(change);
        }
    }

    /// Takes a task the pool assigns, if a slot is free.
    pub(crate) fn assign(self: &Arc<Self>, desk: &Arc<Desk>, assignment: Assignment) {
        let task = assignment.task;
        if let Some(word) = self.line.last_word(task) {
            // Assigned again: the pool missed the answer. Unless it has told us to stop meanwhile, and we are about to.
            let word = match word {
                ToPool::Accepted { .. } | ToPool::Computing { .. } if self.is_letting_go(task) => {
                    let reason = "this worker is just letting go of it, as it was told".to_owned();
                    ToPool::Declined { task, reason }
                }
                word => word,
            };
            return self.line.say(word);
        }
        // Over, and taken back by the chain: what was computed and claimed stands in the journal.
        if self.lock_settled().remove(&task).is_some()
            && let Some(entry) = self.journal.entry(task)
        {
            return self.resume(desk, entry);
        }
        let decline = |reason: &str| {
            self.line.say(ToPool::Declined {
                task,
                reason: reason.to_owned(),
            })
        };
        if self.stop.is_cancelled() {
            return decline("this worker is stopping");
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return decline("all slots of this worker are busy");
        };
        let Some(hints) = self.hold(task) else { return };
        let walk = Walk {
            desk: desk.clone(),
            assignment,
            hints,
            slot: Some(slot),
        };
        self.walk(task, desk.clone(), async { Journey::begin(walk).await });
    }

    /// Goes on with a task of the journal.
    pub(crate) fn resume(self: &Arc<Self>, desk: &Arc<Desk>, entry: Entry) {
        let task = entry.task();
        let Some(hints) = self.hold(task) else { return };
        tracing::info!(task.id = %task, stage = ?entry.reached.stage(), "going on with a task from before");
        let mut walk = Walk {
            desk: desk.clone(),
            assignment: entry.assignment,
            hints,
            slot: None,
        };
        let (slots, stop) = (self.slots.clone(), self.stop.clone());
        self.walk(task, desk.clone(), async move {
            if entry.reached == crate::journal::Reached::Assigned {
                walk.slot = tokio::select! {
                    slot = slots.acquire_owned() => slot.ok(),
                    () = stop.cancelled() => return Err(Ending::Stopped),
                };
            }
            Journey::resume(walk, entry.reached).await
        });
    }

    fn is_letting_go(&self, task: TaskId) -> bool {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&task)
            .is_some_and(|hints| hints.borrow().abandoned.is_some())
    }

    /// Takes note that a task is held; `None` if it is already.
    fn hold(&self, task: TaskId) -> Option<watch::Receiver<Hints>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(&task) {
            return None;
        }
        let (sender, hints) = watch::channel(Hints::default());
        held.insert(task, sender);
        self.held_now.send_replace(held.len());
        Some(hints)
    }

    fn walk(
        self: &Arc<Self>,
        task: TaskId,
        desk: Arc<Desk>,
        begun: impl Future<Output = Result<Journey, Ending>> + Send + 'static,
    ) {
        let (office, kill) = (self.clone(), self.kill.clone());
        self.journeys.spawn(async move {
            let journey = async {
                match begun.await {
                    Ok(journey) => journey.travel().await,
                    Err(ending) => ending,
                }
            };
            let ending = tokio::select! {
                ending = journey => ending,
                () = kill.cancelled() => return,
            };
            office.end(task, &desk, ending).await;
        });
    }

    /// The one place where a journey ends.
    async fn end(&self, task: TaskId, desk: &Desk, ending: Ending) {
        let word = match ending {
            Ending::Stopped => return,
            Ending::Died => {
                tracing::warn!(task.id = %task, "dying, as told");
                self.kill.cancel();
                return;
            }
            Ending::Declined(reason) => {
                tracing::info!(task.id = %task, reason, "declined");
                Some(ToPool::Declined { task, reason })
            }
            Ending::Failed(failure) => {
                tracing::info!(task.id = %task, cause = ?failure.cause, message = failure.message, "failed");
                Some(ToPool::Failed { task, failure })
            }
            Ending::Over(reason) => {
                tracing::debug!(task.id = %task, reason, "done with");
                None
            }
        };
        desk.purse.release(task).await;
        if !self.keeps_for_a_while(task, desk).await {
            self.forget(task).await;
        }
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.remove(&task);
            self.held_now.send_replace(held.len());
        }
        self.line.take_leave(task, word);
    }

    async fn forget(&self, task: TaskId) {
        let journal = self.journal.clone();
        let removed = tokio::task::spawn_blocking(move || journal.remove(task)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(task.id = %task, error = crate::journey::in_full(&error), "a task's folder stays behind");
        }
    }

    fn lock_settled(&self) -> std::sync::MutexGuard<'_, BTreeMap<TaskId, Settled>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a stake was claimed on, the journal outlasts the task for a while: should the chain take back its end, the
    /// contribution and the reveal must be made once more, by whoever still knows the digest.
    async fn keeps_for_a_while(&self, task: TaskId, desk: &Desk) -> bool {
        let staked = self
            .journal
            .entry(task)
            .is_some_and(|entry| entry.reached.is_staked());
        if !staked {
            return false;
        }
        let block = loop {
            if let Ok(block) = Box::pin(desk.chain.block()).await {
                break block;
            }
            tokio::select! {
                () = tokio::time::sleep(CHAIN_PAUSE) => {}
                // Kept on disk: looked at again after the next start.
                () = self.stop.cancelled() => return true,
                () = self.kill.cancelled() => return true,
            }
        };
        let at = tokio::time::Instant::now();
        self.lock_settled().insert(task, Settled { block, at });
        true
    }

    /// Follows the chain for as long as the worker runs: what happens to a task wakes its journey, and tasks that are over
    /// are looked after until that is certain.
    pub(crate) fn watch_chain(self: &Arc<Self>, desk: &Arc<Desk>) {
        let (office, desk) = (self.clone(), desk.clone());
        self.journeys.spawn(async move {
            let watching = async {
                let newest = loop {
                    match Box::pin(desk.chain.block()).await {
                        Ok(block) => break block.number,
                        Err(_) => tokio::time::sleep(CHAIN_PAUSE).await,
                    }
                };
                let mut followed = desk.chain.follow(newest + 1);
                let mut look = tokio::time::interval(SETTLED_LOOK);
                loop {
                    tokio::select! {
                        what = followed.next() => match what {
                            Followed::Blocks { to_block, events } => {
                                if office.is_deep_enough(to_block) {
                                    office.look_after_settled(&desk).await;
                                }
                                for task in events.iter().filter_map(|event| task_of(&event.event)) {
                                    office.hint(task, |hints| hints.looks += 1);
                                }
                            }
                            Followed::Reorganised { .. } => {
                                for task in office.holding() {
                                    office.hint(task, |hints| hints.looks += 1);
                                }
                                office.look_after_settled(&desk).await;
                            }
                        },
                        _ = look.tick() => office.look_after_settled(&desk).await,
                    }
                }
            };
            tokio::select! {
                () = watching => {}
                () = office.stop.cancelled() => {}
                () = office.kill.cancelled() => {}
            }
        });
    }

    /// Whether the end of some task lies so deep below this block that it is certain.
    fn is_deep_enough(&self, head: u64) -> bool {
        let settled = self.lock_settled();
        settled
            .values()
            .any(|settled| head >= settled.block.number + SETTLED_BLOCKS)
    }

    async fn look_after_settled(self: &Arc<Self>, desk: &Arc<Desk>) {
        let watched: Vec<(TaskId, Settled)> = self
            .lock_settled()
            .iter()
            .map(|(task, settled)| (*task, *settled))
            .collect();
        // The blocks stand on each other: where the latest stands, all do.
        let Some((_, latest)) = watched
            .iter()
            .max_by_key(|(_, settled)| settled.block.number)
        else {
            return;
        };
        let number = latest.block.number;
        let (Ok(head), Ok(found)) = tokio::join!(
            Box::pin(desk.chain.block()),
            Box::pin(desk.chain.block_at(number))
        ) else {
            return;
        };
        let stands = found.is_some_and(|found| found.hash == latest.block.hash);
        let mut certain = Vec::new();
        for (task, settled) in watched {
            if !stands {
                tracing::info!(task.id = %task, "the chain was reorganised after the task was over, looking at it again");
                self.lock_settled().remove(&task);
                if let Some(entry) = self.journal.entry(task) {
                    self.resume(desk, entry);
                }
            } else if head.number >= settled.block.number + SETTLED_BLOCKS
                || settled.at.elapsed() >= SETTLED_FOR
            {
                certain.push(task);
            }
        }
        futures::stream::iter(certain)
            .for_each_concurrent(LAST_LOOKS_AT_ONCE, |task| {
                Box::pin(self.forget_unless_staked(task, desk))
            })
            .await;
    }

    /// The last look at a task before its journal is thrown away: what was sent and not heard of may have come late.
    async fn forget_unless_staked(self: &Arc<Self>, task: TaskId, desk: &Arc<Desk>) {
        let standing = sdk::contribution::standing(&desk.chain, task, desk.address());
        let standing = match Box::pin(standing).await {
            Ok(standing) => standing,
            // Where the chain does not say, the next look does.
            Err(error) => {
                let error = in_full(&error);
                tracing::debug!(task.id = %task, error, "cannot take a last look at the task");
                return;
            }
        };
        self.lock_settled().remove(&task);
        let staked = standing.contribution.status == ContributionStatus::Contributed
            && !standing.task.status.is_over();
        match self.journal.entry(task) {
            Some(entry) if staked => self.resume(desk, entry),
            Some(_) | None => self.forget(task).await,
        }
    }
}

/// The task that an event of the hub is about, if that is a reason for a worker who has it to look.
fn task_of(event: &Hub::HubEvents) -> Option<TaskId> {
    let task = match event {
        Hub::HubEvents::TaskInitialize(it) => it.taskid,
        Hub::HubEvents::TaskConsensus(it) => it.taskid,
        Hub::HubEvents::TaskReopen(it) => it.taskid,
        Hub::HubEvents::TaskFinalize(it) => it.taskid,
        Hub::HubEvents::TaskClaimed(it) => it.taskid,
        _ => return None,
    };
    Some(TaskId(task))
}
