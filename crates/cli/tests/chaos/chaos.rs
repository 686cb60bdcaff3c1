//! A bag of 200 tasks, ten workers of whom two lie and two are slow, and every misfortune at once, by a seed. Among its
//! tasks are some of small bags at trust 1, which one worker does alone, in one step: there a liar is believed, but has
//! no bytes for its lie, so that the requester's money goes back when the task's time is over.
//!
//! Before the trouble begins the honest workers earn a history: without one no number of them could outvote the liars
//! (`docs/decisions/liar-needs-history.md`). Then misfortunes come every few hundred milliseconds until the schedule is
//! over; then everything is well again, and what was promised has to come true:
//!
//! * every task is completed or refunded, within [`SETTLED_WITHIN`] of the last misfortune, or of its end where a liar
//!   was believed;
//! * each was paid for once, with its price, and every account adds up ([`testkit::audit`]);
//! * every result is the one the test computes itself;
//! * no honest worker lost a stake. The law seizes the stake of who contributed and did not reveal within twice the
//!   category's time (600 s of the chain's clock), so an honest worker must have a fair chance to: here whoever is
//!   killed is started again within [`BACK_WITHIN`], on the disk it had, and the chain's clock jumps by no more than
//!   [`CHAIN_JUMPS`] together. A worker that has those has to keep its stake whatever else happens;
//! * of the transactions mined no more than [`IN_VAIN_PERCENT`] failed, and no more than [`SENT_PER_MINED`] times as
//!   many were handed in as were mined;
//! * what was published is at the market, what is settled is settled at the pool after one more kill -9, the databases
//!   are whole, workers hold no task any more, nobody panicked and no process is left.
//!
//! `OXEC_CHAOS_SEED=7` plays one seed again (its schedule, not its every interleaving); `OXEC_CHAOS_SEEDS=20` plays so
//! many.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall as _;
use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use protocol::{
    DealId, OrderHash, TaskId, abi::Hub, order::AppOrder, payment::Nrlc, task::TaskStatus,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use sqlx::{Connection as _, SqliteConnection};
use testchain::{Answer, FaultProxy, Faults, Lag, Refusal};
use testkit::{
    audit::audit,
    errand,
    line::Quality,
    machine::{Clock, Disk},
    node::Failed,
    process::Process,
    process_town::{ProcessTown, ProcessTownOptions, WorkerWish, new_folder},
};
use tokio::{sync::watch, task::JoinSet};

use crate::{add, alone_on_the_machine, options};

const TASKS: u64 = 200;
const HONEST: usize = 6;
const SLOW: usize = 2;
const LIARS: usize = 2;
/// Two liars with one lie are not believed (4 × 20 ≤ 19 × 5), three workers of some history are (64 × 20 > 19 × 65),
/// against both liars four.
const TRUST: u64 = 20;
/// How many tasks at trust 1 are rented before the bag, and how many after it.
const ALONE: u64 = 15;
/// What a worker's dying and rising may take.
const BACK_WITHIN: Duration = Duration::from_secs(3);
/// Seconds the chain's clock jumps by, all jumps together.
const CHAIN_JUMPS: u64 = 240;
/// From the last misfortune until every task is over. The longest wait that nothing shortens is that for a transaction
/// which a node has taken and forgotten: it is handed in again after a quarter of a minute.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// Seconds of the chain's clock from a deal to the end of its tasks: ten times the category's time.
const FINAL_DEADLINE: u64 = 3_000;
const IN_VAIN_PERCENT: usize = 5;
const SENT_PER_MINED: usize = 2;
/// The disk of the worker whose disk fills up.
const DISK_BYTES: u64 = 24 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_survives_everything_at_once() -> anyhow::Result<()> {
    let _alone = alone_on_the_machine().await;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds: Vec<u64> = match (number("OXEC_CHAOS_SEED"), number("OXEC_CHAOS_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(many)) => (1..=many).collect(),
        (None, None) => vec![1],
    };
    for seed in seeds {
        let schedule = schedule(seed);
        let said: Vec<String> = schedule.iter().map(ToString::to_string).collect();
        survive(seed, schedule).await.with_context(|| {
            format!(
                "seed {seed} (OXEC_CHAOS_SEED={seed} plays it again); its schedule:\n{}",
                said.join("\n")
            )
        })?;
    }
    Ok(())
}

/// Something goes wrong at a moment, counted from the beginning of the trouble.
#[derive(Debug, Clone)]
struct Misfortune {
    at: Duration,
    what: What,
    /// Until it is well again.
    lasts: Duration,
}

impl fmt::Display for Misfortune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, what, lasts } = self;
        write!(
            f,
            "{:>6} ms: {what:?}, for {} ms",
            at.as_millis(),
            lasts.as_millis()
        )
    }
}

