//! The chain's side of what is known: every event of the hub, in order, applied to the board.
//!
//! The only place that learns from the chain, one step after the other, so that an older answer never overwrites a
//! newer one. A deal is read before the events that follow it are looked at; then its tasks are there to take them.
//! Comparing tasks with the chain as a whole (at the start, after a reorganisation, when the hub refused something)
//! happens here too.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use protocol::abi::Hub;
use protocol::consensus::{score_after_fault, score_after_proof};
use protocol::contribution::{Contribution, ContributionStatus};
use protocol::deal::Deal;
use protocol::task::TaskStatus;
use protocol::{DealId, TaskId};
use sdk::chain::{ChainError, Followed, HubEvent};
use tokio::sync::{mpsc, watch};

use crate::board::{DealEntry, State, guess_reveal_deadline};
use crate::context::Context;
use crate::task::{Event, OnChain, OnChainContribution, Stage};

/// Tasks asked for in one message.
const COMPARED_AT_ONCE: usize = 200;
/// Such messages on their way at once.
const ASKED_SIDE_BY_SIDE: usize = 4;
/// After a restart, how many blocks are told again: a reorganisation while nobody looked is rarely deeper.
pub(crate) const TOLD_AGAIN: u64 = 64;
/// How often the chain's clock is looked at while blocks come.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Watch {
    pub(crate) context: Arc<Context>,
    pub(crate) recheck: mpsc::UnboundedReceiver<Vec<TaskId>>,
    pub(crate) ready: watch::Sender<bool>,
    /// The newest block when the service started: what comes up to it is the past.
    pub(crate) head: u64,
    /// Times of categories.
    categories: HashMap<U256, u64>,
    clock_read: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(
        context: Arc<Context>,
        recheck: mpsc::UnboundedReceiver<Vec<TaskId>>,
        ready: watch::Sender<bool>,
        head: u64,
    ) -> Self {
        Self {
            context,
            recheck,
            ready,
            head,
            categories: HashMap::new(),
            clock_read: None,
        }
    }

    /// Until the service stops.
    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        self.read_clock().await;
        let next_block = self.context.board.lock().next_block();
        let first = self.context.chain.deployment().block;
        if next_block > first {
            // What was read last may have been reorganised while nobody looked, or the node lags behind another.
            let back_to = next_block.saturating_sub(1 + TOLD_AGAIN).max(first);
            // Tasks are compared once, when all else is known.
            self.rewind(back_to).await;
        }
        let next_block = self.context.board.lock().next_block();
        let mut stream = self.context.chain.follow(next_block);
        let mut net = tokio::time::interval(self.context.safety_net());
        net.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        if next_block > self.head {
            self.past_is_known().await;
        }
        loop {
            tokio::select! {
                followed = stream.next() => self.take(followed).await,
                asked = self.recheck.recv() => {
                    let mut tasks: HashSet<TaskId> = asked.into_iter().flatten().collect();
                    while let Ok(more) = self.recheck.try_recv() {
                        tasks.extend(more);
                    }
                    self.compare(tasks.into_iter().collect()).await;
                }
                _ = net.tick() => {
                    self.read_clock().await;
                    self.read_account().await;
                }
            }
            self.context.board.ring();
        }
    }

    async fn take(&mut self, followed: Followed) {
        match followed {
            Followed::Blocks { to_block, events } => {
                self.take_up_deals(&events).await;
                self.learn_scores(&events).await;
                if !events.is_empty()
                    && self.clock_read.is_none_or(|at| at.elapsed() >= CLOCK_EVERY)
                {
                    self.read_clock().await;
                }
                {
                    let mut state = self.context.board.lock();
                    for event in &events {
                        apply(&mut state, event);
                    }
                    state.set_next_block(to_block + 1);
                }
                if to_block >= self.head && !*self.ready.borrow() {
                    self.past_is_known().await;
                }
            }
            Followed::Reorganised { back_to } => {
                tracing::warn!(back_to, "the chain was reorganised");
                self.go_back(back_to).await;
            }
        }
    }

    /// Everything up to the start is known: one comparison with the chain as it stands, then the reconcilers may go.
    async fn past_is_known(&mut self) {
        self.read_clock().await;
        let open = self.context.board.lock().all_ids();
        let count = open.len();
        self.compare(open).await;
        tracing::info!(open_tasks = count, "caught up with the chain");
        self.ready.send_replace(true);
    }

    async fn read_clock(&mut self) {
        // Without an answer the clock just runs on.
        if let Ok(block) = self.context.chain.block().await {
            self.context
                .board
                .lock()
                .set_clock(block.number, block.time_secs);
            self.clock_read = Some(Instant::now());
        }
    }

    /// What the pool could stake on new deals: offers it cannot cover cannot be matched, and nobody tells.
    async fn read_account(&self) {
        let account = self.context.wallet.address();
        let asked = self
            .context
            .chain
            .hub(Hub::viewAccountCall { account })
            .await;
        if let Ok(account) = asked {
            let mut state = self.context.board.lock();
            state.account = (
                account.stake.saturating_to(),
                account.locked.saturating_to(),
            );
        }
    }

    /// Reads the deals that name our pool, and takes up their tasks.
    async fn take_up_deals(&mut self, events: &[HubEvent]) {
        let mut noticed: Vec<(DealId, u64)> = Vec::new();
        for event in events {
            if let Hub::HubEvents::SchedulerNotice(notice) = &event.event
                && notice.workerpool == self.context.options.workerpool
            {
                noticed.push((DealId(notice.dealid), event.block));
            }
        }
        let mut unknown = Vec::new();
        for (deal, block) in noticed {
            if self.context.board.lock().deal(deal).is_some() {
                continue;
            }
            // One that is over is only in the database.
            let known = retry(&self.context, "ask the database for a deal", || {
                self.context.db.deal(deal)
            });
            if known.await.is_none() {
                unknown.push((deal, block));
            }
        }
        if unknown.is_empty() {
            return;
        }
        let deals = read_deals(&self.context, &mut self.categories, &unknown).await;
        let mut state = self.context.board.lock();
        for deal in deals {
            tracing::info!(deal.id = %deal.id, tasks = deal.end_index - deal.next_index, "a deal for this pool");
            state.add_deal(deal);
        }
        state.open_tasks();
    }

    /// Scores of contributors not known yet: they weigh in how many more workers a task needs.
    async fn learn_scores(&mut self, events: &[HubEvent]) {
        let unknown: Vec<Address> = {
            let state = self.context.board.lock();
            let workers: HashSet<Address> = events
                .iter()
                .filter_map(|event| match &event.event {
                    Hub::HubEvents::TaskContribute(it)
                        if state.task(TaskId(it.taskid)).is_some() =>
                    {
                        Some(it.worker)
                    }
                    _ => None,
                })
                .collect();
            workers
                .into_iter()
                .filter(|worker| !state.knows_score(*worker))
                .collect()
        };
        if unknown.is_empty() {
            return;
        }
        let calls = unknown
            .iter()
            .map(|worker| Hub::viewScoreCall { worker: *worker })
            .collect();
        match self.context.chain.hub_many(calls).await {
            Ok(scores) => {
                let mut state = self.context.board.lock();
                for (worker, score) in unknown.into_iter().zip(scores) {
                    state.set_score(worker, score);
                }
            }
            // Taken for new workers, which at worst asks for one more of them.
            Err(error) => tracing::warn!(%error, "cannot read workers' scores"),
        }
    }

    /// Asks the chain for these tasks as a whole.
    async fn compare(&mut self, tasks: Vec<TaskId>) {
        let questions: Vec<_> = tasks
            .chunks(COMPARED_AT_ONCE)
            .map(|some| read_patiently(self.context.clone(), some.to_vec()))
            .collect();
        let mut answers = futures::stream::iter(questions).buffered(ASKED_SIDE_BY_SIDE);
        while let Some((seen, block)) = answers.next().await {
            let mut state = self.context.board.lock();
            for (task, chain) in seen {
                state.compare(task, chain, block);
            }
        }
    }

    /// Undoes what the chain took back. Tasks are compared as a whole, rather than their logs undone one by one.
    async fn go_back(&mut self, back_to: u64) {
        let open = self.rewind(back_to).await;
        self.compare(open).await;
    }

    /// Sets the reading back, and puts back on the board what may be open again. Gives the tasks to be compared.
    async fn rewind(&mut self, back_to: u64) -> Vec<TaskId> {
        let (doubtful, open) = loop {
            let known = self.context.board.lock().all_ids();
            let closed = retry(
                &self.context,
                "read the tasks closed in blocks that are gone",
                || self.context.db.tasks_closed_since(back_to + 1),
            )
            .await;
            let deals: HashSet<DealId> = closed.iter().map(|(task, _)| task.deal).collect();
            for deal in deals {
                if self.context.board.lock().deal(deal).is_some() {
                    continue;
                }
                let block = restore_deal(&self.context, &mut self.categories, deal).await;
                let gone = block.is_some_and(|block| block > back_to)
                    && self.context.board.lock().deal(deal).is_none();
                if gone {
                    // Made anew on this branch it will be a new one. An older deal stands; a node that does not see it is behind.
                    self.forget_deal(deal).await;
                }
            }
            let mut state = self.context.board.lock();
            for (task, block) in closed {
                if state.task(task.id).is_none() && state.deal(task.deal).is_some() {
                    state.restore(task, Some(block));
                }
            }
            if known.iter().any(|task| state.task(*task).is_none()) {
                // Over, written and forgotten since we began: now the database knows of it.
                continue;
            }
            state.set_next_block(back_to + 1);
            let doubtful: Vec<(DealId, u64)> = state
                .deals()
                .filter(|deal| deal.block > back_to)
                .map(|deal| (deal.id, deal.block))
                .collect();
            break (doubtful, state.all_ids());
        };
        let standing = read_deals(&self.context, &mut self.categories, &doubtful).await;
        for (deal, _) in doubtful {
            if standing.iter().all(|standing| standing.id != deal) {
                self.context.board.lock().drop_deal(deal);
                self.forget_deal(deal).await;
            }
        }
        open
    }

    async fn forget_deal(&self, deal: DealId) {
        tracing::warn!(deal.id = %deal, "the deal went with the blocks it was made in");
        if let Err(error) = self.context.db.forget_deal(deal).await {
            tracing::error!(deal.id = %deal, %error, "cannot remove the deal from the database");
        }
    }
}

