//! What the pool knows, in memory: deals, tasks, workers, and who should do what next.
//!
//! One lock, held for moments and never across an await. Everything that happens goes through [`Board::apply`],
//! which moves the task on, files it under the reconciler that should see it, tells the workers concerned, and marks
//! it for the database. Nobody scans all tasks to find something to do: each task lies in at most one index, and is
//! filed anew whenever it, its deal or the time changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, U256};
use protocol::consensus::{Tally, weight};
use protocol::deal::Deal;
use protocol::params::DealParams;
use protocol::task::{Deadlines, deadlines, reveal_deadline};
use protocol::{DealId, TaskId};
use sdk::wire::pool::{FailureCause, PinnedBlob, PinnedInput, TaskReport, ToWorker};
use tokio::sync::{Notify, mpsc, watch};

use crate::Options;
use crate::task::{Asking, Event, Illegal, OnChain, ReplicaState, Stage, Task};
use crate::waiting::{self, Facts, PinFacts, Trouble, Waiting, WorkerFacts, waiting};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    pub(crate) wake: Wake,
    /// Moves whenever something may have changed, for those who wait for a state of things.
    changed: watch::Sender<()>,
}

/// One bell per reconciler.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(crate) pin: Notify,
    pub(crate) initialize: Notify,
    pub(crate) assign: Notify,
    pub(crate) upload: Notify,
    pub(crate) finalize: Notify,
    pub(crate) reopen: Notify,
    pub(crate) claim: Notify,
    pub(crate) write: Notify,
}

/// The next thing to do for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Job {
    Initialize,
    Assign,
    Upload,
    Finalize,
    Reopen,
    Claim,
}

/// Everything that happened since the start; for `/metrics`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) deals: u64,
    pub(crate) completed: u64,
    pub(crate) claimed: u64,
    pub(crate) given_up: u64,
    pub(crate) assigned: u64,
    pub(crate) lost: u64,
    pub(crate) failed: u64,
    pub(crate) uploads_refused: u64,
    pub(crate) transactions: u64,
    pub(crate) transactions_failed: u64,
    pub(crate) transactions_refused: u64,
    pub(crate) turns_ended: u64,
    pub(crate) one_step: u64,
    pub(crate) finished_unchecked: u64,
    pub(crate) pin_failures: u64,
    pub(crate) write_failures: u64,
    pub(crate) asked_again: u64,
    pub(crate) replaced: u64,
}

#[derive(Debug)]
pub(crate) struct State {
    limits: Limits,
    deals: HashMap<DealId, DealEntry>,
    /// Deals whose app and inputs nobody is fetching yet.
    unpinned: HashSet<DealId>,
    tasks: HashMap<TaskId, Entry>,
    workers: HashMap<Address, Worker>,
    /// Given and not contributed yet, by worker, connected or not: what fills its slots.
    pending: HashMap<Address, HashSet<TaskId>>,
    scores: HashMap<Address, U256>,
    /// How workers have done here.
    records: HashMap<Address, Record>,
    /// Tasks by what they need, the most urgent first.
    jobs: BTreeMap<Job, BTreeSet<Place>>,
    /// Tasks that want a worker none of those connected can be: looked at again when one comes.
    starved: BTreeSet<Place>,
    /// When the first pause of a worker that a starved task waits for is over, and whether somebody is to be woken then.
    recall: Option<(u64, bool)>,
    /// When to look at a task again for the sake of a deadline, chain time.
    alarms: BTreeSet<Place>,
    /// Number and time of the latest block, and when we first saw it.
    clock: (u64, u64, Instant),
    /// The pool's own account at the hub: free and locked, nRLC.
    pub(crate) account: (u64, u64),
    next_connection: u64,
    /// The block to be read next.
    next_block: u64,
    dirty: Dirty,
    pub(crate) counters: Counters,
}

/// The part of [`Options`] that decides.
#[derive(Debug, Clone, Copy)]
struct Limits {
    failures_to_give_up: usize,
    second_try_secs: u64,
    answer_timeout_secs: u64,
    upload_timeout_secs: u64,
    open_tasks: usize,
    newcomer_slots: usize,
    one_step: bool,
}

/// A time, then an id: the order in which an index is gone through.
type Place = (u64, TaskId);

/// What is not in the database yet.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) tasks: HashSet<TaskId>,
    pub(crate) deals: HashSet<DealId>,
    pub(crate) cursor: bool,
}

#[derive(Debug)]
struct Entry {
    task: Task,
    /// A reconciler is at it: not filed under any job, but that workers may have it while it is being initialized.
    busy: Option<Job>,
    trouble: Option<Trouble>,
    /// What is not tried just now, since it has failed.
    paused: Option<Job>,
    filed: Option<(Job, Place)>,
    starved: bool,
    alarm: Option<Place>,
    /// The block in which it was closed, or a later one, for those that a reorganisation may open again.
    closed_block: Option<u64>,
}

/// A deal with tasks to do.
#[derive(Debug, Clone)]
pub(crate) struct DealEntry {
    pub(crate) id: DealId,
    pub(crate) deal: Deal,
    /// The category's time `T`, seconds.
    pub(crate) time_secs: u64,
    pub(crate) block: u64,
    /// Index of the first task not taken up yet.
    pub(crate) next_index: u64,
    pub(crate) end_index: u64,
    pub(crate) pins: Pinning,
    /// Why the last try to pin failed, while there will be another.
    pub(crate) pin_failure: Option<String>,
    pub(crate) completed: u64,
    pub(crate) claimed: u64,
    /// Its tasks that are taken up and not closed.
    pub(crate) open: BTreeSet<u64>,
}

/// The app and the inputs, as every worker gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pins {
    pub(crate) app: PinnedBlob,
    pub(crate) inputs: Vec<PinnedInput>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pinning {
    Wanted,
    UnderWay,
    Done(Pins),
    Failed(String),
}

/// A connected worker.
#[derive(Debug)]
struct Worker {
    connection: u64,
    to: mpsc::Sender<ToWorker>,
    slots: usize,
    /// Results it was asked for.
    asked: HashSet<TaskId>,
}

/// A task for a worker, chosen.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) task: TaskId,
    pub(crate) deal: DealId,
    pub(crate) index: u64,
    pub(crate) worker: Address,
    pub(crate) pins: Pins,
    pub(crate) one_step: bool,
}

/// How a worker has done at this pool. In memory only: the score on chain outlasts us.
#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// Tasks completed with its claim among those that were right.
    good: u32,
    /// Tasks it lost, failed by its own fault, did not reveal, or did not deliver.
    bad: u32,
}

/// In which order workers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Failed more often than it should.
    Unreliable,
    /// Nothing is known of it, and anybody can be somebody new as often as he likes.
    Newcomer,
    /// It has a score on chain, or has done well here.
    Proven,
}

impl DealEntry {
    pub(crate) fn new(id: DealId, deal: Deal, time_secs: u64, block: u64) -> Self {
        let next_index = deal.bot_first.saturating_to::<u64>();
        let end_index = deal
            .bot_first
            .saturating_add(deal.bot_size)
            .saturating_to::<u64>();
        Self {
            id,
            deal,
            time_secs,
            block,
            next_index,
            end_index,
            pins: Pinning::Wanted,
            pin_failure: None,
            completed: 0,
            claimed: 0,
            open: BTreeSet::new(),
        }
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        deadlines(self.deal.start_time, self.time_secs)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.next_index >= self.end_index && self.open.is_empty()
    }

    /// Whether one worker may end a task of it alone. Not where a contract of the requester's is to be called: that
    /// gas is the pool's to pay, as its price says, and no worker's.
    pub(crate) fn is_for_one_step(&self) -> bool {
        self.deal.trust <= U256::ONE && !self.deal.has_callback() && !self.deal.needs_enclave()
    }
}

/// Seconds since 1970, by this machine's clock when the process began, and steady since: however that clock is set
/// meanwhile, nothing here becomes late or early by it. What the chain decides is never measured by this.
pub(crate) fn now_secs() -> u64 {
    static BEGAN: OnceLock<(u64, Instant)> = OnceLock::new();
    let (at, began) = BEGAN.get_or_init(|| {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        (at, Instant::now())
    });
    at.saturating_add(began.elapsed().as_secs())
}

