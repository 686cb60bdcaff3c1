//! One transaction sender per key.
//!
//! Any number of tasks hand in transactions at once; one task of the sender numbers them, signs them and sends them
//! off in batches without waiting for earlier ones to be mined, then collects receipts: at once, since a chain that
//! mines instantly has them by then, and again whenever a block comes.
//!
//! ```text
//! caller ─ estimate ─► queue ─► nonce, fee, signature ─► batch ─► in flight ─► receipt ─► caller
//!                        ▲                                 │          │
//!                        └───── nonce was not ours ────────┴──────────┘ stuck: sent again, same nonce, higher fee
//! ```
//!
//! Never twice: a transaction whose fate is unknown is only ever sent again under the *same nonce*, of which a chain
//! executes one. It gets a new nonce only when its old one is known to be used up by another transaction.
//!
//! A nonce that a refused transaction leaves open below accepted ones is filled, by the next transaction or, if there
//! is none, by one that does nothing: else those above would wait for ever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use alloy::consensus::{TxEip1559, TxLegacy, TypedTransaction};
use alloy::rpc::types::{Log, TransactionReceipt, TransactionRequest};
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_sol_types::SolCall;
use tokio::sync::{mpsc, oneshot, watch};

use super::heads::Head;
use super::rpc::{BATCH_MAX, Failure};
use super::{Chain, ChainError, Fees, HubEvent, Refusal, TRANSACTION_GAS_MAX, hub_event, verb};
use crate::wallet::Wallet;

/// Most transactions of one key in flight; nodes bound what they keep of one account.
const IN_FLIGHT_MAX: usize = 256;

/// How often one transaction may change its nonce or fee because the node did not take it, before the caller hears.
const TRIES_MAX: u32 = 20;

/// A safety net under lost news of blocks.
const NET: Duration = Duration::from_secs(2);

/// The first pause after the node could not be asked for receipts.
const SOON: Duration = Duration::from_millis(50);

/// A mined transaction that did what it should.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Hash of the transaction.
    pub tx: B256,
    /// Height of its block.
    pub block: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Gas it used.
    pub gas_used: u64,
    /// What it paid per gas, in wei.
    pub gas_price: u128,
    /// The contract it created.
    pub created: Option<Address>,
    /// The hub's events in it, in order.
    pub events: Vec<HubEvent>,
    /// Everything any contract logged in it.
    pub logs: Vec<Log>,
}

/// A transaction to be sent. [`Sender::send`] makes one of a call.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// What it does, for messages: the function's name.
    pub verb: String,
    /// Whom it calls; `None` creates a contract.
    pub to: Option<Address>,
    /// Calldata or creation code.
    pub input: Bytes,
    /// Ether sent along, in wei.
    pub value: U256,
    /// A known bound of its gas; `None` asks the node for an estimate first, which also tells refusals before
    /// anything is paid.
    pub gas_limit: Option<u64>,
}

/// Sends the transactions of one key. Clones share it.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    chain: Chain,
    address: Address,
    wallet: Wallet,
    queue: mpsc::UnboundedSender<Job>,
    in_vain: Arc<AtomicU64>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

