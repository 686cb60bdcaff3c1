//! Following tasks to their end, with a line or a bar per task.
//!
//! A person at a terminal sees bars; a log gets one line per change. The states are the chain's; the pool is asked
//! only whether it has given up what does not move.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use protocol::{DealId, TaskId, task::TaskStatus};
use sdk::{chain::Chain, task::TaskState};
use url::Url;

use crate::output::{Output, harmless, short};

/// When each task reached each stage, for the table of times.
#[derive(Debug, Clone, Default)]
pub struct Times {
    stages: BTreeMap<TaskId, Vec<(Stage, Instant)>>,
}

/// A task's way, as the chain shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Waiting,
    Initialized,
    Contributed,
    Consensus,
    Revealed,
    Completed,
    Failed,
}

impl Stage {
    fn of(state: &TaskState) -> Self {
        let task = &state.task;
        match task.status {
            TaskStatus::Unset => Self::Waiting,
            TaskStatus::Active if task.contributors.is_empty() => Self::Initialized,
            TaskStatus::Active => Self::Contributed,
            TaskStatus::Revealing if task.reveal_counter == 0 => Self::Consensus,
            TaskStatus::Revealing => Self::Revealed,
            TaskStatus::Completed => Self::Completed,
            TaskStatus::Failed => Self::Failed,
        }
    }
}

impl Times {
    /// The middle task's time from `began` to a stage.
    pub fn median(&self, stage: Stage, began: Instant) -> Option<Duration> {
        let mut times: Vec<_> = self
            .stages
            .values()
            .filter_map(|stages| stages.iter().find(|(reached, _)| *reached >= stage))
            .map(|(_, at)| at.duration_since(began))
            .collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }
}

/// How the tasks ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Tasks without a result, and why.
    pub failed: BTreeMap<TaskId, String>,
    /// When what happened.
    pub times: Times,
}

/// How often the pool is asked about tasks that seem to stand still, and about how many at once.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ASK_AT_ONCE: usize = 16;

/// Follows the tasks of `deals` until each is completed, failed, or given up by the pool.
///
/// The chain tells what is over. That a task will never be over, because the application fails on every worker, only
/// the pool can tell: the chain knows of it when the deal's time has run out.
pub async fn to_the_end(
    chain: &Chain,
    pool: &Url,
    deals: &[DealId],
    output: Output,
) -> anyhow::Result<Ended> {
    let mut bars = Bars::new(output);
    let mut ended = Ended::default();
    for &deal in deals {
        let mut watch = sdk::task::watch(chain, deal)
            .await
            .with_context(|| format!("cannot follow the deal {deal}"))?;
        let mut ask = tokio::time::interval(ASK_EVERY);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                state = watch.next() => {
                    let Some(state) = state else { break };
                    let stage = Stage::of(&state);
                    ended.times.stages.entry(state.id).or_default().push((stage, Instant::now()));
                    bars.show(&state, stage, &state.words());
                    if stage == Stage::Failed {
                        ended.failed.insert(state.id, "failed; the money is back".to_owned());
                    }
                }
                _ = ask.tick() => {
                    let open: Vec<TaskState> = watch
                        .states()
                        .into_iter()
                        .filter(|state| !state.task.status.is_over() && !ended.failed.contains_key(&state.id))
                        .collect();
                    for state in open.iter().take(ASK_AT_ONCE) {
                        if let Some(reason) = given_up(pool, state.id).await {
                            bars.show(state, Stage::Failed, &reason);
                            ended.failed.insert(state.id, reason);
                        }
                    }
                    if open.iter().all(|state| ended.failed.contains_key(&state.id)) && !open.is_empty() {
                        break;
                    }
                }
            }
        }
    }
    bars.finish();
    Ok(ended)
}

/// Why the pool has given a task up, if it has.
async fn given_up(pool: &Url, task: TaskId) -> Option<String> {
    let report = sdk::pool::report(pool, task).await.ok()?;
    report.state.starts_with("given up").then(|| {
        let failure = report.replicas.iter().find_map(|replica| replica.failure.as_ref());
        let message = failure.map_or_else(|| report.state.clone(), |failure| format!("given up: {}", failure.message));
        format!("{message} (`oxec task show {task}` has the log; the money comes back when the deal's time is over)")
    })
}

/// A bar per task where a person watches, lines elsewhere.
struct Bars {
    output: Output,
    many: Option<MultiProgress>,
    bars: BTreeMap<TaskId, ProgressBar>,
}

impl Bars {
    fn new(output: Output) -> Self {
        Self {
            output,
            many: output.shows_progress().then(MultiProgress::new),
            bars: BTreeMap::new(),
        }
    }

    fn show(&mut self, state: &TaskState, stage: Stage, words: &str) {
        let Some(many) = &self.many else {
            if !self.output.is_json() {
                self.output.say(format!(
                    "task {:>3} {}  {words}",
                    state.index,
                    short(state.id)
                ));
            }
            return;
        };
        let bar = self.bars.entry(state.id).or_insert_with(|| {
            let bar = many.add(ProgressBar::new(Stage::Completed as u64));
            let style = ProgressStyle::with_template("task {prefix:>3} {bar:24} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("━╸ "));
            bar.set_prefix(state.index.to_string());
            bar
        });
        bar.set_position(if stage == Stage::Failed {
            0
        } else {
            stage as u64
        });
        bar.set_message(harmless(words));
        if stage >= Stage::Completed {
            bar.abandon();
        }
    }

    fn finish(&self) {
        for bar in self.bars.values() {
            bar.abandon();
        }
    }
}
