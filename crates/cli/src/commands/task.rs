//! `oxec task show|why|watch`: where a task stands, on chain and at its pool, and what it waits for.

use alloy_primitives::Address;
use protocol::{
    TaskId,
    contribution::{Contribution, ContributionStatus},
    task::{Task as OnChain, TaskStatus},
};
use sdk::{chain::Chain, task::TaskState, wire::pool::TaskReport};
use serde::Serialize;

use crate::{
    arguments::Task,
    context::Context,
    output::{Output, short, table},
};

#[derive(Debug, Serialize)]
struct Shown {
    id: TaskId,
    index: u64,
    state: String,
    task: OnChain,
    contributions: Vec<Contributed>,
    /// What the pool says beyond the chain; none when it does not answer or does not know the task.
    pool: Option<TaskReport>,
}

#[derive(Debug, Serialize)]
struct Contributed {
    worker: Address,
    #[serde(flatten)]
    contribution: Contribution,
}

pub async fn run(context: Context, task: Task) -> anyhow::Result<()> {
    let chain = context.chain().await?;
    match task {
        Task::Show { task } => {
            let shown = look(&context, &chain, task).await?;
            context.output.answer(&shown, || in_words(&shown))
        }
        Task::Why { task } => {
            let shown = look(&context, &chain, task).await?;
            let now_secs = chain.block().await?.time_secs;
            let why = Why::of(&shown, now_secs);
            context.output.answer(&why, || why.in_words())
        }
        Task::Watch { task } => {
            let deal = sdk::task::known(&chain, task).await?.deal;
            let mut watch = sdk::task::watch(&chain, deal).await?;
            while let Some(state) = watch.next().await {
                if state.id == task {
                    tell(context.output, &state)?;
                    if state.task.status.is_over() {
                        break;
                    }
                }
            }
            Ok(())
        }
    }
}

/// Why a task is where it is.
#[derive(Debug, Serialize)]
struct Why {
    id: TaskId,
    /// `pool`: its word, unverified. `chain`: as far as the chain alone tells, since the pool does not answer.
    said_by: &'static str,
    why: String,
    on_chain: TaskStatus,
}

impl Why {
    /// The pool knows who is at it; without it, the chain knows the deadlines at least.
    fn of(shown: &Shown, now_secs: u64) -> Self {
        let said = shown
            .pool
            .as_ref()
            .map(|report| report.why.clone())
            .filter(|why| !why.is_empty());
        let (said_by, why) = match said {
            Some(why) => ("pool", why),
            None => (
                "chain",
                told_by_the_chain(&shown.task, &shown.contributions, now_secs),
            ),
        };
        Self {
            id: shown.id,
            said_by,
            why,
            on_chain: shown.task.status,
        }
    }

    fn in_words(&self) -> String {
        let from = match self.said_by {
            "pool" => "the pool says (its word, unverified)",
            _ => "the pool does not answer, or does not know it; the chain says",
        };
        format!("task {}\n{from}: {}\n", self.id, self.why)
    }
}

/// What a task waits for, by the chain alone.
fn told_by_the_chain(task: &OnChain, contributions: &[Contributed], now_secs: u64) -> String {
    let left = |until: u64| match until.saturating_sub(now_secs) {
        0 => "now".to_owned(),
        secs @ 1..=119 => format!("in {secs} s"),
        secs => format!("in {} min", secs / 60),
    };
    let end = task.final_deadline;
    if !task.status.is_over() && task.status != TaskStatus::Unset && now_secs >= end {
        return "the deal's time is over: anybody may claim it, which gives the requester the money back".to_owned();
    }
    match task.status {
        TaskStatus::Unset => "it is not on chain yet: its pool is to initialize it".to_owned(),
        TaskStatus::Active if now_secs >= task.contribution_deadline => format!(
            "no worker's claim won in time; the money goes back to the requester {}",
            left(end)
        ),
        TaskStatus::Active => format!(
            "{} workers have contributed, which is not enough for the deal's trust yet; contributions are taken until {}, \
             and without consensus the money goes back {}",
            contributions.len(),
            left(task.contribution_deadline).replace("in ", ""),
            left(end)
        ),
        TaskStatus::Revealing if now_secs < task.reveal_deadline => {
            let shown = contributions
                .iter()
                .filter(|it| it.contribution.status == ContributionStatus::Proved)
                .count();
            format!(
                "consensus is reached and {shown} of {} winners have revealed; if none does it is reopened {}, if some \
                 do the pool finalizes it, and if the pool does not, the money goes back {}",
                task.winner_counter,
                left(task.reveal_deadline),
                left(end)
            )
        }
        TaskStatus::Revealing if task.reveal_counter == 0 => format!(
            "consensus is reached but nobody revealed in time: the pool is to reopen it; else the money goes back {}",
            left(end)
        ),
        TaskStatus::Revealing => format!(
            "its result is decided and the pool is to finalize it; if it does not, a worker who revealed may, from {}; else \
             the money goes back {}",
            left(task.reveal_deadline + task.time_secs / 2).replace("in ", ""),
            left(end)
        ),
        TaskStatus::Completed => "it waits for nothing: it is finalized and paid".to_owned(),
        TaskStatus::Failed => {
            "it waits for nothing: it failed, and the requester has the money back".to_owned()
        }
    }
}

