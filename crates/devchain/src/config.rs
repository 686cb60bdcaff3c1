//! What a dev chain may be told before it starts.
//!
//! One struct with a default for every field, so that `Config::default()` is a chain in memory on a free port,
//! mining each transaction as it comes, with the accounts every Ethereum developer knows.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::U256;
use protocol::deployment::Step;

/// The chain id wallets and tools take for "a dev node on this machine" (anvil and Hardhat use it too).
pub const DEFAULT_CHAIN_ID: u64 = 31_337;

/// The mnemonic of the funded accounts. Everybody knows it: never send anything of value to its addresses.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// When blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mining {
    /// As soon as a transaction can be executed. Transactions that arrive while a block is being made share the next.
    Instant,
    /// One block per interval, with whatever waits; empty when nothing does.
    Interval(Duration),
    /// Only when asked, by `evm_mine`.
    Manual,
}

/// How a chain is set up. The data folder, once it holds a chain, decides over chain id, accounts and genesis: a
/// folder that was started with another chain id is refused, the rest is simply continued.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where JSON-RPC is served, HTTP and WebSocket alike. Port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Default [`DEFAULT_CHAIN_ID`].
    pub chain_id: u64,
    /// Default [`Mining::Instant`].
    pub mining: Mining,
    /// The folder the chain is kept in; `None` keeps it in memory only. Default `None`.
    pub data: Option<PathBuf>,
    /// How many accounts of [`DEV_MNEMONIC`] are funded and signed for. Default 20.
    pub accounts: u32,
    /// What each of them owns at genesis, in wei. Default 10,000 ETH.
    pub balance: U256,
    /// Gas one block may use. Default 60,000,000.
    pub block_gas_limit: u64,
    /// Transactions of account 0, one block each, that a new chain begins with. Default none.
    pub genesis: Vec<Step>,
    /// Whether a new chain starts with the contracts of the marketplace on it, put there by account 0 before `genesis`
    /// is played. Default false.
    pub contracts: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            chain_id: DEFAULT_CHAIN_ID,
            mining: Mining::Instant,
            data: None,
            accounts: 20,
            balance: U256::from(10_000u64) * U256::from(10u64).pow(U256::from(18u64)),
            block_gas_limit: 60_000_000,
            genesis: Vec::new(),
            contracts: false,
        }
    }
}

impl Config {
    /// The chain is kept in this folder, which is made where it is missing.
    #[must_use]
    pub fn kept_in(mut self, folder: impl Into<PathBuf>) -> Config {
        self.data = Some(folder.into());
        self
    }

    /// A new chain starts with the contracts of the marketplace on it; `Devchain::deployment` says where.
    #[must_use]
    pub fn with_contracts(mut self) -> Config {
        self.contracts = true;
        self
    }

    /// Blocks are made like this.
    #[must_use]
    pub fn mining(mut self, mining: Mining) -> Config {
        self.mining = mining;
        self
    }
}