impl Board {
    pub(crate) fn new(options: &Options, next_block: u64) -> Self {
        let limits = Limits {
            failures_to_give_up: options.failures_to_give_up.max(1) as usize,
            second_try_secs: options.second_try_secs,
            answer_timeout_secs: options.answer_timeout_secs,
            upload_timeout_secs: options.upload_timeout_secs,
            open_tasks: options.open_tasks_limit.max(1),
            newcomer_slots: options.newcomer_slots.max(1) as usize,
            one_step: options.one_step,
        };
        let state = State {
            limits,
            deals: HashMap::new(),
            unpinned: HashSet::new(),
            tasks: HashMap::new(),
            workers: HashMap::new(),
            pending: HashMap::new(),
            scores: HashMap::new(),
            records: HashMap::new(),
            jobs: BTreeMap::new(),
            starved: BTreeSet::new(),
            recall: None,
            alarms: BTreeSet::new(),
            clock: (0, 0, Instant::now()),
            account: (0, 0),
            next_connection: 0,
            next_block,
            dirty: Dirty::default(),
            counters: Counters::default(),
        };
        Self {
            state: Mutex::new(state),
            wake: Wake::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// The state, for reading or for several changes at once. Whoever changes it through this guard calls
    /// [`Board::ring`] afterwards.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug; the state it left is still the best knowledge there is, and the chain
        // corrects it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a task on by something that is not on chain. An event that does not fit is logged and changes nothing.
    pub(crate) fn apply(&self, task: TaskId, event: Event) -> bool {
        let applied = self.lock().apply(task, event);
        self.ring();
        applied
    }

    /// Wakes every reconciler that has something to do.
    pub(crate) fn ring(&self) {
        self.changed.send_replace(());
        let state = self.lock();
        let bells = [
            (Job::Initialize, &self.wake.initialize),
            (Job::Assign, &self.wake.assign),
            (Job::Upload, &self.wake.upload),
            (Job::Finalize, &self.wake.finalize),
            (Job::Reopen, &self.wake.reopen),
            (Job::Claim, &self.wake.claim),
        ];
        for (job, bell) in bells {
            if state
                .jobs
                .get(&job)
                .is_some_and(|places| !places.is_empty())
            {
                bell.notify_one();
            }
        }
        if !state.unpinned.is_empty() {
            self.wake.pin.notify_one();
        }
        if !state.dirty.tasks.is_empty() || !state.dirty.deals.is_empty() || state.dirty.cursor {
            self.wake.write.notify_one();
        }
    }

    /// Waits until `find` finds something on the board.
    pub(crate) async fn wait_for<T>(&self, mut find: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(found) = find(&self.lock()) {
                return found;
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes up to `most` tasks that need `job`. They are nobody else's until [`Board::done`].
    pub(crate) fn take(&self, job: Job, most: usize) -> Vec<TaskId> {
        let taken = self.lock().take(job, most);
        if job == Job::Initialize && !taken.is_empty() {
            // Workers may have them from now on.
            self.ring();
        }
        taken
    }

    /// What has failed may be tried again.
    pub(crate) fn resume(&self, task: TaskId, job: Job) {
        self.lock().resume(task, job);
        self.ring();
    }

    /// Gives a taken task back, to be filed under what it needs now.
    pub(crate) fn done(&self, task: TaskId) {
        {
            let mut state = self.lock();
            state.release(task);
        }
        self.ring();
    }
}

impl State {
    // ---- time ----

    /// Time as the chain's next block will say it, as well as we can tell: that of its latest block, and what has
    /// passed since. This machine's own clock has no part in it: it may be wrong, or be set, and then tasks would be
    /// given up or claimed that are not late. Who acts too early is refused and tries again.
    pub(crate) fn chain_now(&self) -> u64 {
        let (_, block_secs, seen) = self.clock;
        block_secs.saturating_add(seen.elapsed().as_secs())
    }

    /// The latest block. The same one seen again is no news: the time since then counts on.
    pub(crate) fn set_clock(&mut self, number: u64, block_secs: u64) {
        if (self.clock.0, self.clock.1) != (number, block_secs) {
            self.clock = (number, block_secs, Instant::now());
        }
        self.sound_alarms();
    }

    /// Files those tasks anew whose deadline has come.
    pub(crate) fn sound_alarms(&mut self) {
        let now = self.chain_now();
        while let Some((at, task)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, task));
            if let Some(entry) = self.tasks.get_mut(&task) {
                entry.alarm = None;
            }
            self.file(task);
        }
    }

    // ---- deals ----

    pub(crate) fn deal(&self, deal: DealId) -> Option<&DealEntry> {
        self.deals.get(&deal)
    }

    pub(crate) fn deals(&self) -> impl Iterator<Item = &DealEntry> {
        self.deals.values()
    }

    /// Content addresses of what is being fetched, is pinned or was delivered for anything on the board. Of them, the
    /// second ones are bytes of workers that have not staked anything on them yet.
    pub(crate) fn named_blobs(&self) -> (HashSet<blobs::Address>, HashSet<blobs::Address>) {
        let mut named = HashSet::new();
        let mut unproven = HashSet::new();
        for deal in self.deals.values() {
            if let Pinning::Done(pins) = &deal.pins {
                let inputs = pins.inputs.iter().map(|input| &input.blob);
                named.extend(
                    inputs
                        .chain([&pins.app])
                        .filter_map(|blob| blob.cid.parse::<blobs::Address>().ok()),
                );
            } else if let Ok(params) = DealParams::parse(&deal.deal.params) {
                named.extend(params.input_files.iter().filter_map(|input| {
                    let url: url::Url = input.url().parse().ok()?;
                    url.path()
                        .strip_prefix("/ipfs/")?
                        .parse::<blobs::Address>()
                        .ok()
                }));
            }
        }
        for entry in self.tasks.values() {
            let open = matches!(entry.task.stage, Stage::Unset | Stage::Active);
            for result in &entry.task.results {
                let Ok(cid) = result.blob.cid.parse() else {
                    continue;
                };
                named.insert(cid);
                if open {
                    unproven.insert(cid);
                }
            }
        }
        (named, unproven)
    }

    /// Takes up a deal, unless it is known. Its tasks follow by [`State::open_tasks`].
    pub(crate) fn add_deal(&mut self, entry: DealEntry) {
        let id = entry.id;
        if self.deals.contains_key(&id) {
            return;
        }
        self.counters.deals += 1;
        self.restore_deal(entry);
        self.dirty.deals.insert(id);
    }

    /// Takes up tasks of deals as far as there is room, and names those that were taken up.
    pub(crate) fn open_tasks(&mut self) -> Vec<TaskId> {
        let mut opened = Vec::new();
        let waiting: Vec<DealId> = self
            .deals
            .values()
            .filter(|deal| deal.next_index < deal.end_index)
            .map(|deal| deal.id)
            .collect();
        for id in waiting {
            while self.tasks.len() < self.limits.open_tasks {
                let Some(deal) = self
                    .deals
                    .get_mut(&id)
                    .filter(|deal| deal.next_index < deal.end_index)
                else {
                    break;
                };
                let index = deal.next_index;
                deal.next_index += 1;
                deal.open.insert(index);
                let failure = match &deal.pins {
                    Pinning::Failed(reason) => Some(reason.clone()),
                    Pinning::Wanted | Pinning::UnderWay | Pinning::Done(_) => None,
                };
                let task_id = TaskId::derive(id, U256::from(index));
                let mut task = Task::new(task_id, id, index);
                task.since_secs = now_secs();
                task.given_up = failure;
                self.insert(task, None);
                self.dirty.tasks.insert(task_id);
                self.dirty.deals.insert(id);
                opened.push(task_id);
            }
        }
        opened
    }

    /// A task read from the database, with the block in which it was closed.
    pub(crate) fn restore(&mut self, mut task: Task, closed_block: Option<u64>) {
        // The time we were away is not the workers': they get theirs anew.
        task.not_before(now_secs());
        if !task.is_closed()
            && let Some(deal) = self.deals.get_mut(&task.deal)
        {
            deal.open.insert(task.index);
        }
        self.insert(task, closed_block);
    }

    /// A deal read from the database.
    pub(crate) fn restore_deal(&mut self, entry: DealEntry) {
        if entry.pins == Pinning::Wanted {
            self.unpinned.insert(entry.id);
        }
        self.deals.insert(entry.id, entry);
    }

    /// Forgets a deal that a reorganisation took away.
    pub(crate) fn drop_deal(&mut self, deal: DealId) {
        self.deals.remove(&deal);
        self.unpinned.remove(&deal);
        let gone: Vec<TaskId> = self
            .tasks
            .values()
            .filter(|entry| entry.task.deal == deal)
            .map(|entry| entry.task.id)
            .collect();
        for task in gone {
            self.unfile(task);
            let Some(entry) = self.tasks.remove(&task) else {
                continue;
            };
            for replica in &entry.task.replicas {
                self.set_pending(replica.worker, task, false);
            }
            for worker in self.workers.values_mut() {
                worker.asked.remove(&task);
            }
        }
    }

    /// Takes the deals whose app and inputs are to be pinned.
    pub(crate) fn take_unpinned(&mut self) -> Vec<DealEntry> {
        let mut taken = Vec::new();
        for id in std::mem::take(&mut self.unpinned) {
            if let Some(deal) = self.deals.get_mut(&id) {
                deal.pins = Pinning::UnderWay;
                taken.push(deal.clone());
            }
        }
        taken
    }

    /// They could not be had this time.
    pub(crate) fn pinning_delayed(&mut self, deal: DealId, reason: String) {
        self.counters.pin_failures += 1;
        if let Some(entry) = self.deals.get_mut(&deal) {
            entry.pin_failure = Some(reason);
        }
    }

    /// The app and the inputs are here.
    pub(crate) fn pinned(&mut self, deal: DealId, pins: Pins) {
        self.set_pins(deal, Pinning::Done(pins));
    }

    /// They cannot be had: nobody can do these tasks.
    pub(crate) fn pinning_failed(&mut self, deal: DealId, reason: &str) {
        self.set_pins(deal, Pinning::Failed(reason.to_owned()));
        for task in self.tasks_of(deal) {
            self.apply(
                task,
                Event::GivenUp {
                    reason: reason.to_owned(),
                },
            );
        }
    }

    fn set_pins(&mut self, deal: DealId, pins: Pinning) {
        if let Some(entry) = self.deals.get_mut(&deal) {
            entry.pins = pins;
            entry.pin_failure = None;
            self.dirty.deals.insert(deal);
        }
        for task in self.tasks_of(deal) {
            self.file(task);
        }
    }

    fn tasks_of(&self, deal: DealId) -> Vec<TaskId> {
        let Some(entry) = self.deals.get(&deal) else {
            return Vec::new();
        };
        entry
            .open
            .iter()
            .map(|index| TaskId::derive(deal, U256::from(*index)))
            .collect()
    }

    // ---- tasks ----

    pub(crate) fn all_ids(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }

    pub(crate) fn task(&self, task: TaskId) -> Option<&Task> {
        self.tasks.get(&task).map(|entry| &entry.task)
    }

    pub(crate) fn report(&self, id: TaskId) -> Option<TaskReport> {
        let entry = self.tasks.get(&id)?;
        let workers = self.worker_facts();
        let (_, _, why) = waiting(&entry.task, &self.facts(entry, &workers));
        Some(entry.task.report(why))
    }

    /// What the pool says of a task that is not on the board any more.
    pub(crate) fn report_closed(&self, task: &Task) -> TaskReport {
        let facts = Facts {
            deadlines: None,
            time_secs: 0,
            pinning: PinFacts::Fetching,
            busy: None,
            trouble: None,
            workers: &[],
            now_secs: now_secs(),
            chain_now: self.chain_now(),
            limits: self.waiting_limits(),
        };
        let (_, _, why) = waiting(task, &facts);
        task.report(why)
    }

    /// Whether the worker that has this task may finish it alone, as it stands.
    pub(crate) fn is_for_one_step(&self, task: &Task) -> bool {
        self.limits.one_step
            && matches!(task.stage, Stage::Unset | Stage::Active)
            && task
                .replicas
                .iter()
                .all(|replica| replica.state.hash().is_none())
            && self
                .deals
                .get(&task.deal)
                .is_some_and(DealEntry::is_for_one_step)
    }

    /// How many open tasks wait for what, and since when the oldest of each does; for `/metrics`.
    pub(crate) fn waiting(&self) -> Vec<(Waiting, usize, u64)> {
        let workers = self.worker_facts();
        let mut found: HashMap<Waiting, (usize, u64)> = HashMap::new();
        for entry in self.tasks.values().filter(|entry| !entry.task.is_closed()) {
            let (what, since, _) = waiting(&entry.task, &self.facts(entry, &workers));
            let (count, oldest) = found.entry(what).or_insert((0, u64::MAX));
            *count += 1;
            *oldest = since.min(*oldest);
        }
        let now = now_secs();
        Waiting::OPEN
            .into_iter()
            .map(|what| match found.get(&what) {
                Some((count, oldest)) => (what, *count, now.saturating_sub(*oldest)),
                None => (what, 0, 0),
            })
            .collect()
    }

    fn worker_facts(&self) -> Vec<WorkerFacts> {
        let facts = |address: &Address| WorkerFacts {
            address: *address,
            has_room: self.room_of(*address) > 0,
        };
        self.workers.keys().map(facts).collect()
    }

    fn waiting_limits(&self) -> waiting::Limits {
        waiting::Limits {
            answer_secs: self.limits.answer_timeout_secs,
            upload_secs: self.limits.upload_timeout_secs,
            second_try_secs: self.limits.second_try_secs,
        }
    }

    fn facts<'a>(&'a self, entry: &'a Entry, workers: &'a [WorkerFacts]) -> Facts<'a> {
        let deal = self.deals.get(&entry.task.deal);
        let pinning = match deal.map(|deal| (&deal.pins, &deal.pin_failure)) {
            Some((Pinning::Done(_), _)) => PinFacts::Here,
            Some((Pinning::Failed(_), _)) => PinFacts::Failed,
            Some((Pinning::Wanted | Pinning::UnderWay, Some(error))) => PinFacts::Failing(error),
            Some((Pinning::Wanted | Pinning::UnderWay, None)) | None => PinFacts::Fetching,
        };
        Facts {
            now_secs: now_secs(),
            chain_now: self.chain_now(),
            deadlines: deal.map(DealEntry::deadlines),
            time_secs: deal.map_or(0, |deal| deal.time_secs),
            pinning,
            busy: entry.busy,
            trouble: entry.trouble.as_ref(),
            workers,
            limits: self.waiting_limits(),
        }
    }

