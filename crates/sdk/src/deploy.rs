//! Puts the contracts on a chain that has none, and says exactly what is wrong where something else stands.
//!
//! What to send is `protocol`'s plan, the same on every chain; here each step is first looked for on the chain and only
//! sent if it is not done. So an interrupted deployment goes on where it was, a finished one sends nothing, and what
//! stands is verified to the byte, whoever put it there. The embedded chain plays the same plan at its genesis.
//!
//! ```text
//!  quiet? ─► proxy ─► creations, all at once ─► registries and hub opened, all at once ─► categories, one by one ─► seal
//! ```
//!
//! **Somebody else in between.** Creations are anybody's to send, and all that they make belongs to the owner named in the
//! code: a stranger who is first has only paid for it, and the step counts as done. Everything after the creations is the
//! owner's alone, on the chain's word, so a stranger can neither open a registry nor configure the hub. What he can do is
//! nothing: before `configure` the hub knows no token and no registry, and refuses.
//!
//! **One at a time.** Two deployments with the same key at once could both send a category, and a category cannot be taken
//! back; so transactions of that key that are still on their way are waited for first, and categories are created one by
//! one, each looked for right before it is sent.
//!
//! **Nodes that are behind.** Behind one URL there may be several nodes, not all up to date, and one that is behind does
//! not know a category that an interrupted deployment created a moment ago. So before a resumed deployment creates the
//! first, it sends a transaction that does nothing: in the block that executes it, all that the key sent before is
//! executed too, and categories are looked for in the state of that block or a later one.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_sol_types::SolCall;
use futures::future::join_all;
use protocol::abi::{AppRegistry, Hub};
use protocol::deal::Category;
use protocol::deployment::{Deployment, Plan, Proof, Standing, Step, plan, proxy};
use serde_json::json;
use url::Url;

use crate::chain::{Chain, ChainError, ChainOptions, Receipt, Sender, Transaction};
use crate::wallet::Wallet;

/// Why the contracts do not stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The chain could not be asked.
    #[error("cannot deploy: {doing} failed")]
    Chain {
        /// What was asked.
        doing: String,
        /// Why it failed.
        #[source]
        source: Box<ChainError>,
    },
    /// A step failed.
    #[error("cannot deploy, at step {step} of {steps} ({label})")]
    Step {
        /// Which one, from 1.
        step: usize,
        /// How many there are.
        steps: usize,
        /// What it does.
        label: String,
        /// Why it failed.
        #[source]
        source: Box<ChainError>,
    },
    /// A step was executed, and is not done all the same.
    #[error(
        "step {step} of {steps} ({label}) was executed on chain {chain_id}, and nothing came of it: is this an EVM of \
         Cancun or later?"
    )]
    NoEffect {
        /// Which one, from 1.
        step: usize,
        /// How many there are.
        steps: usize,
        /// What it does.
        label: String,
        /// The chain.
        chain_id: u64,
    },
    /// Something stands that is not what this deployment puts there.
    #[error(
        "{what} at {address} is not as the deployment of {owner} on chain {chain_id} has it: {difference}"
    )]
    Foreign {
        /// "the hub", "the registry of apps".
        what: String,
        /// Where it stands.
        address: Address,
        /// Whose deployment.
        owner: Address,
        /// The chain.
        chain_id: u64,
        /// What is there, and what should be.
        difference: String,
    },
    /// The key sent something that is not mined yet.
    #[error(
        "{waiting} transactions of {owner} still wait in the pool of the node after {} s: wait until they are mined, or replace them \
         (deploying twice at once would spoil it)", .patience.as_secs()
    )]
    Busy {
        /// Whose key.
        owner: Address,
        /// How many.
        waiting: u64,
        /// How long they were waited for.
        patience: Duration,
    },
    /// The owner cannot pay for it.
    #[error(
        "{owner} holds {} ETH on chain {chain_id}, and deploying takes about {gas} gas, {} ETH at today's price: send it some",
        ether(*balance), ether(*needed)
    )]
    Poor {
        /// Whose wallet.
        owner: Address,
        /// The chain.
        chain_id: u64,
        /// What it holds, in wei.
        balance: U256,
        /// Gas of all that is left to do, about.
        gas: u64,
        /// The same in wei.
        needed: U256,
    },
    /// The node does not take the proxy's creation.
    #[error(
        "chain {chain_id} has no deployment proxy at {}, and the node does not take the transaction that creates it: {why}; \
         it was signed long ago, without a chain id and at 100 gwei per gas, so a node may have to be told to allow that (geth: \
         --rpc.allow-unprotected-txs), or whoever runs the chain asked to put the proxy there",
        proxy::ADDRESS
    )]
    ProxyRefused {
        /// The chain.
        chain_id: u64,
        /// The node's words.
        why: String,
    },
    /// A file names contracts that are not those of its deployer.
    #[error(
        "the deployment names {found} as {what}, but {owner} deploys it at {expected}: the file was changed, or comes from \
         another version of this program"
    )]
    Elsewhere {
        /// Which contract.
        what: &'static str,
        /// Whose deployment it says it is.
        owner: Address,
        /// Where that one has it.
        expected: Address,
        /// What the file says.
        found: Address,
    },
    /// Verifying found something that is not done.
    #[error("not done on chain {chain_id}: {label} (`oxec chain deploy` goes on from here)")]
    Unfinished {
        /// The chain.
        chain_id: u64,
        /// What the step does.
        label: String,
    },
}