/// Reads a deal from the chain and what else is known of it from the database, and puts it on the board. Says in which
/// block it was made, if the database knows it.
async fn restore_deal(
    context: &Context,
    categories: &mut HashMap<U256, u64>,
    deal: DealId,
) -> Option<u64> {
    let stored = retry(context, "read a deal from the database", || {
        context.db.deal(deal)
    });
    let stored = stored.await?;
    for mut entry in read_deals(context, categories, &[(deal, stored.block)]).await {
        entry.next_index = stored.next_index;
        entry.completed = stored.completed;
        entry.claimed = stored.claimed;
        entry.pins = stored.pins.clone();
        context.board.lock().restore_deal(entry);
    }
    Some(stored.block)
}

/// Puts on the board what the database knows, before anything runs.
pub(crate) async fn restore(context: &Context) -> Result<(), sqlx::Error> {
    let mut categories = HashMap::new();
    let stored = context.db.open_deals().await?;
    let ids: Vec<(DealId, u64)> = stored.iter().map(|deal| (deal.id, deal.block)).collect();
    let read = read_deals(context, &mut categories, &ids).await;
    let tasks = context.db.open_tasks().await?;
    let mut state = context.board.lock();
    let stored: HashMap<DealId, &crate::db::StoredDeal> =
        stored.iter().map(|deal| (deal.id, deal)).collect();
    for mut entry in read {
        if let Some(stored) = stored.get(&entry.id) {
            entry.next_index = stored.next_index;
            entry.completed = stored.completed;
            entry.claimed = stored.claimed;
            entry.pins = stored.pins.clone();
        }
        state.restore_deal(entry);
    }
    for task in tasks {
        if state.deal(task.deal).is_some() {
            state.restore(task, None);
        }
    }
    state.mark_all_written();
    Ok(())
}

