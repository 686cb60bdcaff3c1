//! One transaction sender per key.
//!
//! Any number of tasks hand in transactions at once; one task of the sender numbers them, signs them and sends them
//! off in batches without waiting for earlier ones to be mined, then collects receipts: at once, since a chain that
//! mines instantly has them by then, and again whenever a block comes.
//!
//! ```text
//! caller ─ estimate ─► queue ─► nonce, fee, signature ─► batch ─► in flight ─► receipt ─► caller
//!                        ▲                                 │         ▲  │         │
//!                        │        not now, too cheap, lost ┴─ again ─┘  │         └─► mined lately ─ block undone ─┐
//!                        └── another's transaction has the nonce ───────┘◄───────────── same nonce, again ─────────┘
//! ```
//!
//! Never twice: whatever was once sent is only ever sent again under the *same nonce*, of which a chain executes one,
//! whatever the node answered: an answer may be lost, come twice, or be a gateway's that lost patience. It gets a new
//! nonce only when another transaction was *found* in a block under its old one. (Should that block be undone by a
//! reorganisation, both may be executed: one key, one sender.)
//!
//! A receipt says what a block says, and a reorganisation may undo that block. For 64 blocks, while the sender lives, it
//! watches for that and sends undone transactions again, under the same nonce. Whether they do the same on the other
//! branch is for those to look at who act on the chain's state; they reconcile.
//!
//! Nothing here polls: a block wakes the search for receipts (by subscription where the node has one, see
//! [`ChainOptions`](super::ChainOptions)), and timers are set for what is known to be due: the next try of what was not
//! taken, and a safety net.
//!
//! A nonce that a refused transaction leaves open below accepted ones is filled, by the next transaction or, if there
//! is none, by one that does nothing: else those above would wait for ever.
//!
//! Gas is estimated on the newest block, so a transaction that only works after another of the pipeline must come with
//! a known bound of its gas ([`Sender::send_with_gas`]).

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

/// How often a refusal in words that nobody here knows is taken for a passing one.
const STRANGE_REFUSALS_MAX: u32 = 6;

/// For how many blocks a mined transaction is watched.
const WATCHED_BLOCKS: u64 = 64;

/// How many mined transactions are watched at most: a bound of memory, above what one key sends in so many blocks.
const WATCHED_MAX: usize = 65_536;

/// How many blocks must have passed a transaction by until its age says that it is too cheap: where none come, or it
/// waits for another, more money would not help.
const PASSED_BY: u64 = 3;

/// How often in a row a node may say of the very next transaction that it has it, and not count it among what waits, until
/// it is sent in another form: anvil's pool, after a reorganisation, sometimes keeps one back for ever.
const SHELVED_MAX: u32 = 3;

/// To how many times the going price a transaction is raised at most that the node did not ask to be raised.
const RAISED_MAX: u128 = 4;

/// To how much a transaction may be raised that the node finds too cheap, in wei, if that is more: what a pool asks for
/// goes by what it holds, and not by the going price.
const RAISED_IF_ASKED: u128 = 100_000_000_000;

/// What counts as the going tip at least when tips are compared, in wei: some nodes say none.
const TIP_LEAST: u128 = 1_000_000_000;

/// After how long without a receipt the node is asked whether it still has a transaction.
const LOST_AFTER: Duration = Duration::from_millis(1_000);

/// How long a node that says no to a simple question is asked again.
const BAD_MOMENT: Duration = Duration::from_secs(5);

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long news of a block may take to come after a receipt from it, before it is asked whether that block stands.
const GRACE: Duration = Duration::from_millis(250);

/// The longest pause between two looks at whether the account counts what was mined.
const RECOUNT_MAX: Duration = Duration::from_secs(60);

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
            set_aside: Vec::new(),
            verified: None,
            unseen_when: Instant::now(),
            asked_when: Instant::now(),
            recount: false,
            recount_pause: LOST_AFTER,
            in_question: false,
            looked_at: None,
            looked_when: Instant::now(),
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
            reply: Some(reply),
            tries: 0,
            handed_in: Instant::now(),
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
                Err(failure) if failure.may_pass() => {
                    if started.elapsed() + pause > chain.inner.options.patience {
                        let verb = transaction.verb.clone();
                        return Err(chain.inner.rpc.explain(verb, failure));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
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
    /// Who waits for it; nobody for what was answered already, or fills a gap.
    reply: Option<oneshot::Sender<Result<Receipt, ChainError>>>,
    tries: u32,
    handed_in: Instant,
}

/// A signed transaction under way.
struct InFlight {
    job: Job,
    fees: Fees,
    /// Every form in which it was sent: the same nonce under rising fees. The last is the newest.
    forms: Vec<(B256, Bytes)>,
    /// The newest block when it was first signed: it cannot stand in an older one, reorganisations apart.
    since_block: u64,
    /// When its fee was last raised, and the newest block then.
    priced_at: Instant,
    priced_block: u64,
    last_sent_at: Instant,
    /// When it is to be seen to next.
    due: Instant,
    /// How long the next pause is after it was not taken.
    pause: Duration,
    /// How often in a row it was not taken.
    refusals: u32,
    /// Whether some node may have it: it was accepted once, or an answer was lost.
    may_be_out: bool,
    /// Whether the node found it too cheap.
    too_cheap: bool,
    /// How often in a row the node had it, the very next one, and did not count it among what waits.
    shelved: u32,
    /// The form of which the caller heard that it failed. Never to be sent again: it might not fail.
    told_failed: Option<B256>,
    /// Whether it was logged that it offers too little and cannot be raised.
    warned: bool,
}

/// A transaction whose receipt was told.
struct Mined {
    block: u64,
    block_hash: B256,
    nonce: u64,
    flight: InFlight,
    /// Whether its block was seen on one branch with those of all others that were seen. Receipts are told one by one, and
    /// a reorganisation may come between any two: a block that stands says nothing of an older one until both were seen
    /// together.
    seen: bool,
}

impl Mined {
    fn place(&self) -> (u64, B256) {
        (self.block, self.block_hash)
    }
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
    mined: VecDeque<Mined>,
    /// What was mined above the block to which the chain seems to have gone back: it counts again if the chain comes
    /// back to it, as one does whose node was a little behind.
    set_aside: Vec<Mined>,
    /// The newest block of a chain on which all that was mined lately was seen to stand.
    verified: Option<Arc<Head>>,
    /// When a receipt was last told from a block that was not seen yet.
    unseen_when: Instant,
    /// When it was last asked whether what was mined stands.
    asked_when: Instant,
    /// Whether a reorganisation was noticed since the account's count was last seen to agree with what was mined.
    recount: bool,
    /// How long until the count is looked at again, longer each time.
    recount_pause: Duration,
    /// The node's count says that nonces are free under which transactions were mined: whether they stand is to be seen
    /// before anything else.
    in_question: bool,
    /// The block at which receipts were last looked for.
    looked_at: Option<B256>,
    looked_when: Instant,
    /// How long to wait for news of blocks before looking for receipts all the same.
    look_within: Duration,
    /// How many looks for receipts right after sending found none: on a chain with block times they never do.
    fruitless_looks: u32,
}

/// Whose transaction stands under a nonce of ours.
enum User {
    Ours,
    Another(B256),
    Unknown,
}

/// How the node took a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    NonceUsed,
    NonceAhead,
    FeeTooLow,
    Poverty,
    /// It may take it later.
    NotNow,
    /// It never will.
    Never,
    /// It said no, in words nobody here knows.
    No,
}