fn ether(wei: U256) -> String {
    let text = alloy_primitives::utils::format_ether(wei);
    match text.split_once('.') {
        Some((whole, part)) => format!("{whole}.{}", &part[..part.len().min(6)]),
        None => text,
    }
}

/// A step that is done, as it is told.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Which step, from 1; 0 for what is none of the plan's, as the deployment proxy.
    pub step: usize,
    /// How many there are.
    pub steps: usize,
    /// What it does.
    pub label: String,
    /// What it took; `None` if it was done already.
    pub gas_used: Option<u64>,
}

/// What came of a deployment.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// Where everything stands.
    pub deployment: Deployment,
    /// How many transactions were sent; none if everything stood.
    pub transactions: usize,
    /// What they took together.
    pub gas_used: u64,
    /// What they cost, in wei.
    pub paid_wei: U256,
}

/// Where everything of this owner stands, or will, on the chain of this node. Only the chain's id is asked for: whether it
/// stands, and since which block, is not known.
pub async fn planned(rpc_url: &Url, owner: Address) -> Result<Deployment, DeployError> {
    Ok(Site::visit(rpc_url, owner, None).await?.plan.deployment)
}

/// Deploys everything from this wallet, or what is missing of it, and says where it stands.
pub async fn deploy(rpc_url: &Url, wallet: &Wallet) -> Result<Deployment, DeployError> {
    let deployed = deploy_telling(rpc_url, wallet, None, |_| {}).await?;
    Ok(deployed.deployment)
}

/// The same, offering no more than `fee_max` wei per gas (none: as usual, [`ChainOptions::fee_max`]), telling of each step
/// as it is done, and in the end what it took.
pub async fn deploy_telling(
    rpc_url: &Url,
    wallet: &Wallet,
    fee_max: Option<u128>,
    tell: impl FnMut(Progress) + Send,
) -> Result<Deployed, DeployError> {
    let site = Site::visit(rpc_url, wallet.address(), fee_max).await?;
    let sender = site.chain.sender(wallet);
    let mut work = Work {
        steps: site.plan.steps.len(),
        site,
        sender,
        tell,
        made_hub_in: None,
        seen: None,
        transactions: 0,
        gas_used: 0,
        paid_wei: U256::ZERO,
    };
    work.run().await?;
    let made_in = work.made_hub_in;
    let block = match made_in {
        Some(block) => block,
        None => work.site.first_block().await,
    };
    Ok(Deployed {
        deployment: Deployment {
            block,
            ..work.site.plan.deployment
        },
        transactions: work.transactions,
        gas_used: work.gas_used,
        paid_wei: work.paid_wei,
    })
}

/// Checks that all of a deployment stands as planned: every contract to the byte, owners, token, registries, categories,
/// and that the hub is sealed, so that its owner cannot change most of it any more.
///
/// A node that lies can hide what the owner changed, but not put other contracts in the place of these: an address follows
/// from its contract's code and owner, and is computed here.
pub async fn verify(rpc_url: &Url, deployment: &Deployment) -> Result<(), DeployError> {
    let owner = deployment.deployer;
    let site = Site::visit(rpc_url, owner, None).await?;
    let planned = &site.plan.deployment;
    if planned.chain_id != deployment.chain_id {
        return Err(failed("comparing chain ids")(ChainError::WrongChain {
            node: site.node(),
            expected: deployment.chain_id,
            found: planned.chain_id,
        }));
    }
    for (what, expected, found) in [
        ("the token", planned.rlc, deployment.rlc),
        ("the hub", planned.hub, deployment.hub),
        (
            "the registry of apps",
            planned.app_registry,
            deployment.app_registry,
        ),
        (
            "the registry of datasets",
            planned.dataset_registry,
            deployment.dataset_registry,
        ),
        (
            "the registry of workerpools",
            planned.workerpool_registry,
            deployment.workerpool_registry,
        ),
    ] {
        if expected != found {
            return Err(DeployError::Elsewhere {
                what,
                owner,
                expected,
                found,
            });
        }
    }
    for step in &site.plan.steps {
        if !site.is_done(step).await? {
            return Err(DeployError::Unfinished {
                chain_id: deployment.chain_id,
                label: step.label.clone(),
            });
        }
    }
    Ok(())
}