impl From<Arc<Shared>> for Sender {
    fn from(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Sender {
    pub(super) fn new(chain: Chain, wallet: Wallet) -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        let address = wallet.address();
        let newest = chain.newest();
        let in_vain = Arc::new(AtomicU64::new(0));
        let desk = Desk {
            in_vain: in_vain.clone(),
            chain: chain.clone(),
            wallet: wallet.clone(),
            address,
            jobs,
            newest,
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            next_nonce: None,
            holes: BTreeSet::new(),
            mined: VecDeque::new(),
            last_head: None,
            look_within: NET,
            fruitless_looks: 0,
        };
        tokio::spawn(desk.run());
        Self {
            shared: Arc::new(Shared {
                chain,
                address,
                wallet,
                queue,
                in_vain,
            }),
        }
    }

    pub(super) fn weak(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    /// Whose transactions it sends.
    #[must_use]
    pub fn address(&self) -> Address {
        self.shared.address
    }

    /// The wallet behind it.
    #[must_use]
    pub fn wallet(&self) -> &Wallet {
        &self.shared.wallet
    }

    /// How many of its transactions were mined and did nothing, since it was made: gas paid in vain.
    #[must_use]
    pub fn in_vain(&self) -> u64 {
        self.shared.in_vain.load(Ordering::Relaxed)
    }

    /// The chain it sends to.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.shared.chain
    }

    /// Calls a contract by a transaction and waits until it is mined. A refusal is told before anything is paid if
    /// it can be foreseen.
    pub async fn send<C: SolCall>(&self, to: Address, call: C) -> Result<Receipt, ChainError> {
        self.submit(transaction(to, &call, None)).await
    }

    /// The same with a known bound of its gas, which spares the node an estimate: for calls made often.
    pub async fn send_with_gas<C: SolCall>(
        &self,
        to: Address,
        call: C,
        gas_limit: u64,
    ) -> Result<Receipt, ChainError> {
        self.submit(transaction(to, &call, Some(gas_limit))).await
    }

    /// Calls the hub by a transaction.
    pub async fn hub<C: SolCall>(&self, call: C) -> Result<Receipt, ChainError> {
        self.send(self.shared.chain.deployment().hub, call).await
    }

    /// Calls the hub with a known bound of gas.
    pub async fn hub_with_gas<C: SolCall>(
        &self,
        call: C,
        gas_limit: u64,
    ) -> Result<Receipt, ChainError> {
        self.send_with_gas(self.shared.chain.deployment().hub, call, gas_limit)
            .await
    }

    /// Sends ether, in wei.
    pub async fn send_ether(&self, to: Address, wei: U256) -> Result<Receipt, ChainError> {
        let verb = "sending ether".to_owned();
        self.submit(Transaction {
            verb,
            to: Some(to),
            input: Bytes::new(),
            value: wei,
            gas_limit: None,
        })
        .await
    }

    /// Sends any transaction and waits until it is mined.
    pub async fn submit(&self, transaction: Transaction) -> Result<Receipt, ChainError> {
        let mut transaction = transaction;
        let asked_for = transaction.gas_limit;
        loop {
            let gas_limit = match transaction.gas_limit {
                Some(gas_limit) => gas_limit,
                None => self.estimate(&transaction).await?,
            };
            match self.enqueue(&transaction, gas_limit).await {
                // Work that depends on others' transactions may need more than was foreseen. It failed, so nothing
                // but gas was spent, and a fresh estimate knows better; whoever gave the limit decides himself.
                Err(ChainError::OutOfGas { .. })
                    if asked_for.is_none() && transaction.gas_limit.is_none() =>
                {
                    let estimate = self.estimate(&transaction).await?;
                    transaction.gas_limit = Some(estimate.max(gas_limit).saturating_mul(2));
                }
                result => return result,
            }
        }
    }

    async fn enqueue(
        &self,
        transaction: &Transaction,
        gas_limit: u64,
    ) -> Result<Receipt, ChainError> {
        let closed = || ChainError::Closed {
            verb: transaction.verb.clone(),
        };
        let (reply, answer) = oneshot::channel();
        let job = Job {
            transaction: transaction.clone(),
            gas_limit,
            reply,
            tries: 0,
        };
        self.shared.queue.send(job).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Asks the node how much gas it takes; waits while the node is away.
    async fn estimate(&self, transaction: &Transaction) -> Result<u64, ChainError> {
        let chain = &self.shared.chain;
        let request = request(self.shared.address, transaction);
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            match chain
                .inner
                .rpc
                .request::<_, U64>("eth_estimateGas", (request.clone(),))
                .await
            {
                Ok(estimate) => return Ok(with_margin(estimate.to())),
                Err(Failure::Away(why)) => {
                    if started.elapsed() + pause > chain.inner.options.patience {
                        return Err(chain
                            .inner
                            .rpc
                            .explain(transaction.verb.clone(), Failure::Away(why)));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(Failure::Said {
                    message,
                    data: None,
                    ..
                }) if is_poverty(&message) => {
                    let fees = chain.fees().await.map(Fees::most).unwrap_or_default();
                    let needed = transaction.value + U256::from(fees);
                    return Err(
                        no_ether(chain, self.shared.address, &transaction.verb, needed).await,
                    );
                }
                Err(failure) => return Err(chain.refused_or(&transaction.verb, failure)),
            }
        }
    }
}

fn transaction<C: SolCall>(to: Address, call: &C, gas_limit: Option<u64>) -> Transaction {
    Transaction {
        verb: verb::<C>(),
        to: Some(to),
        input: call.abi_encode().into(),
        value: U256::ZERO,
        gas_limit,
    }
}

fn request(from: Address, transaction: &Transaction) -> TransactionRequest {
    let mut request = TransactionRequest::default()
        .from(from)
        .input(transaction.input.clone().into())
        .value(transaction.value);
    request.to = Some(transaction.to.map_or(TxKind::Create, TxKind::Call));
    request
}

/// Half as much again, since others' transactions come first and may make this one dearer (a contribution that
/// reaches consensus costs a third more); what is not used is not paid.
fn with_margin(estimate: u64) -> u64 {
    let roomy = estimate.saturating_add(estimate / 2).saturating_add(20_000);
    roomy.min(TRANSACTION_GAS_MAX).max(estimate)
}

async fn no_ether(chain: &Chain, address: Address, verb: &str, needed: U256) -> ChainError {
    let balance = chain.ether(address).await.unwrap_or_default();
    ChainError::NoEther {
        verb: verb.to_owned(),
        address,
        balance: balance.saturating_to(),
        needed: needed.saturating_to(),
    }
}

struct Job {
    transaction: Transaction,
    gas_limit: u64,
    reply: oneshot::Sender<Result<Receipt, ChainError>>,
    tries: u32,
}

/// A signed transaction under way.
struct InFlight {
    job: Job,
    fees: Fees,
    /// Every form in which it was sent: the same nonce under rising fees. The last is the newest.
    forms: Vec<(B256, Bytes)>,
    sent_at: Instant,
    last_sent_at: Instant,
    /// How often its nonce was found used without a receipt for any of its forms.
    strikes: u32,
}

/// The sender's task: everything about nonces happens here, one thing at a time.
struct Desk {
    in_vain: Arc<AtomicU64>,
    chain: Chain,
    wallet: Wallet,
    address: Address,
    jobs: mpsc::UnboundedReceiver<Job>,
    newest: watch::Receiver<Option<Arc<Head>>>,
    waiting: VecDeque<Job>,
    in_flight: BTreeMap<u64, InFlight>,
    /// `None`: ask the chain.
    next_nonce: Option<u64>,
    /// Nonces below accepted ones that nothing uses.
    holes: BTreeSet<u64>,
    /// What was mined lately, to be sent again should its block vanish.
    mined: VecDeque<(u64, B256, Bytes)>,
    last_head: Option<Arc<Head>>,
    /// How long to wait for news of blocks before looking for receipts all the same.
    look_within: Duration,
    /// How many looks for receipts right after sending found none: on a chain with block times they never do.
    fruitless_looks: u32,
}

/// How the node took a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    NonceUsed,
    NonceAhead,
    FeeTooLow,
    Poverty,
    No,
}

fn taken(answer: &Result<B256, Failure>) -> Taken {
    let message = match answer {
        Ok(_) => return Taken::Yes,
        Err(Failure::Said { message, .. }) => message.to_lowercase(),
        Err(_) => return Taken::No,
    };
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&[
        "already known",
        "already imported",
        "known transaction",
        "alreadyknown",
        "already in the pool",
        "already exists",
    ]) {
        Taken::Yes
    } else if says(&[
        "nonce too low",
        "nonce is too low",
        "old nonce",
        "nonce has already been used",
    ]) {
        Taken::NonceUsed
    } else if says(&["nonce too high", "nonce is too high", "nonce gap", "gapped"]) {
        Taken::NonceAhead
    } else if is_poverty(&message) {
        Taken::Poverty
    } else if says(&[
        "underpriced",
        "fee too low",
        "less than block base fee",
        "lower than the",
        "fee cap",
    ]) {
        Taken::FeeTooLow
    } else {
        Taken::No
    }
}

fn is_poverty(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("insufficient funds")
        || message.contains("doesn't have enough funds")
        || message.contains("insufficient balance for")
}

impl Desk {
    async fn run(mut self) {
        loop {
            if self.waiting.is_empty() && self.in_flight.is_empty() && self.holes.is_empty() {
                match self.jobs.recv().await {
                    Some(job) => self.waiting.push_back(job),
                    None => return,
                }
            }
            while let Ok(job) = self.jobs.try_recv() {
                self.waiting.push_back(job);
            }
            // Marked as seen before anything is asked, so that a block that comes meanwhile wakes the next wait.
            let head = self.newest.borrow_and_update().clone();
            self.notice(head).await;
            let sent = if self.in_flight.len() < IN_FLIGHT_MAX {
                self.send_some().await
            } else {
                Vec::new()
            };
            if !sent.is_empty() && self.looks_at_once() {
                let found = self.collect(&sent).await;
                self.fruitless_looks = if found {
                    0
                } else {
                    self.fruitless_looks.saturating_add(1)
                };
            }
            if self.in_flight.is_empty()
                || (self.has_work() && self.in_flight.len() < IN_FLIGHT_MAX)
            {
                continue;
            }
            tokio::select! {
                job = self.jobs.recv() => match job {
                    Some(job) => self.waiting.push_back(job),
                    // Nobody is left who could wait for an answer.
                    None => return,
                },
                () = Chain::wait_for_news(&mut self.newest, self.look_within) => {
                    let all: Vec<u64> = self.in_flight.keys().copied().collect();
                    self.collect(&all).await;
                    self.nudge_the_stuck().await;
                }
            }
        }
    }