    /// Tasks that are neither completed nor claimed, also those of large bags not taken up yet.
    pub(crate) fn open_count(&self) -> usize {
        self.deals
            .values()
            .map(|deal| {
                deal.open.len()
                    + usize::try_from(deal.end_index - deal.next_index).unwrap_or(usize::MAX)
            })
            .fold(0, usize::saturating_add)
    }

    /// How many tasks wait for what, and how many are in somebody's hands; for `/metrics`.
    pub(crate) fn queue_lengths(&self) -> Vec<(&'static str, usize)> {
        let length = |job| self.jobs.get(&job).map_or(0, BTreeSet::len);
        vec![
            ("initialize", length(Job::Initialize)),
            ("assign", length(Job::Assign)),
            ("worker", self.starved.len()),
            ("upload", length(Job::Upload)),
            ("finalize", length(Job::Finalize)),
            ("reopen", length(Job::Reopen)),
            ("claim", length(Job::Claim)),
            (
                "busy",
                self.tasks
                    .values()
                    .filter(|entry| entry.busy.is_some())
                    .count(),
            ),
        ]
    }

    /// Moves a task on by something that is not on chain, and draws all consequences but ringing.
    pub(crate) fn apply(&mut self, id: TaskId, event: Event) -> bool {
        self.apply_in(None, id, event)
    }

    /// Moves a task on by what is on chain in this block, and draws all consequences but ringing.
    pub(crate) fn apply_in(&mut self, block: Option<u64>, id: TaskId, event: Event) -> bool {
        let Some(entry) = self.tasks.get(&id) else {
            return false;
        };
        let before = entry.task.clone();
        let counted = Counted::of(&event);
        if let Event::UploadFailed { worker } = &event {
            self.remember(*worker, false);
        }
        match before.clone().apply(event, now_secs()) {
            Ok(after) if after == before => {
                // The chain may have put the end of a task into another block than it had before.
                self.note_closed(id, block);
                true
            }
            Ok(after) => {
                counted.count(&mut self.counters);
                self.replace(&before, after, block);
                true
            }
            Err(illegal) => {
                log_illegal(&illegal);
                false
            }
        }
    }

    /// What the chain says of a task as a whole, in this block or an earlier one, goes before all we believed.
    pub(crate) fn compare(&mut self, id: TaskId, chain: OnChain, block: u64) {
        let Some(entry) = self.tasks.get(&id) else {
            return;
        };
        let before = entry.task.clone();
        let after = before.clone().corrected_by(chain, now_secs());
        if after != before {
            tracing::info!(task.id = %id, from = ?before.stage, to = ?after.stage, "the chain corrects what we knew");
            self.replace(&before, after, Some(block));
        }
        // It may have ended anew, in any block up to this one.
        self.note_closed(id, Some(block));
        if self.task(id).is_some_and(Task::is_closed) {
            // It was only looked at again: through the database's hands, which forget it then, and its deal.
            self.dirty.tasks.insert(id);
            self.dirty.deals.insert(before.deal);
        }
    }

    /// A task that is over has ended in this block, or in an earlier one. A block too high costs one look in vain after a
    /// reorganisation; one too low would hide the task from it.
    fn note_closed(&mut self, id: TaskId, block: Option<u64>) {
        if let Some(entry) = self.tasks.get_mut(&id)
            && entry.task.is_closed()
            && block > entry.closed_block
        {
            entry.closed_block = block;
            self.dirty.tasks.insert(id);
        }
    }

    fn insert(&mut self, task: Task, closed_block: Option<u64>) {
        let id = task.id;
        for replica in task.pending() {
            self.set_pending(replica.worker, id, true);
        }
        let entry = Entry {
            task,
            busy: None,
            trouble: None,
            paused: None,
            filed: None,
            starved: false,
            alarm: None,
            closed_block,
        };
        self.tasks.insert(id, entry);
        self.file(id);
    }

    fn replace(&mut self, before: &Task, after: Task, block: Option<u64>) {
        let id = after.id;
        self.tell(before, &after);
        self.account(before, &after);
        self.judge(before, &after);
        self.dirty.tasks.insert(id);
        // Nothing but the chain ends a task; should nobody know where, the newest block we have heard of is late enough.
        let newest = self.next_block.max(self.clock.0);
        if let Some(entry) = self.tasks.get_mut(&id) {
            entry.closed_block = match after.is_closed() {
                true => entry.closed_block.max(block).or(Some(newest)),
                false => None,
            };
            if before.stage != after.stage {
                entry.trouble = None;
                entry.paused = None;
            }
            entry.task = after;
        }
        self.file(id);
        self.give_up_if_hopeless(id);
    }

