//! An Ethereum dev node inside this process: an EVM (revm), blocks, and the JSON-RPC that wallets and libraries speak.
//!
//! [`spawn`] starts one and gives a [`Devchain`]; dropping it stops everything and frees the port. HTTP and WebSocket
//! share the port. With a data folder the chain outlives the process, even a killed one: a transaction whose sending
//! was answered is kept.
//!
//! How a transaction flows: `rpc::send` recovers its sender and hands it to the `miner`, a thread that takes all that
//! have come, lets the `chain` judge them into its `pool` and makes blocks of what can be executed. The `chain` runs
//! them on the `ledger` (the newest state, in memory) through `evm`, seals the `block`, appends it to the `store`, and
//! rings the bell for those who follow. Then the sender is answered, so its receipt is there at once.
//!
//! What a reader should know before believing it:
//!
//! * **State roots are zero.** Headers are otherwise whole: transactions root, receipts root, bloom, gas, base fee, and
//!   a hash that is the hash of the header's RLP. Merkle proofs (`eth_getProof`) are therefore not offered.
//! * **Blocks may share a second.** A block's timestamp is the clock's (plus what `evm_increaseTime` added), never
//!   earlier than its parent's; were each block to get a second of its own, a busy chain would run ahead of the clock and
//!   cross deadlines early. A call at `latest` or `pending` sees the present time, not the last block's.
//! * The rules are those of Osaka. There is no consensus, no peer, no blob, no reward to a miner; the system contracts
//!   for beacon roots and block hashes are not there.
//! * Blocks, receipts and the newest state are held in memory, as is the way back over the last 4,096 changes: calls
//!   and reads at older blocks get an error that says so.

mod accounts;
mod block;
mod chain;
mod clock;
mod config;
mod evm;
mod genesis;
mod ledger;
mod miner;
mod pool;
mod rpc;
mod store;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy_primitives::Address;
use jsonrpsee::server::ServerHandle;
use tokio::sync::oneshot;

pub use accounts::DevAccount;
pub use config::{Config, DEFAULT_CHAIN_ID, DEV_MNEMONIC, Mining};
pub use protocol::deployment::{Deployment, Step};

use crate::chain::{Chain, FIRST_BASE_FEE};
use crate::miner::Miner;
use crate::store::{Founding, Record, Store, StoreError};

/// How long requests that are being answered may hold up the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Threads that serve connections. The blocks are made on one of their own.
const SERVING_THREADS: usize = 2;

/// Why a chain could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is taken, or not ours to take.
    #[error("could not listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The data folder cannot be read or written.
    #[error("could not use the chain's file {}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the data folder.
    #[error("another process uses the chain's file {}", path.display())]
    InUse {
        /// The file it holds.
        path: PathBuf,
    },
    /// The data folder's content is not what was written.
    #[error("the chain's file {} is damaged at byte {at}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first unreadable record starts.
        at: u64,
    },
    /// The records of the data folder do not fit together.
    #[error("the chain kept in {} does not fit together after block {block}", path.display())]
    Incoherent {
        /// The folder.
        path: PathBuf,
        /// The last block that could be restored.
        block: u64,
    },
    /// The data folder holds a chain with another chain id.
    #[error("the chain kept in {} has chain id {found}, not {asked}", path.display())]
    OtherChain {
        /// The folder.
        path: PathBuf,
        /// The chain id it was founded with.
        found: u64,
        /// The chain id asked for.
        asked: u64,
    },
    /// The data folder's chain was begun without the contracts that are asked for.
    #[error("the chain kept in {} was begun without the contracts", path.display())]
    NoContracts {
        /// The folder.
        path: PathBuf,
    },
    /// A transaction that the chain should begin with failed.
    #[error("could not play genesis step {label:?}: {reason}")]
    Genesis {
        /// The step's label.
        label: String,
        /// What happened.
        reason: String,
    },
    /// The dev accounts could not be derived.
    #[error("could not derive the dev accounts: {0}")]
    Accounts(String),
    /// A thread could not be started.
    #[error("could not start a thread")]
    Thread(#[source] std::io::Error),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::Io { path, source } => Error::Folder { path, source },
            StoreError::InUse { path } => Error::InUse { path },
            StoreError::Damaged { path, at } => Error::Damaged { path, at },
        }
    }
}