fn taken(answer: &Result<B256, Failure>) -> Taken {
    let message = match answer {
        Ok(_) => return Taken::Yes,
        Err(Failure::Away(_)) => return Taken::NotNow,
        Err(Failure::Unreadable(_)) => return Taken::No,
        // Reverts are told at sending by nodes that mine at once.
        Err(Failure::Said { data: Some(_), .. }) => return Taken::Never,
        Err(Failure::Said { message, .. }) => message.to_lowercase(),
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
        "less than the block's base fee",
        "lower than the",
        "too low to replace",
        "lower than block base fee",
    ]) {
        Taken::FeeTooLow
    } else if says(&[
        "intrinsic gas",
        "block gas limit",
        "gas limit",
        "gas cap",
        "initcode",
        "invalid signature",
        "invalid sender",
        "chain id",
        "chainid",
        "oversized",
        "exceeds the configured cap",
        "higher than max fee",
        "not supported",
        "revert",
    ]) {
        Taken::Never
    } else if super::rpc::may_pass_by(&message) {
        Taken::NotNow
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
            if self.in_flight.is_empty() && !self.has_work() {
                let head = self.newest.borrow_and_update().clone();
                self.notice(head).await;
                if self.in_flight.is_empty() && !self.next_job().await {
                    return;
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
            let within = self.until_due();
            tokio::select! {
                job = self.jobs.recv() => match job {
                    Some(job) => self.waiting.push_back(job),
                    // Nobody is left who could wait for an answer.
                    None => return,
                },
                () = Chain::wait_for_news(&mut self.newest, within) => {}
            }
            self.look().await;
        }
    }

    /// Waits for something to do, while watching what was mined. Says whether there will be more.
    async fn next_job(&mut self) -> bool {
        tokio::select! {
            job = self.jobs.recv() => match job {
                Some(job) => {
                    self.waiting.push_back(job);
                    true
                }
                None => false,
            },
            // A block: perhaps one that undoes others. The chain holds the other end for as long as we hold the chain.
            Ok(()) = self.newest.changed(), if !self.mined.is_empty() || !self.set_aside.is_empty() => true,
            () = tokio::time::sleep(GRACE), if !self.all_seen() => true,
            () = tokio::time::sleep(self.recount_pause), if self.recount => true,
        }
    }

    /// How long nothing is due unless a block comes.
    fn until_due(&self) -> Duration {
        let due = self.in_flight.values().map(|flight| flight.due).min();
        due.map_or(self.look_within, |due| {
            due.saturating_duration_since(Instant::now())
                .clamp(Duration::from_millis(1), self.look_within)
        })
    }

    /// Looks for receipts if there is a new block or nothing was heard for long, and sees to what is due.
    async fn look(&mut self) {
        let head = self.newest.borrow().clone();
        let hash = head.as_ref().map(|head| head.hash);
        let now = Instant::now();
        let due = self.in_flight.values().any(|flight| flight.due <= now);
        let long_ago = self.looked_when.elapsed() >= LOST_AFTER;
        if hash == self.looked_at && !due && !long_ago {
            return;
        }
        self.looked_at = hash;
        self.looked_when = now;
        let all: Vec<u64> = self.in_flight.keys().copied().collect();
        self.collect(&all).await;
        self.nudge(head.as_deref()).await;
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
        let since_block = match self.newest.borrow().as_ref() {
            Some(head) => head.number(),
            None => 0,
        };
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
                    since_block,
                    priced_at: now,
                    priced_block: since_block,
                    last_sent_at: now,
                    due: now + self.chain.inner.options.resend_after,
                    pause: SOON,
                    refusals: 0,
                    may_be_out: false,
                    too_cheap: false,
                    shelved: 0,
                    told_failed: None,
                    warned: false,
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
        let mut sent = Vec::with_capacity(batch.len());
        let mut doubtful = Vec::new();
        for ((nonce, mut flight), answer) in batch.into_iter().zip(answers) {
            flight.may_be_out = resent;
            self.in_flight.insert(nonce, flight);
            sent.push(nonce);
            doubtful.extend(self.hear(nonce, answer));
        }
        self.settle_doubts(doubtful).await;
        sent.retain(|nonce| self.in_flight.contains_key(nonce));
        sent
    }

    /// Learns fees and, if need be, the next nonce; waits while the node is away. `None`: patience is over.
    async fn prepare(&mut self) -> Option<Fees> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let failure = match self.try_prepare().await {
                Ok(fees) => match self.too_dear(fees) {
                    None => return Some(fees.at_most(self.chain.inner.options.fee_max)),
                    Some(failure) => {
                        self.answer_waiting(&failure);
                        return None;
                    }
                },
                Err(failure) => failure,
            };
            let patience = match failure {
                Failure::Away(_) => self.chain.inner.options.patience,
                // A node that answers, but not this: it may be having a bad moment, not a bad day.
                Failure::Said { .. } | Failure::Unreadable(_) => BAD_MOMENT,
            };
            if started.elapsed() + pause > patience.min(self.chain.inner.options.patience) {
                self.answer_waiting(&failure);
                return None;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Tells everyone whose transaction was not signed yet why it will not be.
    fn answer_waiting(&mut self, failure: &Failure) {
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
    }

    /// Why nothing can be sent at these fees, if the owner does not allow even the base fee: it would wait, and block
    /// the key, for nobody knows how long.
    fn too_dear(&self, fees: Fees) -> Option<Failure> {
        let fee_max = self.chain.inner.options.fee_max;
        let base = fees.base().filter(|base| *base > fee_max)?;
        Some(Failure::Said {
            code: 0,
            message: format!(
                "nothing was sent, since the base fee of {} is above the limit of {} set here (fee_max): \
                 wait until gas is cheaper, or raise the limit",
                gwei(base),
                gwei(fee_max)
            ),
            data: None,
        })
    }

    async fn try_prepare(&mut self) -> Result<Fees, Failure> {
        let fees = self.chain.going_fees().await?;
        if self.next_nonce.is_none() {
            let pending = self.count("pending").await?;
            // What was mined and stands counts, whatever a node that is behind says.
            let used = self.mined.iter().map(|mined| mined.nonce);
            let used = used.chain(self.in_flight.keys().copied()).max();
            let end = used.map_or(pending, |nonce| pending.max(nonce + 1));
            self.holes.clear();
            self.note_holes(pending..end);
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

    /// Takes note of nonces that nothing uses. Those of transactions that were mined are none of them: either they stand,
    /// or they are sent again.
    fn note_holes(&mut self, nonces: std::ops::Range<u64>) {
        let mined: BTreeSet<u64> = self
            .mined
            .iter()
            .map(|mined| mined.nonce)
            .filter(|nonce| nonces.contains(nonce))
            .collect();
        self.in_question |= !mined.is_empty();
        let free =
            nonces.filter(|nonce| !mined.contains(nonce) && !self.in_flight.contains_key(nonce));
        self.holes.extend(free);
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

    /// Acts on the node's answer to a transaction in flight. Gives back what needs a look at the chain first.
    fn hear(
        &mut self,
        nonce: u64,
        answer: Result<B256, Failure>,
    ) -> Option<(u64, Taken, Result<B256, Failure>)> {
        let options = &self.chain.inner.options;
        let flight = self.in_flight.get_mut(&nonce)?;
        let taken = taken(&answer);
        if taken != Taken::Yes {
            tracing::debug!(address = %self.address, nonce, ?answer, "a transaction was not taken");
            flight.refusals = flight.refusals.saturating_add(1);
        }
        match taken {
            Taken::Yes => {
                flight.may_be_out = true;
                flight.too_cheap = false;
                flight.refusals = 0;
                flight.pause = SOON;
                flight.due = Instant::now() + options.resend_after;
                None
            }
            // An answer was lost once, and none since was a yes.
            _ if flight.may_be_out
                && taken != Taken::NonceUsed
                && flight.job.handed_in.elapsed() > options.patience
                && flight.refusals > STRANGE_REFUSALS_MAX =>
            {
                let (verb, tx) = (flight.job.transaction.verb.clone(), flight.newest_form().0);
                let why = format!("{}: {answer:?}", self.chain.inner.rpc.node);
                self.next_nonce = None;
                if let Some(flight) = self.in_flight.remove(&nonce) {
                    let error = ChainError::Uncertain { verb, tx, why };
                    flight.job.answer(Err(error));
                }
                None
            }
            Taken::NotNow => {
                // Of an absence nobody knows whether it came after the question was heard.
                flight.may_be_out |= matches!(answer, Err(Failure::Away(_)));
                flight.again_later();
                (flight.job.handed_in.elapsed() > options.patience && !flight.may_be_out)
                    .then_some((nonce, taken, answer))
            }
            Taken::NonceAhead => {
                flight.again_later();
                None
            }
            Taken::FeeTooLow if flight.refusals <= TRIES_MAX || flight.may_be_out => {
                flight.too_cheap = flight.refusals <= TRIES_MAX;
                flight.again_later();
                self.chain.forget_fees();
                None
            }
            Taken::No if flight.refusals <= STRANGE_REFUSALS_MAX => {
                flight.again_later();
                None
            }
            Taken::NonceUsed | Taken::Never | Taken::Poverty | Taken::FeeTooLow | Taken::No => {
                flight.again_later();
                Some((nonce, taken, answer))
            }
        }
    }

    /// Looks at the chain before believing a refusal: a node may have executed what it said no to, the second time it
    /// heard it or while it said so.
    async fn settle_doubts(&mut self, doubtful: Vec<(u64, Taken, Result<B256, Failure>)>) {
        if doubtful.is_empty() {
            return;
        }
        let nonces: Vec<u64> = doubtful.iter().map(|(nonce, ..)| *nonce).collect();
        if !self.collect_from(&nonces).await {
            // Nothing is known: they stay in flight, and are seen to again.
            return;
        }
        for (nonce, taken, answer) in doubtful {
            if !self.in_flight.contains_key(&nonce) {
                continue;
            }
            if taken == Taken::NonceUsed {
                self.resolve(nonce).await;
            } else if self
                .in_flight
                .get(&nonce)
                .is_some_and(|flight| !flight.may_be_out)
            {
                let Some(flight) = self.free(nonce) else {
                    continue;
                };
                if taken == Taken::Poverty {
                    self.explain_poverty(flight);
                } else {
                    self.refuse(flight.job, answer);
                }
            }
        }
    }

    /// Takes a transaction out of flight. Its nonce is the next one, unless higher ones are already taken.
    fn free(&mut self, nonce: u64) -> Option<InFlight> {
        let flight = self.in_flight.remove(&nonce)?;
        let highest = self.in_flight.last_key_value().map(|(nonce, _)| *nonce);
        if let Some(next) = self.next_nonce {
            if highest.is_none_or(|highest| nonce > highest) {
                self.next_nonce = Some(next.min(nonce));
            } else if flight.job.reply.is_some() {
                self.holes.insert(nonce);
            }
            // What only filled a gap and was refused would be refused again at once; the gap is noticed again later.
        }
        Some(flight)
    }

    /// Finds out who used up the nonce of a transaction that has no receipt. Another's: it starts over with a new nonce.
    async fn resolve(&mut self, nonce: u64) {
        let Some(flight) = self.in_flight.get(&nonce) else {
            return;
        };
        let ours: Vec<B256> = flight.forms.iter().map(|(hash, _)| *hash).collect();
        let user = match self.user_of(nonce, flight.since_block, &ours).await {
            Ok(user) => user,
            Err(failure) => {
                tracing::debug!(address = %self.address, nonce, ?failure, "cannot find who used the nonce");
                User::Unknown
            }
        };
        let by = match user {
            // Its receipt comes, perhaps from a node that is a little behind; meanwhile it waits.
            User::Ours | User::Unknown => {
                if let Some(flight) = self.in_flight.get_mut(&nonce) {
                    flight.again_later();
                }
                return;
            }
            User::Another(by) => by,
        };
        let Some(flight) = self.in_flight.remove(&nonce) else {
            return;
        };
        self.next_nonce = None;
        let mut job = flight.job;
        let verb = &job.transaction.verb;
        tracing::warn!(address = %self.address, nonce, %by, verb, "another transaction took the nonce");
        if job.reply.is_none() {
            return;
        }
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

    /// Whose transaction stands in a block under this nonce: the block is found by the account's count of transactions
    /// at heights in between.
    async fn user_of(&self, nonce: u64, since: u64, ours: &[B256]) -> Result<User, Failure> {
        let rpc = &self.chain.inner.rpc;
        let mut above = Head::latest(rpc).await?.number();
        // A reorganisation may have put it into a block older than the newest one when it was signed.
        let mut below = since.saturating_sub(WATCHED_BLOCKS).min(above);
        if self.count_at(above).await? <= nonce {
            return Ok(User::Unknown);
        }
        if self.count_at(below).await? > nonce {
            // Used before it was signed; the hash of that does not matter.
            return Ok(User::Another(B256::ZERO));
        }
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if self.count_at(middle).await? > nonce {
                above = middle;
            } else {
                below = middle;
            }
        }
        let block: Option<Transactions> = rpc
            .request("eth_getBlockByNumber", (U64::from(above), true))
            .await?;
        let user = block.and_then(|block| {
            block
                .transactions
                .into_iter()
                .find(|used| used.from == self.address && used.nonce.to::<u64>() == nonce)
        });
        Ok(match user {
            Some(used) if ours.contains(&used.hash) => User::Ours,
            Some(used) => User::Another(used.hash),
            None => User::Unknown,
        })
    }

    async fn count_at(&self, block: u64) -> Result<u64, Failure> {
        let count: U64 = self
            .chain
            .inner
            .rpc
            .request("eth_getTransactionCount", (self.address, U64::from(block)))
            .await?;
        Ok(count.to())
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
        let before = self.in_flight.len();
        self.collect_from(nonces).await;
        self.in_flight.len() < before
    }

    /// The same; says whether the node could be asked.
    async fn collect_from(&mut self, nonces: &[u64]) -> bool {
        let asked: Vec<(u64, B256)> = nonces
            .iter()
            .filter_map(|nonce| self.in_flight.get(nonce).map(|flight| (nonce, flight)))
            .flat_map(|(nonce, flight)| flight.forms.iter().map(|(hash, _)| (*nonce, *hash)))
            .collect();
        if asked.is_empty() {
            return true;
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
                self.looked_at = None;
                return false;
            }
        };
        self.look_within = NET;
        let mut all_read = true;
        for ((nonce, _), answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(Some(receipt)) if receipt.block_number.is_some() => {
                    self.settle(nonce, receipt);
                }
                Ok(_) => {}
                Err(failure) => {
                    all_read = false;
                    tracing::warn!(node = rpc.node, ?failure, "a receipt cannot be read");
                }
            }
        }
        all_read
    }

    fn settle(&mut self, nonce: u64, receipt: TransactionReceipt) {
        let Some(mut flight) = self.in_flight.remove(&nonce) else {
            return;
        };
        let block = receipt.block_number.unwrap_or_default();
        let block_hash = receipt.block_hash.unwrap_or_default();
        // Watched from now on, in the form that was mined.
        flight
            .forms
            .retain(|(hash, _)| *hash == receipt.transaction_hash);
        if receipt.inner.status() {
            if flight.job.fills_a_gap(self.address) {
                self.in_vain.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(reply) = flight.job.reply.take() {
                // Whoever asked may have stopped waiting; the transaction stands all the same.
                let _ = reply.send(Ok(Receipt::from(receipt)));
            }
        } else {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
            flight.told_failed = Some(receipt.transaction_hash);
            // Its caller hears that it failed. Should its block be undone, it must not do what it failed to do after all:
            // one that does nothing takes its place.
            let nothing = Job::doing_nothing(self.address);
            let job = std::mem::replace(&mut flight.job, nothing);
            let (chain, address) = (self.chain.clone(), self.address);
            tokio::spawn(async move {
                let error = why_it_failed(&chain, address, &job, &receipt).await;
                job.answer(Err(error));
            });
        }
        self.unseen_when = Instant::now();
        self.mined.push_back(Mined {
            block,
            block_hash,
            nonce,
            flight,
            seen: false,
        });
        while self.mined.len() > WATCHED_MAX {
            self.mined.pop_front();
        }
        self.stop_watching(block);
    }

    /// Lets go of what was mined long before this block.
    fn stop_watching(&mut self, block: u64) {
        while self
            .mined
            .front()
            .is_some_and(|mined| mined.block + WATCHED_BLOCKS < block)
        {
            self.mined.pop_front();
        }
    }

    /// Sees to transactions without a receipt: sends again what the node lost or did not take, dearer if that is what
    /// it lacks, and asks who used their nonces.
    async fn nudge(&mut self, head: Option<&Head>) {
        let now = Instant::now();
        let base = base_fee(head);
        let concerns = |flight: &InFlight| {
            flight.due <= now
                || flight.priced_out(base)
                || flight.last_sent_at.elapsed() >= LOST_AFTER
        };
        if !self.in_flight.values().any(concerns) {
            return;
        }
        let (Ok(used), Ok(pending)) = (self.count("latest").await, self.count("pending").await)
        else {
            return;
        };
        let (mut used_up, mut unmined) = (Vec::new(), Vec::new());
        for (nonce, flight) in self.in_flight.iter().filter(|(_, flight)| concerns(flight)) {
            let lost = *nonce >= pending && flight.last_sent_at.elapsed() >= LOST_AFTER;
            if *nonce < used {
                used_up.push(*nonce);
            } else if lost || flight.due <= now || flight.priced_out(base) {
                unmined.push(*nonce);
            }
        }
        // Mined between two questions, perhaps: once more, then who else.
        if !used_up.is_empty() && self.collect_from(&used_up).await {
            for nonce in used_up {
                self.resolve(nonce).await;
            }
        }
        let mut again = Vec::new();
        for nonce in unmined {
            again.extend(self.freshen(nonce, head).await.map(|raw| (nonce, raw)));
        }
        // The node lost something below: nothing above it moves until that is filled.
        if let Some((lowest, _)) = self.in_flight.first_key_value()
            && pending < *lowest
        {
            let lowest = *lowest;
            self.note_holes(pending..lowest);
        }
        if again.is_empty() {
            return;
        }
        tracing::info!(address = %self.address, transactions = again.len(), "sending again what was not mined");
        let raws = again.iter().map(|(_, raw)| (raw.clone(),)).collect();
        let answers = self
            .chain
            .inner
            .rpc
            .batch::<_, B256>("eth_sendRawTransaction", raws)
            .await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(failure) => vec![Err(failure); again.len()],
        };
        let mut doubtful = Vec::new();
        for ((nonce, _), answer) in again.into_iter().zip(answers) {
            if let Some(flight) = self.in_flight.get_mut(&nonce) {
                let known = answer.is_err() && taken(&answer) == Taken::Yes;
                flight.shelved = if known && nonce == pending {
                    flight.shelved.saturating_add(1)
                } else {
                    0
                };
            }
            doubtful.extend(self.hear(nonce, answer));
        }
        self.settle_doubts(doubtful).await;
    }

    /// The newest form of a transaction, re-signed under the same nonce with a higher fee if it offers too little, or if
    /// another content has taken its place.
    async fn freshen(&mut self, nonce: u64, head: Option<&Head>) -> Option<Bytes> {
        let base = base_fee(head);
        let resend_after = self.chain.inner.options.resend_after;
        let flight = self.in_flight.get_mut(&nonce)?;
        let now = Instant::now();
        flight.last_sent_at = now;
        flight.due = now + resend_after;
        // What waits although blocks come, and its fee covers their base, lacks a tip.
        let passed_by =
            head.is_some_and(|head| head.number() >= flight.priced_block.saturating_add(PASSED_BY));
        let overdue = passed_by && flight.priced_at.elapsed() > resend_after * 8;
        let replaced = flight.told_failed == Some(flight.newest_form().0);
        let priced_out = flight.priced_out(base);
        let lacks = if replaced || priced_out {
            Some(Lacks::ItsPrice)
        } else if flight.too_cheap {
            Some(Lacks::WhatTheNodeAsks)
        } else {
            // On a chain with block times a block comes first.
            let shelved =
                flight.shelved >= SHELVED_MAX && flight.priced_at.elapsed() > resend_after;
            (overdue || shelved).then_some(Lacks::Attention)
        };
        if let Some(lacks) = lacks {
            let fee_max = self.chain.inner.options.fee_max;
            let fees = self.chain.fees().await.ok()?;
            let flight = self.in_flight.get_mut(&nonce)?;
            let raised = flight.fees.raised_to(fees, fee_max, lacks);
            flight.priced_at = now;
            flight.priced_block = head.map_or(flight.priced_block, Head::number);
            flight.too_cheap = false;
            flight.shelved = 0;
            if raised.is_none() && priced_out && !flight.warned {
                flight.warned = true;
                tracing::warn!(
                    address = %self.address, nonce, tx = %flight.newest_form().0,
                    verb = flight.job.transaction.verb,
                    offers = gwei(flight.fees.most()), base_fee = gwei(base.unwrap_or_default()), fee_max = gwei(fee_max),
                    "a transaction offers too little for the next block and may not be raised further: it waits, and \
                     with it all of this key, until gas is cheaper"
                );
            }
            // The old form is not to be sent; the new one may be taken as it is if no pool has the old one any more.
            let as_it_was = replaced.then(|| flight.fees.at_most(fee_max));
            if let Some(fees) = raised.or(as_it_was) {
                flight.warned &= raised.is_none();
                flight.fees = fees;
                let form = self.sign(&self.in_flight.get(&nonce)?.job, nonce, fees);
                let flight = self.in_flight.get_mut(&nonce)?;
                if flight.forms.iter().all(|(hash, _)| *hash != form.0) {
                    flight.forms.push(form);
                }
            }
        }
        self.in_flight
            .get(&nonce)
            .map(|flight| flight.newest_form().1.clone())
    }

    /// Looks at a new block: if it replaces blocks in which transactions were mined, they are in flight again.
    async fn notice(&mut self, head: Option<Arc<Head>>) {
        let Some(head) = head else { return };
        self.take_up_again(&head).await;
        let in_question = self.in_question;
        let last = self.verified.clone();
        let asked = self.asked_when.elapsed();
        let recount = self.recount && asked >= self.recount_pause;
        let unheard_of = !self.all_seen() && asked.min(self.unseen_when.elapsed()) >= GRACE;
        let in_doubt = recount || unheard_of;
        if !in_question && !in_doubt && last.as_ref().is_some_and(|last| last.hash == head.hash) {
            return;
        }
        if self.mined.is_empty() {
            if last.is_some_and(|last| head.number() < last.number()) {
                self.next_nonce = None;
            }
            self.verified = Some(head);
            self.in_question = false;
            self.recount = false;
            return;
        }
        if !in_question && !recount && self.stands_below(&head, last.as_deref()) {
            self.stands_on(head);
            return;
        }
        // Blocks were skipped or replaced: to be asked, once there is time for it, and before any nonce is given again
        // under which something was mined.
        let only_new_nonces = self.holes.is_empty() && self.next_nonce.is_some();
        if self.has_work() && only_new_nonces && !in_question {
            return;
        }
        let rpc = self.chain.inner.rpc.clone();
        self.asked_when = Instant::now();
        let Ok(standing) = self.standing(in_question).await else {
            return;
        };
        self.in_question = false;
        if standing == Stand::All {
            self.stands_on(head);
            if in_question || self.recount {
                self.recount().await;
            }
            return;
        }
        self.recount = true;
        self.recount_pause = LOST_AFTER;
        // A chain that merely became shorter was put back on purpose (a development chain), or its node is behind:
        // what stood there is not ours to bring back. Another branch, however short for now, is a reorganisation.
        if standing == Stand::Shorter && self.stood(&head) {
            let (stands, above): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.mined)
                .into_iter()
                .partition(|mined| mined.block <= head.number());
            self.mined = stands;
            self.set_aside.extend(above);
            self.next_nonce = None;
            self.verified = Some(head);
            return;
        }
        let params = self
            .mined
            .iter()
            .filter_map(|mined| mined.flight.forms.first().map(|(hash, _)| (*hash,)))
            .collect();
        let Ok(receipts) = rpc
            .batch::<_, Option<Standing>>("eth_getTransactionReceipt", params)
            .await
        else {
            return;
        };
        self.verified = Some(head);
        let mut lost = 0;
        for (mut mined, receipt) in std::mem::take(&mut self.mined).into_iter().zip(receipts) {
            match receipt {
                Ok(None) => {
                    lost += 1;
                    let now = Instant::now();
                    let flight = &mut mined.flight;
                    flight.may_be_out = true;
                    flight.due = now;
                    flight.pause = SOON;
                    flight.refusals = 0;
                    // Unless another of ours has the nonce since the chain was put back.
                    self.in_flight.entry(mined.nonce).or_insert(mined.flight);
                }
                Ok(Some(standing)) => {
                    mined.block = standing.block_number.to();
                    mined.block_hash = standing.block_hash;
                    mined.seen = false;
                    self.mined.push_back(mined);
                }
                Err(_) => {
                    mined.seen = false;
                    self.mined.push_back(mined);
                }
            }
        }
        if lost > 0 {
            self.next_nonce = None;
            tracing::warn!(address = %self.address, transactions = lost, "a reorganisation dropped transactions; sending them again");
            self.nudge(None).await;
        }
    }

    /// Whether everything that was mined stands, as far as this block and the last one on which all stood can tell.
    fn stands_below(&self, head: &Head, last: Option<&Head>) -> bool {
        let here = |place| {
            place == (head.number(), head.hash)
                || place == (head.number().saturating_sub(1), head.parent_hash)
        };
        let newest_seen = self.mined.iter().filter(|mined| mined.seen);
        let newest_seen = newest_seen.map(Mined::place).max();
        let continues = last.is_some_and(|last| {
            (head.hash == last.hash || head.parent_hash == last.hash)
                && newest_seen.is_none_or(|(block, _)| block <= last.number())
        });
        let unseen = self.mined.iter().filter(|mined| !mined.seen);
        (continues || newest_seen.is_none_or(here)) && unseen.map(Mined::place).all(here)
    }

    /// All that was mined stands on the chain of this block.
    fn stands_on(&mut self, head: Arc<Head>) {
        for mined in &mut self.mined {
            mined.seen = true;
        }
        self.stop_watching(head.number());
        self.verified = Some(head);
    }

    /// Sends again what stands in a block by its receipt, and is not counted by the account: a node that was put on another
    /// branch in the middle of making a block may keep that block and not what it did. Under the same nonces, so that
    /// nothing is done twice if only the count was late.
    async fn recount(&mut self) {
        self.recount = true;
        let Ok(used) = self.count("latest").await else {
            return;
        };
        let (failed, uncounted): (Vec<&Mined>, Vec<&Mined>) = self
            .mined
            .iter()
            .filter(|mined| mined.nonce >= used)
            .partition(|mined| mined.flight.told_failed.is_some());
        if failed.is_empty() && uncounted.is_empty() {
            // What is still to be mined may meet the end of that reorganisation.
            self.recount = !self.in_flight.is_empty();
            self.recount_pause = LOST_AFTER;
            return;
        }
        self.recount_pause = (self.recount_pause * 2).min(RECOUNT_MAX);
        tracing::warn!(
            address = %self.address, transactions = uncounted.len() + failed.len(), used,
            "the node has receipts of transactions that it does not count; sending them again"
        );
        let raws = uncounted
            .iter()
            .map(|mined| (mined.flight.newest_form().1.clone(),));
        let raws = raws.collect();
        // What failed is not to be done after all: something else takes its nonce.
        let failed: BTreeSet<u64> = failed.iter().map(|mined| mined.nonce).collect();
        self.mined.retain(|mined| !failed.contains(&mined.nonce));
        self.holes.extend(failed);
        let answers = self
            .chain
            .inner
            .rpc
            .batch::<_, B256>("eth_sendRawTransaction", raws)
            .await;
        tracing::debug!(address = %self.address, ?answers, "sent again");
    }

    fn all_seen(&self) -> bool {
        self.mined.iter().all(|mined| mined.seen)
    }

    /// Asks whether the blocks of what was mined stand, all of them on one branch: of those seen together the newest is
    /// enough, unless all are in doubt.
    async fn standing(&self, all: bool) -> Result<Stand, Failure> {
        let newest_seen = self.mined.iter().filter(|mined| mined.seen);
        let newest_seen = newest_seen.map(Mined::place).max();
        let unseen = self.mined.iter().filter(|mined| all || !mined.seen);
        let places: BTreeSet<(u64, B256)> = unseen.map(Mined::place).chain(newest_seen).collect();
        let Some(newest) = places.last().copied() else {
            return Ok(Stand::All);
        };
        let rpc = &self.chain.inner.rpc;
        let params = places.iter().map(|(block, _)| (U64::from(*block), false));
        let answers = rpc
            .batch::<_, Option<Head>>("eth_getBlockByNumber", params.collect())
            .await?;
        let mut shorter = false;
        for ((_, hash), answer) in places.iter().zip(answers) {
            match answer? {
                Some(found) if found.hash == *hash => {}
                Some(_) => return Ok(Stand::NotAll),
                None => shorter = true,
            }
        }
        if shorter {
            return Ok(Stand::Shorter);
        }
        // They were looked at one after the other: if the newest stands still, nothing came between.
        if places.len() > 1 {
            let found = Head::at(rpc, newest.0).await?;
            if found.is_none_or(|found| found.hash != newest.1) {
                return Ok(Stand::NotAll);
            }
        }
        Ok(Stand::All)
    }

    /// What was set aside counts again once the chain is as long as it was, if any of it stands; else the chain was put back
    /// on purpose.
    async fn take_up_again(&mut self, head: &Head) {
        let newest = self.set_aside.iter().max_by_key(|mined| mined.block);
        let Some((block, block_hash)) = newest.map(|mined| (mined.block, mined.block_hash)) else {
            return;
        };
        if head.number() < block {
            return;
        }
        let rpc = self.chain.inner.rpc.clone();
        let Ok(found) = Head::at(&rpc, block).await else {
            return;
        };
        let mut stands = found.is_some_and(|found| found.hash == block_hash);
        if !stands {
            // Where some of it stands, nobody put the chain back: the rest was undone by a reorganisation.
            let params = self
                .set_aside
                .iter()
                .map(|mined| (mined.flight.newest_form().0,));
            let params = params.collect();
            let Ok(receipts) = rpc
                .batch::<_, Option<Standing>>("eth_getTransactionReceipt", params)
                .await
            else {
                return;
            };
            stands = receipts
                .iter()
                .any(|receipt| matches!(receipt, Ok(Some(_))));
        }
        let set_aside = std::mem::take(&mut self.set_aside);
        if stands {
            self.unseen_when = Instant::now();
            let unseen = set_aside.into_iter().map(|mined| Mined {
                seen: false,
                ..mined
            });
            self.mined.extend(unseen);
        }
    }

    /// Whether this block, older than the newest, is one that was there before: then nothing has taken the place of
    /// what came after it.
    fn stood(&self, head: &Head) -> bool {
        self.chain
            .inner
            .heads
            .get()
            .is_some_and(|heads| heads.came_back_to(head.number(), head.hash))
    }
}

/// Whether what was mined stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    All,
    /// Another block stands where one of its blocks was.
    NotAll,
    /// The chain does not reach its newest block.
    Shorter,
}

