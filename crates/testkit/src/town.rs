//! A town for a test: temporary folder, free ports, workers of any conduct, and the verbs tests are written in.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::Address;
use anyhow::Context;
use cli::{
    home::Home,
    output::Output,
    rent::{self, Rented, Wish},
    town::{Town as Running, TownOptions, WorkerPlan},
};
use protocol::{TaskId, payment::Nrlc, task::TaskStatus};
use sdk::{order::MarketClient, result::Limits, wallet::Wallet};
use tempfile::TempDir;
use worker::Conduct;

/// What a test's town is made of.
#[derive(Debug, Default)]
pub struct TownBuilder {
    workers: Vec<WorkerPlan>,
    trust: Option<u64>,
}

impl TownBuilder {
    /// Adds `count` honest workers.
    #[must_use]
    pub fn honest(mut self, count: usize) -> Self {
        for _ in 0..count {
            let name = format!("honest-{}", self.workers.len() + 1);
            self.workers.push(WorkerPlan::honest(name));
        }
        self
    }

    /// Adds a worker of some conduct.
    #[must_use]
    pub fn worker(mut self, name: &str, conduct: Conduct) -> Self {
        self.workers.push(WorkerPlan {
            conduct,
            ..WorkerPlan::honest(name)
        });
        self
    }

    /// The highest trust the pool offers.
    #[must_use]
    pub fn trust(mut self, trust: u64) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Tasks at once per worker.
    #[must_use]
    pub fn slots(mut self, slots: u32) -> Self {
        for worker in &mut self.workers {
            worker.slots = slots;
        }
        self
    }

    /// Starts it.
    pub async fn start(self) -> anyhow::Result<Town> {
        let folder = tempfile::Builder::new().prefix("oxec-town-").tempdir()?;
        let options = TownOptions {
            trust: self.trust,
            ..TownOptions::new(Home::at(folder.path()), self.workers)
        };
        let running = Running::start(options.clone()).await?;
        Ok(Town {
            running: Some(running),
            options,
            folder,
        })
    }
}

/// A running town that goes away with everything it wrote.
#[derive(Debug)]
pub struct Town {
    /// `None` only between a stop and the next start.
    running: Option<Running>,
    options: TownOptions,
    folder: TempDir,
}

impl Town {
    /// Three honest workers, as `oxec up` has them.
    pub async fn start() -> anyhow::Result<Self> {
        TownBuilder::default().honest(3).start().await
    }

    /// How else a town may be.
    #[must_use]
    pub fn builder() -> TownBuilder {
        TownBuilder::default()
    }

    /// The town itself.
    #[must_use]
    pub fn running(&self) -> &Running {
        self.running
            .as_ref()
            .expect("the town runs but during a restart")
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its market.
    pub fn market(&self) -> anyhow::Result<MarketClient> {
        Ok(MarketClient::new(self.running().file().market.clone())?)
    }

    /// Everything stops at once, as if the process were killed; then it starts again on the same folder.
    pub async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        drop(self.running.take());
        self.running = Some(
            Running::start(self.options.clone())
                .await
                .context("the town does not start again")?,
        );
        Ok(())
    }

    /// Stops in order.
    pub async fn shutdown(mut self) -> anyhow::Result<()> {
        match self.running.take() {
            Some(running) => running.shutdown().await,
            None => Ok(()),
        }
    }

    /// Starts one more worker; gives its address.
    pub async fn add_worker(&mut self, name: &str, conduct: Conduct) -> anyhow::Result<Address> {
        let plan = WorkerPlan {
            conduct,
            ..WorkerPlan::honest(name)
        };
        self.options.workers.push(plan.clone());
        let running = self.running.as_mut().context("the town is stopped")?;
        running.add_worker(plan).await?;
        Ok(running
            .workers()
            .last()
            .context("a worker was just added")?
            .wallet
            .address())
    }

    /// A wallet with play money.
    pub async fn person(&self, name: &str) -> anyhow::Result<Wallet> {
        let wallet = self.running().home().own_wallet(name)?;
        self.running()
            .fund(wallet.address(), Nrlc::rlc(100))
            .await?;
        Ok(wallet)
    }

    /// Publishes a module at a price, by an author of its own.
    pub async fn publish(&self, module: &Path, price: Nrlc) -> anyhow::Result<Address> {
        let author = self.person("author").await?;
        let record = rent::publish_app(
            &self.running().sender(&author),
            &self.market()?,
            &self.running().file().pool,
            "errand",
            std::fs::read(module)?.into(),
            price,
            1_000_000,
        )
        .await?;
        Ok(record.order.order.app)
    }

    /// Rents the town for a bag of tasks.
    pub async fn rent(
        &self,
        app: Address,
        tasks: u64,
        trust: u64,
        arguments: &[&str],
    ) -> anyhow::Result<Rented> {
        self.wish(Wish {
            app,
            inputs: Vec::new(),
            trust,
            tasks,
            category: 0,
            max_price: None,
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        })
        .await
    }

    /// Rents the town for a wish.
    pub async fn wish(&self, wish: Wish) -> anyhow::Result<Rented> {
        let running = self.running();
        rent::rent(
            &running.sender(running.requester()),
            &self.market()?,
            wish,
            Output::new(true),
        )
        .await
    }

    /// Waits until every task is completed or failed; fails after two minutes.
    pub async fn wait(&self, rented: &Rented) -> anyhow::Result<Vec<TaskStatus>> {
        let follow = async {
            for &deal in &rented.deals {
                let mut watch = sdk::task::watch(self.running().chain(), deal).await?;
                while watch.next().await.is_some() {}
            }
            let tasks = sdk::task::view_many(self.running().chain(), &rented.tasks).await?;
            anyhow::Ok(tasks.into_iter().map(|task| task.status).collect())
        };
        tokio::time::timeout(Duration::from_secs(120), follow)
            .await
            .context("tasks are not over after two minutes")?
    }

    /// Fetches a result, checked against the chain; gives the folder.
    pub async fn fetch(&self, task: TaskId) -> anyhow::Result<PathBuf> {
        let place = self.folder.path().join("fetched").join(task.to_string());
        let running = self.running();
        sdk::result::fetch(
            running.chain(),
            task,
            &running.file().pool,
            &place,
            Limits::default(),
        )
        .await?;
        Ok(place)
    }
}
