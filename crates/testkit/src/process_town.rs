//! The town as strangers run it: chain, market, pool and each worker a process of its own, any of which may be killed.
//!
//! ```text
//! requester (the test) ─────────────────────────────► market ──► weather ─┐
//!                      └──► pool ◄── line ◄── worker ──► weather ─────────┼─► chain
//!                            └──────────────► weather ────────────────────┘
//! ```
//!
//! The test itself reaches everything directly; what stands between the roles can be spoilt: `weather` (JSON-RPC
//! faults, one for each kind of role) and `line` (one for each worker). All begin fine.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::{Address, hex};
use anyhow::{Context as _, ensure};
use cli::{
    output::Output,
    rent::{self, Rented, Wish},
};
use protocol::{TaskId, deployment::Deployment, payment::Nrlc, task::TaskStatus};
use sdk::{chain::Chain, order::MarketClient, result::Limits, wallet::Wallet};
use serde_json::Value;
use tempfile::TempDir;
use testchain::FaultProxy;
use url::Url;

use crate::{
    line::Line,
    machine::{Clock, Disk},
    node::Node,
    process::{Keeper, Plan, Process, free_port, left_over},
};

/// A town of processes. [`ProcessTown::finish`] stops it in order, checks what it leaves and removes it; dropped, it is
/// killed and its folder stays, to be looked at.
#[derive(Debug)]
pub struct ProcessTown {
    pub chain_process: Option<Process>,
    pub market_process: Process,
    pub scheduler_process: Process,
    pub workers: Vec<ProcessWorker>,
    pub weather: Weather,
    pub node: Node,
    /// The chain as the test sees it, with nothing in between.
    pub chain: Chain,
    pub market: Url,
    pub pool: Url,
    pub workerpool: Address,
    pub requester: Wallet,
    pub author: Wallet,
    pub pool_owner: Wallet,
    bank: Wallet,
    program: PathBuf,
    seed: u64,
    folder: Option<TempDir>,
    /// The scheduler's first, if it has one.
    pub disks: Vec<Disk>,
    // Last: all processes end with it.
    keeper: Keeper,
}

/// One worker.
#[derive(Debug)]
pub struct ProcessWorker {
    pub name: String,
    pub address: Address,
    pub process: Process,
    pub line: Line,
    /// Where it keeps its journal; see [`ProcessWorker::kept`].
    pub folder: PathBuf,
    /// The disk the folder is on, if it is one of its own.
    pub disk: Option<Disk>,
    /// Whether it does what it was asked.
    pub honest: bool,
}

impl ProcessWorker {
    /// Its folder as seen from here.
    pub fn kept(&self) -> PathBuf {
        match &self.disk {
            Some(disk) => disk.folder(),
            None => self.folder.clone(),
        }
    }
}

/// What stands between the chain and each kind of role.
#[derive(Debug)]
pub struct Weather {
    pub market: FaultProxy,
    pub scheduler: FaultProxy,
    pub workers: FaultProxy,
}

/// Which chain.
#[derive(Debug, Clone)]
pub enum Settled {
    /// Its own, as `oxec chain start` runs it.
    OnItsOwn { block_secs: Option<u64> },
    /// Somebody else's node, with the contracts that this file names.
    At { rpc: Url, deployment: PathBuf },
}

/// What a process town is made of, besides workers.
#[derive(Debug, Clone)]
pub struct ProcessTownOptions {
    /// The binary.
    pub program: PathBuf,
    pub settled: Settled,
    /// What chance does, it does again with the same seed.
    pub seed: u64,
    /// The pool goes by this clock.
    pub scheduler_clock: Option<Clock>,
    /// The pool has a disk of its own of so many bytes, where one can be mounted.
    pub scheduler_disk: Option<u64>,
}

/// How a worker is to be.
#[derive(Debug, Default)]
pub struct WorkerWish<'a> {
    /// As `oxec worker --conduct` has it.
    pub conduct: &'a str,
    pub slots: u32,
    pub disk: Option<&'a Disk>,
    pub clock: Option<&'a Clock>,
}

/// What everybody starts with.
const REQUESTER_RLC: u64 = 10_000;
const POOL_RLC: u64 = 1_000_000;
const WORKER_RLC: u64 = 1_000;
/// The highest trust the pool offers.
pub const MOST_TRUST: u64 = 1_000_000;

