//! A chain for a test, whichever one is asked for, and bad weather before it.
//!
//! [`start`] gives a running [`TestChain`]: the development chain in this process, anvil, or hardhat's node, with the
//! contracts on it, the usual funded accounts, and the controls that all three know. Which one is said by
//! `OXEC_TEST_CHAIN` (`devchain`, `anvil`, `hardhat`), so that a whole suite runs on another chain without a change.
//! Dropping it stops the chain; a child process also ends when the test's own process is killed.
//!
//! [`FaultProxy`] stands before any node and spoils JSON-RPC in all the ways nodes do, seeded and changeable while it
//! runs.
//!
//! The binaries of others come from npm (`package-lock.json` beside this crate; `cargo xtask test` installs them).
//! Nothing here is part of the product.

mod accounts;
mod child;
mod proxy;
mod rpc;

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U64, U256};
use devchain::Devchain;
use protocol::deployment::Deployment;
use sdk::wallet::Wallet;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

pub use accounts::Account;
pub use devchain::{DEFAULT_CHAIN_ID, DEV_MNEMONIC};
pub use proxy::{Answer, Counts, FaultProxy, Faults, Lag, Refusal};

use accounts::ACCOUNTS;
use child::Child;
use rpc::Rpc;

pub use devchain::Mining;

/// Names the engine that [`start`] takes.
pub const ENGINE_VARIABLE: &str = "OXEC_TEST_CHAIN";

/// Set where everything from npm is installed, as in `cargo xtask test`: [`start_if_installed`] fails there.
pub const MUST_NOT_SKIP_VARIABLE: &str = "OXEC_MUST_NOT_SKIP";

/// Whose chain it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Ours, in this process.
    Devchain,
    /// Foundry's, a process of its own.
    Anvil,
    /// Hardhat's node, a process of its own.
    Hardhat,
}

impl Engine {
    /// What `OXEC_TEST_CHAIN` says; the development chain if it says nothing.
    pub fn from_env() -> Result<Self, Error> {
        match std::env::var(ENGINE_VARIABLE) {
            Ok(name) if !name.is_empty() => name.parse(),
            _ => Ok(Self::Devchain),
        }
    }

    /// Its name in `OXEC_TEST_CHAIN`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Devchain => "devchain",
            Self::Anvil => "anvil",
            Self::Hardhat => "hardhat",
        }
    }
}

impl std::str::FromStr for Engine {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Devchain, Self::Anvil, Self::Hardhat]
            .into_iter()
            .find(|engine| engine.name() == name)
            .ok_or_else(|| Error::UnknownEngine {
                name: name.to_owned(),
            })
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What chain is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose; `None` asks `OXEC_TEST_CHAIN`. Default `None`.
    pub engine: Option<Engine>,
    /// Default [`Mining::Instant`].
    pub mining: Mining,
    /// Whether the marketplace's contracts stand on it, owned by account 0. Default true.
    pub contracts: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: None,
            mining: Mining::Instant,
            contracts: true,
        }
    }
}

impl Options {
    /// Blocks are made like this.
    #[must_use]
    pub fn mining(mut self, mining: Mining) -> Self {
        self.mining = mining;
        self
    }

    /// A chain without the contracts.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.contracts = false;
        self
    }

    /// A chain of this engine, whatever the environment says.
    #[must_use]
    pub fn on(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }
}

/// Why there is no chain, or why it did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `OXEC_TEST_CHAIN` names no engine.
    #[error("{ENGINE_VARIABLE} is {name:?}: expected devchain, anvil or hardhat")]
    UnknownEngine {
        /// What it says.
        name: String,
    },
    /// The engine is not installed.
    #[error(
        "{engine} is not at {path}: run `npm ci` in crates/testchain (`cargo xtask test` does)"
    )]
    NotInstalled {
        /// Which.
        engine: Engine,
        /// Where it should be.
        path: String,
    },
    /// The engine's process could not be started, or ended before it served.
    #[error("{engine} did not start: {why}")]
    NotStarted {
        /// Which.
        engine: Engine,
        /// Its last words.
        why: String,
    },
    /// The development chain could not be started.
    #[error("the development chain did not start")]
    Devchain(#[from] devchain::Error),
    /// The node did not answer, or said no.
    #[error("{engine} did not do {method}: {why}")]
    Rpc {
        /// Which.
        engine: Engine,
        /// The JSON-RPC method.
        method: String,
        /// Why.
        why: String,
    },
    /// The contracts could not be put there.
    #[error("the contracts could not be put on {engine}: {why}")]
    Deploy {
        /// Which.
        engine: Engine,
        /// Why.
        why: String,
    },
    /// The engine cannot do this at all.
    #[error("{engine} cannot {what}")]
    Unsupported {
        /// Which.
        engine: Engine,
        /// What it was to do.
        what: &'static str,
    },
}

