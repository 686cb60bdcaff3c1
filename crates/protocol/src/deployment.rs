//! Deployment: where the contracts stand on a chain, and the transactions that put them there.
//!
//! [`plan`] lists what a deployer sends, in order, from a given nonce; the addresses follow from the deployer and
//! the nonces alone, so they are known before anything is sent. Whoever plays the plan (the embedded chain at
//! its genesis, the SDK over JSON-RPC) sends the steps unchanged.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use serde::{Deserialize, Serialize};

use crate::abi::modules::{HubGovernance, HubOrders};
use crate::abi::{AppRegistry, DatasetRegistry, Hub, RLC, WorkerpoolRegistry};
use crate::deal::standard_categories;
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
        Domain {
            chain_id: self.chain_id,
            hub: self.hub,
        }
    }

    /// Whether both name the same contracts on the same chain, whatever they know of the block they begin at.
    #[must_use]
    pub fn same_contracts(&self, other: &Self) -> bool {
        let block = self.block;
        *self
            == Self {
                block,
                ..other.clone()
            }
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
///
/// Afterwards the deployer holds all the token and owns the hub and the registries, and the hub knows the categories of
/// [`CATEGORIES`](crate::deal::CATEGORIES).
#[must_use]
pub fn plan(chain_id: u64, deployer: Address, first_nonce: u64) -> Plan {
    let mut script = Script {
        deployer,
        first_nonce,
        steps: Vec::new(),
    };

    let rlc = script.create("create the token", &RLC::BYTECODE, &[]);
    let app_registry = script.create("create the registry of apps", &AppRegistry::BYTECODE, &[]);
    let dataset_registry = script.create(
        "create the registry of datasets",
        &DatasetRegistry::BYTECODE,
        &[],
    );
    let workerpool_registry = script.create(
        "create the registry of workerpools",
        &WorkerpoolRegistry::BYTECODE,
        &[],
    );
    let governance = script.create("create the hub's governance", &HubGovernance::BYTECODE, &[]);
    let orders = script.create(
        "create the hub's orders and deals",
        &HubOrders::BYTECODE,
        &HubOrders::constructorCall { governance }.abi_encode(),
    );
    let hub = script.create(
        "create the hub",
        &Hub::BYTECODE,
        &Hub::constructorCall { orders }.abi_encode(),
    );

    let previous_ = Address::ZERO;
    script.call(
        "open the registry of apps",
        app_registry,
        &AppRegistry::initializeCall { previous_ },
    );
    script.call(
        "open the registry of datasets",
        dataset_registry,
        &DatasetRegistry::initializeCall { previous_ },
    );
    script.call(
        "open the registry of workerpools",
        workerpool_registry,
        &WorkerpoolRegistry::initializeCall { previous_ },
    );
    script.call(
        "configure the hub",
        hub,
        &Hub::configureCall {
            token: rlc,
            name: "Staked RLC".to_owned(),
            symbol: "SRLC".to_owned(),
            decimals: 9,
            appregistry: app_registry,
            datasetregistry: dataset_registry,
            workerpoolregistry: workerpool_registry,
            v3hub: Address::ZERO,
        },
    );
    for category in standard_categories() {
        let label = format!("create the category {}", category.name);
        script.call(
            &label,
            hub,
            &Hub::createCategoryCall {
                name: category.name,
                description: category.description,
                workClockTimeRef: U256::from(category.time_secs),
            },
        );
    }

    Plan {
        deployment: Deployment {
            chain_id,
            deployer,
            rlc,
            hub,
            app_registry,
            dataset_registry,
            workerpool_registry,
            block: 0,
        },
        steps: script.steps,
    }
}

/// A plan being written: every step takes the deployer's next nonce.
struct Script {
    deployer: Address,
    first_nonce: u64,
    steps: Vec<Step>,
}

impl Script {
    /// Adds a creation and says where the contract will stand.
    fn create(&mut self, label: &str, code: &Bytes, arguments: &[u8]) -> Address {
        let nonce = self.first_nonce + self.steps.len() as u64;
        let input = [code.as_ref(), arguments].concat().into();
        self.steps.push(Step {
            label: label.to_owned(),
            to: None,
            input,
        });
        self.deployer.create(nonce)
    }

    fn call(&mut self, label: &str, to: Address, call: &impl SolCall) {
        let input = call.abi_encode().into();
        self.steps.push(Step {
            label: label.to_owned(),
            to: Some(to),
            input,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_one_step_per_nonce_and_foresees_every_address() {
        let deployer = Address::repeat_byte(0x11);
        let plan = plan(31_337, deployer, 7);
        assert_eq!(plan.deployment.rlc, deployer.create(7));
        assert_eq!(plan.deployment.hub, deployer.create(13));
        assert_eq!(plan.steps.len(), 7 + 3 + 1 + 5);
        let created = plan.steps.iter().filter(|step| step.to.is_none());
        for step in created {
            // EIP-3860: creation code has at most 49,152 bytes.
            assert!(
                (1_000..=49_152).contains(&step.input.len()),
                "{}",
                step.label
            );
        }
    }

    #[test]
    fn a_deployment_reads_back_from_json() {
        let deployment = plan(1, Address::repeat_byte(2), 0).deployment;
        let json = serde_json::to_string(&deployment).expect("plain data");
        assert_eq!(
            serde_json::from_str::<Deployment>(&json).expect("as written"),
            deployment
        );
        let strange = json.replace("\"hub\"", "\"hup\"");
        assert!(serde_json::from_str::<Deployment>(&strange).is_err());
    }
}
