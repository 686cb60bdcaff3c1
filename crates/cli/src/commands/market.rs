//! `oxec market start`: an order book as a process of its own.

use alloy_primitives::Address;
use serde::Serialize;
use url::Url;

use crate::{
    arguments::{Market, MarketStart},
    context::Context,
    home, roles,
};

#[derive(Debug, Serialize)]
struct Serving {
    role: &'static str,
    url: Url,
    chain_id: u64,
    hub: Address,
}

pub async fn run(context: Context, market: Market) -> anyhow::Result<()> {
    let Market::Start(MarketStart { listen, folder }) = market;
    let output = context.output;
    let chain = context.chain().await?;
    let folder = folder.unwrap_or_else(|| context.home.folder().join("market"));
    let _only = home::lock(&folder, "lock", || {
        format!(
            "another market uses {}: stop it, or choose another folder with --folder",
            folder.display()
        )
    })?;
    let options = market::Options {
        listen,
        ..market::Options::at(folder.join("market.sqlite"))
    };
    let handle = market::Service::start(options, chain.clone()).await?;
    let serving = Serving {
        role: "market",
        url: handle.url(),
        chain_id: chain.deployment().chain_id,
        hub: chain.deployment().hub,
    };
    let stopped = roles::stopped()?;
    output.line(&serving, || {
        format!(
            "the market is open at {}, for the hub {} on chain {}; kept in {}\n\n\
             Next, in another terminal: `oxec scheduler start --market {0}`. Ctrl-C stops the market.",
            serving.url,
            serving.hub,
            serving.chain_id,
            folder.display()
        )
    })?;
    stopped.await;
    output.say("stopping the market …");
    handle.shutdown().await;
    Ok(())
}
