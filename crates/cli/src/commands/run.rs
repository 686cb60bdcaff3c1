//! `oxec run`: rent.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use protocol::TaskId;
use sdk::result::Limits;
use serde::Serialize;

use crate::{
    arguments::Run,
    bill,
    context::Context,
    follow,
    output::{count, short},
    rent::{self, Rented, Wish},
};

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    rented: Rented,
    /// With --watch.
    bill: Option<Vec<bill::Line>>,
    /// Tasks without a result, and why.
    failed: BTreeMap<TaskId, String>,
    /// With --out: where each task's verified result lies.
    results: BTreeMap<TaskId, PathBuf>,
}

pub async fn run(context: Context, run: Run) -> anyhow::Result<()> {
    let output = context.output;
    if let Some(folder) = &run.out {
        // Found out before anything is paid.
        for index in 0..run.tasks {
            let place = place(folder, index, run.tasks);
            let is_empty = fs::read_dir(&place).is_ok_and(|mut inside| inside.next().is_none());
            ensure!(
                is_empty || !place.exists(),
                "{} is not empty: name another folder with --out (nothing was rented)",
                place.display()
            );
        }
    }
    let sender = context.sender().await?;
    let chain = sender.chain();
    let market = context.market()?;
    let pool = context.pool()?;
    let category = rent::category(&run.category)?;
    let mut inputs = Vec::new();
    for word in &run.inputs {
        inputs.push(rent::find_input(&pool, word).await?);
    }
    let wish = Wish {
        app: run.app,
        inputs,
        trust: run.trust,
        tasks: run.tasks,
        category,
        max_price: run.max_price,
        arguments: run.arguments,
    };
    let rented = rent::rent(&sender, &market, wish, output).await?;
    output.say(rent::trust_in_words(
        rented.trust,
        rented.replicas,
        rented.confidence,
    ));

    let mut answer = Answer {
        rented,
        bill: None,
        failed: BTreeMap::new(),
        results: BTreeMap::new(),
    };
    if run.watch {
        answer.failed = follow::to_the_end(chain, &pool, &answer.rented.deals, output)
            .await?
            .failed;
        let you = BTreeMap::from([(sender.address(), "you".to_owned())]);
        answer.bill = Some(bill::of(chain, &answer.rented.deals, &you).await?);
        if let Some(folder) = run.out {
            let tasks = answer.rented.tasks.len() as u64;
            for (index, &task) in (0..)
                .zip(&answer.rented.tasks)
                .filter(|(_, task)| !answer.failed.contains_key(task))
            {
                let place = place(&folder, index, tasks);
                sdk::result::fetch(chain, task, &pool, &place, Limits::default()).await?;
                answer.results.insert(task, place);
            }
        }
    }
    output.answer(&answer, || in_words(&answer))?;
    if !answer.failed.is_empty() {
        let (_, why) = answer
            .failed
            .first_key_value()
            .context("some task failed")?;
        bail!(
            "{} of {} tasks failed: {why}",
            answer.failed.len(),
            answer.rented.tasks.len()
        );
    }
    Ok(())
}

/// Where the result of a task goes: into the folder itself if it is the only one.
fn place(folder: &Path, index: u64, tasks: u64) -> PathBuf {
    match tasks {
        1 => folder.to_owned(),
        _ => folder.join(index.to_string()),
    }
}

fn in_words(answer: &Answer) -> String {
    let rented = &answer.rented;
    let mut words = String::new();
    for deal in &rented.deals {
        words.push_str(&format!("deal {deal}\n"));
    }
    words.push_str(&format!(
        "{}, {} together, on the pool {}\n",
        count(rented.tasks.len(), "task"),
        rented.total,
        short(rented.workerpool)
    ));
    match &answer.bill {
        None => {
            let (deal, task) = (rented.deals[0], rented.tasks[0]);
            words.push_str(&format!("Follow it: `oxec deal show {deal}`, `oxec task watch {task}`; then `oxec result fetch {task}`"));
        }
        Some(bill) => {
            if !bill.is_empty() {
                words.push_str(&bill::as_table(bill));
                words.push('\n');
            }
            let mut done = rented
                .tasks
                .iter()
                .filter(|task| !answer.failed.contains_key(task));
            if answer.results.is_empty()
                && let Some(task) = done.next()
            {
                words.push_str(&format!("Get a result: `oxec result fetch {task}`"));
            }
            for (task, place) in &answer.results {
                words.push_str(&format!(
                    "{} checked against the chain: {}\n",
                    short(task),
                    place.display()
                ));
            }
        }
    }
    words
}
