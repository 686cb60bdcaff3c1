//! The chain: the only room that knows JSON-RPC.
//!
//! A [`Chain`] is one deployment on one node, cheap to clone. Reading is [`Chain::call`] and [`Chain::hub`] for any
//! function of the ABI; writing goes through a [`Sender`], of which there is one per key; [`Chain::follow`] tells
//! every event of the hub exactly once, through absences and reorganisations. What a contract refuses comes back as a
//! [`Refusal`] in plain words.
//!
//! ```text
//!           call, events                    sender(wallet)                follow(from)
//!                │                                │                            │
//!                │                     queue ► sign ► batch ► receipts    getLogs in ranges
//!                ▼                                ▼        ▲                   ▲
//!            JSON-RPC (HTTP or WebSocket)                  └──── newest head ──┘   (newHeads, else a timer)
//! ```
//!
//! A node that is away makes reads fail with a transient error at once, since the caller knows best whether to wait;
//! senders and followers wait by themselves.

mod error;
mod follow;
mod heads;
mod refusal;
mod rpc;
mod sender;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::rpc::types::{Log, TransactionReceipt, TransactionRequest};
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256};
use alloy_sol_types::{SolCall, SolEventInterface as _};
use protocol::abi::Hub;
use protocol::deployment::Deployment;
use protocol::order::Domain;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use url::Url;

use crate::wallet::Wallet;

pub use error::ChainError;
pub use follow::{EventStream, Followed};
pub use refusal::Refusal;
pub use sender::{Receipt, Sender, Transaction};

pub(crate) use rpc::chained;

use heads::{Head, Heads};
use rpc::{Failure, Rpc};

/// How a [`Chain`] behaves; the defaults suit a node nearby.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    /// Where to subscribe to new blocks; `None` guesses the RPC URL's host and port.
    pub ws: Option<Url>,
    /// How often to ask for the newest block while there is no subscription: a node that serves HTTP only must be
    /// polled, and what waits for a block then wakes up to this much later.
    pub poll_every: Duration,
    /// How long a [`Sender`] keeps trying while the node is away, before it says so to the caller.
    pub patience: Duration,
    /// How long a transaction may wait in the pool before it is sent again (with a higher fee if that is what it
    /// lacks).
    pub resend_after: Duration,
    /// The most that is ever offered per gas, in wei. What waits while blocks pass it by is raised, to a few times the
    /// going price and never beyond this; what this does not suffice for waits until gas is cheaper. While a block's
    /// base fee is above it, nothing new is sent: the caller hears so at once.
    pub fee_max: u128,
    /// Most blocks to ask events of in one request.
    pub log_range_blocks: u64,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self {
            ws: None,
            poll_every: Duration::from_millis(500),
            patience: Duration::from_secs(120),
            resend_after: Duration::from_secs(15),
            fee_max: 10_000_000_000_000,
            log_range_blocks: 2_000,
        }
    }
}

/// One deployment on one node. Clones share connections, caches and senders.
#[derive(Clone)]
pub struct Chain {
    inner: Arc<Inner>,
}

struct Inner {
    rpc: Arc<Rpc>,
    url: Url,
    deployment: Deployment,
    options: ChainOptions,
    heads: OnceLock<Heads>,
    fees: Mutex<Option<(Instant, Fees)>>,
    /// The node does not take a block's hash where it takes a number (EIP-1898).
    by_number: AtomicBool,
    /// Weak: a sender holds its chain, and ends when nobody uses it any more.
    senders: Mutex<HashMap<Address, Weak<sender::Shared>>>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("node", &self.inner.rpc.node)
            .field("chain_id", &self.inner.deployment.chain_id)
            .field("hub", &self.inner.deployment.hub)
            .finish_non_exhaustive()
    }
}

/// A block, by what one needs of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// When, in seconds since 1970 by the chain's clock.
    pub time_secs: u64,
}

/// An event of the hub, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct HubEvent {
    /// Height of the block.
    pub block: u64,
    /// The transaction.
    pub tx: B256,
    /// Position within the block.
    pub log_index: u64,
    /// What happened.
    pub event: Hub::HubEvents,
}

