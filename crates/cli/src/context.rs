//! What a command acts with: a chain, a market, a pool, a wallet; each named on the command line or the town's.

use anyhow::{Context as _, ensure};
use protocol::deployment::Deployment;
use sdk::{
    chain::{Chain, ChainOptions, Sender},
    order::MarketClient,
    wallet::Wallet,
};
use url::Url;

use crate::{
    arguments::Common,
    home::{self, Home, TownFile},
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

    /// The contracts of `--deployment`, else the town's; on the node of `--rpc`, else the town's.
    pub fn place(&self) -> anyhow::Result<Place> {
        let rpc = self.common.rpc.clone();
        if let Some(path) = &self.common.deployment {
            return Ok(Place {
                deployment: home::read_deployment(path)?,
                rpc: rpc.with_context(|| {
                    format!(
                        "{} says where the contracts stand, but not which node to ask: say --rpc URL (or OXEC_RPC) too",
                        path.display()
                    )
                })?,
                named: path.display().to_string(),
            });
        }
        let town = self.home.town()?;
        Ok(Place {
            deployment: town.deployment,
            rpc: rpc.unwrap_or(town.rpc),
            named: "the town".to_owned(),
        })
    }

    pub fn wallet(&self) -> anyhow::Result<Wallet> {
        self.home.wallet(&self.common)
    }

    /// The wallet a service acts with: one of its own called `name`, unless told otherwise. A person's own wallet
    /// rents. Says what it is called.
    pub fn service_wallet(&mut self, name: &str) -> anyhow::Result<Wallet> {
        if self.common.wallet != "default" {
            return self.wallet();
        }
        let wallet = match std::env::var_os("OXEC_PRIVATE_KEY") {
            None => self.home.own_wallet(name)?,
            Some(_) => self.wallet()?,
        };
        name.clone_into(&mut self.common.wallet);
        Ok(wallet)
    }

    /// The chain with the contracts; see [`Context::place`].
    pub async fn chain(&self) -> anyhow::Result<Chain> {
        let Place {
            deployment,
            rpc,
            named,
        } = self.place()?;
        let node = bare(&rpc);
        Chain::connect_with(&rpc, deployment, self.chain_options())
            .await
            .with_context(|| match self.common.deployment {
                Some(_) => format!("cannot use the contracts of {named} at {node}"),
                None => format!(
                    "no chain with the town's contracts at {node} (is the town up? `oxec up` starts it)"
                ),
            })
    }

    /// How a chain is used, as far as the command line says.
    pub fn chain_options(&self) -> ChainOptions {
        ChainOptions {
            fee_max: self.common.fee_max,
            ..ChainOptions::default()
        }
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
            None => self.of_the_town("market", "OXEC_MARKET")?.market,
        };
        Ok(MarketClient::new(url)?)
    }

    /// The pool of `--pool`, else the town's: where inputs go and results lie.
    pub fn pool(&self) -> anyhow::Result<Url> {
        match &self.common.pool {
            Some(url) => Ok(url.clone()),
            None => Ok(self.of_the_town("pool", "OXEC_POOL")?.pool),
        }
    }

    /// The town, for a service that was not named; not when contracts were, since the town's are others.
    fn of_the_town(&self, service: &str, variable: &str) -> anyhow::Result<TownFile> {
        ensure!(
            self.common.deployment.is_none(),
            "which {service}? With --deployment the town's is not asked: say --{service} URL (or {variable})"
        );
        self.home.town().with_context(|| {
            format!("no {service} named: say --{service} URL (or {variable}), or start a town")
        })
    }
}

/// Where contracts stand, and the node to reach them.
#[derive(Debug, Clone)]
pub struct Place {
    pub deployment: Deployment,
    pub rpc: Url,
    /// Who says so, for messages.
    pub named: String,
}

/// Whether a URL may hold a key: providers put them into paths, queries and users.
pub fn may_hold_key(url: &Url) -> bool {
    !matches!(url.path(), "/" | "")
        || url.query().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
}

/// A URL without what may be a key.
pub fn bare(url: &Url) -> String {
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!(
        "{}://{}{port}",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}