    fn has_work(&self) -> bool {
        !self.waiting.is_empty() || !self.holes.is_empty()
    }

    /// Whether to look for receipts right after sending. Where three looks in a row found nothing, blocks take their
    /// time and only every sixteenth sending looks again.
    fn looks_at_once(&self) -> bool {
        self.fruitless_looks < 3 || self.fruitless_looks.is_multiple_of(16)
    }

    /// Sends what waits, as much as fits one batch. Gives the nonces now in flight because of it.
    async fn send_some(&mut self) -> Vec<u64> {
        if !self.has_work() {
            return Vec::new();
        }
        let Some(fees) = self.prepare().await else {
            return Vec::new();
        };
        let room = BATCH_MAX.min(IN_FLIGHT_MAX - self.in_flight.len());
        let mut batch = Vec::new();
        while batch.len() < room {
            let job = match self.waiting.pop_front() {
                Some(job) => job,
                None if !self.holes.is_empty() => Job::doing_nothing(self.address),
                None => break,
            };
            let Some(nonce) = self.take_nonce() else {
                break;
            };
            let form = self.sign(&job, nonce, fees);
            let now = Instant::now();
            batch.push((
                nonce,
                InFlight {
                    job,
                    fees,
                    forms: vec![form],
                    sent_at: now,
                    last_sent_at: now,
                    strikes: 0,
                },
            ));
        }
        let raws = batch
            .iter()
            .map(|(_, sent)| (sent.newest_form().1.clone(),))
            .collect();
        let (answers, resent) = match self.deliver(raws).await {
            Ok(delivered) => delivered,
            Err(why) => {
                self.give_up(batch, &why);
                return Vec::new();
            }
        };
        self.sort_out(batch, answers, resent)
    }

