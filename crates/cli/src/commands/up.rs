//! `oxec up`: a town that stays on this machine until Ctrl-C, and goes on at the next `up`.

use crate::{
    arguments::Up,
    context::Context,
    home::TownFile,
    roles,
    town::{Town, TownOptions, WorkerPlan},
};

pub async fn run(context: Context, up: Up) -> anyhow::Result<()> {
    let output = context.output;
    let _only = context.home.lock()?;
    let workers = (1..=up.workers)
        .map(|number| WorkerPlan::honest(format!("worker-{number}")))
        .collect();
    let town = Town::start(TownOptions {
        chain_listen: up.chain_listen,
        market_listen: up.market_listen,
        pool_listen: up.pool_listen,
        ..TownOptions::new(context.home.clone(), workers)
    })
    .await?;

    let file = town.file().clone();
    let stopped = roles::stopped()?;
    output.answer(&file, || in_words(&file, &town))?;
    stopped.await;
    output.say("stopping: workers, pool, market, chain …");
    town.shutdown().await?;
    output.say("stopped; `oxec up` goes on from here");
    Ok(())
}

fn in_words(file: &TownFile, town: &Town) -> String {
    format!(
        "The town is up, kept in {}\n\n  chain   {} (chain id {})\n  market  {}\n  pool    {}\n  workers {}\n  you     {} (wallet \"default\", with play money)\n\n\
         Next, in another terminal: `oxec app publish ./app.wasm`. Ctrl-C stops the town.",
        town.home().folder().display(),
        file.rpc,
        file.deployment.chain_id,
        file.market,
        file.pool,
        town.workers().len(),
        town.requester().address(),
    )
}