    /// What the change says of the workers, and of how tasks end.
    fn judge(&mut self, before: &Task, after: &Task) {
        for replica in &after.replicas {
            let earlier = before.latest(replica.worker).map(|replica| &replica.state);
            if earlier == Some(&replica.state) {
                continue;
            }
            match &replica.state {
                ReplicaState::Lost | ReplicaState::Rejected => self.remember(replica.worker, false),
                ReplicaState::Failed(failure) if failure.cause == FailureCause::Worker => {
                    self.remember(replica.worker, false);
                }
                ReplicaState::Assigned
                | ReplicaState::Computing
                | ReplicaState::Contributed { .. }
                | ReplicaState::Revealed { .. }
                | ReplicaState::Failed(_)
                | ReplicaState::Declined { .. }
                | ReplicaState::Abandoned => {}
            }
        }
        if after.stage == Stage::Completed && before.stage != Stage::Completed {
            for replica in after.revealed() {
                self.remember(replica.worker, true);
            }
            if after.result().is_none() {
                self.counters.finished_unchecked += 1;
                tracing::warn!(
                    task.id = %after.id,
                    "a worker has finished the task by itself, and this pool does not hold its bytes"
                );
            }
        }
    }

    fn remember(&mut self, worker: Address, good: bool) {
        let record = self.records.entry(worker).or_default();
        if good {
            record.good = record.good.saturating_add(1);
            // Who does well is forgiven, in time.
            record.bad -= u32::from(record.bad > 0 && record.good.is_multiple_of(4));
        } else {
            record.bad = record.bad.saturating_add(1);
        }
    }

    fn standing(&self, worker: Address) -> Standing {
        let record = self.records.get(&worker).copied().unwrap_or_default();
        if record.bad > record.good.saturating_add(1) {
            Standing::Unreliable
        } else if record.good > 0 || !self.score(worker).is_zero() {
            Standing::Proven
        } else {
            Standing::Newcomer
        }
    }

    /// How many more tasks a worker may be given now. Who is not proven gets a few at first, whatever it offers: slots
    /// cost nothing to claim, and names nothing to make.
    fn room_of(&self, worker: Address) -> usize {
        let Some(known) = self.workers.get(&worker) else {
            return 0;
        };
        let slots = match self.standing(worker) {
            Standing::Proven => known.slots,
            Standing::Newcomer | Standing::Unreliable => {
                known.slots.min(self.limits.newcomer_slots)
            }
        };
        slots.saturating_sub(self.pending_count(worker))
    }

    fn pending_count(&self, worker: Address) -> usize {
        self.pending.get(&worker).map_or(0, HashSet::len)
    }

    fn set_pending(&mut self, worker: Address, task: TaskId, pending: bool) {
        if pending {
            self.pending.entry(worker).or_default().insert(task);
        } else if let Some(tasks) = self.pending.get_mut(&worker) {
            tasks.remove(&task);
            if tasks.is_empty() {
                self.pending.remove(&worker);
            }
        }
    }

    /// Keeps slots, questions and the deal's figures in step with the task.
    fn account(&mut self, before: &Task, after: &Task) {
        let id = after.id;
        for replica in &after.replicas {
            self.set_pending(replica.worker, id, after.is_pending(replica.worker));
        }
        if before.asked != after.asked {
            if let Some(worker) = before
                .asked
                .and_then(|asked| self.workers.get_mut(&asked.worker))
            {
                worker.asked.remove(&id);
            }
            if let Some(worker) = after
                .asked
                .and_then(|asked| self.workers.get_mut(&asked.worker))
            {
                worker.asked.insert(id);
            }
        }
        if before.stage != after.stage
            && let Some(deal) = self.deals.get_mut(&after.deal)
        {
            let step = |stage: Stage, deal: &mut DealEntry, by: i64| match stage {
                Stage::Completed => deal.completed = deal.completed.saturating_add_signed(by),
                Stage::Claimed => deal.claimed = deal.claimed.saturating_add_signed(by),
                Stage::Unset | Stage::Active | Stage::Revealing { .. } => {}
            };
            step(before.stage, deal, -1);
            step(after.stage, deal, 1);
            if after.is_closed() {
                deal.open.remove(&after.index);
            } else {
                deal.open.insert(after.index);
            }
            if before.is_closed() != after.is_closed() {
                self.dirty.deals.insert(after.deal);
            }
        }
    }

    /// Tells workers what the change means to them.
    fn tell(&mut self, before: &Task, after: &Task) {
        let task = after.id;
        for replica in &before.replicas {
            let still = after.latest(replica.worker).map(|latest| &latest.state);
            if replica.state.is_pending()
                && still == Some(&ReplicaState::Abandoned)
                && !after.is_closed()
            {
                let reason = match &after.given_up {
                    Some(reason) => reason.clone(),
                    None => "others reached consensus first".to_owned(),
                };
                self.send(replica.worker, ToWorker::Abandon { task, reason });
            }
            if still == Some(&ReplicaState::Rejected) && replica.state != ReplicaState::Rejected {
                let reason =
                    "it was not revealed in time, and the task was reopened without it".to_owned();
                self.send(replica.worker, ToWorker::Abandon { task, reason });
            }
        }
        if before.stage == Stage::Unset && after.stage == Stage::Active {
            let early: Vec<Address> = after.pending().map(|replica| replica.worker).collect();
            for worker in early {
                self.send(worker, ToWorker::Initialized { task });
            }
        }
        if before.consensus() != after.consensus() && after.consensus().is_some() {
            let winners: Vec<Address> = after.winners().map(|replica| replica.worker).collect();
            for worker in winners {
                self.send(worker, ToWorker::Reveal { task });
            }
        }
        if after.is_closed() && !before.is_closed() {
            let mut told = HashSet::new();
            for replica in before
                .replicas
                .iter()
                .filter(|replica| told.insert(replica.worker))
            {
                self.send(replica.worker, ToWorker::Settled { task });
            }
        }
        if after.asked != before.asked
            && let Some(asked) = after.asked
        {
            self.send(asked.worker, ToWorker::Upload { task });
        }
    }

    /// Equal failures of the application, told by enough different workers, end a task's chances; so do failures of
    /// any kind on everybody there is. Never true of no failure at all, nor of nobody: who failed and left says nothing of
    /// those who are here, and where nobody is here the next to come may do it.
    fn give_up_if_hopeless(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get(&id) else {
            return;
        };
        if entry.task.given_up.is_some()
            || !matches!(entry.task.stage, Stage::Unset | Stage::Active)
        {
            return;
        }
        // Where it ran to its end once, it may again.
        if entry
            .task
            .replicas
            .iter()
            .any(|replica| replica.state.hash().is_some())
        {
            return;
        }
        let failures = entry.task.app_failures();
        let here_all_failed = !self.workers.is_empty()
            && self
                .workers
                .keys()
                .all(|here| failures.iter().any(|(worker, _)| worker == here));
        let limit = self.limits.failures_to_give_up;
        // The failure most of them tell: an application fails in one way, liars in as many as they like.
        let told = |message: &str| {
            failures
                .iter()
                .filter(|(_, failure)| failure.message == message)
                .count()
        };
        let Some((equal, message)) = failures
            .iter()
            .map(|(_, failure)| (told(&failure.message), failure.message.as_str()))
            .max_by_key(|(equal, _)| *equal)
        else {
            return;
        };
        let reason = if equal >= limit || (here_all_failed && equal == failures.len()) {
            match equal {
                1 => format!("the application failed on the only worker that could try: {message}"),
                workers => {
                    format!("the application failed on {workers} different workers: {message}")
                }
            }
        } else if here_all_failed || failures.len() >= 2 * limit {
            format!(
                "the application failed on {} different workers, not always in the same way; most often: {message}",
                failures.len()
            )
        } else {
            return;
        };
        tracing::info!(task.id = %id, reason, "given up");
        self.apply(id, Event::GivenUp { reason });
    }

    /// What a task needs now, and when to look again for the sake of a deadline.
    fn needs(&self, task: &Task) -> (Option<Job>, Option<u64>) {
        let Some(deal) = self.deals.get(&task.deal) else {
            return (None, None);
        };
        let (now, until) = (self.chain_now(), deal.deadlines());
        if task.is_closed() {
            return (None, None);
        }
        if now >= until.end {
            return (Some(Job::Claim), None);
        }
        let pinned = matches!(deal.pins, Pinning::Done(_));
        match task.stage {
            Stage::Unset | Stage::Active
                if task.given_up.is_some() || now >= until.contribution =>
            {
                (None, Some(until.end))
            }
            Stage::Unset => (pinned.then_some(Job::Initialize), Some(until.contribution)),
            Stage::Active => (pinned.then_some(Job::Assign), Some(until.contribution)),
            Stage::Revealing { deadline_secs, .. } => {
                let late = now >= deadline_secs;
                let next = if late {
                    until.end
                } else {
                    deadline_secs.min(until.end)
                };
                let revealed = task.revealed().next().is_some();
                let job = match task.result() {
                    _ if late && !revealed => Some(Job::Reopen),
                    // While they reveal, their bytes may travel.
                    None if task.asked.is_none()
                        && task.given_up.is_none()
                        && task.winners().next().is_some() =>
                    {
                        Some(Job::Upload)
                    }
                    Some(_) if revealed && (late || task.all_winners_revealed()) => {
                        Some(Job::Finalize)
                    }
                    None | Some(_) => None,
                };
                (job, Some(next))
            }
            Stage::Completed | Stage::Claimed => (None, None),
        }
    }

