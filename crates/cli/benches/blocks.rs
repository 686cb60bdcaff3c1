//! How many blocks a task of trust 1 takes from the request to its payment, where a block comes every two seconds: on the
//! development chain and on anvil, all roles being processes of their own. Exact; only the seconds are this machine's.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use protocol::{abi::Hub::HubEvents, payment::Nrlc, task::TaskStatus};
use testchain::{Engine, Mining, Options};
use testkit::{
    errand,
    process_town::{ProcessTown, ProcessTownOptions, Settled, WorkerWish, deploy, new_folder},
};

const TASKS: usize = 7;
const BLOCK_SECS: u64 = 2;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("| figure | ours | target | peer |\n|---|---:|---:|---|");
    let here = new_folder()?;
    let settled = Settled::OnItsOwn {
        block_secs: Some(BLOCK_SECS),
    };
    measure("our chain", here, settled).await?;

    let chain = match testchain::start(Options::default().on(Engine::Anvil).bare()).await {
        Ok(chain) => chain,
        Err(error @ testchain::Error::NotInstalled { .. }) => {
            println!("SKIPPED: {error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let there = new_folder()?;
    let deployment = there.path().join("deployment.json");
    let (rpc, key) = (chain.http_url(), chain.accounts()[0].key.to_string());
    deploy(program(), &rpc, &deployment, &key).await?;
    let every = Duration::from_secs(BLOCK_SECS);
    chain.set_mining(Mining::Interval(every)).await?;
    let settled = Settled::At {
        rpc: rpc.parse()?,
        deployment,
    };
    measure("anvil", there, settled).await
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_oxec"))
}

async fn measure(whose: &str, folder: tempfile::TempDir, settled: Settled) -> anyhow::Result<()> {
    let options = ProcessTownOptions {
        program: program().to_owned(),
        settled,
        seed: 1,
        scheduler_clock: None,
        scheduler_disk: None,
    };
    let mut town = ProcessTown::start(folder, options).await?;
    town.add_worker("worker", WorkerWish::default()).await?;
    let app = town.publish(errand(), Nrlc::ZERO).await?;
    let (mut blocks, mut seconds) = (Vec::new(), Vec::new());
    for number in 0..TASKS {
        let before = town.node.height().await?;
        let at = Instant::now();
        let rented = town
            .rent(app, 1, 1, &["write", &number.to_string()])
            .await?;
        let statuses = town.over(&rented.tasks, Duration::from_secs(60)).await?;
        ensure!(statuses == [TaskStatus::Completed], "{statuses:?}");
        seconds.push(at.elapsed().as_secs_f64());
        let events = town.chain.events(before, town.node.height().await?).await?;
        let paid = events.iter().find(|event| match &event.event {
            HubEvents::TaskFinalize(told) => told.taskid == rented.tasks[0].0,
            _ => false,
        });
        blocks.push(paid.context("it was finalized")?.block - before);
    }
    blocks.sort_unstable();
    seconds.sort_by(f64::total_cmp);
    println!(
        "| request → paid, trust 1, blocks of {BLOCK_SECS} s on {whose}, blocks (p50; most of {TASKS}) | {}; {} | ≤ 4 | |",
        blocks[TASKS / 2],
        blocks[TASKS - 1],
    );
    println!(
        "| the same, p50, s | {:.1} | | 40–60 s for a trivial iExec task on 5 s blocks |",
        seconds[TASKS / 2]
    );
    town.finish().await
}