fn failed(doing: impl Into<String>) -> impl FnOnce(ChainError) -> DeployError {
    let doing = doing.into();
    move |source| DeployError::Chain {
        doing,
        source: Box::new(source),
    }
}

fn options(fee_max: Option<u128>) -> ChainOptions {
    let usual = ChainOptions::default();
    ChainOptions {
        poll_every: Duration::from_millis(200),
        fee_max: fee_max.unwrap_or(usual.fee_max),
        ..usual
    }
}

const PROXY: &str = "the deployment proxy";
const PUT_PROXY: &str = "create the deployment proxy";
/// How long transactions on their way are waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a node may take to show what was executed.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);
/// How often a node is asked again about what it will know soon.
const AGAIN: Duration = Duration::from_millis(250);
/// Where the hub keeps the address of the hub before it, for which it has no view (`_formerHub` of `HubState.sol`).
const FORMER_HUB: u64 = 13;
/// The gas a callback gets, as `configure` sets it (`CALLBACK_GAS` of `GovernanceStage.sol`).
const CALLBACK_GAS: u64 = 200_000;
/// What the proxy's creation pays for gas, in wei.
const PROXY_GAS_PRICE: u128 = 100_000_000_000;

/// A chain on which one owner's contracts stand, or will.
struct Site {
    chain: Chain,
    plan: Plan,
}

impl Site {
    async fn visit(
        rpc_url: &Url,
        owner: Address,
        fee_max: Option<u128>,
    ) -> Result<Self, DeployError> {
        let asking = "asking the node which chain it is on";
        let nowhere = plan(0, owner).deployment;
        let probe = Chain::unchecked(rpc_url, nowhere, options(fee_max)).map_err(failed(asking))?;
        let chain_id = probe.node_chain_id().await.map_err(failed(asking))?;
        let plan = plan(chain_id, owner);
        let chain = Chain::unchecked(rpc_url, plan.deployment.clone(), options(fee_max))
            .map_err(failed(asking))?;
        Ok(Self { chain, plan })
    }

    fn node(&self) -> String {
        let url = self.chain.rpc_url();
        url.host_str().unwrap_or_default().to_owned()
    }

    fn foreign(&self, what: &str, address: Address, difference: impl Into<String>) -> DeployError {
        DeployError::Foreign {
            what: what.to_owned(),
            address,
            owner: self.plan.deployment.deployer,
            chain_id: self.plan.deployment.chain_id,
            difference: difference.into(),
        }
    }

    async fn code(&self, what: &str, address: Address) -> Result<Bytes, DeployError> {
        self.chain
            .ask(
                "asking for code",
                "eth_getCode",
                (address, "latest".to_owned()),
            )
            .await
            .map_err(failed(format!("looking for {what} at {address}")))
    }

    /// Whether a step is done; an error if something else is in its place.
    async fn is_done(&self, step: &Step) -> Result<bool, DeployError> {
        match &step.proof {
            None => Ok(false),
            Some(Proof::Stands(stands)) => self.stand(stands).await,
            Some(Proof::RegistryOpen { what, registry }) => self.is_open(what, *registry).await,
            Some(Proof::HubConfigured(call)) => self.is_configured(call).await,
            Some(Proof::HubSealed) => self.is_sealed().await,
            Some(Proof::CategoryStands { number, category }) => {
                let doing = "asking for the newest block";
                let newest = self.chain.block().await.map_err(failed(doing))?.number;
                self.has_category(*number, category, newest).await
            }
        }
    }

    /// Whether a step that creates a category is done in the state of this block.
    async fn is_done_at(&self, step: &Step, block: u64) -> Result<bool, DeployError> {
        match &step.proof {
            Some(Proof::CategoryStands { number, category }) => {
                self.has_category(*number, category, block).await
            }
            _ => self.is_done(step).await,
        }
    }