    fn unfile(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get_mut(&id) else {
            return;
        };
        if let Some((job, place)) = entry.filed.take() {
            if let Some(places) = self.jobs.get_mut(&job) {
                places.remove(&place);
            }
            self.starved.remove(&place);
        }
        entry.starved = false;
        if let Some(alarm) = entry.alarm.take() {
            self.alarms.remove(&alarm);
        }
    }

    /// Files a task under what it needs now.
    fn file(&mut self, id: TaskId) {
        self.unfile(id);
        let Some(entry) = self.tasks.get(&id) else {
            return;
        };
        let (job, alarm) = self.needs(&entry.task);
        let job = match (job, entry.busy) {
            // While the transaction is on its way workers may fetch and compute already.
            (Some(Job::Initialize), Some(Job::Initialize)) if entry.trouble.is_none() => {
                Some(Job::Assign)
            }
            (_, Some(_)) => None,
            (job, None) => job.filter(|job| entry.paused != Some(*job)).filter(|job| {
                entry
                    .trouble
                    .as_ref()
                    .is_none_or(|trouble| trouble.job != *job || trouble.again_secs.is_some())
            }),
        };
        let urgency = self
            .deals
            .get(&entry.task.deal)
            .map_or(0, |deal| deal.deadlines().contribution);
        let place = (urgency, id);
        if let Some(job) = job {
            self.jobs.entry(job).or_default().insert(place);
        }
        let alarm = alarm.map(|at| (at, id));
        self.alarms.extend(alarm);
        if let Some(entry) = self.tasks.get_mut(&id) {
            entry.filed = job.map(|job| (job, place));
            entry.alarm = alarm;
        }
    }

    fn take(&mut self, job: Job, most: usize) -> Vec<TaskId> {
        let taken: Vec<TaskId> = self
            .jobs
            .get(&job)
            .into_iter()
            .flatten()
            .take(most)
            .map(|(_, task)| *task)
            .collect();
        for task in &taken {
            if let Some(entry) = self.tasks.get_mut(task) {
                entry.busy = Some(job);
            }
            self.file(*task);
        }
        taken
    }

    fn release(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.get_mut(&id) else {
            return;
        };
        entry.busy = None;
        if entry.task.is_closed() {
            // Once more through the database's hands, which forget it then.
            self.dirty.tasks.insert(id);
        }
        self.file(id);
    }

    /// Takes note of a turn that failed, and says how long to wait before the next; none: there is none at this stage.
    pub(crate) fn troubled(
        &mut self,
        id: TaskId,
        job: Job,
        why: String,
        fault: Fault,
    ) -> Option<Duration> {
        let now = now_secs();
        let entry = self.tasks.get_mut(&id)?;
        let (since_secs, before) = match &entry.trouble {
            Some(trouble) if trouble.job == job => (trouble.since_secs, trouble.refusals),
            _ => (now, 0),
        };
        let refusals = before + u32::from(fault == Fault::Hubs);
        let pause = match fault {
            Fault::Passing => Some(RETRY_SOON),
            Fault::Nodes => Some(RETRY_LATER),
            Fault::Hubs if refusals >= REFUSALS_MAX => None,
            // Most are about something another transaction has done meanwhile, or about time.
            Fault::Hubs => {
                Some((RETRY_FIRST * 2_u32.pow((refusals - 1).min(10))).min(RETRY_LATEST))
            }
        };
        entry.trouble = Some(Trouble {
            job,
            why: why.clone(),
            since_secs,
            refusals,
            again_secs: pause.map(|pause| now + pause.as_secs()),
        });
        entry.paused = pause.map(|_| job);
        if pause.is_none() {
            self.counters.turns_ended += 1;
            tracing::error!(task.id = %id, why, refusals, "cannot {} the task, not trying again", job.verb());
            if matches!(job, Job::Initialize | Job::Finalize) {
                let reason = format!("cannot {} it: {why}", job.verb());
                self.apply(id, Event::GivenUp { reason });
            }
        }
        pause
    }

    /// The turn succeeded.
    pub(crate) fn untroubled(&mut self, id: TaskId) {
        if let Some(entry) = self.tasks.get_mut(&id) {
            entry.trouble = None;
            entry.paused = None;
        }
    }

    /// The pause after a turn that failed is over.
    fn resume(&mut self, id: TaskId, job: Job) {
        if let Some(entry) = self.tasks.get_mut(&id)
            && entry.paused == Some(job)
        {
            entry.paused = None;
            self.file(id);
        }
    }

    // ---- workers ----