/// A receipt's block, for asking whether it stands.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    block_number: U64,
    block_hash: B256,
}

/// A block's transactions, as far as anybody here cares.
#[derive(Debug, Clone, serde::Deserialize)]
struct Transactions {
    transactions: Vec<UsedNonce>,
}

#[derive(Debug, Clone, serde::Deserialize)]
struct UsedNonce {
    hash: B256,
    from: Address,
    nonce: U64,
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
            reply: None,
            tries: 0,
            handed_in: Instant::now(),
        }
    }

    fn fills_a_gap(&self, address: Address) -> bool {
        self.transaction.to == Some(address) && self.transaction.input.is_empty()
    }

    fn answer(self, result: Result<Receipt, ChainError>) {
        let verb = self.transaction.verb;
        match (self.reply, result) {
            // Whoever asked may have stopped waiting; the transaction stands all the same.
            (Some(reply), result) => drop(reply.send(result)),
            (None, Ok(_)) => {}
            (None, Err(error)) => {
                tracing::warn!(verb, %error, "nobody waits for this any more, and it failed");
            }
        }
    }
}

impl InFlight {
    fn newest_form(&self) -> &(B256, Bytes) {
        self.forms
            .last()
            .expect("a transaction in flight was signed at least once")
    }

    /// To be seen to again after a pause, longer each time.
    fn again_later(&mut self) {
        self.due = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// Whether the next block may cost more than it offers.
    fn priced_out(&self, base: Option<u128>) -> bool {
        base.is_some_and(|base| self.fees.most() < base.saturating_add(base / 8))
    }
}

/// Why a waiting transaction is raised, which says how far it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacks {
    /// Blocks pass it by, and nothing says why: a few times the going price is enough of a try.
    Attention,
    /// The node says that it is too cheap.
    WhatTheNodeAsks,
    /// No block can take it at what it offers, or it must be replaced: it blocks the key until it is raised, so that
    /// only the owner's limit counts.
    ItsPrice,
}