    /// Learns fees and, if need be, the next nonce; waits while the node is away. `None`: patience is over.
    async fn prepare(&mut self) -> Option<Fees> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let failure = match self.try_prepare().await {
                Ok(fees) => return Some(fees),
                Err(failure) => failure,
            };
            let hopeless = !matches!(failure, Failure::Away(_));
            if hopeless || started.elapsed() + pause > self.chain.inner.options.patience {
                for job in self.waiting.drain(..) {
                    let error = self
                        .chain
                        .inner
                        .rpc
                        .explain(job.transaction.verb.clone(), failure.clone());
                    job.answer(Err(error));
                }
                self.holes.clear();
                self.next_nonce = None;
                return None;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn try_prepare(&mut self) -> Result<Fees, Failure> {
        let fees = self.chain.fees().await?;
        if self.next_nonce.is_none() {
            let pending = self.count("pending").await?;
            let end = self
                .in_flight
                .last_key_value()
                .map_or(pending, |(nonce, _)| pending.max(nonce + 1));
            self.holes = (pending..end)
                .filter(|nonce| !self.in_flight.contains_key(nonce))
                .collect();
            self.next_nonce = Some(end);
        }
        Ok(fees)
    }

    /// How many transactions of this account the chain counts, "latest" mined or "pending" too.
    async fn count(&self, at: &'static str) -> Result<u64, Failure> {
        let count: U64 = self
            .chain
            .inner
            .rpc
            .request("eth_getTransactionCount", (self.address, at))
            .await?;
        Ok(count.to())
    }

    fn take_nonce(&mut self) -> Option<u64> {
        if let Some(hole) = self.holes.pop_first() {
            return Some(hole);
        }
        let nonce = self.next_nonce?;
        self.next_nonce = Some(nonce + 1);
        Some(nonce)
    }

    fn sign(&self, job: &Job, nonce: u64, fees: Fees) -> (B256, Bytes) {
        let chain_id = self.chain.deployment().chain_id;
        let Transaction {
            to, input, value, ..
        } = job.transaction.clone();
        let to = to.map_or(TxKind::Create, TxKind::Call);
        let gas_limit = job.gas_limit;
        let transaction = match fees {
            Fees::Market { max_fee, tip } => TypedTransaction::Eip1559(TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: max_fee,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list: Default::default(),
                input,
            }),
            Fees::Legacy { price } => TypedTransaction::Legacy(TxLegacy {
                chain_id: Some(chain_id),
                nonce,
                gas_price: price,
                gas_limit,
                to,
                value,
                input,
            }),
        };
        let (raw, hash) = self.wallet.sign_transaction(transaction);
        (hash, raw)
    }

