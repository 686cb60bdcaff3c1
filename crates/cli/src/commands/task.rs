//! `oxec task show|watch`: where a task stands, on chain and at its pool.

use alloy_primitives::Address;
use protocol::{TaskId, contribution::Contribution, task::Task as OnChain};
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
