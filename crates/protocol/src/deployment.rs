//! Deployment: where the contracts stand on a chain, and what puts them there.
//!
//! [`plan`] lists what the owner sends, in order. Every contract is created by `CREATE2` through the deterministic
//! deployment [`proxy`], whose address is the same everywhere; so an address follows from the creation code alone, the
//! creation code names the owner, and the same owner gets the same addresses on every chain, whatever was sent from that
//! key before.
//!
//! ```text
//!   proxy ─► token(owner), registries(owner)          ┐ creations: anybody may send them, in any order, and whoever
//!         ─► governance ─► orders ─► hub(owner)       ┘ is first only pays for it
//!   owner ─► registries.initialize, hub.configure     ┐ only the owner can; before `configure` the hub refuses every
//!         ─► hub.createCategory, one by one           │ deposit and deal, so nothing can happen in between; from `seal`
//!         ─► hub.seal                                 ┘ on the owner cannot change whom the hub trusts either
//! ```
//!
//! Every step says by its [`Proof`] how to see on the chain that it is done. Whoever plays the plan (the embedded chain
//! at its genesis, the SDK over JSON-RPC) can therefore be interrupted anywhere, go on from what stands, and tell a
//! contract that is not ours from one that is, byte by byte.

mod artifact;
pub mod proxy;

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use serde::{Deserialize, Serialize};

use crate::abi::modules::HubOrders;
use crate::abi::{AppRegistry, DatasetRegistry, Hub, RLC, WorkerpoolRegistry};
use crate::deal::{Category, standard_categories};
use crate::order::Domain;
use artifact::Artifact;

/// Where the contracts stand on one chain; every role reads it, usually from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Who owns the hub and the registries, and got the token. All addresses follow from it.
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
    /// The owner's transactions, in order. The [`proxy`] has to stand before the first.
    pub steps: Vec<Step>,
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it does, for people.
    pub label: String,
    /// Whom it calls; `None` creates a contract.
    pub to: Option<Address>,
    /// Calldata or creation code.
    pub input: Bytes,
    /// How to see that it is done; `None` for a step that is just sent.
    pub proof: Option<Proof>,
}

/// How to see on the chain that a step of a [`plan`] is done.
#[derive(Debug, Clone)]
pub enum Proof {
    /// These contracts stand, all made by one creation.
    Stands(Vec<Standing>),
    /// This registry was opened: it belongs to the owner and continues no other.
    RegistryOpen {
        /// Which one, for people.
        what: &'static str,
        /// Where it stands.
        registry: Address,
    },
    /// The hub belongs to the owner and knows what this call told it.
    HubConfigured(Box<Hub::configureCall>),
    /// The hub's category of this number is this one.
    CategoryStands {
        /// Its number, from 0.
        number: u64,
        /// What it should be.
        category: Category,
    },
    /// The hub is sealed: its owner has given up what could touch other people's trust in it.
    HubSealed,
}

/// A contract that should stand.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What it is, for people.
    pub what: &'static str,
    /// Where.
    pub address: Address,
    /// keccak-256 of its code.
    pub code_hash: B256,
    /// Bytes of its code, for foreseeing what it costs.
    pub code_length: usize,
}

/// The salt of every creation. Another one would give the same owner a second set of contracts; nobody needs that yet.
const SALT: B256 = b256!("0x6f78656300000000000000000000000000000000000000000000000000000000");