/// What a transaction offers per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fees {
    /// EIP-1559, in wei.
    Market { max_fee: u128, tip: u128 },
    /// A chain without a base fee, in wei.
    Legacy { price: u128 },
}

impl Fees {
    /// Twice the base fee, so that six full blocks in a row do not price a transaction out, and the tip.
    fn market(base: u128, tip: u128) -> Self {
        Self::Market {
            max_fee: base.saturating_mul(2).saturating_add(tip),
            tip,
        }
    }

    /// At most so much per gas.
    fn at_most(self, ceiling: u128) -> Self {
        match self {
            Self::Market { max_fee, tip } => Self::Market {
                max_fee: max_fee.min(ceiling),
                tip: tip.min(ceiling),
            },
            Self::Legacy { price } => Self::Legacy {
                price: price.min(ceiling),
            },
        }
    }

    fn most(self) -> u128 {
        match self {
            Self::Market { max_fee, .. } => max_fee,
            Self::Legacy { price } => price,
        }
    }

    /// The base fee from which [`Self::market`] made it.
    fn base(self) -> Option<u128> {
        match self {
            Self::Market { max_fee, tip } => Some(max_fee.saturating_sub(tip) / 2),
            Self::Legacy { .. } => None,
        }
    }
}

/// The ceiling some forks of Ethereum put on one transaction's gas (EIP-7825).
const TRANSACTION_GAS_MAX: u64 = 1 << 24;

/// How long a fee fetched by asking is good for.
const FEES_GOOD_FOR: Duration = Duration::from_secs(10);

/// The pauses after which a node is asked again about a block it does not know: of several behind one URL, one may be
/// a little behind the one that told of the block.
const UNKNOWN_BLOCK_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(400),
    Duration::from_millis(900),
];

impl Chain {
    /// Connects to a node by http(s) or ws(s) URL, and checks that it is on the deployment's chain and that the
    /// contracts are there.
    pub async fn connect(rpc_url: &Url, deployment: Deployment) -> Result<Self, ChainError> {
        Self::connect_with(rpc_url, deployment, ChainOptions::default()).await
    }

    /// The same, with options.
    pub async fn connect_with(
        rpc_url: &Url,
        deployment: Deployment,
        options: ChainOptions,
    ) -> Result<Self, ChainError> {
        let chain = Self::unchecked(rpc_url, deployment, options)?;
        let found = chain.node_chain_id().await?;
        let (rpc, deployment) = (&chain.inner.rpc, chain.deployment());
        if found != deployment.chain_id {
            return Err(ChainError::WrongChain {
                node: rpc.node.clone(),
                expected: deployment.chain_id,
                found,
            });
        }
        for (what, address) in [("hub", deployment.hub), ("token", deployment.rlc)] {
            let code: Bytes = rpc
                .request("eth_getCode", (address, "latest"))
                .await
                .map_err(|failure| {
                    rpc.explain(format!("looking for the {what} at {address}"), failure)
                })?;
            if code.is_empty() {
                let (node, chain_id) = (rpc.node.clone(), deployment.chain_id);
                return Err(ChainError::NothingThere {
                    node,
                    what,
                    address,
                    chain_id,
                });
            }
        }
        Ok(chain)
    }

