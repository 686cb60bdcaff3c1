//! `oxec worker`: offer this machine to a pool.

use std::path::Path;

use anyhow::{Context as _, ensure};
use protocol::payment::Nrlc;
use sdk::chain::Chain;
use serde::Serialize;
use url::Url;

use crate::{
    arguments::Worker,
    context::{Context, bare},
    home, roles,
};

#[derive(Debug, Serialize)]
struct Answer {
    role: &'static str,
    worker: alloy_primitives::Address,
    pool: Url,
    workerpool: alloy_primitives::Address,
    folder: std::path::PathBuf,
}

/// Play money for a worker on a development chain.
const FAUCET_RLC: u64 = 100;

pub async fn run(mut context: Context, arguments: Worker) -> anyhow::Result<()> {
    let output = context.output;
    let pool = context.pool()?;
    let wallet = context.service_wallet("worker")?;
    let info = sdk::pool::info(&pool).await?;
    let known = context.common.deployment.as_deref();
    let known = known
        .map(|path| Ok::<_, anyhow::Error>((path, home::read_deployment(path)?)))
        .transpose()?;
    if let Some((path, known)) = &known {
        ensure!(
            known.same_contracts(&info.deployment),
            "the pool at {pool} settles on the hub {} of chain {}, not on the hub {} of chain {} that {} names: choose \
             another pool, or the deployment it is on",
            info.deployment.hub,
            info.deployment.chain_id,
            known.hub,
            known.chain_id,
            path.display()
        );
    }
    let rpc = context
        .common
        .rpc
        .clone()
        .unwrap_or_else(|| info.rpc_seen_from(&pool));
    let chain = Chain::connect_with(&rpc, info.deployment.clone(), context.chain_options())
        .await
        .with_context(|| format!("cannot use the pool's chain at {}", bare(&rpc)))?;
    // A hub of the pool's own making could take whatever is approved to it.
    if known.is_none() && !roles::is_for_play(&chain)? {
        sdk::deploy::verify(&rpc, &info.deployment)
            .await
            .with_context(|| {
                format!(
                    "the contracts that the pool at {pool} names are not known to be good, and nothing is staked there: \
                     get their deployment file from somebody you trust, and say --deployment FILE"
                )
            })?;
    }
    let _only = context
        .home
        .lock_wallet(&wallet, info.deployment.chain_id)?;
    roles::provide(
        &context,
        &chain,
        &wallet,
        Nrlc::rlc(FAUCET_RLC),
        "RLC to stake",
    )
    .await?;

    let folder = arguments.folder.unwrap_or_else(|| {
        // A wallet may be named by its file, which is not where to keep a journal.
        let name = Path::new(&context.common.wallet).file_name();
        let name = name.unwrap_or(context.common.wallet.as_ref());
        context.home.folder().join("workers").join(name)
    });
    let options = worker::Options {
        slots: arguments.slots,
        rpc: context.common.rpc.clone(),
        fee_max: Some(context.common.fee_max),
        conduct: arguments.conduct,
        deployment: Some(info.deployment.clone()),
        ..worker::Options::new(pool.clone(), &folder)
    };
    let handle = worker::Service::start(options, wallet.clone()).await?;
    let answer = Answer {
        role: "worker",
        worker: wallet.address(),
        pool,
        workerpool: info.workerpool,
        folder,
    };
    let stopped = roles::stopped()?;
    output.line(&answer, || {
        format!(
            "working as {} for the pool at {}; Ctrl-C stops, and goes on when started again",
            answer.worker, answer.pool
        )
    })?;
    stopped.await;
    output.say("stopping after the step at hand …");
    handle.shutdown().await;
    Ok(())
}
