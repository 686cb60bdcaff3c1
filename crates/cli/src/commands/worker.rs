//! `oxec worker`: offer this machine to a pool.

use anyhow::{Context as _, ensure};
use protocol::payment::Nrlc;
use sdk::{chain::Chain, wallet::Wallet};
use serde::Serialize;
use url::Url;

use crate::{
    arguments::Worker,
    commands::{account, up},
    context::Context,
};

#[derive(Debug, Serialize)]
struct Answer {
    worker: alloy_primitives::Address,
    pool: Url,
    workerpool: alloy_primitives::Address,
    folder: std::path::PathBuf,
}

/// Play money for a worker on a development chain.
const FAUCET_RLC: u64 = 100;

pub async fn run(mut context: Context, arguments: Worker) -> anyhow::Result<()> {
    let output = context.output;
    let pool = match arguments.pool {
        Some(pool) => pool,
        None => context.pool().context("no pool named: say --pool URL")?,
    };
    // A person's own wallet rents; a worker gets one of its own unless told otherwise.
    if context.common.wallet == "default" {
        "worker".clone_into(&mut context.common.wallet);
        context.home.own_wallet("worker")?;
    }
    let wallet = context.wallet()?;
    let info = sdk::pool::info(&pool).await?;
    let rpc = context
        .common
        .rpc
        .clone()
        .unwrap_or_else(|| info.rpc_seen_from(&pool));
    let chain = Chain::connect(&rpc, info.deployment.clone())
        .await
        .with_context(|| format!("cannot use the pool's chain at {rpc}"))?;
    provide(&chain, &wallet, output).await?;

    let folder = arguments.folder.unwrap_or_else(|| {
        context
            .home
            .folder()
            .join("workers")
            .join(&context.common.wallet)
    });
    let options = worker::Options {
        slots: arguments.slots,
        rpc: context.common.rpc.clone(),
        ..worker::Options::new(pool.clone(), &folder)
    };
    let handle = worker::Service::start(options, wallet.clone()).await?;
    let answer = Answer {
        worker: wallet.address(),
        pool,
        workerpool: info.workerpool,
        folder,
    };
    output.answer(&answer, || {
        format!(
            "working as {} for the pool at {}; Ctrl-C stops, and goes on when started again",
            answer.worker, answer.pool
        )
    })?;
    up::stopped().await?;
    output.say("stopping after the step at hand …");
    handle.shutdown().await;
    Ok(())
}

/// On a development chain, a worker without coins gets some.
async fn provide(
    chain: &Chain,
    wallet: &Wallet,
    output: crate::output::Output,
) -> anyhow::Result<()> {
    if !chain.ether(wallet.address()).await?.is_zero() {
        return Ok(());
    }
    let given = account::faucet(chain, wallet.address(), Nrlc::rlc(FAUCET_RLC)).await;
    ensure!(
        given.is_ok(),
        "the worker's wallet {} has nothing to pay gas with on chain {}: send it some of the chain's coin, and RLC to stake",
        wallet.address(),
        chain.deployment().chain_id
    );
    output.say(format!(
        "a development chain: {} got play money",
        wallet.address()
    ));
    Ok(())
}
