//! A town in one process: chain, market, pool and workers, each as it would stand alone.
//!
//! Nothing here is a shortcut: the services meet over HTTP, WebSocket and the chain as they would on machines of
//! strangers, each with a key of its own. The town only starts them in the right order, gives everybody play money from
//! the chain's well-known first account, registers the pool and publishes its offers. What it did once it finds again:
//! a second start on the same folder goes on where the first one ended.

use std::{net::SocketAddr, time::Duration};

use alloy_primitives::{Address, U256};
use anyhow::Context;
use devchain::Devchain;
use protocol::payment::Nrlc;
use sdk::{
    chain::{Chain, Sender},
    order::MarketClient,
    wallet::Wallet,
};
use url::Url;
use worker::Conduct;

use crate::{
    home::{Home, TownFile},
    offers::{self, Offers},
};

/// What a town is made of.
#[derive(Debug, Clone)]
pub struct TownOptions {
    pub home: Home,
    pub chain_listen: SocketAddr,
    pub market_listen: SocketAddr,
    pub pool_listen: SocketAddr,
    pub mining: devchain::Mining,
    pub workers: Vec<WorkerPlan>,
    /// The highest trust the pool offers; `None`: what as many newcomers as there are workers can reach.
    pub trust: Option<u64>,
}

/// One worker of a town.
#[derive(Debug, Clone)]
pub struct WorkerPlan {
    /// Names its wallet and folder.
    pub name: String,
    pub conduct: Conduct,
    /// Tasks at once.
    pub slots: u32,
}

impl WorkerPlan {
    pub fn honest(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            conduct: Conduct::Honest,
            slots: 2,
        }
    }
}

impl TownOptions {
    /// A town on free ports, kept in `home`.
    pub fn new(home: Home, workers: Vec<WorkerPlan>) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            home,
            chain_listen: free,
            market_listen: free,
            pool_listen: free,
            mining: devchain::Mining::Instant,
            workers,
            trust: None,
        }
    }
}

/// A running town. Dropping it stops everything as if killed; [`Town::shutdown`] stops it in order.
#[derive(Debug)]
pub struct Town {
    home: Home,
    // Stopped in this order when dropped: whoever uses a service goes before it.
    workers: Vec<TownWorker>,
    scheduler: scheduler::Handle,
    market: market::Handle,
    devchain: Devchain,
    /// One sandbox for all workers of this process, so that an application is compiled once.
    engine: runtime::wasm::Engine,
    chain: Chain,
    bank: Wallet,
    pool_owner: Wallet,
    requester: Wallet,
    file: TownFile,
}

/// One worker of a running town.
#[derive(Debug)]
pub struct TownWorker {
    pub name: String,
    pub wallet: Wallet,
    pub conduct: Conduct,
    pub handle: worker::Handle,
}

/// The wallet a person acts with, and its play money.
const REQUESTER: &str = "default";
const POOL_OWNER: &str = "pool";
/// What the bank gives: enough for thousands of tasks.
const REQUESTER_RLC: u64 = 10_000;
pub(crate) const POOL_RLC: u64 = 1_000_000;
const WORKER_RLC: u64 = 1_000;
/// How long a worker of the town may take to join its pool.
const JOINING: Duration = Duration::from_secs(30);
/// Coins for gas, in whole ETH.
const ETHER: u64 = 100;

impl Town {
    /// Starts every service, in order, and waits until the workers have joined the pool.
    pub async fn start(options: TownOptions) -> anyhow::Result<Self> {
        let home = options.home;
        let folder = home.folder().to_owned();
        sdk::tls::install();

        let devchain = devchain::spawn(devchain::Config {
            listen: options.chain_listen,
            mining: options.mining,
            ..devchain::Config::default()
                .with_contracts()
                .kept_in(folder.join("chain"))
        })
        .await
        .with_context(|| match options.chain_listen.port() {
            0 => "cannot start the town's chain".to_owned(),
            _ => "cannot start the town's chain (if another program has its port, stop that, or choose other ports with \
                  --chain-listen, --market-listen and --pool-listen)"
                .to_owned(),
        })?;
        let deployment = devchain
            .deployment()
            .cloned()
            .context("the chain's folder holds a chain without contracts")?;
        let rpc: Url = devchain.http_url().parse()?;
        let chain = Chain::connect(&rpc, deployment.clone()).await?;
        let bank = Wallet::from_mnemonic(devchain::DEV_MNEMONIC, 0)?;

        let former = home.former_town()?;
        let pool_owner = home.own_wallet(POOL_OWNER)?;
        let requester = home.own_wallet(REQUESTER)?;
        if former.is_none() {
            let (pool, person) = tokio::join!(
                fund(&chain, &bank, pool_owner.address(), Nrlc::rlc(POOL_RLC)),
                fund(&chain, &bank, requester.address(), Nrlc::rlc(REQUESTER_RLC)),
            );
            pool?;
            person?;
            sdk::payment::deposit(&chain.sender(&pool_owner), Nrlc::rlc(POOL_RLC)).await?;
        }
        let workerpool = match &former {
            Some(town) => town.workerpool,
            None => sdk::workerpool::create(&chain.sender(&pool_owner), "the town's pool").await?,
        };

        let market = market::Service::start(
            market::Options {
                listen: options.market_listen,
                ..market::Options::at(folder.join("market.sqlite"))
            },
            chain.clone(),
        )
        .await
        .context("cannot start the town's market")?;

        let blobs = blobs::Store::folder(folder.join("blobs"))?;
        let scheduler = scheduler::Service::start(
            scheduler::Options {
                listen: options.pool_listen,
                // A town is played with at home: inputs may come from servers on the same machine.
                fetch_private: true,
                ..scheduler::Options::new(
                    workerpool,
                    folder.join("pool").join("scheduler.sqlite"),
                    rpc.clone(),
                    runtime::profile().to_string(),
                )
            },
            scheduler::Deps {
                chain: chain.clone(),
                wallet: pool_owner.clone(),
                blobs,
            },
        )
        .await
        .context("cannot start the town's pool")?;

        let slots = options
            .workers
            .iter()
            .map(|worker| worker.slots)
            .sum::<u32>()
            .max(8);
        let engine = runtime::wasm::Engine::new(runtime::wasm::EngineOptions {
            cache: Some(folder.join("compiled")),
            slots,
            ..Default::default()
        })
        .context("cannot set up the sandbox")?;

        let file = TownFile {
            deployment,
            rpc,
            market: market.url(),
            pool: scheduler.url(),
            workerpool,
        };
        let mut town = Self {
            home,
            workers: Vec::new(),
            scheduler,
            market,
            devchain,
            engine,
            chain,
            bank,
            pool_owner,
            requester,
            file,
        };
        for plan in &options.workers {
            town.add_worker(plan.clone()).await?;
        }
        let trust = options
            .trust
            .unwrap_or_else(|| 1 << options.workers.len().clamp(0, 20));
        town.offer(trust).await?;
        // Written last: who finds it finds a whole town.
        town.home.keep_town(&town.file)?;
        Ok(town)
    }