#[derive(Debug, Clone)]
enum What {
    Kill(Who),
    Freeze(Who),
    /// The line between a worker and the pool.
    Line(usize, Quality),
    /// What stands between the chain and a kind of role.
    Weather(Behind, Storm),
    Reorganise {
        depth: u64,
        forget: bool,
    },
    ChainTime {
        secs: u64,
    },
    FullDisk,
    Clock {
        secs: i64,
    },
}

#[derive(Debug, Clone, Copy)]
enum Who {
    Chain,
    Market,
    Scheduler,
    Worker(usize),
}

#[derive(Debug, Clone, Copy)]
enum Behind {
    Market,
    Scheduler,
    Workers,
}

#[derive(Debug, Clone, Copy)]
enum Storm {
    Down,
    Slow,
    Lossy,
    Twice,
    Forgets,
    Rejects,
    Lags(u64),
    Silent,
}

/// What goes wrong, and when: every kind comes before any comes again.
fn schedule(seed: u64) -> Vec<Misfortune> {
    let mut dice = StdRng::seed_from_u64(seed);
    let rounds = 2;
    let mut at = Duration::ZERO;
    let mut all = Vec::new();
    for _ in 0..rounds {
        let mut deck: Vec<u8> = (0..21).collect();
        deck.shuffle(&mut dice);
        for card in deck {
            at += Duration::from_millis(dice.random_range(100..700));
            let what = deal_out(card, &mut dice);
            let longest = BACK_WITHIN.as_millis() as u64;
            let lasts = Duration::from_millis(match what {
                // At once, or later.
                What::Kill(_) if dice.random_bool(0.5) => 0,
                What::Kill(_) | What::Freeze(_) => dice.random_range(100..longest),
                What::Reorganise { .. } | What::ChainTime { .. } => 0,
                _ => dice.random_range(300..longest),
            });
            all.push(Misfortune { at, what, lasts });
        }
    }
    all
}

fn deal_out(card: u8, dice: &mut StdRng) -> What {
    let worker = dice.random_range(0..HONEST + SLOW + LIARS);
    let behind = [Behind::Market, Behind::Scheduler, Behind::Workers][dice.random_range(0..3)];
    match card {
        0 => What::Kill(Who::Chain),
        1 => What::Kill(Who::Market),
        2 | 3 => What::Kill(Who::Scheduler),
        4..=6 => What::Kill(Who::Worker(worker)),
        7 => What::Freeze(
            [Who::Chain, Who::Market, Who::Scheduler, Who::Worker(worker)][dice.random_range(0..4)],
        ),
        8 => What::Line(
            worker,
            Quality {
                cut: true,
                ..Quality::default()
            },
        ),
        9 => What::Line(
            worker,
            Quality {
                delay: Duration::from_millis(dice.random_range(50..400)),
                ..Quality::default()
            },
        ),
        10 => What::Line(
            worker,
            Quality {
                repeated: dice.random_range(20..100),
                ..Quality::default()
            },
        ),
        11 => What::Weather(behind, Storm::Down),
        12 => What::Weather(behind, [Storm::Slow, Storm::Lossy][dice.random_range(0..2)]),
        13 => What::Weather(
            behind,
            [Storm::Twice, Storm::Silent][dice.random_range(0..2)],
        ),
        14 => What::Weather(
            behind,
            [Storm::Forgets, Storm::Rejects][dice.random_range(0..2)],
        ),
        15 => What::Weather(behind, Storm::Lags(dice.random_range(1..6))),
        16 => What::Reorganise {
            depth: dice.random_range(1..=6),
            forget: false,
        },
        17 => What::Reorganise {
            depth: dice.random_range(1..=6),
            forget: true,
        },
        18 => What::ChainTime {
            secs: dice.random_range(10..CHAIN_JUMPS / 4),
        },
        19 => What::FullDisk,
        _ => What::Clock {
            secs: dice.random_range(-7200..7200),
        },
    }
}