/// What keeps the engine running.
#[derive(Debug)]
enum Running {
    Here(#[expect(dead_code, reason = "held for its drop, which stops the chain")] Box<Devchain>),
    There(#[expect(dead_code, reason = "held for its drop, which kills the process")] Child),
}

/// A running chain, stopped by dropping it.
#[derive(Debug)]
pub struct TestChain {
    engine: Engine,
    http_url: String,
    ws_url: String,
    address: SocketAddr,
    deployment: Option<Deployment>,
    rpc: Rpc,
    ticker: std::sync::Mutex<Option<Ticker>>,
    _running: Running,
}

/// Makes blocks at intervals that an engine's own clock does not know. Stops when dropped.
#[derive(Debug)]
struct Ticker(tokio::task::JoinHandle<()>);

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a chain and waits until it can be asked.
pub async fn start(options: Options) -> Result<TestChain, Error> {
    let engine = match options.engine {
        Some(engine) => engine,
        None => Engine::from_env()?,
    };
    let (running, address, deployment) = match engine {
        Engine::Devchain => {
            let mut config = devchain::Config::default().mining(options.mining);
            config.contracts = options.contracts;
            config.accounts = ACCOUNTS.len() as u32;
            let chain = devchain::spawn(config).await?;
            let (address, deployment) = (chain.address(), chain.deployment().cloned());
            (Running::Here(Box::new(chain)), address, deployment)
        }
        Engine::Anvil | Engine::Hardhat => {
            let (child, address) = Child::start(engine, ACCOUNTS.len()).await?;
            (Running::There(child), address, None)
        }
    };
    let http_url = format!("http://{address}");
    let mut chain = TestChain {
        engine,
        ws_url: format!("ws://{address}"),
        rpc: Rpc::new(&http_url),
        http_url,
        address,
        deployment,
        ticker: std::sync::Mutex::new(None),
        _running: running,
    };
    chain.answers().await?;
    if engine != Engine::Devchain {
        // Contracts first, at the speed of instant mining.
        if options.contracts {
            chain.deployment = Some(chain.deploy().await?);
        }
        if options.mining != Mining::Instant {
            chain.set_mining(options.mining).await?;
        }
    }
    Ok(chain)
}

/// As [`start`], for a test that names its engine: says loudly that the test is skipped if that is not installed, or
/// fails where [`MUST_NOT_SKIP_VARIABLE`] says that it is.
pub async fn start_if_installed(options: Options) -> Result<Option<TestChain>, Error> {
    let started = start(options).await;
    let may_skip = std::env::var_os(MUST_NOT_SKIP_VARIABLE).is_none();
    match started {
        Ok(chain) => Ok(Some(chain)),
        Err(error @ Error::NotInstalled { .. }) if may_skip => {
            eprintln!("SKIPPED: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Account {
    /// Its wallet.
    #[must_use]
    pub fn wallet(&self) -> Wallet {
        Wallet::from_key(&self.key.to_string()).expect("a key of the table is a key")
    }
}

impl TestChain {
    /// Whose chain it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// JSON-RPC over HTTP.
    #[must_use]
    pub fn http_url(&self) -> String {
        self.http_url.clone()
    }

    /// JSON-RPC over WebSocket, on the same port.
    #[must_use]
    pub fn ws_url(&self) -> String {
        self.ws_url.clone()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The funded accounts, in the order of their derivation. The first holds all the token and owns the contracts.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &ACCOUNTS
    }

    /// The wallet of one of the funded accounts.
    ///
    /// # Panics
    /// There are twenty.
    #[must_use]
    pub fn wallet(&self, index: usize) -> Wallet {
        ACCOUNTS[index].wallet()
    }

    /// Where the contracts stand, unless [`Options::contracts`] was off.
    #[must_use]
    pub fn deployment(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    /// Asks the node anything, also what only development nodes hear.
    pub async fn rpc<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, Error> {
        self.rpc
            .request(method, params)
            .await
            .map_err(|why| Error::Rpc {
                engine: self.engine,
                method: method.to_owned(),
                why,
            })
    }

    /// Makes `blocks` blocks now.
    pub async fn mine(&self, blocks: u64) -> Result<(), Error> {
        for _ in 0..blocks {
            self.rpc::<Value>("evm_mine", json!([])).await?;
        }
        Ok(())
    }

    /// Changes when blocks are made.
    pub async fn set_mining(&self, mining: Mining) -> Result<(), Error> {
        self.tick(None);
        let native = match (self.engine, mining) {
            (_, Mining::Instant | Mining::Manual) => Some(0),
            (Engine::Hardhat, Mining::Interval(interval)) => Some(interval.as_millis() as u64),
            (Engine::Devchain | Engine::Anvil, Mining::Interval(interval)) => {
                (interval.subsec_nanos() == 0).then_some(interval.as_secs())
            }
        };
        self.rpc::<Value>("evm_setIntervalMining", json!([0]))
            .await?;
        self.rpc::<Value>("evm_setAutomine", json!([mining == Mining::Instant]))
            .await?;
        match (native, mining) {
            (Some(0), _) => {}
            (Some(interval), _) => {
                self.rpc::<Value>("evm_setIntervalMining", json!([interval]))
                    .await?;
            }
            (None, Mining::Interval(interval)) => self.tick(Some(interval)),
            (None, Mining::Instant | Mining::Manual) => {}
        }
        Ok(())
    }

    fn tick(&self, every: Option<Duration>) {
        let ticker = every.map(|every| {
            let rpc = self.rpc.clone();
            Ticker(tokio::spawn(async move {
                let mut ticks = tokio::time::interval(every);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    if let Err(why) = rpc.request::<Value>("evm_mine", json!([])).await {
                        tracing::warn!(why, "a block was not made");
                    }
                }
            }))
        });
        *self.ticker.lock().unwrap_or_else(PoisonError::into_inner) = ticker;
    }

    /// Lets time pass on the chain, and makes a block that shows it.
    pub async fn increase_time(&self, secs: u64) -> Result<(), Error> {
        self.rpc::<Value>("evm_increaseTime", json!([secs])).await?;
        self.mine(1).await
    }

    /// Notes the present state, for [`revert`](Self::revert).
    pub async fn snapshot(&self) -> Result<String, Error> {
        self.rpc("evm_snapshot", json!([])).await
    }

    /// Goes back to a snapshot, which is used up thereby: the chain becomes shorter.
    pub async fn revert(&self, snapshot: &str) -> Result<(), Error> {
        let reverted: bool = self.rpc("evm_revert", json!([snapshot])).await?;
        if !reverted {
            return Err(Error::Rpc {
                engine: self.engine,
                method: "evm_revert".to_owned(),
                why: format!("there is no snapshot {snapshot}"),
            });
        }
        Ok(())
    }

    /// Sets an account's ether, in wei.
    pub async fn set_balance(&self, address: Address, wei: U256) -> Result<(), Error> {
        self.rpc::<Value>("hardhat_setBalance", json!([address, wei]))
            .await
            .map(drop)
    }

    /// What the next block costs per gas, in wei.
    pub async fn set_next_base_fee(&self, wei: u64) -> Result<(), Error> {
        let method = match self.engine {
            Engine::Devchain | Engine::Anvil => "anvil_setNextBlockBaseFeePerGas",
            Engine::Hardhat => "hardhat_setNextBlockBaseFeePerGas",
        };
        self.rpc::<Value>(method, json!([U64::from(wei)]))
            .await
            .map(drop)
    }

    /// Takes a waiting transaction out of the pool, as nodes do that are short of memory.
    pub async fn forget(&self, transaction: B256) -> Result<(), Error> {
        let method = match self.engine {
            Engine::Devchain | Engine::Anvil => "anvil_dropTransaction",
            Engine::Hardhat => "hardhat_dropTransaction",
        };
        self.rpc::<Value>(method, json!([transaction]))
            .await
            .map(drop)
    }

    /// Replaces the last `depth` blocks by as many others that are empty: another branch has won, and the
    /// transactions of the lost blocks are forgotten. Hardhat's node cannot; [`snapshot`](Self::snapshot) and
    /// [`revert`](Self::revert) serve where the test knows beforehand.
    pub async fn reorganise(&self, depth: u64) -> Result<(), Error> {
        match self.engine {
            Engine::Devchain => {
                let params = json!([depth, { "forget": true }]);
                self.rpc::<Value>("oxec_reorganise", params).await.map(drop)
            }
            Engine::Anvil => {
                let params = json!([depth, []]);
                self.rpc::<Value>("anvil_reorg", params).await.map(drop)
            }
            Engine::Hardhat => Err(Error::Unsupported {
                engine: self.engine,
                what: "reorganise",
            }),
        }
    }

    /// Whether [`reorganise`](Self::reorganise) works here; says loudly that a test is skipped if it does not.
    #[must_use]
    pub fn can_reorganise(&self, test: &str) -> bool {
        let can = self.engine != Engine::Hardhat;
        if !can {
            eprintln!("SKIPPED on {}: {test} (it cannot reorganise)", self.engine);
        }
        can
    }

    /// Waits until the node answers.
    async fn answers(&self) -> Result<(), Error> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.rpc::<U64>("eth_chainId", json!([])).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn deploy(&self) -> Result<Deployment, Error> {
        let failed = |why: String| Error::Deploy {
            engine: self.engine,
            why,
        };
        let url: Url = self
            .http_url
            .parse()
            .map_err(|error: url::ParseError| failed(error.to_string()))?;
        sdk::deploy::deploy(&url, &self.wallet(0))
            .await
            .map_err(|error| failed(words(&error)))
    }
}

/// An error and its causes, joined by colons.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
