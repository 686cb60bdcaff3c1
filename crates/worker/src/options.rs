//! What a worker's owner decides.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::conduct::Conduct;

/// What a worker's owner decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The pool's front door, for instance `https://pool.example`.
    pub pool: Url,
    /// This worker's own folder: journal, cache of inputs, compiled modules, running tasks. Not to be shared between
    /// workers.
    pub folder: PathBuf,
    /// How many tasks at once, at least 1.
    #[serde(default = "defaults::slots")]
    pub slots: u32,
    /// A JSON-RPC endpoint of the pool's chain. None: the one the pool names.
    #[serde(default)]
    pub rpc: Option<Url>,
    /// The most it ever offers per gas, in wei; see [`sdk::chain::ChainOptions::fee_max`]. None: as usual there.
    #[serde(default)]
    pub fee_max: Option<u128>,
    /// The workerpool this worker means to work for. None: whichever the pool's door says it is.
    #[serde(default)]
    pub workerpool: Option<alloy_primitives::Address>,
    /// The contracts it knows to be good: it stakes its money at no others. None: those the pool names, which may be
    /// anything.
    #[serde(default)]
    pub deployment: Option<protocol::deployment::Deployment>,
    /// Whether it may move RLC from its wallet into its account at the hub when the account is too short for a stake.
    #[serde(default = "defaults::yes")]
    pub deposit_stakes: bool,
    /// How many bytes of fetched modules and inputs are kept for later tasks.
    #[serde(default = "defaults::cache_bytes")]
    pub cache_bytes: u64,
    /// How it behaves; see [`Conduct`].
    #[serde(default)]
    pub conduct: Conduct,
}

impl Options {
    /// A worker for a pool, with everything else as usual.
    #[must_use]
    pub fn new(pool: Url, folder: impl Into<PathBuf>) -> Self {
        Self {
            pool,
            folder: folder.into(),
            slots: defaults::slots(),
            rpc: None,
            fee_max: None,
            workerpool: None,
            deployment: None,
            deposit_stakes: true,
            cache_bytes: defaults::cache_bytes(),
            conduct: Conduct::Honest,
        }
    }
}

mod defaults {
    pub(super) fn slots() -> u32 {
        1
    }

    pub(super) fn yes() -> bool {
        true
    }

    pub(super) fn cache_bytes() -> u64 {
        10 << 30
    }
}
