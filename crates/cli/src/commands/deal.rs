//! `oxec deal show`: who, what, for how much, how far, and who was paid what.

use std::collections::BTreeMap;

use protocol::{
    DealId, TaskId, consensus,
    deal::{CATEGORIES, Deal as OnChain},
};
use serde::Serialize;

use crate::{
    arguments::Deal,
    bill,
    context::Context,
    output::{short, table},
};

#[derive(Debug, Serialize)]
struct Shown {
    id: DealId,
    deal: OnChain,
    /// The confidence that its trust asks for, between 0 and 1.
    confidence: f64,
    tasks: Vec<TaskLine>,
    bill: Vec<bill::Line>,
}

#[derive(Debug, Serialize)]
struct TaskLine {
    index: u64,
    task: TaskId,
    status: String,
    state: String,
}

pub async fn run(context: Context, deal: Deal) -> anyhow::Result<()> {
    let Deal::Show { deal: id } = deal;
    let chain = context.chain().await?;
    let deal = sdk::deal::view(&chain, id).await?;
    let ids: Vec<(u64, TaskId)> = deal.tasks(id).collect();
    let tasks = sdk::task::view_many(
        &chain,
        &ids.iter().map(|(_, task)| *task).collect::<Vec<_>>(),
    )
    .await?;
    let tasks = ids
        .into_iter()
        .zip(tasks)
        .map(|((index, task), on_chain)| {
            let state = sdk::task::TaskState {
                id: task,
                index,
                task: on_chain,
            };
            TaskLine {
                index,
                task,
                status: state.task.status.to_string(),
                state: state.words(),
            }
        })
        .collect();
    let bill = bill::of(&chain, &[id], &BTreeMap::new()).await?;
    let shown = Shown {
        id,
        confidence: consensus::confidence_asked(deal.trust),
        tasks,
        bill,
        deal,
    };
    context.output.answer(&shown, || in_words(&shown))
}

fn in_words(shown: &Shown) -> String {
    let deal = &shown.deal;
    let category = usize::try_from(deal.category)
        .ok()
        .and_then(|number| CATEGORIES.get(number))
        .map_or("?", |(name, _)| name);
    let facts = table(
        &["", "", "per task"],
        &[2],
        [
            vec![
                "requester".to_owned(),
                deal.requester.to_string(),
                String::new(),
            ],
            vec![
                "app".to_owned(),
                deal.app.pointer.to_string(),
                deal.app.price.to_string(),
            ],
            vec![
                "workerpool".to_owned(),
                deal.workerpool.pointer.to_string(),
                deal.workerpool.price.to_string(),
            ],
            vec![
                "worker's stake".to_owned(),
                String::new(),
                deal.worker_stake.to_string(),
            ],
        ],
    );
    let tasks = table(
        &["#", "task", "state"],
        &[0],
        shown.tasks.iter().map(|line| {
            vec![
                line.index.to_string(),
                line.task.to_string(),
                line.state.clone(),
            ]
        }),
    );
    let bill = if shown.bill.is_empty() {
        "nothing has been paid yet".to_owned()
    } else {
        bill::as_table(&shown.bill)
    };
    format!(
        "deal {}\ncategory {category}, trust {} (confidence {:.0} %), {} tasks from index {}, paid by {}\n{facts}\n\n{tasks}\n\n{bill}",
        shown.id,
        deal.trust,
        shown.confidence * 100.0,
        deal.bot_size,
        deal.bot_first,
        short(deal.sponsor),
    )
}