/// One line per change: JSON lines for programs.
fn tell(output: Output, state: &TaskState) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Change<'a> {
        task: TaskId,
        index: u64,
        state: String,
        on_chain: &'a OnChain,
    }
    let change = Change {
        task: state.id,
        index: state.index,
        state: state.words(),
        on_chain: &state.task,
    };
    output.line(&change, || {
        format!("task {} {}", short(state.id), state.words())
    })
}

async fn look(context: &Context, chain: &Chain, id: TaskId) -> anyhow::Result<Shown> {
    let task = sdk::task::known(chain, id).await?;
    let mut contributions = Vec::new();
    for &worker in &task.contributors {
        contributions.push(Contributed {
            worker,
            contribution: sdk::contribution::view(chain, id, worker).await?,
        });
    }
    let index = task.index.saturating_to();
    let state = TaskState {
        id,
        index,
        task: task.clone(),
    }
    .words();
    let pool = match context.pool() {
        Ok(pool) => sdk::pool::report(&pool, id).await.ok(),
        Err(_) => None,
    };
    Ok(Shown {
        id,
        index,
        state,
        task,
        contributions,
        pool,
    })
}

fn in_words(shown: &Shown) -> String {
    let task = &shown.task;
    let mut words = format!(
        "task {}\n{}, task {} of deal {}\n",
        shown.id, shown.state, shown.index, task.deal
    );
    if !shown.contributions.is_empty() {
        words.push_str(&table(
            &["worker", "contribution", "sealed answer", "weight"],
            &[3],
            shown.contributions.iter().map(|contributed| {
                let contribution = &contributed.contribution;
                vec![
                    contributed.worker.to_string(),
                    contribution.status.to_string(),
                    short(contribution.result_hash),
                    contribution.weight.to_string(),
                ]
            }),
        ));
        words.push('\n');
    }
    if !task.result_digest.is_zero() {
        words.push_str(&format!("digest  {}\n", task.result_digest));
    }
    if !task.results.is_empty() {
        words.push_str(&format!(
            "result  {}\n",
            String::from_utf8_lossy(&task.results)
        ));
    }
    if let Some(report) = &shown.pool {
        words.push_str(&format!(
            "\nat the pool (its word, unverified): {}\n",
            report.state
        ));
        if !report.why.is_empty() {
            words.push_str(&format!("  {}\n", report.why));
        }
        for replica in &report.replicas {
            words.push_str(&format!("  {} {}\n", replica.worker, replica.state));
            if let Some(failure) = &replica.failure {
                words.push_str(&format!("    {}\n", failure.message));
                for line in failure.log.lines() {
                    words.push_str(&format!("    │ {line}\n"));
                }
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_alone_says_what_is_waited_for_and_until_when() {
        let task = |status, reveal_counter| OnChain {
            status,
            contribution_deadline: 2_100,
            reveal_deadline: 1_600,
            final_deadline: 3_000,
            reveal_counter,
            winner_counter: 2,
            ..OnChain::default()
        };
        for (status, reveals, now, says) in [
            (TaskStatus::Unset, 0, 1_000, "to initialize it"),
            (TaskStatus::Active, 0, 1_000, "taken until 18 min"),
            (
                TaskStatus::Active,
                0,
                2_100,
                "no worker's claim won in time",
            ),
            (TaskStatus::Active, 0, 3_000, "anybody may claim it"),
            (TaskStatus::Revealing, 0, 1_580, "reopened in 20 s"),
            (TaskStatus::Revealing, 0, 1_600, "nobody revealed in time"),
            (
                TaskStatus::Revealing,
                1,
                1_600,
                "the pool is to finalize it",
            ),
            (TaskStatus::Completed, 2, 3_000, "paid"),
            (TaskStatus::Failed, 0, 3_000, "money back"),
        ] {
            let sentence = told_by_the_chain(&task(status, reveals), &[], now);
            assert!(sentence.contains(says), "{status} at {now}: {sentence}");
        }
    }
}