    /// Hands signed transactions to the node, again and again while it is away: the same ones, so that none can be
    /// executed twice. Says whether it took more than one try. The error: patience is over.
    async fn deliver(
        &self,
        raws: Vec<(Bytes,)>,
    ) -> Result<(Vec<Result<B256, Failure>>, bool), String> {
        let rpc = &self.chain.inner.rpc;
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        let mut resent = false;
        loop {
            match rpc
                .batch::<_, B256>("eth_sendRawTransaction", raws.clone())
                .await
            {
                Ok(answers) => return Ok((answers, resent)),
                Err(Failure::Away(why))
                    if started.elapsed() + pause > self.chain.inner.options.patience =>
                {
                    return Err(why);
                }
                Err(Failure::Away(why)) => {
                    tracing::warn!(node = rpc.node, why, "the node is away; sending again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                    resent = true;
                }
                Err(failure) => return Ok((vec![Err(failure); raws.len()], resent)),
            }
        }
    }

    fn give_up(&mut self, batch: Vec<(u64, InFlight)>, why: &str) {
        for (_, sent) in batch {
            let (verb, tx) = (sent.job.transaction.verb.clone(), sent.newest_form().0);
            let why = format!("{}: {why}", self.chain.inner.rpc.node);
            sent.job
                .answer(Err(ChainError::Uncertain { verb, tx, why }));
        }
        self.next_nonce = None;
    }

    /// Acts on the node's answers to a batch.
    fn sort_out(
        &mut self,
        batch: Vec<(u64, InFlight)>,
        answers: Vec<Result<B256, Failure>>,
        resent: bool,
    ) -> Vec<u64> {
        let mut sent = Vec::new();
        let mut again = Vec::new();
        let mut unused = Vec::new();
        for ((nonce, mut flight), answer) in batch.into_iter().zip(answers) {
            match taken(&answer) {
                Taken::Yes => {
                    self.in_flight.insert(nonce, flight);
                    sent.push(nonce);
                }
                // The node may have taken it at an earlier try whose answer was lost.
                Taken::NonceUsed if resent => {
                    flight.look_soon(self.chain.inner.options.resend_after);
                    self.in_flight.insert(nonce, flight);
                    sent.push(nonce);
                }
                // Somebody else uses this key too, or the chain is not where it was: count anew.
                Taken::NonceUsed | Taken::NonceAhead => {
                    self.next_nonce = None;
                    again.push((flight.job, answer));
                }
                Taken::FeeTooLow => {
                    self.chain.forget_fees();
                    unused.push(nonce);
                    again.push((flight.job, answer));
                }
                Taken::Poverty => {
                    unused.push(nonce);
                    self.explain_poverty(flight);
                }
                // Whether it was taken is unknown: it keeps its nonce and is sent again soon.
                Taken::No if matches!(answer, Err(Failure::Away(_))) => {
                    flight.look_soon(self.chain.inner.options.resend_after);
                    self.in_flight.insert(nonce, flight);
                }
                Taken::No => {
                    unused.push(nonce);
                    self.refuse(flight.job, answer);
                }
            }
        }
        for (mut job, answer) in again.into_iter().rev() {
            job.tries += 1;
            if job.tries > TRIES_MAX {
                self.refuse(job, answer);
            } else {
                self.waiting.push_front(job);
            }
        }
        // A nonce that was not used is the next one, unless higher ones are already taken.
        let highest = self.in_flight.last_key_value().map(|(nonce, _)| *nonce);
        for nonce in unused {
            match self.next_nonce {
                Some(_) if highest.is_some_and(|highest| nonce < highest) => {
                    self.holes.insert(nonce);
                }
                Some(next) => self.next_nonce = Some(next.min(nonce)),
                None => {}
            }
        }
        sent
    }

    fn refuse(&self, job: Job, answer: Result<B256, Failure>) {
        let verb = job.transaction.verb.clone();
        if let Err(failure) = answer {
            job.answer(Err(self.chain.refused_or(&verb, failure)));
        }
    }

    fn explain_poverty(&self, flight: InFlight) {
        let (chain, address) = (self.chain.clone(), self.address);
        let needed = U256::from(flight.fees.most()) * U256::from(flight.job.gas_limit)
            + flight.job.transaction.value;
        tokio::spawn(async move {
            let error = no_ether(&chain, address, &flight.job.transaction.verb, needed).await;
            flight.job.answer(Err(error));
        });
    }

    /// Asks for receipts and answers those who wait for them. Says whether there were any.
    async fn collect(&mut self, nonces: &[u64]) -> bool {
        let asked: Vec<(u64, B256)> = nonces
            .iter()
            .filter_map(|nonce| self.in_flight.get(nonce).map(|flight| (nonce, flight)))
            .flat_map(|(nonce, flight)| flight.forms.iter().map(|(hash, _)| (*nonce, *hash)))
            .collect();
        if asked.is_empty() {
            return false;
        }
        let rpc = self.chain.inner.rpc.clone();
        let params = asked.iter().map(|(_, hash)| (*hash,)).collect();
        let answers = match rpc
            .batch::<_, Option<TransactionReceipt>>("eth_getTransactionReceipt", params)
            .await
        {
            Ok(answers) => answers,
            Err(failure) => {
                tracing::debug!(node = rpc.node, ?failure, "no receipts for now");
                // No block may come to wake anybody once the node is back: look again soon, then less often.
                self.look_within = if self.look_within == NET {
                    SOON
                } else {
                    (self.look_within * 2).min(NET - Duration::from_millis(1))
                };
                return false;
            }
        };
        self.look_within = NET;
        let mut found = false;
        for ((nonce, _), answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(Some(receipt)) if receipt.block_number.is_some() => {
                    found = true;
                    self.settle(nonce, receipt);
                }
                Ok(_) => {}
                Err(failure) => {
                    tracing::warn!(node = rpc.node, ?failure, "a receipt cannot be read")
                }
            }
        }
        found
    }

