//! `oxec run`: rent.

use std::{collections::BTreeMap, path::PathBuf};

use alloy_primitives::Address;
use anyhow::{Context as _, bail};
use protocol::TaskId;
use sdk::result::Limits;
use serde::Serialize;

use crate::{
    arguments::Run,
    bill,
    context::Context,
    follow,
    output::short,
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
            for (index, &task) in answer
                .rented
                .tasks
                .iter()
                .enumerate()
                .filter(|(_, task)| !answer.failed.contains_key(task))
            {
                let place = if answer.rented.tasks.len() == 1 {
                    folder.clone()
                } else {
                    folder.join(index.to_string())
                };
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

fn in_words(answer: &Answer) -> String {
    let rented = &answer.rented;
    let mut words = String::new();
    for deal in &rented.deals {
        words.push_str(&format!("deal {deal}\n"));
    }
    words.push_str(&format!(
        "{} tasks, {} together, on the pool {}\n",
        rented.tasks.len(),
        rented.total,
        short(pool_of(rented))
    ));
    match &answer.bill {
        None => {
            let (deal, task) = (rented.deals[0], rented.tasks[0]);
            words.push_str(&format!("Follow it: `oxec deal show {deal}`, `oxec task watch {task}`; then `oxec result fetch {task}`"));
        }
        Some(bill) => {
            words.push_str(&bill::as_table(bill));
            words.push('\n');
            if answer.results.is_empty() {
                words.push_str(&format!(
                    "Get a result: `oxec result fetch {}`",
                    rented.tasks[0]
                ));
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

fn pool_of(rented: &Rented) -> Address {
    rented.workerpool
}