    /// Makes sure the market lists an offer of the pool for every category.
    async fn offer(&self, trust: u64) -> anyhow::Result<()> {
        let offers = Offers {
            workerpool: self.file.workerpool,
            price: Nrlc::rlc(1),
            trust,
        };
        let market = MarketClient::new(self.market.url())?;
        offers::keep(&market, &self.chain, &self.pool_owner, &offers).await?;
        Ok(())
    }

    /// Starts one more worker and waits until it has joined the pool.
    pub async fn add_worker(&mut self, plan: WorkerPlan) -> anyhow::Result<()> {
        let wallet = self.home.own_wallet(&plan.name)?;
        if self.chain.ether(wallet.address()).await?.is_zero() {
            fund(
                &self.chain,
                &self.bank,
                wallet.address(),
                Nrlc::rlc(WORKER_RLC),
            )
            .await?;
            sdk::payment::deposit(&self.chain.sender(&wallet), Nrlc::rlc(WORKER_RLC)).await?;
        }
        let handle = worker::Service::start_on(
            self.engine.clone(),
            worker::Options {
                slots: plan.slots,
                conduct: plan.conduct,
                ..worker::Options::new(
                    self.file.pool.clone(),
                    self.home.folder().join("workers").join(&plan.name),
                )
            },
            wallet.clone(),
        )
        .await
        .with_context(|| format!("cannot start the worker {}", plan.name))?;
        tokio::time::timeout(JOINING, handle.connected())
            .await
            .ok()
            .with_context(|| {
                format!(
                    "the worker {} has not joined the pool within {JOINING:?}",
                    plan.name
                )
            })?;
        self.workers.push(TownWorker {
            name: plan.name,
            wallet,
            conduct: plan.conduct,
            handle,
        });
        Ok(())
    }

    /// Gives `amount` of play money, and coins for gas.
    pub async fn fund(&self, to: Address, amount: Nrlc) -> anyhow::Result<()> {
        fund(&self.chain, &self.bank, to, amount).await
    }

    /// Stops in order: workers first, the chain last.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        for worker in &self.workers {
            worker.handle.clone().shutdown().await;
        }
        self.scheduler.shutdown().await;
        self.market.shutdown().await;
        self.devchain.shutdown().await;
        Ok(())
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn file(&self) -> &TownFile {
        &self.file
    }

    pub fn workers(&self) -> &[TownWorker] {
        &self.workers
    }

    /// The wallet a person acts with.
    pub fn requester(&self) -> &Wallet {
        &self.requester
    }

    pub fn pool_owner(&self) -> &Wallet {
        &self.pool_owner
    }

    /// The sender of a wallet on the town's chain.
    pub fn sender(&self, wallet: &Wallet) -> Sender {
        self.chain.sender(wallet)
    }
}

/// Play money from a development chain's well-known first account: `amount` RLC in the wallet, and coins for gas.
pub async fn fund(chain: &Chain, bank: &Wallet, to: Address, amount: Nrlc) -> anyhow::Result<()> {
    let sender = chain.sender(bank);
    let wei = U256::from(ETHER) * U256::from(10).pow(U256::from(18));
    let (ether, rlc) = tokio::join!(
        sender.send_ether(to, wei),
        sdk::payment::transfer(&sender, to, amount)
    );
    ether?;
    rlc?;
    Ok(())
}