impl Fees {
    /// At least these fees, and at least the quarter more for which every node replaces a waiting transaction; `None` if
    /// that is more than `most`, or than is reasonable for what it lacks.
    fn raised_to(self, now: Self, most: u128, lacks: Lacks) -> Option<Self> {
        let raised = |fee: u128| fee.saturating_add(fee / 4).saturating_add(1);
        let bound = |fee: u128| match lacks {
            Lacks::Attention => fee.saturating_mul(RAISED_MAX),
            Lacks::WhatTheNodeAsks => fee.saturating_mul(RAISED_MAX).max(RAISED_IF_ASKED),
            Lacks::ItsPrice => u128::MAX,
        };
        let ceiling = bound(now.most()).min(most);
        let (fees, within) = match (self, now) {
            (
                Self::Market { max_fee, tip },
                Self::Market {
                    max_fee: max_now,
                    tip: tip_now,
                },
            ) => {
                let tip = raised(tip).max(tip_now);
                let max_fee = raised(max_fee).max(max_now).max(tip);
                let fees = Self::Market { max_fee, tip };
                (fees, tip <= bound(tip_now.max(TIP_LEAST)))
            }
            (Self::Market { max_fee, tip }, Self::Legacy { .. }) => {
                let fees = Self::Market {
                    max_fee: raised(max_fee),
                    tip: raised(tip),
                };
                (fees, true)
            }
            (Self::Legacy { price }, now) => {
                let price = raised(price).max(now.most());
                (Self::Legacy { price }, true)
            }
        };
        (within && fees.most() <= ceiling.max(TIP_LEAST.min(most))).then_some(fees)
    }
}