    pub(crate) fn worker_count(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn slot_count(&self) -> (usize, usize) {
        let all = self.workers.values().map(|worker| worker.slots).sum();
        let used = self
            .workers
            .keys()
            .map(|worker| self.pending_count(*worker))
            .sum();
        (used, all)
    }

    pub(crate) fn set_score(&mut self, worker: Address, score: U256) {
        if self.scores.len().max(self.records.len()) >= REMEMBERED {
            self.forget_strangers();
        }
        self.scores.insert(worker, score);
    }

    /// Keeps scores and records of those only that are here, or have a part in an open task.
    fn forget_strangers(&mut self) {
        let mut known: HashSet<Address> = self.workers.keys().copied().collect();
        for entry in self.tasks.values() {
            known.extend(entry.task.replicas.iter().map(|replica| replica.worker));
        }
        self.scores.retain(|worker, _| known.contains(worker));
        self.records.retain(|worker, _| known.contains(worker));
    }

    pub(crate) fn change_score(&mut self, worker: Address, change: impl FnOnce(U256) -> U256) {
        if let Some(score) = self.scores.get_mut(&worker) {
            *score = change(*score);
        }
    }

    pub(crate) fn knows_score(&self, worker: Address) -> bool {
        self.scores.contains_key(&worker)
    }

    /// Welcomes a worker: its connection replaces an older one, its tasks are sorted out, and it is told which of
    /// those it holds are still worth going on with. Gives the number of the connection.
    pub(crate) fn welcome(
        &mut self,
        worker: Address,
        slots: usize,
        holding: &[TaskId],
        to: mpsc::Sender<ToWorker>,
    ) -> u64 {
        self.next_connection += 1;
        let connection = self.next_connection;
        let pending = self.pending.get(&worker).cloned().unwrap_or_default();
        let asked: HashSet<TaskId> = self
            .workers
            .remove(&worker)
            .map(|older| older.asked)
            .unwrap_or_default();
        let keep: Vec<TaskId> = holding
            .iter()
            .copied()
            .filter(|task| self.is_worth_keeping(*task, worker))
            .collect();
        // The first thing it hears; everything below may already speak to it.
        let _ = to.try_send(ToWorker::Welcome { keep: keep.clone() });
        self.workers.insert(
            worker,
            Worker {
                connection,
                to,
                slots,
                asked: HashSet::new(),
            },
        );
        for task in asked {
            self.apply(task, Event::UploadFailed { worker });
        }
        for task in pending.into_iter().filter(|task| !keep.contains(task)) {
            self.apply(task, Event::Lost { worker });
        }
        for task in keep {
            self.take_up_again(task, worker);
        }
        // A new face: tasks that nobody here could do may be for it.
        for (_, task) in std::mem::take(&mut self.starved) {
            self.file(task);
        }
        connection
    }

    fn is_worth_keeping(&self, id: TaskId, worker: Address) -> bool {
        let Some(task) = self.task(id) else {
            return false;
        };
        let Some(state) = task.latest(worker).map(|replica| &replica.state) else {
            return matches!(task.stage, Stage::Unset | Stage::Active)
                && task.may_return(worker)
                && self.wants_more(task, &[]);
        };
        match (task.stage, state) {
            (Stage::Unset | Stage::Active, ReplicaState::Assigned | ReplicaState::Computing) => {
                true
            }
            (Stage::Active, ReplicaState::Contributed { .. }) => true,
            (Stage::Unset | Stage::Active, ReplicaState::Lost | ReplicaState::Abandoned) => {
                task.may_return(worker) && self.wants_more(task, &[])
            }
            (Stage::Revealing { consensus, .. }, state) => state.hash() == Some(consensus),
            (Stage::Active, ReplicaState::Revealed { .. }) => true,
            (
                Stage::Active,
                ReplicaState::Rejected | ReplicaState::Failed(_) | ReplicaState::Declined { .. },
            ) => false,
            (Stage::Unset | Stage::Completed | Stage::Claimed, _) => false,
        }
    }

    fn take_up_again(&mut self, id: TaskId, worker: Address) {
        let Some(task) = self.task(id) else { return };
        let state = task.latest(worker).map(|replica| &replica.state);
        if task.is_pending(worker) {
            self.apply(id, Event::Accepted { worker });
        } else if matches!(task.stage, Stage::Unset | Stage::Active)
            && state.and_then(ReplicaState::hash).is_none()
        {
            self.apply(id, Event::Returned { worker });
        } else if task.consensus().is_some()
            && matches!(state, Some(ReplicaState::Contributed { .. }))
        {
            self.send(worker, ToWorker::Reveal { task: id });
        }
    }

    /// The connection is gone: its slots are free, and what it had not contributed goes to others.
    pub(crate) fn farewell(&mut self, worker: Address, connection: u64) {
        if self
            .workers
            .get(&worker)
            .is_none_or(|known| known.connection != connection)
        {
            return; // Replaced by a newer one, which keeps the tasks.
        }
        let Some(gone) = self.workers.remove(&worker) else {
            return;
        };
        for task in self.pending.get(&worker).cloned().unwrap_or_default() {
            self.apply(task, Event::Lost { worker });
        }
        for task in gone.asked {
            self.apply(task, Event::UploadFailed { worker });
        }
    }

    /// Hands a message to a worker's connection. One that does not take its messages is cut off; it will be back.
    pub(crate) fn send(&mut self, worker: Address, message: ToWorker) -> bool {
        let Some(known) = self.workers.get(&worker) else {
            return false;
        };
        if known.to.try_send(message).is_ok() {
            return true;
        }
        tracing::warn!(%worker, "the worker does not take its messages, its connection is closed");
        let connection = known.connection;
        self.farewell(worker, connection);
        false
    }

    /// Marks replicas lost whose workers did not come back after our start.
    pub(crate) fn sweep_absent(&mut self) {
        let mut absent = Vec::new();
        for entry in self.tasks.values() {
            for replica in entry.task.pending() {
                if !self.workers.contains_key(&replica.worker) {
                    absent.push((entry.task.id, replica.worker));
                }
            }
        }
        for (task, worker) in absent {
            self.apply(task, Event::Lost { worker });
        }
    }

    /// The safety net: finds what no event announced. Silent workers, overdue uploads, pauses that are over.
    pub(crate) fn sweep(&mut self) {
        self.sound_alarms();
        let now = now_secs();
        let mut events = Vec::new();
        let mut reveals = Vec::new();
        let mut overdue = Vec::new();
        let chain_now = self.chain_now();
        let late = |task: &Task| {
            let deal = self.deals.get(&task.deal);
            deal.is_some_and(|deal| chain_now >= deal.deadlines().contribution)
        };
        for entry in self.tasks.values().filter(|entry| !entry.task.is_closed()) {
            let task = &entry.task;
            let time_secs = self
                .deals
                .get(&task.deal)
                .map_or(u64::MAX, |deal| deal.time_secs);
            for replica in &task.replicas {
                let worker = replica.worker;
                let quiet_secs = now.saturating_sub(replica.since_secs);
                match replica.state {
                    ReplicaState::Assigned if quiet_secs >= self.limits.answer_timeout_secs => {
                        events.push((task.id, Event::Lost { worker }, worker));
                    }
                    // The limit of one run, and half of it again for fetching and for the chain.
                    ReplicaState::Computing
                        if quiet_secs >= time_secs.saturating_add(time_secs / 2) =>
                    {
                        events.push((task.id, Event::Lost { worker }, worker));
                    }
                    // A lost hint: say it again.
                    ReplicaState::Contributed { hash }
                        if task.consensus() == Some(hash) && quiet_secs >= 10 =>
                    {
                        reveals.push((worker, task.id));
                    }
                    _ => {}
                }
            }
            // Nobody could contribute any more; better said than waited for.
            if matches!(task.stage, Stage::Unset | Stage::Active)
                && task.given_up.is_none()
                && late(task)
            {
                let reason = "the time to contribute is over".to_owned();
                overdue.push((task.id, Event::GivenUp { reason }));
            }
            if let Some(asked) = task.asked
                && now.saturating_sub(asked.at_secs) >= self.limits.upload_timeout_secs
            {
                events.push((
                    task.id,
                    Event::UploadFailed {
                        worker: asked.worker,
                    },
                    asked.worker,
                ));
            }
        }
        for (task, event, worker) in events {
            let lost = matches!(event, Event::Lost { .. });
            self.apply(task, event);
            if lost {
                let reason = "too long without a sign of it; others have it now".to_owned();
                self.send(worker, ToWorker::Abandon { task, reason });
            }
        }
        for (task, event) in overdue {
            self.apply(task, event);
        }
        for (worker, task) in reveals {
            self.send(worker, ToWorker::Reveal { task });
        }
        for (_, task) in std::mem::take(&mut self.starved) {
            self.file(task);
        }
    }

    // ---- who does what ----

    fn score(&self, worker: Address) -> U256 {
        self.scores.get(&worker).copied().unwrap_or_default()
    }

    /// Whether the task needs a worker more than those who have it (and `chosen`): by the hub's own arithmetic, should
    /// they all agree with the heaviest claim. Claims on chain without consensus always ask for one more.
    fn wants_more(&self, task: &Task, chosen: &[Address]) -> bool {
        let Some(deal) = self.deals.get(&task.deal) else {
            return false;
        };
        let mut tally = Tally::default();
        for replica in &task.replicas {
            if let Some(claim) = replica.state.hash() {
                // A worker's score may have changed since: an estimate, which the chain's own answer corrects.
                let _ = tally.count(claim, weight(self.score(replica.worker)), deal.deal.trust);
            }
        }
        let team = task
            .pending()
            .map(|replica| replica.worker)
            .chain(chosen.iter().copied());
        !tally.suffices(deal.deal.trust, team.map(|worker| self.score(worker)))
    }

    /// Gives tasks to workers, the most urgent first, until no slot is free or no task wants one.
    pub(crate) fn assign(&mut self) -> Vec<Choice> {
        let now = now_secs();
        let mut free: Vec<Address> = self
            .workers
            .keys()
            .copied()
            .filter(|worker| self.room_of(*worker) > 0)
            .collect();
        let mut choices = Vec::new();
        let mut last: Option<Place> = None;
        while !free.is_empty() {
            let Some(place) = self.next_to_assign(last) else {
                break;
            };
            last = Some(place);
            self.assign_one(place, now, &mut free, &mut choices);
        }
        choices
    }

    fn next_to_assign(&self, after: Option<Place>) -> Option<Place> {
        use std::ops::Bound::{Excluded, Unbounded};
        let places = self.jobs.get(&Job::Assign)?;
        match after {
            None => places.first().copied(),
            Some(place) => places.range((Excluded(place), Unbounded)).next().copied(),
        }
    }

    fn assign_one(
        &mut self,
        place: Place,
        now: u64,
        free: &mut Vec<Address>,
        choices: &mut Vec<Choice>,
    ) {
        let (_, id) = place;
        loop {
            let Some(entry) = self.tasks.get(&id) else {
                return;
            };
            let Some(deal) = self.deals.get(&entry.task.deal) else {
                return;
            };
            let Pinning::Done(pins) = &deal.pins else {
                return;
            };
            if !self.wants_more(&entry.task, &[]) {
                // Enough for now; it is filed again as soon as anything about it changes.
                self.shelve(place, false);
                return;
            }
            let pause = self.limits.second_try_secs;
            let may = |worker: &Address| entry.task.may_ask(*worker, now, pause) == Asking::Now;
            // The proven first; of those the one with most room, so that work spreads; the address breaks ties, for the
            // sake of repeatable runs.
            let chosen = free
                .iter()
                .enumerate()
                .filter(|(_, worker)| may(worker))
                .max_by_key(|(_, worker)| {
                    (self.standing(**worker), self.room_of(**worker), **worker)
                })
                .map(|(place, address)| (place, *address));
            let Some((at, worker)) = chosen else {
                if !self.workers.keys().any(may) {
                    let soonest = self
                        .workers
                        .keys()
                        .filter_map(|worker| match entry.task.may_ask(*worker, now, pause) {
                            Asking::From(at) => Some(at),
                            Asking::Now | Asking::Never => None,
                        })
                        .min();
                    self.shelve(place, true);
                    if let Some(at) = soonest
                        && self.recall.is_none_or(|(known, _)| at < known)
                    {
                        self.recall = Some((at, false));
                    }
                }
                return;
            };
            let choice = Choice {
                task: id,
                deal: deal.id,
                index: entry.task.index,
                worker,
                pins: pins.clone(),
                one_step: self.limits.one_step && deal.is_for_one_step(),
            };
            let again = entry
                .task
                .replicas
                .iter()
                .any(|replica| replica.state == ReplicaState::Lost);
            self.counters.replaced += u64::from(again);
            if !self.apply(id, Event::Assigned { worker }) {
                self.shelve(place, true);
                return;
            }
            choices.push(choice);
            if self.room_of(worker) == 0 {
                free.swap_remove(at);
            }
        }
    }

    /// How long until a pause is over that nobody is to be woken for yet.
    pub(crate) fn take_recall(&mut self) -> Option<Duration> {
        let (at, taken) = self.recall.as_mut()?;
        if std::mem::replace(taken, true) {
            return None;
        }
        Some(Duration::from_secs(at.saturating_sub(now_secs())))
    }

    /// A pause is over: the starved are looked at again.
    pub(crate) fn recall(&mut self) {
        self.recall = None;
        for (_, task) in std::mem::take(&mut self.starved) {
            self.file(task);
        }
    }

    /// Takes a task out of the assign index until it changes, or until a worker comes if it is `starved`.
    fn shelve(&mut self, place: Place, starved: bool) {
        if let Some(places) = self.jobs.get_mut(&Job::Assign) {
            places.remove(&place);
        }
        if starved {
            self.starved.insert(place);
        }
        if let Some(entry) = self.tasks.get_mut(&place.1) {
            entry.starved = starved;
        }
    }

    /// Asks for the bytes of results that have won: of each, one connected worker, the least asked first.
    /// Says how many were asked.
    pub(crate) fn ask_uploads(&mut self) -> usize {
        let now = now_secs();
        let mut asked = 0;
        let waiting: Vec<TaskId> = self
            .jobs
            .get(&Job::Upload)
            .into_iter()
            .flatten()
            .map(|(_, task)| *task)
            .collect();
        for id in waiting {
            let Some(task) = self.task(id) else { continue };
            let candidate = task
                .winners()
                .filter(|replica| self.workers.contains_key(&replica.worker))
                .filter(|replica| replica.may_be_asked_for_result(now))
                .min_by_key(|replica| replica.uploads_asked)
                .map(|replica| replica.worker);
            if let Some(worker) = candidate {
                asked += usize::from(self.apply(id, Event::UploadAsked { worker }));
            }
        }
        asked
    }

    // ---- the database ----

    /// Where to go on reading the chain.
    pub(crate) fn next_block(&self) -> u64 {
        self.next_block
    }

    pub(crate) fn set_next_block(&mut self, block: u64) {
        if self.next_block != block {
            self.next_block = block;
            self.dirty.cursor = true;
        }
    }

    pub(crate) fn mark_all_written(&mut self) {
        self.dirty = Dirty::default();
    }

    pub(crate) fn mark_dirty(&mut self, dirty: Dirty) {
        self.dirty.tasks.extend(dirty.tasks);
        self.dirty.deals.extend(dirty.deals);
        self.dirty.cursor |= dirty.cursor;
    }

    /// What the database does not know yet, as of one moment: it can always be read as a whole.
    pub(crate) fn take_dirty(&mut self) -> (Dirty, Snapshot) {
        let dirty = std::mem::take(&mut self.dirty);
        let snapshot = Snapshot {
            tasks: dirty
                .tasks
                .iter()
                .filter_map(|id| self.tasks.get(id))
                .map(|entry| (entry.task.clone(), entry.closed_block))
                .collect(),
            deals: dirty
                .deals
                .iter()
                .filter_map(|id| self.deals.get(id))
                .cloned()
                .collect(),
            next_block: dirty.cursor.then_some(self.next_block),
        };
        (dirty, snapshot)
    }

    /// Forgets what is over and written.
    pub(crate) fn evict(&mut self, written: &Dirty) {
        for id in &written.tasks {
            let over = self
                .tasks
                .get(id)
                .is_some_and(|entry| entry.task.is_closed() && entry.busy.is_none());
            if over && !self.dirty.tasks.contains(id) {
                self.unfile(*id);
                self.tasks.remove(id);
            }
        }
        for id in &written.deals {
            let over = self.deals.get(id).is_some_and(DealEntry::is_closed);
            if over && !self.dirty.deals.contains(id) {
                self.deals.remove(id);
            }
        }
    }
}

/// Why a turn failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody could be asked.
    Passing,
    /// The node's, or the pool's own: no ether, say. It may last, but says nothing of the task.
    Nodes,
    /// The hub refused.
    Hubs,
}