/// Plans the deployment of `owner` on a chain.
///
/// Afterwards the owner holds all the token and owns the hub and the registries, and the hub knows the categories of
/// [`CATEGORIES`](crate::deal::CATEGORIES) and is sealed. The chain's id matters to the token's code only; no address depends on it.
#[must_use]
pub fn plan(chain_id: u64, owner: Address) -> Plan {
    let mut script = Script::default();

    let rlc = script.create(
        "the token",
        &Artifact::rlc(),
        &RLC::constructorCall { holder: owner }.abi_encode(),
        |token| token_immutables(chain_id, token),
    );
    let owner_ = owner;
    let app_registry = script.registry(
        ("the registry of apps", "the code of every app"),
        &Artifact::app_registry(),
        &Artifact::app(),
        &AppRegistry::constructorCall { owner_ }.abi_encode(),
    );
    let dataset_registry = script.registry(
        ("the registry of datasets", "the code of every dataset"),
        &Artifact::dataset_registry(),
        &Artifact::dataset(),
        &DatasetRegistry::constructorCall { owner_ }.abi_encode(),
    );
    let workerpool_registry = script.registry(
        (
            "the registry of workerpools",
            "the code of every workerpool",
        ),
        &Artifact::workerpool_registry(),
        &Artifact::workerpool(),
        &WorkerpoolRegistry::constructorCall { owner_ }.abi_encode(),
    );
    let governance = script.create(
        "the hub's governance",
        &Artifact::hub_governance(),
        &[],
        |_| Vec::new(),
    );
    let orders = script.create(
        "the hub's orders and deals",
        &Artifact::hub_orders(),
        &HubOrders::constructorCall { governance }.abi_encode(),
        |_| vec![("_next", governance.into_word())],
    );
    let hub = script.create(
        "the hub",
        &Artifact::hub(),
        &Hub::constructorCall { orders, owner_ }.abi_encode(),
        |_| vec![("_next", orders.into_word())],
    );

    let previous_ = Address::ZERO;
    script.call(
        "open the registry of apps",
        app_registry,
        &AppRegistry::initializeCall { previous_ },
        Proof::RegistryOpen {
            what: "the registry of apps",
            registry: app_registry,
        },
    );
    script.call(
        "open the registry of datasets",
        dataset_registry,
        &DatasetRegistry::initializeCall { previous_ },
        Proof::RegistryOpen {
            what: "the registry of datasets",
            registry: dataset_registry,
        },
    );
    script.call(
        "open the registry of workerpools",
        workerpool_registry,
        &WorkerpoolRegistry::initializeCall { previous_ },
        Proof::RegistryOpen {
            what: "the registry of workerpools",
            registry: workerpool_registry,
        },
    );
    let configure = Hub::configureCall {
        token: rlc,
        name: "Staked RLC".to_owned(),
        symbol: "SRLC".to_owned(),
        decimals: 9,
        appregistry: app_registry,
        datasetregistry: dataset_registry,
        workerpoolregistry: workerpool_registry,
        v3hub: Address::ZERO,
    };
    script.call(
        "configure the hub",
        hub,
        &configure.clone(),
        Proof::HubConfigured(Box::new(configure)),
    );
    for (number, category) in (0..).zip(standard_categories()) {
        script.call(
            &format!("create the category {}", category.name),
            hub,
            &Hub::createCategoryCall {
                name: category.name.clone(),
                description: category.description.clone(),
                workClockTimeRef: U256::from(category.time_secs),
            },
            Proof::CategoryStands { number, category },
        );
    }

    script.call("seal the hub", hub, &Hub::sealCall {}, Proof::HubSealed);

    Plan {
        deployment: Deployment {
            chain_id,
            deployer: owner,
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

/// What the token's constructor writes into its code: the domain that permits are signed under (ERC-2612).
fn token_immutables(chain_id: u64, token: Address) -> Vec<(&'static str, B256)> {
    const NAME: &str = "iExec RLC Token";
    const VERSION: &str = "1";
    /// A string of less than 32 bytes in one word: its bytes, and its length in the last.
    fn short(text: &str) -> B256 {
        let mut word = B256::right_padding_from(text.as_bytes());
        word.0[31] = u8::try_from(text.len()).unwrap_or(u8::MAX);
        word
    }
    let kind = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
    );
    let (name, version) = (keccak256(NAME), keccak256(VERSION));
    let domain = (kind, name, version, U256::from(chain_id), token).abi_encode();
    vec![
        ("_cachedChainId", B256::from(U256::from(chain_id))),
        ("_cachedDomainSeparator", keccak256(domain)),
        ("_cachedThis", token.into_word()),
        ("_hashedName", name),
        ("_hashedVersion", version),
        ("_name", short(NAME)),
        ("_version", short(VERSION)),
    ]
}

/// A plan being written.
#[derive(Default)]
struct Script {
    steps: Vec<Step>,
}

impl Script {
    /// Adds a creation and says where the contract will stand.
    fn create(
        &mut self,
        what: &'static str,
        artifact: &Artifact,
        arguments: &[u8],
        immutables: impl FnOnce(Address) -> Vec<(&'static str, B256)>,
    ) -> Address {
        let code = [artifact.bytecode.as_ref(), arguments].concat();
        let address = proxy::ADDRESS.create2_from_code(SALT, &code);
        let stands = artifact.standing(what, address, &immutables(address));
        self.steps.push(Step {
            label: format!("create {what}"),
            to: Some(proxy::ADDRESS),
            input: [SALT.as_slice(), &code].concat().into(),
            proof: Some(Proof::Stands(vec![stands])),
        });
        address
    }

    /// Adds the creation of a registry, whose constructor creates the code that its entries share.
    fn registry(
        &mut self,
        (what, entries): (&'static str, &'static str),
        registry: &Artifact,
        entry: &Artifact,
        arguments: &[u8],
    ) -> Address {
        let proxy_code = Artifact::entry_proxy().bytecode;
        let address = self.create(what, registry, arguments, |registry| {
            vec![
                ("master", registry.create(1).into_word()),
                ("proxyCodeHash", keccak256(&proxy_code)),
            ]
        });
        let master = address.create(1);
        let immutables = [
            ("registry", address.into_word()),
            ("_master", master.into_word()),
        ];
        if let Some(Step {
            proof: Some(Proof::Stands(stands)),
            ..
        }) = self.steps.last_mut()
        {
            stands.push(entry.standing(entries, master, &immutables));
        }
        address
    }

    fn call(&mut self, label: &str, to: Address, call: &impl SolCall, proof: Proof) {
        self.steps.push(Step {
            label: label.to_owned(),
            to: Some(to),
            input: call.abi_encode().into(),
            proof: Some(proof),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_owner_gets_the_same_addresses_on_every_chain_and_another_owner_others() {
        let owner = Address::repeat_byte(0x11);
        let here = plan(1, owner).deployment;
        let there = plan(31_337, owner).deployment;
        assert_eq!(
            here,
            Deployment {
                chain_id: 1,
                ..there
            }
        );
        let other = plan(1, Address::repeat_byte(0x22)).deployment;
        for (mine, others) in [
            (here.rlc, other.rlc),
            (here.hub, other.hub),
            (here.app_registry, other.app_registry),
            (here.dataset_registry, other.dataset_registry),
            (here.workerpool_registry, other.workerpool_registry),
        ] {
            assert_ne!(mine, others);
        }
    }

    #[test]
    fn every_step_has_a_proof_and_fits_a_transaction() {
        let plan = plan(31_337, Address::repeat_byte(0x11));
        assert_eq!(plan.steps.len(), 7 + 3 + 1 + 5 + 1);
        let last = plan.steps.last().and_then(|step| step.proof.as_ref());
        assert!(matches!(last, Some(Proof::HubSealed)));
        for step in &plan.steps {
            assert!(step.proof.is_some(), "{}", step.label);
            if let Some(Proof::Stands(stands)) = &step.proof {
                // EIP-3860: creation code has at most 49,152 bytes. EIP-170: code at most 24,576.
                assert!(
                    (1_000..=49_152 + 32).contains(&step.input.len()),
                    "{}",
                    step.label
                );
                for standing in stands {
                    assert!(
                        (1_000..=24_576).contains(&standing.code_length),
                        "{}",
                        standing.what
                    );
                }
            }
        }
    }

    #[test]
    fn a_deployment_reads_back_from_json() {
        let deployment = plan(1, Address::repeat_byte(2)).deployment;
        let json = serde_json::to_string(&deployment).expect("plain data");
        assert_eq!(
            serde_json::from_str::<Deployment>(&json).expect("as written"),
            deployment
        );
        let strange = json.replace("\"hub\"", "\"hup\"");
        assert!(serde_json::from_str::<Deployment>(&strange).is_err());
    }

    #[test]
    fn a_block_known_better_makes_no_other_contracts() {
        let deployment = plan(1, Address::repeat_byte(2)).deployment;
        let mut other = deployment.clone();
        other.block = 7;
        assert!(deployment.same_contracts(&other));
        other.hub = Address::ZERO;
        assert!(!deployment.same_contracts(&other));
    }
}