impl ProcessTown {
    /// Starts chain, market and pool in `folder`, and waits until they serve.
    pub async fn start(folder: TempDir, options: ProcessTownOptions) -> anyhow::Result<Self> {
        let ProcessTownOptions {
            program,
            settled,
            seed,
            scheduler_clock,
            scheduler_disk,
        } = options;
        let place = folder.path();
        let keeper = Keeper::new(place.join("logs"))?;
        let (chain_process, rpc, deployment_file) = match settled {
            Settled::OnItsOwn { block_secs } => {
                let port = free_port()?;
                let mut plan = role(&program, place, "chain")
                    .arguments([
                        "chain",
                        "start",
                        "--listen",
                        &format!("127.0.0.1:{port}"),
                        "--folder",
                    ])
                    .arguments([place.join("chain")]);
                if let Some(secs) = block_secs {
                    plan = plan.arguments(["--block-secs", &secs.to_string()]);
                }
                let process = keeper.start(plan)?;
                process.serving().await?;
                let rpc = format!("http://127.0.0.1:{port}").parse()?;
                (Some(process), rpc, place.join("chain/deployment.json"))
            }
            Settled::At { rpc, deployment } => (None, rpc, deployment),
        };
        let deployment: Deployment = serde_json::from_slice(&std::fs::read(&deployment_file)?)
            .context("the deployment file is not what the binary writes")?;
        let chain = Chain::connect(&rpc, deployment).await?;
        let bank = Wallet::from_mnemonic(testchain::DEV_MNEMONIC, 0)?;

        let weather = Weather {
            market: FaultProxy::start(rpc.as_str(), seed).await?,
            scheduler: FaultProxy::start(rpc.as_str(), seed + 1).await?,
            workers: FaultProxy::start(rpc.as_str(), seed + 2).await?,
        };
        let market_address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let market: Url = format!("http://{market_address}").parse()?;
        let on_chain = |plan: Plan, proxy: &FaultProxy| {
            plan.arguments(["--rpc", proxy.http_url().as_str(), "--deployment"])
                .arguments([&deployment_file])
        };
        let plan = role(&program, place, "market")
            .arguments([
                "market",
                "start",
                "--listen",
                &market_address.to_string(),
                "--folder",
            ])
            .arguments([place.join("market")]);
        let market_process = keeper.start(on_chain(plan, &weather.market))?;

        let (requester, _) = key();
        let (author, _) = key();
        let (pool_owner, pool_key) = key();
        cli::town::fund(&chain, &bank, requester.address(), Nrlc::rlc(REQUESTER_RLC)).await?;
        cli::town::fund(&chain, &bank, author.address(), Nrlc::ZERO).await?;
        cli::town::fund(&chain, &bank, pool_owner.address(), Nrlc::rlc(POOL_RLC)).await?;
        market_process.serving().await?;

        let pool_address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let pool: Url = format!("http://{pool_address}").parse()?;
        let mut plan = role(&program, place, "scheduler")
            .arguments([
                "scheduler",
                "start",
                "--listen",
                &pool_address.to_string(),
                "--folder",
            ])
            .arguments([place.join("scheduler")])
            .arguments([
                "--market",
                market.as_str(),
                "--trust",
                &MOST_TRUST.to_string(),
            ])
            .environment("OXEC_PRIVATE_KEY", pool_key);
        if let Some(clock) = scheduler_clock {
            plan = clock.under(plan);
        }
        let mut disks = Vec::new();
        if let Some(bytes) = scheduler_disk
            && let Some(disk) = Disk::mount(&keeper, &place.join("scheduler"), bytes).await?
        {
            plan = disk.under(plan);
            disks.push(disk);
        }
        let scheduler_process = keeper.start(on_chain(plan, &weather.scheduler))?;
        let says = scheduler_process.serving().await?;
        let workerpool = serde_json::from_value(says["workerpool"].clone())?;
        Ok(Self {
            chain_process,
            market_process,
            scheduler_process,
            workers: Vec::new(),
            weather,
            node: Node::at(rpc),
            chain,
            market,
            pool,
            workerpool,
            requester,
            author,
            pool_owner,
            bank,
            program,
            seed,
            folder: Some(folder),
            disks,
            keeper,
        })
    }