/// Pause while something is amiss that only people mend.
const RETRY_LATER: Duration = Duration::from_secs(3);
/// Pause after the node was away.
const RETRY_SOON: Duration = Duration::from_millis(500);
/// Pauses after refusals, doubling from the first to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LATEST: Duration = Duration::from_secs(120);
/// After so many refusals in a row the hub means it: a quarter of an hour of asking.
const REFUSALS_MAX: u32 = 14;
/// Workers whose score and record are remembered before strangers are forgotten.
const REMEMBERED: usize = 50_000;

/// What a [`Dirty`] stands for.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) tasks: Vec<(Task, Option<u64>)>,
    pub(crate) deals: Vec<DealEntry>,
    pub(crate) next_block: Option<u64>,
}

/// Which counter an event moves, if it changes anything.
#[derive(Debug, Clone, Copy)]
enum Counted {
    Completed,
    Claimed,
    GivenUp,
    Assigned,
    Lost,
    Failed,
    UploadRefused,
    Nothing,
}

impl Counted {
    fn of(event: &Event) -> Self {
        match event {
            Event::Finalized => Self::Completed,
            Event::Claimed => Self::Claimed,
            Event::GivenUp { .. } => Self::GivenUp,
            Event::Assigned { .. } => Self::Assigned,
            Event::Lost { .. } => Self::Lost,
            Event::Failed { .. } => Self::Failed,
            Event::UploadFailed { .. } => Self::UploadRefused,
            Event::Initialized
            | Event::Contributed { .. }
            | Event::Consensus { .. }
            | Event::Revealed { .. }
            | Event::Reopened
            | Event::Accepted { .. }
            | Event::Declined { .. }
            | Event::Returned { .. }
            | Event::UploadAsked { .. }
            | Event::Stored(_) => Self::Nothing,
        }
    }

    fn count(self, counters: &mut Counters) {
        let counter = match self {
            Self::Completed => &mut counters.completed,
            Self::Claimed => &mut counters.claimed,
            Self::GivenUp => &mut counters.given_up,
            Self::Assigned => &mut counters.assigned,
            Self::Lost => &mut counters.lost,
            Self::Failed => &mut counters.failed,
            Self::UploadRefused => &mut counters.uploads_refused,
            Self::Nothing => return,
        };
        *counter += 1;
    }
}

/// Until when winners may reveal, if consensus was reached about now.
pub(crate) fn guess_reveal_deadline(state: &State, task: TaskId) -> u64 {
    let now = state.chain_now();
    let deal = state.task(task).and_then(|task| state.deal(task.deal));
    deal.map_or(now, |deal| reveal_deadline(now, deal.time_secs))
}