impl Storm {
    fn faults(self) -> Faults {
        let fine = Faults::default();
        match self {
            Self::Down => Faults { down: true, ..fine },
            Self::Slow => Faults {
                delay: (Duration::from_millis(20), Duration::from_millis(250)),
                ..fine
            },
            Self::Lossy => Faults {
                lose_question: 0.1,
                lose_answer: 0.1,
                ..fine
            },
            Self::Twice => Faults {
                duplicate: 0.5,
                ..fine
            },
            Self::Forgets => Faults {
                swallow: 0.2,
                ..fine
            },
            Self::Rejects => {
                let full = Refusal::of("eth_sendRawTransaction", Answer::error("txpool is full"));
                Faults {
                    refusals: vec![full.chance(0.3)],
                    ..fine
                }
            }
            Self::Lags(blocks) => Faults {
                lag: Lag::Behind(blocks),
                ..fine
            },
            Self::Silent => Faults {
                silent: true,
                ..fine
            },
        }
    }
}

/// A town in trouble.
struct Trouble {
    town: ProcessTown,
    disk: Option<Disk>,
    clock: Option<Clock>,
    /// Blocks up to here are not reorganised: the deal is in them, and the test made it.
    safe: u64,
}

impl Trouble {
    fn process(&self, who: Who) -> Option<&Process> {
        match who {
            Who::Chain => self.town.chain_process.as_ref(),
            Who::Market => Some(&self.town.market_process),
            Who::Scheduler => Some(&self.town.scheduler_process),
            Who::Worker(number) => self.town.workers.get(number).map(|worker| &worker.process),
        }
    }

    fn weather(&self, behind: Behind) -> &FaultProxy {
        match behind {
            Behind::Market => &self.town.weather.market,
            Behind::Scheduler => &self.town.weather.scheduler,
            Behind::Workers => &self.town.weather.workers,
        }
    }

    /// Lets one thing go wrong, and makes it well again.
    async fn happen(&self, misfortune: Misfortune) -> anyhow::Result<()> {
        let Misfortune { what, lasts, .. } = misfortune;
        let over = tokio::time::sleep(lasts);
        match what {
            What::Kill(who) => {
                if let Some(process) = self.process(who) {
                    process.kill(Some(lasts));
                }
            }
            What::Freeze(who) => {
                if let Some(process) = self.process(who) {
                    process.freeze();
                    over.await;
                    process.wake();
                }
            }
            What::Line(number, quality) => {
                if let Some(worker) = self.town.workers.get(number) {
                    worker.line.set(quality);
                    over.await;
                    worker.line.set(Quality::default());
                }
            }
            What::Weather(behind, storm) => {
                self.weather(behind).set(storm.faults());
                over.await;
                self.weather(behind).calm();
            }
            What::Reorganise { depth, forget } => {
                // A chain that is away reorganises nothing.
                if let Ok(height) = self.town.node.height().await
                    && height > self.safe + depth
                {
                    let _ = self.town.node.reorganise(depth, forget).await;
                }
            }
            What::ChainTime { secs } => {
                let _ = self.town.node.increase_time(secs).await;
            }
            What::FullDisk => {
                if let Some(disk) = &self.disk {
                    disk.fill()?;
                    over.await;
                    disk.free()?;
                }
            }
            What::Clock { secs } => {
                if let Some(clock) = &self.clock {
                    clock.jump(secs)?;
                }
            }
        }
        Ok(())
    }
}