    fn settle(&mut self, nonce: u64, receipt: TransactionReceipt) {
        let Some(flight) = self.in_flight.remove(&nonce) else {
            return;
        };
        let block = receipt.block_number.unwrap_or_default();
        let raw = flight
            .forms
            .iter()
            .find(|(hash, _)| *hash == receipt.transaction_hash);
        if let Some((hash, raw)) = raw {
            self.mined.push_back((block, *hash, raw.clone()));
        }
        while self.mined.len() > 1024
            || self
                .mined
                .front()
                .is_some_and(|(mined, ..)| mined + 64 < block)
        {
            self.mined.pop_front();
        }
        if receipt.inner.status() {
            flight.job.answer(Ok(Receipt::from(receipt)));
        } else {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
            let (chain, address) = (self.chain.clone(), self.address);
            tokio::spawn(async move {
                let error = why_it_failed(&chain, address, &flight.job, &receipt).await;
                flight.job.answer(Err(error));
            });
        }
    }

    /// Sees to transactions that have waited too long: sends them again, dearer if that is what they lack, and
    /// gives those a new nonce whose own was used by another transaction.
    async fn nudge_the_stuck(&mut self) {
        let resend_after = self.chain.inner.options.resend_after;
        let stuck: Vec<u64> = self
            .in_flight
            .iter()
            .filter(|(_, flight)| flight.last_sent_at.elapsed() >= resend_after)
            .map(|(nonce, _)| *nonce)
            .collect();
        if stuck.is_empty() {
            return;
        }
        let (Ok(used), Ok(pending)) = (self.count("latest").await, self.count("pending").await)
        else {
            return;
        };
        self.collect(&stuck).await;
        let mut again: Vec<(Bytes,)> = Vec::new();
        for nonce in stuck {
            if nonce < used {
                self.strike(nonce);
            } else {
                again.extend(self.freshen(nonce).await.map(|raw| (raw,)));
            }
        }
        // The node lost something below: nothing above it moves until that is filled.
        if let Some((lowest, _)) = self.in_flight.first_key_value()
            && pending < *lowest
        {
            self.holes.extend(pending..*lowest);
        }
        if again.is_empty() {
            return;
        }
        tracing::info!(address = %self.address, transactions = again.len(), "sending again what was not mined");
        match self
            .chain
            .inner
            .rpc
            .batch::<_, B256>("eth_sendRawTransaction", again)
            .await
        {
            Ok(answers) => {
                for answer in answers.iter().filter(|answer| taken(answer) != Taken::Yes) {
                    tracing::debug!(?answer, "a transaction sent again was not taken");
                }
            }
            Err(failure) => tracing::debug!(?failure, "the node is away; will send again"),
        }
    }