/// The deals among these that stand on chain, with their category's time. Waits for the node.
async fn read_deals(
    context: &Context,
    categories: &mut HashMap<U256, u64>,
    deals: &[(DealId, u64)],
) -> Vec<DealEntry> {
    let mut read = Vec::with_capacity(deals.len());
    for some in deals.chunks(COMPARED_AT_ONCE) {
        let found = retry(context, "read deals", || async move {
            let calls = some
                .iter()
                .map(|(deal, _)| Hub::viewDealCall { dealid: deal.0 })
                .collect();
            let found: Vec<Deal> = context
                .chain
                .hub_many(calls)
                .await?
                .into_iter()
                .map(Deal::from)
                .collect();
            Ok::<_, ChainError>(found)
        })
        .await;
        for ((id, block), deal) in some.iter().zip(found).filter(|(_, deal)| deal.exists()) {
            let time_secs = match categories.get(&deal.category) {
                Some(time_secs) => *time_secs,
                None => {
                    let catid = deal.category;
                    let category = retry(context, "read a category", || {
                        context.chain.hub(Hub::viewCategoryCall { catid })
                    })
                    .await;
                    let time_secs = category.workClockTimeRef.saturating_to();
                    categories.insert(deal.category, time_secs);
                    time_secs
                }
            };
            read.push(DealEntry::new(*id, deal, time_secs, *block));
        }
    }
    read
}

/// Boxed, so that what waits for several has a type that can be named.
fn read_patiently(
    context: Arc<Context>,
    tasks: Vec<TaskId>,
) -> BoxFuture<'static, (Vec<(TaskId, OnChain)>, u64)> {
    Box::pin(async move {
        retry(&context, "compare tasks with the chain", || async {
            let seen = read_tasks(&context, &tasks).await?;
            // Afterwards: what was seen is of this block or an earlier one.
            Ok::<_, ChainError>((seen, context.chain.block().await?.number))
        })
        .await
    })
}