    /// Where everything is kept.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), TempDir::path)
    }

    /// A disk of its own for a worker of this name; `None` where nothing can be mounted.
    pub async fn disk_for(&mut self, name: &str, bytes: u64) -> anyhow::Result<Option<Disk>> {
        let folder = self.folder().join("workers").join(name);
        let disk = Disk::mount(&self.keeper, &folder, bytes).await?;
        self.disks.extend(disk.clone());
        Ok(disk)
    }

    /// Starts one more worker, and waits until it has joined the pool.
    pub async fn add_worker(&mut self, name: &str, wish: WorkerWish<'_>) -> anyhow::Result<()> {
        let (wallet, secret) = key();
        cli::town::fund(
            &self.chain,
            &self.bank,
            wallet.address(),
            Nrlc::rlc(WORKER_RLC),
        )
        .await?;
        let target = self.pool.socket_addrs(|| None)?[0];
        let seed = self.seed + 100 + self.workers.len() as u64;
        let line = Line::to(target, seed).await?;
        let place = self.folder();
        let folder = place.join("workers").join(name);
        let conduct = if wish.conduct.is_empty() {
            "honest"
        } else {
            wish.conduct
        };
        let mut plan = role(&self.program, place, name)
            .arguments(["worker", "--conduct", conduct])
            .arguments(["--slots", &wish.slots.max(1).to_string()])
            .arguments(["--pool", line.url().as_str()])
            .arguments([
                "--rpc",
                self.weather.workers.http_url().as_str(),
                "--folder",
            ])
            .arguments([&folder])
            .environment("OXEC_PRIVATE_KEY", secret);
        if let Some(clock) = wish.clock {
            plan = clock.under(plan);
        }
        if let Some(disk) = wish.disk {
            plan = disk.under(plan);
        }
        let before = self.pool_says().await?.workers;
        let process = self.keeper.start(plan)?;
        process.serving().await?;
        self.workers.push(ProcessWorker {
            name: name.to_owned(),
            address: wallet.address(),
            process,
            line,
            folder,
            disk: wish.disk.cloned(),
            honest: conduct != "lying",
        });
        self.until("the worker joins", Duration::from_secs(30), async || {
            Ok(self.pool_says().await?.workers > before)
        })
        .await
    }

    /// What the pool says of itself.
    pub async fn pool_says(&self) -> anyhow::Result<sdk::wire::pool::PoolInfo> {
        Ok(sdk::pool::info(&self.pool).await?)
    }

    /// Waits for something that only asking again tells. An answer that does not come is no answer yet.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut last = None;
        let waiting = async {
            loop {
                match is_so().await {
                    Ok(true) => return,
                    Ok(false) => last = None,
                    Err(error) => last = Some(error),
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        if tokio::time::timeout(within, waiting).await.is_ok() {
            return Ok(());
        }
        match last {
            Some(error) => Err(error).with_context(|| format!("waited {within:?} in vain: {what}")),
            None => anyhow::bail!("waited {within:?} in vain: {what}"),
        }
    }

    /// Whose stake must never be lost.
    pub fn honest(&self) -> BTreeSet<Address> {
        self.workers
            .iter()
            .filter(|worker| worker.honest)
            .map(|worker| worker.address)
            .collect()
    }

    /// All processes, the chain's first.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        let services = [&self.market_process, &self.scheduler_process];
        self.chain_process
            .iter()
            .chain(services)
            .chain(self.workers.iter().map(|worker| &worker.process))
    }

    /// The market, as the test sees it.
    pub fn market(&self) -> anyhow::Result<MarketClient> {
        Ok(MarketClient::new(self.market.clone())?)
    }

    /// Publishes a module at a price.
    pub async fn publish(&self, module: &Path, price: Nrlc) -> anyhow::Result<Address> {
        let record = rent::publish_app(
            &self.chain.sender(&self.author),
            &self.market()?,
            &self.pool,
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
        let wish = Wish {
            app,
            inputs: Vec::new(),
            trust,
            tasks,
            category: 0,
            max_price: None,
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        };
        let sender = self.chain.sender(&self.requester);
        rent::rent(&sender, &self.market()?, wish, Output::new(true)).await
    }

    /// The states of tasks, as the chain has them.
    pub async fn statuses(&self, tasks: &[TaskId]) -> anyhow::Result<Vec<TaskStatus>> {
        let views = sdk::task::view_many(&self.chain, tasks).await?;
        Ok(views.into_iter().map(|task| task.status).collect())
    }

    /// Waits until every task is completed or refunded.
    pub async fn over(
        &self,
        tasks: &[TaskId],
        within: Duration,
    ) -> anyhow::Result<Vec<TaskStatus>> {
        let waited = self
            .until("every task is over", within, async || {
                Ok(self
                    .statuses(tasks)
                    .await?
                    .iter()
                    .all(|status| status.is_over()))
            })
            .await;
        let statuses = self.statuses(tasks).await?;
        if let Err(error) = waited {
            let mut open = Vec::new();
            for (&task, status) in tasks.iter().zip(&statuses) {
                if !status.is_over() {
                    let report = sdk::pool::report(&self.pool, task).await;
                    open.push(format!("{task} is {status}: {report:?}"));
                }
            }
            return Err(error.context(format!(
                "{} tasks are open, first of all {:#?}",
                open.len(),
                open.first()
            )));
        }
        Ok(statuses)
    }

    /// Fetches a result of `errand write`, checked against the chain; gives the words in it.
    pub async fn words(&self, task: TaskId) -> anyhow::Result<String> {
        let place = self.folder().join("fetched").join(task.to_string());
        sdk::result::fetch(&self.chain, task, &self.pool, &place, Limits::default()).await?;
        Ok(std::fs::read_to_string(place.join("words.txt"))?)
    }

    /// Waits until no worker holds a task any more, by its own journal. Workers keep what a stake hung on until its end
    /// lies deep in the chain, so blocks are made until it does.
    pub async fn journals_empty(&self, within: Duration) -> anyhow::Result<()> {
        self.until("no worker holds a task any more", within, async || {
            self.node.mine(2).await?;
            for worker in &self.workers {
                let held = match std::fs::read_dir(worker.kept().join("tasks")) {
                    Ok(entries) => entries.count(),
                    Err(_) => 0,
                };
                ensure!(held == 0, "{} holds {held} tasks", worker.name);
            }
            Ok(true)
        })
        .await
    }

    /// Stops everything in order; fails if somebody did not end well, has panicked, or is left over.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let workers = self.workers.iter().map(|worker| &worker.process);
        let services = [&self.scheduler_process, &self.market_process];
        for process in workers.chain(services).chain(&self.chain_process) {
            // Who was killed for good has no end to be judged by.
            if process.is_running() {
                let exit = process.stop().await?;
                ensure!(exit.success(), "{} ended with {exit}", process.name());
            }
            let log = process.log();
            let panics: Vec<&str> = log
                .lines()
                .filter(|line| line.contains("panicked at"))
                .collect();
            ensure!(panics.is_empty(), "{} panicked: {panics:?}", process.name());
        }
        Ok(())
    }

    /// Stops everything in order and removes the folder.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.stop().await?;
        for disk in &self.disks {
            disk.unmount().await?;
        }
        let place = self.folder().to_string_lossy().into_owned();
        let left = left_over(&place)?;
        ensure!(left.is_empty(), "still running: {left:?}");
        let folder = self.folder.take().context("the town has a folder")?;
        folder.close().context("the folder cannot be removed")
    }
}