    /// Notes that a transaction's nonce is used up although none of its forms has a receipt. The third time, so that
    /// a node that lags behind itself is not believed at once, it starts over with a new nonce.
    fn strike(&mut self, nonce: u64) {
        let resend_after = self.chain.inner.options.resend_after;
        let Some(mut flight) = self.in_flight.remove(&nonce) else {
            return;
        };
        flight.strikes += 1;
        if flight.strikes < 3 {
            flight.look_soon(resend_after);
            self.in_flight.insert(nonce, flight);
            return;
        }
        tracing::warn!(address = %self.address, nonce, verb = flight.job.transaction.verb, "another transaction took the nonce");
        self.next_nonce = None;
        let mut job = flight.job;
        job.tries += 1;
        if job.tries > TRIES_MAX {
            let failure = Failure::Said {
                code: 0,
                message: "its nonces keep being used by others".to_owned(),
                data: None,
            };
            self.refuse(job, Err(failure));
        } else {
            self.waiting.push_front(job);
        }
    }

    /// The newest form of a transaction, re-signed under the same nonce with a higher fee if it offers too little.
    async fn freshen(&mut self, nonce: u64) -> Option<Bytes> {
        let head = self.newest.borrow().clone();
        self.chain.forget_fees();
        let fees = self.chain.fees().await.ok()?;
        let base = head
            .and_then(|head| head.base_fee_per_gas)
            .map(|base| base.to::<u128>());
        let flight = self.in_flight.get_mut(&nonce)?;
        flight.last_sent_at = Instant::now();
        flight.strikes = 0;
        let too_cheap = base.is_some_and(|base| flight.fees.most() < base.saturating_add(base / 8));
        let overdue = flight.sent_at.elapsed() > self.chain.inner.options.resend_after * 8;
        if too_cheap || overdue {
            flight.fees = flight.fees.raised_to(fees);
            flight.sent_at = Instant::now();
            let fees = flight.fees;
            let flight = self.in_flight.get(&nonce)?;
            let form = self.sign(&flight.job, nonce, fees);
            let flight = self.in_flight.get_mut(&nonce)?;
            if flight.forms.iter().all(|(hash, _)| *hash != form.0) {
                flight.forms.push(form);
            }
        }
        self.in_flight
            .get(&nonce)
            .map(|flight| flight.newest_form().1.clone())
    }

