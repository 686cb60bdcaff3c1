//! Following tasks to their end, with a line or a bar per task.
//!
//! A person at a terminal sees bars; a log gets one line per change. The states are the chain's; what the pool says
//! beyond (which worker computes, why one failed) is asked for only when a task is not over in the end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use protocol::{DealId, TaskId, task::TaskStatus};
use sdk::{chain::Chain, task::TaskState};

use crate::output::{Output, short};

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

/// Follows the tasks of `deals` until each is completed or failed. Returns the failed ones, and when what happened.
pub async fn to_the_end(
    chain: &Chain,
    deals: &[DealId],
    output: Output,
) -> anyhow::Result<(Vec<TaskId>, Times)> {
    let mut bars = Bars::new(output);
    let mut times = Times::default();
    let mut failed = Vec::new();
    for &deal in deals {
        let mut watch = sdk::task::watch(chain, deal)
            .await
            .with_context(|| format!("cannot follow the deal {deal}"))?;
        while let Some(state) = watch.next().await {
            let stage = Stage::of(&state);
            times
                .stages
                .entry(state.id)
                .or_default()
                .push((stage, Instant::now()));
            bars.show(&state, stage);
        }
        failed.extend(
            watch
                .states()
                .into_iter()
                .filter(|state| state.task.status == TaskStatus::Failed)
                .map(|state| state.id),
        );
    }
    bars.finish();
    Ok((failed, times))
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

    fn show(&mut self, state: &TaskState, stage: Stage) {
        let words = state.words();
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
        bar.set_message(words);
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