async fn survive(seed: u64, schedule: Vec<Misfortune>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let say = |what: &str| {
        eprintln!(
            "seed {seed}, {:>5.1} s: {what}",
            begun.elapsed().as_secs_f64()
        )
    };
    let folder = new_folder()?;
    let clock = Clock::new(&folder.path().join("clock"))?;
    let scheduler_clock = clock.clone();
    let mut town = ProcessTown::start(
        folder,
        ProcessTownOptions {
            scheduler_clock,
            ..options(seed)
        },
    )
    .await?;
    let disk = honest_people(&mut town, clock.as_ref()).await?;
    let app = town.publish(errand(), Nrlc::rlc(1)).await?;
    say("everybody is there");
    let mut deals = earn_a_history(&town, app).await?;
    for number in 1..=LIARS {
        add(&mut town, &format!("liar-{number}"), "lying").await?;
    }
    let bag = ["write", "tile", "{index}", "of", "{size}"];
    let small = ["write", "alone", "{index}"];
    let before = town.rent(app, ALONE, 1, &small).await?;
    let rented = town.rent(app, TASKS, TRUST, &bag).await?;
    let after = town.rent(app, ALONE, 1, &small).await?;
    let alone = [before.tasks, after.tasks].concat();
    let tasks = [&*rented.tasks, &*alone].concat();
    for more in [before.deals, rented.deals, after.deals] {
        deals.extend(more);
    }
    town.node.mine(8).await?;
    let safe = town.node.height().await?;
    let sent_before = sent(&town);
    say("the bag is rented, trouble begins");

    let trouble = Arc::new(Trouble {
        town,
        disk,
        clock,
        safe,
    });
    let (stop, stopped) = watch::channel(false);
    let publishing = tokio::spawn(keep_publishing(trouble.clone(), app, stopped));
    let in_time = endure(&trouble, schedule.clone(), &tasks).await?;
    stop.send_replace(true);
    let published = publishing.await??;
    let Trouble { town, clock, .. } =
        Arc::into_inner(trouble).context("nobody makes trouble any more")?;
    if let Some(clock) = clock {
        clock.jump(0)?;
    }
    say(&format!(
        "trouble is over; {in_time} of {} misfortunes came while tasks were open",
        schedule.len()
    ));
    ensure!(
        in_time * 2 >= schedule.len(),
        "the bag was done too early for the trouble to show anything"
    );

    let statuses = settled(&town, &tasks).await?;
    let (of_the_bag, of_alone) = statuses.split_at(rented.tasks.len());
    say("every task is over");
    let (mined, failed) = town
        .node
        .transactions(safe + 1, town.node.height().await?)
        .await?;
    let sent = sent(&town) - sent_before;
    let one_step = Hub::contributeAndFinalizeCall::SELECTOR;
    let height = town.node.height().await?;
    let in_one_step = town.node.calls(one_step, safe + 1, height).await?;

    // One more time all at once, for what is only in somebody's memory.
    for process in town.processes() {
        process.kill(Some(Duration::ZERO));
    }
    for process in town.processes() {
        process.serving().await?;
    }
    town.journals_empty(Duration::from_secs(30)).await?;
    results_are_true(&town, &rented.tasks, of_the_bag).await?;
    let honestly = what_was_done_alone(&town, &alone, of_alone).await?;
    pool_agrees(&town, &tasks, &statuses).await?;
    let market = town.market()?;
    for &order in &published {
        market
            .get::<AppOrder>(order)
            .await
            .with_context(|| format!("the market has lost {order}"))?;
    }

    let audit = audit(&town.chain, &deals, &town.honest()).await?;
    say(&format!(
        "{} tasks completed, {} refunded, {} contributions; {honestly} of {} done by one honest worker alone, {in_one_step} in one step after the trouble began; {} stakes of liars lost; {mined} transactions mined, {} of them failed, \
         {sent} handed in; {} offers published; {} processes ended by themselves, {} were started",
        audit.completed,
        audit.refunded,
        audit.contributions,
        alone.len(),
        audit.lost_stakes.values().sum::<usize>(),
        failed.len(),
        published.len(),
        town.processes().map(Process::ended_by_itself).sum::<u32>(),
        town.processes().map(Process::starts).sum::<u32>(),
    ));
    ensure!(audit.wrong.is_empty(), "the books: {:#?}", audit.wrong);
    ensure!(
        !audit.lost_stakes.is_empty(),
        "no liar lost a stake, so no lie was told"
    );
    ensure!(
        in_one_step > 0,
        "no task was done in one step, so none was in danger"
    );
    ensure!(
        failed.len() * 100 <= mined * IN_VAIN_PERCENT,
        "{} of {mined} transactions failed: {:?}",
        failed.len(),
        names(&town, &failed)
    );
    ensure!(
        sent <= (mined * SENT_PER_MINED) as u64,
        "{sent} transactions were handed in for {mined} that were mined"
    );

    town.stop().await?;
    for database in ["market/market.sqlite", "scheduler/scheduler.sqlite"] {
        let path = town.folder().join(database);
        let mut connection = SqliteConnection::connect(&path.to_string_lossy()).await?;
        let (says,): (String,) = sqlx::query_as("PRAGMA integrity_check")
            .fetch_one(&mut connection)
            .await?;
        ensure!(says == "ok", "{database}: {says}");
    }
    town.finish().await?;
    say("nothing is left over");
    Ok(())
}