/// A running chain. Dropping it stops it, frees the port and lets go of the data folder before it returns.
#[derive(Debug)]
pub struct Devchain {
    address: SocketAddr,
    chain_id: u64,
    accounts: Vec<DevAccount>,
    deployment: Option<Deployment>,
    running: Option<Running>,
}

/// Starts a chain, or continues the one kept in the data folder. Returns when it can be asked.
pub async fn spawn(config: Config) -> Result<Devchain, Error> {
    let (done, started) = oneshot::channel();
    // Reading a long chain takes a while; the caller's threads have better things to do.
    std::thread::Builder::new()
        .name("devchain-start".to_owned())
        .spawn(move || {
            let _ = done.send(start(&config));
        })
        .map_err(Error::Thread)?;
    started.await.unwrap_or_else(|_| {
        Err(Error::Thread(std::io::Error::other(
            "starting was given up",
        )))
    })
}

impl Devchain {
    /// JSON-RPC over HTTP.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// JSON-RPC over WebSocket, on the same port.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The funded accounts, in the order of their derivation.
    #[must_use]
    pub fn accounts(&self) -> &[DevAccount] {
        &self.accounts
    }

    /// Where the contracts stand, on a chain that was begun with [`Config::with_contracts`].
    #[must_use]
    pub fn deployment(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    /// Answers what was asked, stops, and returns when everything is on the disk and the port is free.
    pub async fn shutdown(mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let (done, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("devchain-stop".to_owned())
            .spawn(move || {
                running.stop(PATIENCE);
                let _ = done.send(());
            });
        if thread.is_ok() {
            let _ = stopped.await;
        }
    }
}

impl Drop for Devchain {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        // A thread of its own, because a runtime may not be shut down from within another.
        if let Ok(thread) = std::thread::Builder::new()
            .name("devchain-stop".to_owned())
            .spawn(move || running.stop(Duration::ZERO))
        {
            let _ = thread.join();
        }
    }
}

/// All that has to be stopped.
#[derive(Debug)]
struct Running {
    runtime: tokio::runtime::Runtime,
    server: ServerHandle,
    miner: Miner,
    miner_thread: JoinHandle<()>,
    chain: Arc<RwLock<Chain>>,
}

impl Running {
    /// In this order: no new requests, those under way, the port, the blocks, the disk.
    fn stop(self, patience: Duration) {
        let _ = self.server.stop();
        if !patience.is_zero() {
            let stopped = self.server.stopped();
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(patience, stopped).await });
        }
        self.runtime.shutdown_timeout(PATIENCE);
        self.miner.stop();
        let _ = self.miner_thread.join();
        let chain = self.chain.read().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = chain.sync() {
            tracing::error!(%error, "the chain could not be synced to the disk");
        }
    }
}

fn start(config: &Config) -> Result<Devchain, Error> {
    let listening = |source| Error::Listen {
        address: config.listen,
        source,
    };
    // The port first: if it is taken, nothing else has to be undone.
    let listener = TcpListener::bind(config.listen).map_err(listening)?;
    listener.set_nonblocking(true).map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;

    let Opened {
        chain,
        accounts,
        deployment,
    } = match &config.data {
        None => begin(config, None)?,
        Some(folder) => open(config, folder)?,
    };
    let chain_id = chain.chain_id();
    tracing::info!(
        %address,
        chain_id,
        block = chain.head().number(),
        "the chain is ready"
    );
    let chain = Arc::new(RwLock::new(chain));
    let (miner, miner_thread) = Miner::start(chain.clone()).map_err(Error::Thread)?;
    // What waited when the chain was last stopped.
    miner.look_again();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SERVING_THREADS)
        .thread_name("devchain-rpc")
        .enable_all()
        .build()
        .map_err(Error::Thread)?;
    let node = rpc::Node::new(chain.clone(), miner.clone(), accounts.clone());
    let server = {
        let _entered = runtime.enter();
        rpc::serve(listener, node).map_err(listening)?
    };
    Ok(Devchain {
        address,
        chain_id,
        accounts,
        deployment,
        running: Some(Running {
            runtime,
            server,
            miner,
            miner_thread,
            chain,
        }),
    })
}