impl Drop for ProcessTown {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            eprintln!(
                "the town's folder stays for you to look at, logs and all: {}",
                folder.keep().display()
            );
        }
    }
}

/// The binary in a role.
fn role(program: &Path, place: &Path, name: &str) -> Plan {
    Plan::new(name, program)
        .arguments(["--json", "--data"])
        .arguments([place.join("home")])
        .environment(
            "OXEC_LOG",
            "info,worker=debug,wasmtime=warn,cranelift=warn,hyper=warn",
        )
        .environment("NO_COLOR", "1")
}

/// A key nobody has had, and its secret as text.
fn key() -> (Wallet, String) {
    loop {
        let secret = hex::encode_prefixed(rand::random::<[u8; 32]>());
        if let Ok(wallet) = Wallet::from_key(&secret) {
            return (wallet, secret);
        }
    }
}

/// A new folder for a town, among those of this build.
pub fn new_folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new()
        .prefix("oxec-processes-")
        .tempdir()?)
}

/// Puts the contracts on a chain with `oxec chain deploy`, as the one whose key this is.
pub async fn deploy(program: &Path, rpc: &str, file: &Path, key: &str) -> anyhow::Result<()> {
    let out = file.to_string_lossy();
    let words = ["chain", "deploy", "--rpc", rpc, "--out", &out];
    answer(program, &words, &[("OXEC_PRIVATE_KEY", key)])
        .await
        .map(drop)
}

/// One answer of the binary: runs a command to its end.
pub async fn answer(
    program: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> anyhow::Result<Value> {
    let output = tokio::process::Command::new(program)
        .arg("--json")
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "`oxec {}` failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