/// Six honest workers and two slow ones; the first has a small disk, the second goes by the pool's wrong clock.
async fn honest_people(
    town: &mut ProcessTown,
    clock: Option<&Clock>,
) -> anyhow::Result<Option<Disk>> {
    let disk = town.disk_for("honest-1", DISK_BYTES).await?;
    let first = WorkerWish {
        slots: 2,
        disk: disk.as_ref(),
        ..WorkerWish::default()
    };
    town.add_worker("honest-1", first).await?;
    let second = WorkerWish {
        slots: 2,
        clock,
        ..WorkerWish::default()
    };
    town.add_worker("honest-2", second).await?;
    for number in 3..=HONEST {
        add(town, &format!("honest-{number}"), "honest").await?;
    }
    for number in 1..=SLOW {
        add(town, &format!("slow-{number}"), "slow=0.3").await?;
    }
    Ok(disk)
}

/// Fifteen tasks on which all honest workers agree: at a score of 15 a worker weighs 4. Eight newcomers are needed for a
/// trust of 2⁸, and from a score of 12 on, where they weigh 3, for one of 3⁸.
async fn earn_a_history(town: &ProcessTown, app: Address) -> anyhow::Result<Vec<DealId>> {
    let mut deals = Vec::new();
    for (tasks, weight) in [(12, 2_u64), (3, 3)] {
        let trust = weight.pow((HONEST + SLOW) as u32);
        let draft = town
            .rent(app, tasks, trust, &["write", "draft", "{index}"])
            .await?;
        let statuses = town.over(&draft.tasks, Duration::from_secs(60)).await?;
        ensure!(
            statuses
                .iter()
                .all(|status| *status == TaskStatus::Completed),
            "the draft: {statuses:?}"
        );
        deals.extend(draft.deals);
    }
    for worker in town.honest() {
        let score = town.chain.hub(Hub::viewScoreCall { worker }).await?;
        ensure!(
            score >= U256::from(15),
            "{worker} has a score of {score} only"
        );
    }
    Ok(deals)
}

/// Lets everything go wrong in its time; says how much of it while tasks were open.
async fn endure(
    trouble: &Arc<Trouble>,
    schedule: Vec<Misfortune>,
    tasks: &[TaskId],
) -> anyhow::Result<usize> {
    let start = tokio::time::Instant::now();
    let mut happening = JoinSet::new();
    let mut in_time = 0;
    for misfortune in schedule {
        tokio::time::sleep_until(start + misfortune.at).await;
        let asked =
            tokio::time::timeout(Duration::from_millis(100), trouble.town.statuses(tasks)).await;
        let over =
            matches!(asked, Ok(Ok(statuses)) if statuses.iter().all(|status| status.is_over()));
        in_time += usize::from(!over);
        let trouble = trouble.clone();
        happening.spawn(async move { trouble.happen(misfortune).await });
    }
    while let Some(happened) = happening.join_next().await {
        happened??;
    }
    Ok(in_time)
}