fn log_illegal(illegal: &Illegal) {
    tracing::debug!(%illegal, "an event does not fit and changes nothing");
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use protocol::deal::Resource;
    use protocol::payment::Nrlc;

    use super::*;

    const WORKER: Address = Address::repeat_byte(0xa);

    fn state() -> State {
        let rpc = "http://127.0.0.1:8545".parse().expect("a URL");
        let board = Board::new(&Options::new(Address::ZERO, "pool.sqlite", rpc, "p"), 0);
        board.state.into_inner().expect("fresh")
    }

    /// One deal of so many tasks at block 1, chain time 1,000, pinned.
    fn with_tasks(state: &mut State, tasks: u64) -> Vec<TaskId> {
        state.set_clock(1, 1_000);
        let resource = Resource {
            pointer: Address::ZERO,
            owner: Address::ZERO,
            price: Nrlc::ZERO,
        };
        let deal = Deal {
            app: resource,
            dataset: resource,
            workerpool: resource,
            trust: U256::ONE,
            category: U256::ZERO,
            tag: Default::default(),
            requester: Address::ZERO,
            beneficiary: Address::ZERO,
            callback: Address::ZERO,
            params: String::new(),
            start_time: 1_000,
            bot_first: U256::ZERO,
            bot_size: U256::from(tasks),
            worker_stake: Nrlc::ZERO,
            scheduler_reward_ratio: U256::ZERO,
            sponsor: Address::ZERO,
        };
        let id = DealId(B256::repeat_byte(7));
        state.add_deal(DealEntry::new(id, deal, 300, 1));
        let opened = state.open_tasks();
        let app = PinnedBlob {
            cid: String::new(),
            length: 0,
            sha256: B256::ZERO,
        };
        state.pinned(
            id,
            Pins {
                app,
                inputs: Vec::new(),
            },
        );
        opened
    }

    fn connect(state: &mut State, worker: Address, slots: usize) -> mpsc::Receiver<ToWorker> {
        let (to, messages) = mpsc::channel(1000);
        state.welcome(worker, slots, &[], to);
        messages
    }

    #[test]
    fn what_the_hub_keeps_refusing_is_not_asked_for_ever() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        let mut waited = Duration::ZERO;
        let mut turns = 0;
        loop {
            turns += 1;
            assert_eq!(
                state.take(Job::Initialize, usize::MAX),
                [task],
                "filed again"
            );
            let pause = state.troubled(task, Job::Initialize, "refused".to_owned(), Fault::Hubs);
            state.release(task);
            assert!(state.take(Job::Initialize, usize::MAX).is_empty(), "yet");
            state.resume(task, Job::Initialize);
            match pause {
                Some(pause) => waited += pause,
                None => break,
            }
        }
        assert_eq!(turns, REFUSALS_MAX);
        assert!(waited < Duration::from_secs(1_200), "{waited:?}");
        assert!(state.take(Job::Initialize, usize::MAX).is_empty());
        let report = state.report(task).expect("known");
        assert!(report.why.contains("not tried again"), "{}", report.why);
        assert!(state.task(task).expect("known").given_up.is_some());
        // Its money goes back all the same, when the time has come.
        state.set_clock(2, 4_000);
        assert_eq!(state.take(Job::Claim, usize::MAX), [task]);
        // That the node is away, or that there is no ether, is no refusal, however often.
        for _ in 0..100 {
            let pause = state.troubled(task, Job::Claim, "away".to_owned(), Fault::Passing);
            assert_eq!(pause, Some(RETRY_SOON));
            let pause = state.troubled(task, Job::Claim, "poor".to_owned(), Fault::Nodes);
            assert_eq!(pause, Some(RETRY_LATER));
        }
    }

    fn on_chain(stage: Stage) -> OnChain {
        OnChain {
            stage,
            contributions: Vec::new(),
        }
    }

    /// Under which block the database hears of it.
    fn written(state: &mut State, task: TaskId) -> Option<u64> {
        let (_, snapshot) = state.take_dirty();
        let found = snapshot.tasks.iter().find(|(known, _)| known.id == task);
        found.expect("it is written").1
    }

    #[test]
    fn the_end_of_a_task_is_filed_under_its_own_block_however_far_we_have_read() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        state.apply(task, Event::Initialized);
        state.set_next_block(98);
        state.apply_in(Some(110), task, Event::Finalized);
        assert_eq!(written(&mut state, task), Some(110));
        // The same transaction in a later block of another branch.
        state.apply_in(Some(113), task, Event::Finalized);
        assert_eq!(written(&mut state, task), Some(113));
        // Nobody knows since when it stands so in the branch we compare with.
        state.compare(task, on_chain(Stage::Completed), 120);
        assert_eq!(written(&mut state, task), Some(120));
        state.compare(task, on_chain(Stage::Active), 121);
        assert_eq!(written(&mut state, task), None);
    }

    #[test]
    fn a_finished_task_looked_at_again_keeps_the_block_of_its_end() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        state.apply(task, Event::Initialized);
        state.apply_in(Some(100), task, Event::Finalized);
        let (dirty, snapshot) = state.take_dirty();
        let (closed, block) = snapshot.tasks[0].clone();
        state.evict(&dirty);
        assert!(state.task(task).is_none());
        // A reorganisation, or the next start, looks at it again, however often.
        for seen_in in [105, 107] {
            state.restore(closed.clone(), block);
            state.compare(task, on_chain(Stage::Completed), seen_in);
            let (dirty, snapshot) = state.take_dirty();
            assert!(
                snapshot.tasks[0].1 >= Some(100),
                "{:?}",
                snapshot.tasks[0].1
            );
            state.evict(&dirty);
            assert!(state.task(task).is_none(), "and it is forgotten again");
        }
    }

    #[test]
    fn a_task_in_a_pause_is_in_nobodys_hands_and_what_happens_meanwhile_is_seen() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        assert_eq!(state.take(Job::Initialize, usize::MAX), [task]);
        state.troubled(task, Job::Initialize, "refused".to_owned(), Fault::Hubs);
        state.release(task);
        // Somebody else does it.
        state.apply_in(Some(3), task, Event::Initialized);
        assert_eq!(
            state.tasks[&task].filed.map(|(job, _)| job),
            Some(Job::Assign),
            "at once"
        );
        // The end of the pause is nothing to it any more; nor is it to another pause.
        state.troubled(task, Job::Claim, "refused".to_owned(), Fault::Hubs);
        state.resume(task, Job::Initialize);
        state.set_clock(4, 4_000);
        assert!(state.take(Job::Claim, usize::MAX).is_empty(), "yet");
        state.resume(task, Job::Claim);
        assert_eq!(state.take(Job::Claim, usize::MAX), [task]);
    }

    #[test]
    fn only_the_chains_own_time_makes_a_task_late() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        let filed = |state: &State| state.tasks[&task].filed.map(|(job, _)| job);
        assert_eq!(
            filed(&state),
            Some(Job::Initialize),
            "whatever year this machine thinks it is"
        );
        // The same block seen again does not set the time back.
        let seen = state.clock.2;
        state.set_clock(1, 1_000);
        assert_eq!(state.clock.2, seen);
        state.set_clock(2, 3_100);
        state.sweep();
        assert!(state.task(task).expect("known").given_up.is_some());
        state.set_clock(3, 4_000);
        assert_eq!(filed(&state), Some(Job::Claim));
    }

    #[test]
    fn time_is_steady_whatever_is_done_to_the_clock() {
        let (first, began) = (now_secs(), Instant::now());
        let second = now_secs();
        assert!(second >= first && second <= first + began.elapsed().as_secs() + 1);
    }

    #[test]
    fn workers_may_have_a_task_while_it_is_being_initialized_and_are_told_when_it_is() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        let mut messages = connect(&mut state, WORKER, 1);
        assert!(
            state.assign().is_empty(),
            "nobody has begun to initialize it"
        );
        state.take(Job::Initialize, usize::MAX);
        let choices = state.assign();
        assert_eq!(choices.len(), 1);
        assert!(choices[0].one_step);
        assert!(state.apply(task, Event::Accepted { worker: WORKER }));
        assert!(state.apply(task, Event::Initialized));
        let mut heard = Vec::new();
        while let Ok(message) = messages.try_recv() {
            heard.push(message);
        }
        assert_eq!(heard.last(), Some(&ToWorker::Initialized { task }));
        state.release(task);
        assert_eq!(
            state.tasks[&task].filed.map(|(job, _)| job),
            Some(Job::Assign)
        );
        assert!(state.assign().is_empty(), "one is enough");
    }

    #[test]
    fn a_newcomer_gets_a_few_tasks_at_first_and_the_proven_are_asked_before_it() {
        let mut state = state();
        let tasks = with_tasks(&mut state, 100);
        for task in &tasks {
            state.apply(*task, Event::Initialized);
        }
        let newcomer = Address::repeat_byte(0xb);
        let _newcomers = connect(&mut state, newcomer, 64);
        let _proven = connect(&mut state, WORKER, 10);
        state.set_score(WORKER, U256::from(3));
        let choices = state.assign();
        let given = |worker| {
            choices
                .iter()
                .filter(|choice| choice.worker == worker)
                .count()
        };
        assert_eq!((given(WORKER), given(newcomer)), (10, 4));
        assert!(choices[..10].iter().all(|choice| choice.worker == WORKER));
        // One done well opens the rest.
        state.remember(newcomer, true);
        assert_eq!(state.assign().len(), 60);
        // And whoever keeps losing what it is given comes last, with few.
        for _ in 0..5 {
            state.remember(newcomer, false);
        }
        assert_eq!(state.standing(newcomer), Standing::Unreliable);
    }

    #[test]
    fn a_task_is_given_up_when_everybody_here_has_failed_and_nobody_is_not_everybody() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        state.apply(task, Event::Initialized);
        let given_up = |state: &State| state.task(task).expect("known").given_up.is_some();
        let failed = |worker| Event::Failed {
            worker,
            failure: sdk::wire::pool::TaskFailure {
                cause: FailureCause::Application,
                message: "exit code 3".to_owned(),
                log: String::new(),
            },
        };
        let leave = |state: &mut State, worker| {
            let connection = state.workers[&worker].connection;
            state.farewell(worker, connection);
        };
        let [first, second, third] = [1, 2, 3].map(Address::repeat_byte);
        let _first = connect(&mut state, first, 1);
        let _second = connect(&mut state, second, 1);
        state.apply(task, Event::Assigned { worker: first });
        state.apply(task, failed(first));
        assert!(!given_up(&state), "the second has not tried");
        leave(&mut state, first);
        // As many have failed as are here, but they are not the same.
        state.apply(task, Event::Assigned { worker: second });
        state.apply(task, Event::Accepted { worker: second });
        assert!(!given_up(&state), "the second is at it");
        leave(&mut state, second);
        assert!(!given_up(&state), "nobody is here");
        let _third = connect(&mut state, third, 1);
        assert_eq!(state.assign().len(), 1);
        assert!(!given_up(&state), "the third is here");
        state.apply(task, failed(third));
        assert!(given_up(&state), "everybody who is here has failed");
    }

    #[test]
    fn what_a_worker_has_is_known_by_its_name_whether_it_is_here_or_not() {
        let mut state = state();
        let task = with_tasks(&mut state, 1)[0];
        state.apply(task, Event::Initialized);
        let _messages = connect(&mut state, WORKER, 1);
        assert_eq!(state.assign().len(), 1);
        assert_eq!((state.room_of(WORKER), state.slot_count()), (0, (1, 1)));
        // As a restart finds it: the task is there before its worker.
        let restored = state.task(task).expect("known").clone();
        let mut anew = self::state();
        with_tasks(&mut anew, 1);
        anew.restore(restored, None);
        assert_eq!(anew.slot_count(), (0, 0));
        let (to, mut messages) = mpsc::channel(10);
        anew.welcome(WORKER, 1, &[task], to);
        let keep = vec![task];
        assert_eq!(messages.try_recv(), Ok(ToWorker::Welcome { keep }));
        assert_eq!(anew.slot_count(), (1, 1));
        anew.apply_in(
            Some(2),
            task,
            Event::Contributed {
                worker: WORKER,
                hash: B256::ZERO,
            },
        );
        assert_eq!(anew.slot_count(), (0, 1));
        assert!(anew.pending.is_empty());
    }

    #[test]
    fn what_is_known_of_strangers_is_forgotten_when_it_is_too_much() {
        let mut state = state();
        let _here = connect(&mut state, WORKER, 1);
        state.set_score(WORKER, U256::ONE);
        for number in 0..REMEMBERED as u32 + 10 {
            let mut stranger = Address::ZERO;
            stranger[..4].copy_from_slice(&number.to_be_bytes());
            state.set_score(stranger, U256::ONE);
        }
        assert!(state.scores.len() < 100);
        assert!(state.knows_score(WORKER));
    }
}