    /// Without looking whether anything is there: for deploying.
    pub(crate) fn unchecked(
        rpc_url: &Url,
        deployment: Deployment,
        options: ChainOptions,
    ) -> Result<Self, ChainError> {
        let inner = Inner {
            rpc: Arc::new(Rpc::new(rpc_url)?),
            url: rpc_url.clone(),
            deployment,
            options,
            heads: OnceLock::new(),
            fees: Mutex::new(None),
            by_number: AtomicBool::new(false),
            senders: Mutex::new(HashMap::new()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The chain id the node tells.
    pub(crate) async fn node_chain_id(&self) -> Result<u64, ChainError> {
        let found: U64 = self
            .ask("asking for its chain id", "eth_chainId", ())
            .await?;
        Ok(found.to())
    }

    /// Asks the node anything.
    pub(crate) async fn ask<P: RpcSend + 'static, R: RpcRecv>(
        &self,
        doing: &str,
        method: &'static str,
        params: P,
    ) -> Result<R, ChainError> {
        let rpc = &self.inner.rpc;
        // Boxed: these futures are large, and a caller that joins several would carry all of them on its stack.
        Box::pin(rpc.request(method, params))
            .await
            .map_err(|failure| rpc.explain(doing, failure))
    }

    /// The receipts of transactions, in their order; `None` for those that are not mined.
    pub(crate) async fn receipts(
        &self,
        hashes: &[B256],
    ) -> Result<Vec<Option<Receipt>>, ChainError> {
        let rpc = &self.inner.rpc;
        let doing = "asking for receipts";
        let params = hashes.iter().map(|hash| (*hash,)).collect();
        let answers = rpc
            .batch::<_, Option<TransactionReceipt>>("eth_getTransactionReceipt", params)
            .await
            .map_err(|failure| rpc.explain(doing, failure))?;
        let receipt = |answer: Result<Option<TransactionReceipt>, Failure>| {
            let receipt = answer.map_err(|failure| rpc.explain(doing, failure))?;
            Ok(receipt
                .filter(|receipt| receipt.block_number.is_some())
                .map(Receipt::from))
        };
        answers.into_iter().map(receipt).collect()
    }

    /// Where the contracts stand.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.inner.deployment
    }

    /// The domain under which orders for this hub are signed.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.inner.deployment.domain()
    }

    /// The node's URL, as given. It may hold a key: not for logs.
    #[must_use]
    pub fn rpc_url(&self) -> &Url {
        &self.inner.url
    }

    /// Calls a view function of any contract.
    pub async fn call<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return, ChainError> {
        let request = TransactionRequest::default()
            .to(to)
            .input(Bytes::from(call.abi_encode()).into());
        let data = Box::pin(self.eth_call(verb::<C>(), request, "latest".to_owned())).await?;
        self.decode_return::<C>(to, &data)
    }

    /// Calls a view function of the hub.
    pub async fn hub<C: SolCall>(&self, call: C) -> Result<C::Return, ChainError> {
        self.call(self.inner.deployment.hub, call).await
    }

    /// Calls a view function of the hub as of one block, by its hash: several such answers fit together, whatever comes
    /// in between and whichever of several nodes behind one URL answers. A node that takes no hashes there is asked by
    /// number, which is as good unless the block is replaced in between.
    pub async fn hub_at<C: SolCall>(
        &self,
        block: BlockRef,
        call: C,
    ) -> Result<C::Return, ChainError> {
        let hub = self.inner.deployment.hub;
        let request = TransactionRequest::default()
            .to(hub)
            .input(Bytes::from(call.abi_encode()).into());
        let answer = Box::pin(self.call_at(block, request)).await;
        let data = answer.map_err(|failure| match failure {
            // The block may be there a moment later, or have been replaced.
            failure if failure.unknown_block() => self.inner.rpc.explain(
                format!("calling {} at block {}", verb::<C>(), block.number),
                Failure::Away(failure.words()),
            ),
            failure => self.refused_or(&verb::<C>(), failure),
        })?;
        self.decode_return::<C>(hub, &data)
    }

    async fn call_at(
        &self,
        block: BlockRef,
        request: TransactionRequest,
    ) -> Result<Bytes, Failure> {
        let by_hash = serde_json::json!({ "blockHash": block.hash });
        let by_number = serde_json::json!(U64::from(block.number));
        let only_numbers = &self.inner.by_number;
        if only_numbers.load(Ordering::Relaxed) {
            return self.call_patiently(&request, &by_number).await;
        }
        let failure = match self.call_patiently(&request, &by_hash).await {
            Err(failure) if failure.is_no() && !failure.unknown_block() => failure,
            answer => return answer,
        };
        let answer = self.call_patiently(&request, &by_number).await;
        let answered = match &answer {
            Ok(_) => true,
            Err(failure) => failure.is_revert(),
        };
        // A bad moment is not for ever.
        if answered && !failure.may_pass() && !only_numbers.swap(true, Ordering::Relaxed) {
            let (node, why) = (&self.inner.rpc.node, failure.words());
            tracing::warn!(
                node,
                why,
                "the node takes no block hashes in calls: asking by number"
            );
        }
        answer
    }