/// Publishes offers until stopped; gives those that the market has acknowledged.
async fn keep_publishing(
    trouble: Arc<Trouble>,
    app: Address,
    mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<Vec<OrderHash>> {
    let (town, mut published) = (&trouble.town, Vec::new());
    let market = town.market()?;
    let domain = town.chain.domain();
    for price in 2.. {
        // Dearer than that of the bag, so that nobody takes it.
        let order = sdk::order::app_order(app, Nrlc::rlc(price), 10);
        let order = town.author.sign_order(&order, domain);
        let publishing = market.publish(&town.author, domain, &order);
        if let Ok(Ok(record)) = tokio::time::timeout(Duration::from_secs(2), publishing).await {
            published.push(record.order_hash);
        }
        let pause = Duration::from_millis(200);
        if tokio::time::timeout(pause, stopped.wait_for(|stopped| *stopped))
            .await
            .is_ok()
        {
            break;
        }
    }
    Ok(published)
}

/// Fetches every result and compares it with what the test knows itself.
async fn results_are_true(
    town: &ProcessTown,
    tasks: &[TaskId],
    statuses: &[TaskStatus],
) -> anyhow::Result<()> {
    let completed = tasks.iter().zip(statuses).enumerate();
    let completed = completed.filter(|(_, (_, status))| **status == TaskStatus::Completed);
    stream::iter(completed)
        .map(async |(index, (&task, _))| {
            let words = town
                .words(task)
                .await
                .with_context(|| format!("the result of task {index}"))?;
            ensure!(
                words == format!("tile {index} of {TASKS}"),
                "a wrong result was accepted: {words:?} for task {index}"
            );
            Ok(())
        })
        .buffer_unordered(8)
        .try_collect()
        .await
}

/// Waits until every task is over. Those of which a liar alone has convinced the hub are so at their deadline only, when
/// the clock has been put forward to it.
async fn settled(town: &ProcessTown, tasks: &[TaskId]) -> anyhow::Result<Vec<TaskStatus>> {
    let is_liar = |address: &Address| {
        let mut workers = town.workers.iter();
        workers.any(|worker| worker.address == *address && worker.name.starts_with("liar"))
    };
    let only_lies = async || {
        let views = sdk::task::view_many(&town.chain, tasks).await?;
        Ok(views.iter().all(|task| {
            let lie = task.status == TaskStatus::Revealing
                && task.contributors.len() == 1
                && task.contributors.iter().all(is_liar);
            task.status.is_over() || lie
        }))
    };
    let waiting = town.until("only lies are open", SETTLED_WITHIN, only_lies);
    if let Err(error) = waiting.await {
        // This one says which.
        return Err(match town.over(tasks, Duration::ZERO).await {
            Ok(_) => error,
            Err(open) => open.context(error),
        });
    }
    town.node.increase_time(FINAL_DEADLINE).await?;
    town.over(tasks, SETTLED_WITHIN).await
}

/// Fetches what somebody did alone, in one step, and compares what honest workers did; says how many those are.
async fn what_was_done_alone(
    town: &ProcessTown,
    tasks: &[TaskId],
    statuses: &[TaskStatus],
) -> anyhow::Result<usize> {
    let (honest, mut honestly) = (town.honest(), 0);
    for (number, (&task, status)) in tasks.iter().zip(statuses).enumerate() {
        if *status != TaskStatus::Completed {
            continue;
        }
        let by = sdk::task::view(&town.chain, task).await?.contributors;
        ensure!(by.len() == 1, "{task} was done by {by:?}");
        if honest.contains(&by[0]) {
            let words = town
                .words(task)
                .await
                .with_context(|| format!("what was done alone for {task}"))?;
            let index = number as u64 % ALONE;
            ensure!(
                words == format!("alone {index}"),
                "an honest worker wrote {words:?} for {task}"
            );
            honestly += 1;
        }
    }
    ensure!(
        honestly * 2 >= tasks.len(),
        "only {honestly} of {} tasks at trust 1 were done by honest workers",
        tasks.len()
    );
    Ok(honestly)
}

/// What the pool says of each task is what the chain says.
async fn pool_agrees(
    town: &ProcessTown,
    tasks: &[TaskId],
    statuses: &[TaskStatus],
) -> anyhow::Result<()> {
    for (&task, status) in tasks.iter().zip(statuses) {
        let said = sdk::pool::report(&town.pool, task).await?.state;
        let expected = match status {
            TaskStatus::Completed => "completed",
            _ => "claimed",
        };
        ensure!(
            said.contains(expected),
            "the pool says {said:?} of {task}, which is {status}"
        );
    }
    Ok(())
}

/// How many transactions the roles have handed to the chain, the same one handed in again included.
fn sent(town: &ProcessTown) -> u64 {
    [&town.weather.scheduler, &town.weather.workers]
        .map(|weather| weather.counts().of("eth_sendRawTransaction"))
        .iter()
        .sum()
}

/// Whose these are and what they call, and how often each.
fn names(town: &ProcessTown, failed: &[Failed]) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for Failed {
        from,
        calls,
        out_of_gas,
    } in failed
    {
        let worker = town.workers.iter().find(|worker| worker.address == *from);
        let name = match worker {
            Some(worker) => worker.name.clone(),
            None if *from == town.pool_owner.address() => "the pool".to_owned(),
            None => from.to_string(),
        };
        let why = if *out_of_gas { ", out of gas" } else { "" };
        *names
            .entry(format!("{name} calling {calls}{why}"))
            .or_default() += 1;
    }
    names
}