struct Opened {
    chain: Chain,
    accounts: Vec<DevAccount>,
    deployment: Option<Deployment>,
}

fn derive(count: u32) -> Result<(Vec<DevAccount>, Vec<Address>), Error> {
    let accounts = accounts::derive(count).map_err(|error| Error::Accounts(error.to_string()))?;
    let addresses = accounts.iter().map(|account| account.address).collect();
    Ok((accounts, addresses))
}

/// Founds a chain and plays its genesis.
fn begin(config: &Config, store: Option<Store>) -> Result<Opened, Error> {
    let (accounts, addresses) = derive(config.accounts)?;
    let founding = Founding {
        chain_id: config.chain_id,
        timestamp: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs()),
        base_fee: FIRST_BASE_FEE,
        block_gas_limit: config.block_gas_limit,
        accounts: config.accounts,
        balance: config.balance,
    };
    let mut chain = Chain::found(founding.clone(), &addresses, config.mining);
    if let Some(store) = store {
        chain.keep_in(store);
    }
    chain.write(&[Record::Founded(founding)])?;
    let deployment = genesis::play(&mut chain, config, &accounts)?;
    let text = deployment
        .as_ref()
        .and_then(|deployment| serde_json::to_string(deployment).ok())
        .unwrap_or_default();
    chain.write(&[Record::Ready(text)])?;
    chain.sync()?;
    Ok(Opened {
        chain,
        accounts,
        deployment,
    })
}

/// Continues the chain of a folder, or begins one there.
fn open(config: &Config, folder: &Path) -> Result<Opened, Error> {
    let mut restored: Option<(Chain, Vec<DevAccount>)> = None;
    let mut ready: Option<String> = None;
    let mut failure: Option<Error> = None;
    let mut store = Store::open(folder, |record| {
        if failure.is_some() {
            return;
        }
        match (&mut restored, record) {
            (None, Record::Founded(founding)) => match derive(founding.accounts) {
                Ok((accounts, addresses)) => {
                    let chain = Chain::found(founding, &addresses, config.mining);
                    restored = Some((chain, accounts));
                }
                Err(error) => failure = Some(error),
            },
            (Some(_), Record::Ready(deployment)) => ready = Some(deployment),
            (Some((chain, _)), record) => {
                if !chain.replay(record) {
                    failure = Some(Error::Incoherent {
                        path: folder.to_owned(),
                        block: chain.head().number(),
                    });
                }
            }
            (None, _) => {
                failure = Some(Error::Incoherent {
                    path: folder.to_owned(),
                    block: 0,
                });
            }
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    let (Some((mut chain, accounts)), Some(ready)) = (restored, ready) else {
        // Never begun, or killed before genesis was played to its end: nobody has seen it yet.
        store.clear()?;
        return begin(config, Some(store));
    };
    if chain.chain_id() != config.chain_id {
        return Err(Error::OtherChain {
            path: folder.to_owned(),
            found: chain.chain_id(),
            asked: config.chain_id,
        });
    }
    let deployment = serde_json::from_str(&ready).ok();
    if config.contracts && deployment.is_none() {
        return Err(Error::NoContracts {
            path: folder.to_owned(),
        });
    }
    chain.go_on();
    chain.keep_in(store);
    Ok(Opened {
        chain,
        accounts,
        deployment,
    })
}