    /// Calls as of a block, again after short pauses while the node does not know that block.
    async fn call_patiently(
        &self,
        request: &TransactionRequest,
        at: &serde_json::Value,
    ) -> Result<Bytes, Failure> {
        let rpc = &self.inner.rpc;
        let mut pauses = UNKNOWN_BLOCK_PAUSES.iter();
        loop {
            let answer = rpc.request("eth_call", (request.clone(), at.clone())).await;
            match &answer {
                Err(failure) if failure.unknown_block() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return answer,
                },
                _ => return answer,
            }
        }
    }

    /// Calls one view function of the hub for many things, in as few messages as the node allows; the answers are in
    /// the order of the calls.
    pub async fn hub_many<C: SolCall>(&self, calls: Vec<C>) -> Result<Vec<C::Return>, ChainError> {
        let (rpc, hub) = (&self.inner.rpc, self.inner.deployment.hub);
        let params = calls
            .iter()
            .map(|call| {
                let request = TransactionRequest::default()
                    .to(hub)
                    .input(Bytes::from(call.abi_encode()).into());
                (request, "latest")
            })
            .collect();
        let verb = verb::<C>();
        let answers = rpc
            .batch::<_, Bytes>("eth_call", params)
            .await
            .map_err(|failure| rpc.explain(format!("calling {verb}"), failure))?;
        answers
            .into_iter()
            .map(|answer| {
                let data = answer.map_err(|failure| self.refused_or(&verb, failure))?;
                self.decode_return::<C>(hub, &data)
            })
            .collect()
    }

    fn decode_return<C: SolCall>(
        &self,
        to: Address,
        data: &Bytes,
    ) -> Result<C::Return, ChainError> {
        C::abi_decode_returns(data).map_err(|error| ChainError::Unreadable {
            node: self.inner.rpc.node.clone(),
            doing: format!("{} at {to}", verb::<C>()),
            why: if data.is_empty() {
                "nothing came back; is that contract there?".to_owned()
            } else {
                error.to_string()
            },
        })
    }

    async fn eth_call(
        &self,
        verb: String,
        request: TransactionRequest,
        block: String,
    ) -> Result<Bytes, ChainError> {
        let answer = self.inner.rpc.request("eth_call", (request, block)).await;
        answer.map_err(|failure| self.refused_or(&verb, failure))
    }

    /// Sorts a failure of `eth_call` or `eth_estimateGas`: a revert is the contract's, all else the node's.
    fn refused_or(&self, verb: &str, failure: Failure) -> ChainError {
        match failure {
            Failure::Said {
                data: Some(data), ..
            } => refused(verb, &data),
            Failure::Said { ref message, .. } if message.to_lowercase().contains("revert") => {
                refused(verb, &Bytes::new())
            }
            failure => self.inner.rpc.explain(format!("calling {verb}"), failure),
        }
    }

    /// The newest block.
    pub async fn block(&self) -> Result<BlockRef, ChainError> {
        let rpc = &self.inner.rpc;
        let head = Head::latest(rpc)
            .await
            .map_err(|failure| rpc.explain("asking for the newest block", failure))?;
        Ok(BlockRef::from(&head))
    }

    /// The block at this height, if the chain is that long.
    pub async fn block_at(&self, number: u64) -> Result<Option<BlockRef>, ChainError> {
        let rpc = &self.inner.rpc;
        let head = Head::at(rpc, number)
            .await
            .map_err(|failure| rpc.explain(format!("asking for block {number}"), failure))?;
        Ok(head.as_ref().map(BlockRef::from))
    }

    /// Ether of an account, in wei.
    pub async fn ether(&self, address: Address) -> Result<U256, ChainError> {
        let rpc = &self.inner.rpc;
        rpc.request("eth_getBalance", (address, "latest"))
            .await
            .map_err(|failure| rpc.explain(format!("asking for the ether of {address}"), failure))
    }

    /// The sender for this key: the same one whenever it is asked for, so that nonces are counted in one place.
    #[must_use]
    pub fn sender(&self, wallet: &Wallet) -> Sender {
        let mut senders = self
            .inner
            .senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        senders.retain(|_, sender| sender.strong_count() > 0);
        if let Some(shared) = senders.get(&wallet.address()).and_then(Weak::upgrade) {
            return Sender::from(shared);
        }
        let sender = Sender::new(self.clone(), wallet.clone());
        senders.insert(wallet.address(), sender.weak());
        sender
    }

    /// All events of the hub in these blocks, both ends included. A range too large for the node is asked in parts.
    pub async fn events(
        &self,
        from_block: u64,
        to_block: u64,
    ) -> Result<Vec<HubEvent>, ChainError> {
        let mut events = Vec::new();
        let mut next = from_block;
        let mut range = self.inner.options.log_range_blocks.max(1);
        while next <= to_block {
            let end = to_block.min(next.saturating_add(range - 1));
            match self.logs(next, end, None).await {
                Ok(logs) => {
                    events.extend(logs.iter().filter_map(hub_event));
                    if end == u64::MAX {
                        break;
                    }
                    next = end + 1;
                }
                // Nodes bound the answer by blocks or by events, each in its own words.
                Err(Failure::Said { .. }) if range > 1 && end > next => {
                    range = (end - next).div_ceil(2)
                }
                Err(failure) => {
                    return Err(self.inner.rpc.explain(
                        format!("asking for events of blocks {next} to {end}"),
                        failure,
                    ));
                }
            }
        }
        Ok(events)
    }

    /// Events of the hub whose first indexed value is one of `values`, from a block on.
    pub(crate) async fn events_about(
        &self,
        from_block: u64,
        values: &[B256],
    ) -> Result<Vec<HubEvent>, ChainError> {
        let rpc = &self.inner.rpc;
        let to = self.block().await?.number;
        let mut events = Vec::new();
        for some in values.chunks(200) {
            let mut next = from_block;
            let mut range = to.saturating_sub(from_block) + 1;
            while next <= to {
                let end = to.min(next.saturating_add(range - 1));
                match self.logs(next, end, Some(some)).await {
                    Ok(logs) => {
                        events.extend(logs.iter().filter_map(hub_event));
                        next = end + 1;
                    }
                    Err(Failure::Said { .. }) if end > next => range = (end - next).div_ceil(2),
                    Err(failure) => return Err(rpc.explain("asking for events", failure)),
                }
            }
        }
        Ok(events)
    }

    async fn logs(
        &self,
        from: u64,
        to: u64,
        first_topics: Option<&[B256]>,
    ) -> Result<Vec<Log>, Failure> {
        let mut filter = serde_json::json!({
            "fromBlock": U64::from(from),
            "toBlock": U64::from(to),
            "address": self.inner.deployment.hub,
        });
        if let Some(values) = first_topics {
            filter["topics"] = serde_json::json!([null, values]);
        }
        self.inner.rpc.request("eth_getLogs", (filter,)).await
    }

    /// Events of the hub in one block; an error if the node does not know it.
    async fn logs_of(&self, block: B256) -> Result<Vec<Log>, Failure> {
        let filter = serde_json::json!({
            "blockHash": block,
            "address": self.inner.deployment.hub,
        });
        self.inner.rpc.request("eth_getLogs", (filter,)).await
    }

    /// Follows the hub's events from a block on, for ever.
    #[must_use]
    pub fn follow(&self, from_block: u64) -> EventStream {
        EventStream::new(self.clone(), from_block)
    }

    /// Waits until the newest block may have changed since the last call on this receiver, or `at_most` has passed.
    async fn wait_for_news(newest: &mut watch::Receiver<Option<Arc<Head>>>, at_most: Duration) {
        // A closed channel means that the chain is being dropped; the timer still bounds the wait.
        let changed = async {
            if newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(at_most, changed).await;
    }

    fn newest(&self) -> watch::Receiver<Option<Arc<Head>>> {
        let heads = self.inner.heads.get_or_init(|| {
            let ws = self
                .inner
                .options
                .ws
                .clone()
                .or_else(|| websocket_of(&self.inner.url));
            Heads::listen(self.inner.rpc.clone(), ws, self.inner.options.poll_every)
        });
        heads.newest.clone()
    }

    /// What to offer for gas now, by the newest base fee and the node's idea of a tip, which is asked for at most every
    /// few seconds; no more than the owner allows.
    async fn fees(&self) -> Result<Fees, Failure> {
        let fees = self.going_fees().await?;
        Ok(fees.at_most(self.inner.options.fee_max))
    }

    /// The same, whatever the owner allows.
    async fn going_fees(&self) -> Result<Fees, Failure> {
        let cached = *self
            .inner
            .fees
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let rpc = &self.inner.rpc;
        let known = self
            .inner
            .heads
            .get()
            .and_then(|heads| heads.newest.borrow().clone());
        if let Some((since, fees)) = cached
            && since.elapsed() < FEES_GOOD_FOR
        {
            // The base fee comes with each block; only what had to be asked for is kept.
            let base = known.and_then(|head| head.base_fee_per_gas);
            let fees = match (fees, base) {
                (Fees::Market { tip, .. }, Some(base)) => Fees::market(base.to(), tip),
                (fees, _) => fees,
            };
            return Ok(fees);
        }
        let head = match known {
            Some(head) => head,
            None => Arc::new(Head::latest(rpc).await?),
        };
        let fees = match head.base_fee_per_gas {
            Some(base) => {
                let tip = match rpc.request::<_, U128>("eth_maxPriorityFeePerGas", ()).await {
                    Ok(tip) => tip.to::<u128>(),
                    Err(Failure::Away(why)) => return Err(Failure::Away(why)),
                    // A node that has no idea: what most transactions pay.
                    Err(_) => 1_000_000_000,
                };
                Fees::market(base.to(), tip)
            }
            None => Fees::Legacy {
                price: rpc.request::<_, U128>("eth_gasPrice", ()).await?.to(),
            },
        };
        *self
            .inner
            .fees
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), fees));
        Ok(fees)
    }

    fn forget_fees(&self) {
        *self
            .inner
            .fees
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl From<&Head> for BlockRef {
    fn from(head: &Head) -> Self {
        Self {
            number: head.number(),
            hash: head.hash,
            time_secs: head.timestamp.saturating_to(),
        }
    }
}

fn refused(verb: &str, data: &Bytes) -> ChainError {
    ChainError::Refused {
        verb: verb.to_owned(),
        refusal: Box::new(Refusal::decode(data)),
    }
}

/// The function's name, for people.
fn verb<C: SolCall>() -> String {
    C::SIGNATURE
        .split('(')
        .next()
        .unwrap_or(C::SIGNATURE)
        .to_owned()
}

fn hub_event(log: &Log) -> Option<HubEvent> {
    if log.removed {
        return None;
    }
    // Events this version does not know are none of its business.
    let event = Hub::HubEvents::decode_raw_log(log.topics(), &log.data().data).ok()?;
    Some(HubEvent {
        block: log.block_number?,
        tx: log.transaction_hash?,
        log_index: log.log_index?,
        event,
    })
}

/// Where a node that serves both on one port has its WebSocket.
fn websocket_of(url: &Url) -> Option<Url> {
    let scheme = match url.scheme() {
        "http" => "ws",
        "https" => "wss",
        _ => return Some(url.clone()),
    };
    let mut ws = url.clone();
    ws.set_scheme(scheme).ok()?;
    Some(ws)
}
