//! Deployment: where the contracts stand on a chain, and the transactions that put them there.
//!
//! [`plan`] lists what a deployer sends, in order, from a given nonce; the addresses follow from the deployer and
//! the nonces alone, so they are known before anything is sent. Whoever plays the plan (the embedded chain at
//! its genesis, the SDK over JSON-RPC) sends the steps unchanged.

use alloy_primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};

use crate::order::Domain;

/// Where the contracts stand on one chain; every role reads it, usually from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Who deployed, and owns the hub and the registries.
    pub deployer: Address,
    /// The token.
    pub rlc: Address,
    /// The hub.
    pub hub: Address,
    /// Registry of apps.
    pub app_registry: Address,
    /// Registry of datasets.
    pub dataset_registry: Address,
    /// Registry of workerpools.
    pub workerpool_registry: Address,
    /// The block from which on the hub may have emitted events.
    pub block: u64,
}

impl Deployment {
    /// The domain under which orders for this hub are signed.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id, hub: self.hub }
    }
}

/// What to send, and what will stand afterwards.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where everything will stand; `block` is 0 until the player of the plan knows better.
    pub deployment: Deployment,
    /// The deployer's transactions, in order, one nonce each.
    pub steps: Vec<Step>,
}

/// One transaction of the deployer.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it does, for people.
    pub label: String,
    /// Whom it calls; `None` creates a contract.
    pub to: Option<Address>,
    /// Calldata or creation code.
    pub input: Bytes,
}

/// Plans a deployment by `deployer`, whose next nonce on that chain is `first_nonce`.
#[must_use]
pub fn plan(chain_id: u64, deployer: Address, first_nonce: u64) -> Plan {
    let at = |offset: u64| deployer.create(first_nonce + offset);
    Plan {
        deployment: Deployment {
            chain_id,
            deployer,
            rlc: at(0),
            hub: at(1),
            app_registry: at(2),
            dataset_registry: at(3),
            workerpool_registry: at(4),
            block: 0,
        },
        steps: Vec::new(),
    }
}