    /// Looks at a new block: if it replaces blocks in which transactions were mined, they are sent again.
    async fn notice(&mut self, head: Option<Arc<Head>>) {
        let Some(head) = head else { return };
        let last = self.last_head.replace(head.clone());
        let Some(last) = last else { return };
        if head.hash == last.hash || head.number() > last.number() + 1 {
            return;
        }
        if head.number() < last.number() {
            // A chain that became shorter was put back on purpose (a development chain): what was, is not wanted.
            self.mined.clear();
            self.next_nonce = None;
            return;
        }
        if head.number() == last.number() + 1 && head.parent_hash == last.hash {
            return;
        }
        let rpc = self.chain.inner.rpc.clone();
        let params = self.mined.iter().map(|(_, hash, _)| (*hash,)).collect();
        let Ok(receipts) = rpc
            .batch::<_, Option<serde_json::Value>>("eth_getTransactionReceipt", params)
            .await
        else {
            return;
        };
        let lost: Vec<(Bytes,)> = self
            .mined
            .iter()
            .zip(&receipts)
            .filter(|(_, receipt)| matches!(receipt, Ok(None)))
            .map(|((.., raw), _)| (raw.clone(),))
            .collect();
        if !lost.is_empty() {
            tracing::warn!(address = %self.address, transactions = lost.len(), "a reorganisation dropped transactions; sending them again");
            if let Err(failure) = rpc.batch::<_, B256>("eth_sendRawTransaction", lost).await {
                tracing::warn!(?failure, "they could not be sent");
            }
        }
    }
}

impl Job {
    /// A transaction that uses up a nonce.
    fn doing_nothing(address: Address) -> Self {
        let transaction = Transaction {
            verb: "filling a gap".to_owned(),
            to: Some(address),
            input: Bytes::new(),
            value: U256::ZERO,
            gas_limit: Some(21_000),
        };
        Self {
            transaction,
            gas_limit: 21_000,
            reply: oneshot::channel().0,
            tries: 0,
        }
    }

    fn answer(self, result: Result<Receipt, ChainError>) {
        // Whoever asked may have stopped waiting; the transaction stands all the same.
        let _ = self.reply.send(result);
    }
}

impl InFlight {
    fn newest_form(&self) -> &(B256, Bytes) {
        self.forms
            .last()
            .expect("a transaction in flight was signed at least once")
    }

    /// Makes the next look at stuck transactions, in two seconds or so, include this one.
    fn look_soon(&mut self, resend_after: Duration) {
        let ago = resend_after.saturating_sub(NET / 2);
        self.last_sent_at = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
    }
}

impl Fees {
    /// At least these fees, and at least the quarter more for which every node replaces a waiting transaction.
    fn raised_to(self, now: Self) -> Self {
        let raised = |fee: u128| fee.saturating_add(fee / 4).saturating_add(1);
        match (self, now) {
            (
                Self::Market { max_fee, tip },
                Self::Market {
                    max_fee: max_now,
                    tip: tip_now,
                },
            ) => {
                let tip = raised(tip).max(tip_now);
                Self::Market {
                    max_fee: raised(max_fee).max(max_now).max(tip),
                    tip,
                }
            }
            (Self::Market { max_fee, tip }, Self::Legacy { .. }) => Self::Market {
                max_fee: raised(max_fee),
                tip: raised(tip),
            },
            (Self::Legacy { price }, now) => Self::Legacy {
                price: raised(price).max(now.most()),
            },
        }
    }
}

impl From<TransactionReceipt> for Receipt {
    fn from(receipt: TransactionReceipt) -> Self {
        let logs = receipt.inner.logs().to_vec();
        Self {
            tx: receipt.transaction_hash,
            block: receipt.block_number.unwrap_or_default(),
            block_hash: receipt.block_hash.unwrap_or_default(),
            gas_used: receipt.gas_used,
            gas_price: receipt.effective_gas_price,
            created: receipt.contract_address,
            events: logs.iter().filter_map(hub_event).collect(),
            logs,
        }
    }
}

/// Plays a failed transaction again, as a call, to hear the contract's reason: on the state after its block, where
/// what stood in its way is seen best, then on the state before.
async fn why_it_failed(
    chain: &Chain,
    from: Address,
    job: &Job,
    receipt: &TransactionReceipt,
) -> ChainError {
    let verb = job.transaction.verb.clone();
    let out_of_gas = ChainError::OutOfGas {
        verb: verb.clone(),
        gas_limit: job.gas_limit,
        tx: receipt.transaction_hash,
    };
    if receipt.gas_used >= job.gas_limit - job.gas_limit / 64 {
        return out_of_gas;
    }
    let block = receipt.block_number.unwrap_or_default();
    for number in [block, block.saturating_sub(1)] {
        let request = request(from, &job.transaction);
        let answer = chain
            .eth_call(verb.clone(), request, format!("{number:#x}"))
            .await;
        if let Err(error @ ChainError::Refused { .. }) = answer {
            return error;
        }
    }
    if receipt.gas_used >= job.gas_limit / 10 * 9 {
        return out_of_gas;
    }
    ChainError::Refused {
        verb,
        refusal: Box::new(Refusal::decode(&Bytes::new())),
    }
}