async fn read_tasks(
    context: &Context,
    tasks: &[TaskId],
) -> Result<Vec<(TaskId, OnChain)>, ChainError> {
    let calls = tasks
        .iter()
        .map(|task| Hub::viewTaskCall { taskid: task.0 })
        .collect();
    let views = context.chain.hub_many(calls).await?;
    let mut asked = Vec::new();
    let mut seen = Vec::with_capacity(tasks.len());
    for (id, view) in tasks.iter().zip(views) {
        let task = match protocol::task::Task::try_from(view) {
            Ok(task) => task,
            Err(error) => {
                tracing::error!(task.id = %id, %error, "the hub speaks of a task in words unknown here");
                continue;
            }
        };
        asked.extend(
            task.contributors
                .iter()
                .map(|worker| Hub::viewContributionCall {
                    taskid: id.0,
                    worker: *worker,
                }),
        );
        seen.push((*id, task));
    }
    let workers: Vec<(B256, Address)> = asked
        .iter()
        .map(|call| (call.taskid, call.worker))
        .collect();
    let answers = if asked.is_empty() {
        Vec::new()
    } else {
        context.chain.hub_many(asked).await?
    };
    let mut contributions: HashMap<B256, Vec<(Address, Contribution)>> = HashMap::new();
    for ((task, worker), answer) in workers.into_iter().zip(answers) {
        if let Ok(contribution) = Contribution::try_from(answer) {
            contributions
                .entry(task)
                .or_default()
                .push((worker, contribution));
        }
    }
    Ok(seen
        .into_iter()
        .map(|(id, task)| {
            let contributions = contributions.remove(&id.0).unwrap_or_default();
            (id, on_chain(&task, contributions))
        })
        .collect())
}

fn on_chain(task: &protocol::task::Task, contributions: Vec<(Address, Contribution)>) -> OnChain {
    let stage = match task.status {
        TaskStatus::Unset => Stage::Unset,
        TaskStatus::Active => Stage::Active,
        TaskStatus::Revealing => Stage::Revealing {
            consensus: task.consensus_value,
            deadline_secs: task.reveal_deadline,
        },
        TaskStatus::Completed => Stage::Completed,
        TaskStatus::Failed => Stage::Claimed,
    };
    let contributions = contributions
        .into_iter()
        .filter_map(|(worker, contribution)| {
            let hash = contribution.result_hash;
            let seen = match contribution.status {
                ContributionStatus::Unset => return None,
                ContributionStatus::Contributed => OnChainContribution::Contributed { hash },
                ContributionStatus::Proved => OnChainContribution::Proved {
                    hash,
                    digest: task.result_digest,
                },
                ContributionStatus::Rejected => OnChainContribution::Rejected,
            };
            Some((worker, seen))
        })
        .collect();
    OnChain {
        stage,
        contributions,
    }
}

/// Asks node or database until there is an answer: nothing can be decided without it. Ends with the service, which drops
/// the wait.
async fn retry<T, E: Display, Asking>(context: &Context, doing: &str, ask: impl Fn() -> Asking) -> T
where
    Asking: Future<Output = Result<T, E>>,
{
    let mut pause = Duration::from_millis(100);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => tracing::warn!(%error, "cannot {doing} for now"),
        }
        context.board.lock().counters.asked_again += 1;
        if !context.pause(pause).await {
            std::future::pending::<()>().await;
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// One event of the hub. Those of tasks not on the board are of other pools, or of tasks that are over.
pub(crate) fn apply(state: &mut State, event: &HubEvent) {
    let (task, change) = match &event.event {
        Hub::HubEvents::TaskInitialize(it) => (it.taskid, Event::Initialized),
        Hub::HubEvents::TaskContribute(it) => (
            it.taskid,
            Event::Contributed {
                worker: it.worker,
                hash: it.hash,
            },
        ),
        Hub::HubEvents::TaskConsensus(it) => {
            let deadline_secs = guess_reveal_deadline(state, TaskId(it.taskid));
            (
                it.taskid,
                Event::Consensus {
                    consensus: it.consensus,
                    deadline_secs,
                },
            )
        }
        Hub::HubEvents::TaskReveal(it) => (
            it.taskid,
            Event::Revealed {
                worker: it.worker,
                digest: it.digest,
            },
        ),
        Hub::HubEvents::TaskReopen(it) => (it.taskid, Event::Reopened),
        Hub::HubEvents::TaskFinalize(it) => (it.taskid, Event::Finalized),
        Hub::HubEvents::TaskClaimed(it) => (it.taskid, Event::Claimed),
        Hub::HubEvents::AccurateContribution(it) => {
            return state.change_score(it.worker, score_after_proof);
        }
        Hub::HubEvents::FaultyContribution(it) => {
            return state.change_score(it.worker, score_after_fault);
        }
        // Money, orders and settings of the hub: nothing a pool has to act on.
        _ => return,
    };
    state.apply_in(Some(event.block), TaskId(task), change);
}
