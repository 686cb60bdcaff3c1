//! What a command acts with: a chain, a market, a pool, a wallet; each named on the command line or the town's.

use anyhow::Context as _;
use sdk::{
    chain::{Chain, Sender},
    order::MarketClient,
    wallet::Wallet,
};
use url::Url;

use crate::{
    arguments::Common,
    home::{Home, TownFile},
    output::Output,
};

/// What a command acts with.
#[derive(Debug, Clone)]
pub struct Context {
    pub common: Common,
    pub home: Home,
    pub output: Output,
}

impl Context {
    pub fn new(common: Common) -> anyhow::Result<Self> {
        let home = Home::open(&common)?;
        let output = Output::new(common.json);
        Ok(Self {
            common,
            home,
            output,
        })
    }

    pub fn town(&self) -> anyhow::Result<TownFile> {
        self.home.town()
    }

    pub fn wallet(&self) -> anyhow::Result<Wallet> {
        self.home.wallet(&self.common)
    }

    /// The chain of `--rpc`, else the town's.
    pub async fn chain(&self) -> anyhow::Result<Chain> {
        let town = self.town()?;
        let rpc = self.common.rpc.clone().unwrap_or(town.rpc);
        Chain::connect(&rpc, town.deployment)
            .await
            .with_context(|| format!("no chain with the town's contracts at {rpc} (is the town up? `oxec up` starts it)"))
    }

    /// The wallet's sender on that chain.
    pub async fn sender(&self) -> anyhow::Result<Sender> {
        let wallet = self.wallet()?;
        Ok(self.chain().await?.sender(&wallet))
    }

    /// The market of `--market`, else the town's.
    pub fn market(&self) -> anyhow::Result<MarketClient> {
        let url = match &self.common.market {
            Some(url) => url.clone(),
            None => self.town()?.market,
        };
        Ok(MarketClient::new(url)?)
    }

    /// The town's pool: where inputs go and results lie.
    pub fn pool(&self) -> anyhow::Result<Url> {
        Ok(self.town()?.pool)
    }
}