    /// Whether a step that was executed is done; a node among several behind one URL may be a little behind.
    async fn is_done_soon(&self, step: &Step) -> Result<bool, DeployError> {
        let began = Instant::now();
        loop {
            let is_done = self.is_done(step).await?;
            if is_done || began.elapsed() > SHOWN_WITHIN {
                return Ok(is_done);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether all of them stand. Those that are made together are there together, but for a node that is behind.
    async fn stand(&self, stands: &[Standing]) -> Result<bool, DeployError> {
        let began = Instant::now();
        loop {
            let missing = self.missing_of(stands).await?;
            let Some(first) = missing.first() else {
                return Ok(true);
            };
            if missing.len() == stands.len() {
                return Ok(false);
            }
            if began.elapsed() > SHOWN_WITHIN {
                let difference = "it is not there, although it is made together with its registry";
                return Err(self.foreign(first.what, first.address, difference));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn missing_of<'s>(
        &self,
        stands: &'s [Standing],
    ) -> Result<Vec<&'s Standing>, DeployError> {
        let mut missing = Vec::new();
        for standing in stands {
            let code = self.code(standing.what, standing.address).await?;
            if code.is_empty() {
                missing.push(standing);
            } else if keccak256(&code) != standing.code_hash {
                let difference = format!(
                    "its code is {} bytes with the hash {}, and should be {} bytes with the hash {}",
                    code.len(),
                    keccak256(&code),
                    standing.code_length,
                    standing.code_hash
                );
                return Err(self.foreign(standing.what, standing.address, difference));
            }
        }
        Ok(missing)
    }

    /// Whether a registry is initialized. The three kinds answer this alike.
    async fn is_open(&self, what: &str, registry: Address) -> Result<bool, DeployError> {
        let asking = || failed(format!("asking {what} at {registry}"));
        let chain = &self.chain;
        let owner = chain
            .call(registry, AppRegistry::ownerCall {})
            .await
            .map_err(asking())?;
        self.belongs(what, registry, owner)?;
        if !chain
            .call(registry, AppRegistry::initializedCall {})
            .await
            .map_err(asking())?
        {
            return Ok(false);
        }
        let previous = chain
            .call(registry, AppRegistry::previousCall {})
            .await
            .map_err(asking())?;
        if previous.is_zero() {
            return Ok(true);
        }
        let difference = format!("it continues the registry {previous}, and should continue none");
        Err(self.foreign(what, registry, difference))
    }

    fn belongs(&self, what: &str, address: Address, owner: Address) -> Result<(), DeployError> {
        let expected = self.plan.deployment.deployer;
        if owner == expected {
            return Ok(());
        }
        Err(self.foreign(what, address, format!("it belongs to {owner}")))
    }

    async fn is_configured(&self, planned: &Hub::configureCall) -> Result<bool, DeployError> {
        let hub = self.plan.deployment.hub;
        let asking = || failed(format!("asking the hub at {hub}"));
        let chain = &self.chain;
        let owner = chain.hub(Hub::ownerCall {}).await.map_err(asking())?;
        self.belongs("the hub", hub, owner)?;
        let token = chain.hub(Hub::tokenCall {}).await.map_err(asking())?;
        // As the contract tells it, see `configure`.
        if token.is_zero() {
            return Ok(false);
        }
        let slot = U256::from(FORMER_HUB);
        let at = (hub, slot, "latest".to_owned());
        let (apps, datasets, workerpools, name, symbol, decimals, broker, callback_gas, former) =
            tokio::try_join!(
                chain.hub(Hub::appregistryCall {}),
                chain.hub(Hub::datasetregistryCall {}),
                chain.hub(Hub::workerpoolregistryCall {}),
                chain.hub(Hub::nameCall {}),
                chain.hub(Hub::symbolCall {}),
                chain.hub(Hub::decimalsCall {}),
                chain.hub(Hub::teebrokerCall {}),
                chain.hub(Hub::callbackgasCall {}),
                chain.ask("asking for the hub before it", "eth_getStorageAt", at),
            )
            .map_err(asking())?;
        let former: U256 = former;
        let former = Address::from_word(former.into());
        let facts = [
            ("token", token.to_string(), planned.token.to_string()),
            (
                "registry of apps",
                apps.to_string(),
                planned.appregistry.to_string(),
            ),
            (
                "registry of datasets",
                datasets.to_string(),
                planned.datasetregistry.to_string(),
            ),
            (
                "registry of workerpools",
                workerpools.to_string(),
                planned.workerpoolregistry.to_string(),
            ),
            ("name", name, planned.name.clone()),
            ("symbol", symbol, planned.symbol.clone()),
            (
                "number of decimals",
                decimals.to_string(),
                planned.decimals.to_string(),
            ),
            // The one may give workers any score, the other speak for any workerpool.
            (
                "hub before it",
                former.to_string(),
                planned.v3hub.to_string(),
            ),
            (
                "broker of enclaves",
                broker.to_string(),
                Address::ZERO.to_string(),
            ),
            (
                "gas for callbacks",
                callback_gas.to_string(),
                CALLBACK_GAS.to_string(),
            ),
        ];
        for (fact, found, expected) in facts {
            if found != expected {
                let difference = format!("its {fact} is {found}, and should be {expected}");
                return Err(self.foreign("the hub", hub, difference));
            }
        }
        Ok(true)
    }

    async fn is_sealed(&self) -> Result<bool, DeployError> {
        let hub = self.plan.deployment.hub;
        let asking = failed(format!("asking the hub at {hub} whether it is sealed"));
        self.chain.hub(Hub::isSealedCall {}).await.map_err(asking)
    }

    /// Whether the hub has this category in the state of this block.
    async fn has_category(
        &self,
        number: u64,
        planned: &Category,
        block: u64,
    ) -> Result<bool, DeployError> {
        let hub = self.plan.deployment.hub;
        let count = self.hub_at(block, &Hub::countCategoryCall {}).await?;
        if count <= U256::from(number) {
            return Ok(false);
        }
        let catid = U256::from(number);
        let found = self.hub_at(block, &Hub::viewCategoryCall { catid }).await?;
        let found: Category = found.into();
        if found == *planned {
            return Ok(true);
        }
        let shown = |category: &Category| {
            format!(
                "{:?} of {} s ({:?})",
                category.name, category.time_secs, category.description
            )
        };
        let difference = format!(
            "its category {number} is {}, and should be {}",
            shown(&found),
            shown(planned)
        );
        Err(self.foreign("the hub", hub, difference))
    }

    /// Calls the hub in the state of a block. A node that has not come so far is given time to.
    async fn hub_at<C: SolCall>(&self, block: u64, call: &C) -> Result<C::Return, DeployError> {
        let hub = self.plan.deployment.hub;
        let doing = format!("asking the hub at {hub} in block {block}");
        let request = json!({ "to": hub, "data": Bytes::from(call.abi_encode()) });
        let began = Instant::now();
        loop {
            let asked: Result<Bytes, ChainError> = self
                .chain
                .ask(&doing, "eth_call", (request.clone(), U64::from(block)))
                .await;
            let answer = asked.and_then(|data| {
                C::abi_decode_returns(&data).map_err(|error| ChainError::Unreadable {
                    node: self.node(),
                    doing: doing.clone(),
                    why: error.to_string(),
                })
            });
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) if began.elapsed() > SHOWN_WITHIN => return Err(failed(doing)(error)),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Transactions of this account that are executed, and those that are known at all.
    async fn nonces(&self, address: Address) -> Result<(u64, u64), DeployError> {
        let count = async |block: &str| -> Result<u64, DeployError> {
            let count: U64 = self
                .chain
                .ask(
                    "asking for a nonce",
                    "eth_getTransactionCount",
                    (address, block.to_owned()),
                )
                .await
                .map_err(failed("asking for a nonce"))?;
            Ok(count.to())
        };
        Ok((count("latest").await?, count("pending").await?))
    }

    /// Waits until nothing of the owner's is on its way: what an interrupted deployment sent would be sent twice.
    async fn quiet(&self) -> Result<(), DeployError> {
        let owner = self.plan.deployment.deployer;
        let began = Instant::now();
        loop {
            let (executed, known) = self.nonces(owner).await?;
            if executed >= known {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(DeployError::Busy {
                    owner,
                    waiting: known - executed,
                    patience: PATIENCE,
                });
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The block in which the hub was made, when that was not now: by its first event, else by when its code appeared.
    /// A node that keeps no history cannot tell; then 0 is true as well, only slower to read from.
    async fn first_block(&self) -> u64 {
        if let Ok(Some(block)) = self.block_of_first_event().await {
            return block;
        }
        match self.block_of_code().await {
            Ok(block) => block,
            Err(error) => {
                tracing::warn!(
                    error = crate::chain::chained(&error),
                    "the node cannot tell since when the hub stands, so its events will be read from block 0; correct \
                     `block` in the deployment file if you know better"
                );
                0
            }
        }
    }

    async fn block_of_first_event(&self) -> Result<Option<u64>, DeployError> {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Found {
            block_number: U64,
        }
        use alloy_sol_types::SolEvent as _;
        let hub = self.plan.deployment.hub;
        let filter = json!({
            "fromBlock": "0x0",
            "toBlock": "latest",
            "address": hub,
            // From nobody to the owner: what the hub says when it is made.
            "topics": [Hub::OwnershipTransferred::SIGNATURE_HASH, B256::ZERO],
        });
        let doing = "looking for the hub's first event";
        let events: Vec<Found> = self
            .chain
            .ask(doing, "eth_getLogs", (filter,))
            .await
            .map_err(failed(doing))?;
        Ok(events.iter().map(|event| event.block_number.to()).min())
    }

    async fn block_of_code(&self) -> Result<u64, DeployError> {
        let hub = self.plan.deployment.hub;
        let doing = "looking for the block in which the hub was made";
        let stands = async |block: u64| -> Result<bool, DeployError> {
            let code: Bytes = self
                .chain
                .ask(doing, "eth_getCode", (hub, U64::from(block)))
                .await
                .map_err(failed(doing))?;
            Ok(!code.is_empty())
        };
        let newest = self.chain.block().await.map_err(failed(doing))?.number;
        // It stands at `newest`; somewhere in between it began to.
        let (mut from, mut to) = (0, newest);
        while from < to {
            let middle = from + (to - from) / 2;
            if stands(middle).await? {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        Ok(to)
    }

    /// What a step will take, about: enough to tell who can by no means pay.
    fn gas_of(step: &Step) -> u64 {
        let made = match &step.proof {
            Some(Proof::Stands(stands)) => {
                32_000 + 200 * stands.iter().map(|one| one.code_length as u64).sum::<u64>()
            }
            _ => 30_000,
        };
        21_000 + made + 12 * step.input.len() as u64
    }
}

/// A deployment under way.
struct Work<T> {
    site: Site,
    sender: Sender,
    tell: T,
    steps: usize,
    made_hub_in: Option<u64>,
    /// A block in whose state all is executed that the owner sent before creating categories.
    seen: Option<u64>,
    transactions: usize,
    gas_used: u64,
    paid_wei: U256,
}

impl<T: FnMut(Progress) + Send> Work<T> {
    async fn run(&mut self) -> Result<(), DeployError> {
        self.site.quiet().await?;
        let steps: Vec<(usize, Step)> = (1..).zip(self.site.plan.steps.clone()).collect();
        let is_creation = |step: &Step| matches!(step.proof, Some(Proof::Stands(_)));
        let is_category = |step: &Step| matches!(step.proof, Some(Proof::CategoryStands { .. }));
        let is_seal = |step: &Step| matches!(step.proof, Some(Proof::HubSealed));
        let of = |wanted: &dyn Fn(&Step) -> bool| -> Vec<(usize, Step)> {
            let chosen = steps.iter().filter(|(_, step)| wanted(step));
            chosen.cloned().collect()
        };

        let creations = of(&is_creation);
        let missing = self.missing(&creations).await?;
        if !missing.is_empty() {
            let lacking = self.proxy_lacks().await?;
            self.can_pay(&missing, lacking.unwrap_or_default()).await?;
            self.put_proxy(lacking).await?;
            self.send(missing).await?;
        }
        let openings = of(&|step| !is_creation(step) && !is_category(step) && !is_seal(step));
        let missing = self.missing(&openings).await?;
        self.send(missing).await?;
        for (number, step) in of(&is_category) {
            let mut is_done = self.site.is_done(&step).await?;
            if !is_done {
                let seen = self.seen().await?;
                is_done = self.site.is_done_at(&step, seen).await?;
            }
            if is_done {
                self.told(number, &step.label, None);
            } else {
                self.send(vec![(number, step)]).await?;
            }
        }
        // Last, when all that it fixes for ever is there to be looked at.
        let missing = self.missing(&of(&is_seal)).await?;
        self.send(missing).await
    }

    /// A block in whose state all is executed that the owner sent so far: that of a transaction of now.
    async fn seen(&mut self) -> Result<u64, DeployError> {
        if let Some(block) = self.seen {
            return Ok(block);
        }
        let doing = "see the end of what was sent before";
        let nothing = Transaction {
            verb: doing.to_owned(),
            to: Some(self.sender.address()),
            input: Bytes::new(),
            value: U256::ZERO,
            gas_limit: None,
        };
        let receipt = self.sender.submit(nothing).await.map_err(failed(doing))?;
        self.told(0, doing, Some(&receipt));
        self.seen = Some(receipt.block);
        Ok(receipt.block)
    }

    fn told(&mut self, step: usize, label: &str, receipt: Option<&Receipt>) {
        if let Some(receipt) = receipt {
            self.transactions += 1;
            self.gas_used += receipt.gas_used;
            self.paid_wei += U256::from(receipt.gas_used) * U256::from(receipt.gas_price);
        }
        (self.tell)(Progress {
            step,
            steps: self.steps,
            label: label.to_owned(),
            gas_used: receipt.map(|receipt| receipt.gas_used),
        });
    }

    /// Those that are not done; tells of the others.
    async fn missing(
        &mut self,
        steps: &[(usize, Step)],
    ) -> Result<Vec<(usize, Step)>, DeployError> {
        let mut missing = Vec::new();
        for (number, step) in steps {
            if self.site.is_done(step).await? {
                self.told(*number, &step.label, None);
            } else {
                missing.push((*number, step.clone()));
            }
        }
        Ok(missing)
    }

    /// Refuses to begin what by no means can be paid: the missing steps' gas, and what is given away besides.
    async fn can_pay(&self, missing: &[(usize, Step)], given: U256) -> Result<(), DeployError> {
        let doing = "asking what gas costs";
        let owner = self.sender.address();
        let chain = &self.site.chain;
        let gas: u64 = missing.iter().map(|(_, step)| Site::gas_of(step)).sum();
        let price: U256 = chain
            .ask(doing, "eth_gasPrice", ())
            .await
            .map_err(failed(doing))?;
        let balance = chain.ether(owner).await.map_err(failed(doing))?;
        let needed = price.saturating_mul(U256::from(gas));
        let needed = needed.saturating_add(given);
        if balance < needed {
            return Err(DeployError::Poor {
                owner,
                chain_id: self.site.plan.deployment.chain_id,
                balance,
                gas,
                needed,
            });
        }
        Ok(())
    }

    /// Sends these steps at once and waits until all are done, by whoever.
    async fn send(&mut self, missing: Vec<(usize, Step)>) -> Result<(), DeployError> {
        let sender = self.sender.clone();
        let sent = missing.iter().map(|(_, step)| {
            sender.submit(Transaction {
                verb: step.label.clone(),
                to: step.to,
                input: step.input.clone(),
                value: U256::ZERO,
                gas_limit: None,
            })
        });
        // All of them, also if one fails: what is on its way should not be left behind.
        let answers = join_all(sent).await;
        for ((number, step), answer) in missing.iter().zip(answers) {
            let is_done = match answer {
                // Also if it was refused because somebody else was first.
                Ok(_) | Err(ChainError::Refused { .. } | ChainError::OutOfGas { .. }) => {
                    self.site.is_done_soon(step).await
                }
                Err(_) => self.site.is_done(step).await,
            };
            match answer {
                Ok(receipt) => {
                    if !is_done? {
                        return Err(DeployError::NoEffect {
                            step: *number,
                            steps: self.steps,
                            label: step.label.clone(),
                            chain_id: self.site.plan.deployment.chain_id,
                        });
                    }
                    if makes(step, self.site.plan.deployment.hub) {
                        self.made_hub_in = Some(receipt.block);
                    }
                    // Before it is configured nobody creates categories; afterwards this is the one who does.
                    if matches!(
                        step.proof,
                        Some(Proof::HubConfigured(_) | Proof::CategoryStands { .. })
                    ) {
                        self.seen = self.seen.max(Some(receipt.block));
                    }
                    self.told(*number, &step.label, Some(&receipt));
                }
                // Somebody else was first.
                Err(_) if matches!(is_done, Ok(true)) => self.told(*number, &step.label, None),
                Err(source) => {
                    return Err(DeployError::Step {
                        step: *number,
                        steps: self.steps,
                        label: step.label.clone(),
                        source: Box::new(source),
                    });
                }
            }
        }
        Ok(())
    }

    /// What the sender of the proxy's creation lacks to pay for it; `None` if the proxy stands. Finding out costs nothing.
    async fn proxy_lacks(&self) -> Result<Option<U256>, DeployError> {
        let code = self.site.code(PROXY, proxy::ADDRESS).await?;
        if code.as_ref() == proxy::CODE {
            return Ok(None);
        }
        if !code.is_empty() {
            let difference = format!(
                "its code is {} bytes with the hash {}, and is the same 69 bytes on every other chain",
                code.len(),
                keccak256(&code)
            );
            return Err(self.site.foreign(PROXY, proxy::ADDRESS, difference));
        }
        let (used, _) = self.site.nonces(proxy::SIGNER).await?;
        if used > 0 {
            return Err(self.proxy_refused("it was executed here before, and failed"));
        }
        let chain = &self.site.chain;
        let doing = "looking at the sender of the deployment proxy";
        let has = chain.ether(proxy::SIGNER).await.map_err(failed(doing))?;
        let lacking = U256::from(proxy::COST_WEI).saturating_sub(has);
        if !lacking.is_zero() {
            self.proxy_would_be_taken().await?;
        }
        Ok(Some(lacking))
    }

    /// Whether the proxy's creation would be taken if it could pay: what it is given nobody gets back.
    async fn proxy_would_be_taken(&self) -> Result<(), DeployError> {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Block {
            base_fee_per_gas: Option<U256>,
        }
        let chain = &self.site.chain;
        let doing = "asking what gas costs";
        let newest: Block = chain
            .ask(doing, "eth_getBlockByNumber", ("latest".to_owned(), false))
            .await
            .map_err(failed(doing))?;
        let base_fee = newest.base_fee_per_gas.unwrap_or_default();
        if base_fee > U256::from(PROXY_GAS_PRICE) {
            let gwei = base_fee / U256::from(1_000_000_000);
            return Err(self.proxy_refused(format!("gas costs {gwei} gwei now")));
        }
        match self.send_proxy().await {
            Err(error) if says_known(&error) || says_poor(&error) => Ok(()),
            Err(error) if error.is_transient() => Err(failed(PUT_PROXY)(error)),
            Err(error) => Err(self.proxy_refused(format!(
                "{} (nothing was paid)",
                crate::chain::chained(&error)
            ))),
            Ok(_) => Ok(()),
        }
    }

    fn proxy_refused(&self, why: impl Into<String>) -> DeployError {
        DeployError::ProxyRefused {
            chain_id: self.site.plan.deployment.chain_id,
            why: why.into(),
        }
    }

    async fn send_proxy(&self) -> Result<B256, ChainError> {
        let signed = (proxy::TRANSACTION.clone(),);
        let chain = &self.site.chain;
        chain.ask(PUT_PROXY, "eth_sendRawTransaction", signed).await
    }

    /// Makes sure that the deployment proxy stands, whose sender lacks so much.
    async fn put_proxy(&mut self, lacking: Option<U256>) -> Result<(), DeployError> {
        let Some(lacking) = lacking else {
            self.told(0, PUT_PROXY, None);
            return Ok(());
        };
        let chain = self.site.chain.clone();
        if !lacking.is_zero() {
            let doing = "funding the sender of the deployment proxy";
            let receipt = self
                .sender
                .send_ether(proxy::SIGNER, lacking)
                .await
                .map_err(failed(doing))?;
            self.paid_wei += lacking;
            self.told(0, doing, Some(&receipt));
        }
        let began = Instant::now();
        let mut is_sent = false;
        while self.site.code(PROXY, proxy::ADDRESS).await?.as_ref() != proxy::CODE {
            if !is_sent {
                match self.send_proxy().await {
                    Ok(_) => is_sent = true,
                    // From an interrupted deployment, or a stranger's.
                    Err(error) if says_known(&error) => is_sent = true,
                    Err(error) if error.is_transient() => {}
                    // Not everybody of one URL knows yet that it was given something.
                    Err(error) if says_poor(&error) => {}
                    Err(error) => return Err(self.proxy_refused(crate::chain::chained(&error))),
                }
            }
            if began.elapsed() > PATIENCE {
                let secs = PATIENCE.as_secs();
                return Err(self.proxy_refused(format!("it is in no block after {secs} s")));
            }
            tokio::time::sleep(AGAIN).await;
        }
        // Paid by its one-time sender, with what was counted when it was sent there.
        let hash = keccak256(&proxy::TRANSACTION);
        let receipts = chain.receipts(&[hash]).await.map_err(failed(PUT_PROXY))?;
        let gas_used = receipts.into_iter().flatten().next();
        let gas_used = gas_used.map_or(0, |receipt| receipt.gas_used);
        self.transactions += 1;
        self.gas_used += gas_used;
        (self.tell)(Progress {
            step: 0,
            steps: self.steps,
            label: PUT_PROXY.to_owned(),
            gas_used: Some(gas_used),
        });
        Ok(())
    }
}

fn says_known(error: &ChainError) -> bool {
    let words = error.to_string().to_lowercase();
    ["already known", "already imported", "known transaction"]
        .iter()
        .any(|known| words.contains(known))
}

/// Whether the node would take the transaction if its sender could pay; in the words of geth, hardhat, Nethermind, Besu.
fn says_poor(error: &ChainError) -> bool {
    let words = error.to_string().to_lowercase();
    [
        "insufficient",
        "enough funds",
        "cannot pay",
        "exceeds account balance",
    ]
    .iter()
    .any(|poor| words.contains(poor))
}

/// Whether this step creates the contract at `address`.
fn makes(step: &Step, address: Address) -> bool {
    match &step.proof {
        Some(Proof::Stands(stands)) => stands.iter().any(|standing| standing.address == address),
        _ => false,
    }
}