/// A fee in gwei, for people.
fn gwei(wei: u128) -> String {
    let (whole, fraction) = (wei / 1_000_000_000, wei % 1_000_000_000);
    let fraction = format!("{fraction:09}");
    match fraction.trim_end_matches('0') {
        "" => format!("{whole} gwei"),
        decimals => format!("{whole}.{decimals} gwei"),
    }
}

fn base_fee(head: Option<&Head>) -> Option<u128> {
    head.and_then(|head| head.base_fee_per_gas)
        .map(|base| base.to::<u128>())
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

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    /// How far a fee rises if it is raised for ever.
    fn raised_for_ever(mut fees: Fees, now: Fees, most: u128) -> Fees {
        for _ in 0..1_000 {
            match fees.raised_to(now, most, Lacks::Attention) {
                Some(raised) => {
                    assert!(
                        raised.most() >= fees.most() + fees.most() / 10,
                        "{raised:?}"
                    );
                    fees = raised;
                }
                None => return fees,
            }
        }
        panic!("still rising: {fees:?}");
    }

    #[test]
    fn fees_rise_to_a_few_times_the_going_price_and_no_further() {
        for (base, tip) in [(0, 0), (7, 1), (30 * GWEI, 2 * GWEI)] {
            let now = Fees::market(base, tip);
            let Fees::Market { max_fee, tip: last } = raised_for_ever(now, now, u128::MAX) else {
                panic!("another kind of fee");
            };
            assert!(
                max_fee <= (now.most() * RAISED_MAX).max(TIP_LEAST),
                "{max_fee}"
            );
            assert!(max_fee > now.most(), "it rises at all");
            assert!(last <= tip.max(TIP_LEAST) * RAISED_MAX, "{last}");
        }
        let now = Fees::Legacy { price: GWEI };
        assert!(raised_for_ever(now, now, u128::MAX).most() <= GWEI * RAISED_MAX);
    }

    #[test]
    fn no_fee_rises_above_what_the_owner_allows() {
        let now = Fees::market(30 * GWEI, GWEI);
        let most = now.most() + now.most() / 2;
        assert!(raised_for_ever(now, now, most).most() <= most);
        let dear = Fees::market(300 * GWEI, GWEI);
        for lacks in [Lacks::Attention, Lacks::WhatTheNodeAsks, Lacks::ItsPrice] {
            assert_eq!(now.raised_to(now, now.most(), lacks), None);
            // When gas has become dearer than that, it waits for better days.
            assert_eq!(now.raised_to(dear, most, lacks), None);
        }
        assert!(dear.at_most(most).most() <= most);
    }

    #[test]
    fn what_was_offered_when_gas_was_dear_is_not_raised_when_it_is_cheap() {
        let (dear, cheap) = (Fees::market(300 * GWEI, GWEI), Fees::market(GWEI, GWEI));
        assert_eq!(dear.raised_to(cheap, u128::MAX, Lacks::Attention), None);
    }

    #[test]
    fn what_is_priced_out_is_raised_whatever_tip_it_was_sent_with() {
        let (sent, now) = (
            Fees::market(10 * GWEI, 30 * GWEI),
            Fees::market(60 * GWEI, GWEI),
        );
        assert_eq!(sent.raised_to(now, 10_000 * GWEI, Lacks::Attention), None);
        let Some(Fees::Market { max_fee, tip }) =
            sent.raised_to(now, 10_000 * GWEI, Lacks::ItsPrice)
        else {
            panic!("not raised");
        };
        assert_eq!(max_fee, now.most());
        assert!(tip > 30 * GWEI && tip <= max_fee, "{tip}");
    }

    #[test]
    fn what_the_node_finds_too_cheap_is_raised_further_than_what_merely_waits() {
        let now = Fees::market(GWEI, GWEI);
        let mut fees = now;
        while let Some(raised) = fees.raised_to(now, u128::MAX, Lacks::WhatTheNodeAsks) {
            fees = raised;
        }
        assert!(
            fees.most() > 75 * GWEI && fees.most() <= RAISED_IF_ASKED,
            "{fees:?}"
        );
        let most = 20 * GWEI;
        let mut fees = now;
        while let Some(raised) = fees.raised_to(now, most, Lacks::WhatTheNodeAsks) {
            fees = raised;
        }
        assert!(fees.most() <= most, "{fees:?}");
    }

    #[test]
    fn fees_know_their_base() {
        assert_eq!(Fees::market(60 * GWEI, 3).base(), Some(60 * GWEI));
        assert_eq!(Fees::Legacy { price: GWEI }.base(), None);
        assert_eq!(gwei(1_500_000_000), "1.5 gwei");
        assert_eq!(gwei(20 * GWEI), "20 gwei");
    }
}
