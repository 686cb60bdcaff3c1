//! The plain twin of the hub: the whole classic path, written to be read.
//!
//! [`Hub`] holds what the contract holds, as maps and lists instead of packed words. Its verbs take a [`Call`] (who,
//! when) and what the contract's verbs take, check in the contract's order, and return the contract's events in the
//! contract's order, or its refusal; a refused verb changes nothing. [`Hub::step`] takes the contract's calldata,
//! decoded, so that a test can play one life on both and compare balances, states, scores, events and refusals after
//! each step.
//!
//! The files follow the seven words. What the hub asks of the world stands in tables that a test fills: which
//! addresses have code and what it answers ([`Code`]), who owns which app, dataset and workerpool ([`Entries`]), who
//! holds how much of the token ([`Token`]). Keys need no table: their signatures are recovered.
//!
//! Deliberately not here: gas (a call that runs out of it, a callback that eats it), reentrant callbacks, other
//! registries than those it began with, the time before it was configured, contracts that take approvals of the hub's
//! own token, and views, whose answers are the fields of [`Hub`] (but for those that refuse). Callbacks are written down
//! in [`Hub::callbacks`] instead of made.

mod contribution;
mod deal;
mod governance;
mod order;
mod payment;
mod result;
mod signature;
mod task;

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, U256};

use crate::abi::{Hub as abi, RLC};
use crate::consensus::Tally;
use crate::contribution::Contribution;
use crate::deal::{Category, Deal, standard_categories};
use crate::ids::{DealId, OrderHash, TaskId};
use crate::order::Domain;
use crate::payment::KITTY;
use crate::task::Task;

pub use governance::{App, Dataset, Entries, Workerpool};
pub use order::Epoch;
pub use payment::{Account, Token};
pub use signature::{Code, Signs};

/// An event of the hub.
pub type Event = abi::HubEvents;

/// Who calls, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The account that sends the transaction.
    pub sender: Address,
    /// The block's time, in seconds since 1970.
    pub time: u64,
}

/// Why a verb was refused; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// By the hub, with one of its named errors.
    Hub(Box<abi::HubErrors>),
    /// By the token, which the hub passes on.
    Token(Box<RLC::RLCErrors>),
    /// By the arithmetic: a sum or a product outgrew its 256 bits (Solidity's panic 0x11).
    Overflow,
    /// By a contract the hub called, without a word: there is none, or none of its answers can be read.
    Silent,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub(error) => write!(f, "refused by the hub: {error:?}"),
            Self::Token(error) => write!(f, "refused by the token: {error:?}"),
            Self::Overflow => f.write_str("refused by the arithmetic: overflow"),
            Self::Silent => f.write_str("refused without a word by a contract that was called"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<abi::HubErrors> for Refusal {
    fn from(error: abi::HubErrors) -> Self {
        Self::Hub(Box::new(error))
    }
}

impl From<crate::consensus::Overflow> for Refusal {
    fn from(_: crate::consensus::Overflow) -> Self {
        Self::Overflow
    }
}

/// Events on success, a refusal otherwise.
pub type Outcome = Result<Vec<Event>, Refusal>;

/// A refusal by one of the hub's errors: `refusal!(TaskPending { taskid })`.
macro_rules! refusal {
    ($name:ident $fields:tt) => {
        $crate::model::Refusal::from($crate::abi::Hub::HubErrors::$name($crate::abi::Hub::$name $fields))
    };
}

/// Refuses: `refuse!(TaskPending { taskid })`.
macro_rules! refuse {
    ($name:ident $fields:tt) => {
        Err($crate::model::refusal!($name $fields))
    };
}

/// `require!(condition, Error { … })`: refuses unless the condition holds.
macro_rules! require {
    ($holds:expr, $name:ident $fields:tt) => {
        if !$holds {
            return $crate::model::refuse!($name $fields);
        }
    };
}

/// Emits an event of the ABI: `emit!(hub, TaskReopen { taskid })`.
macro_rules! emit {
    ($hub:expr, $name:ident $fields:tt) => {
        $hub.events.push($crate::abi::Hub::HubEvents::$name($crate::abi::Hub::$name $fields))
    };
}

use {emit, refusal, refuse, require};

/// A callback the hub made after finalizing a task. It has no say in anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The contract called.
    pub to: Address,
    /// The task.
    pub task: TaskId,
    /// What was handed to it.
    pub data: Bytes,
}

/// The hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Hub {
    /// Where it stands, and on which chain.
    pub domain: Domain,
    /// Who may add categories, and what else is not fixed yet.
    pub owner: Address,
    /// Whether registries, broker and configuration are fixed for ever.
    pub sealed: bool,
    /// The token deposits are made of.
    pub token: Token,
    /// Apps, datasets and workerpools that exist.
    pub entries: Entries,
    /// What addresses with code answer; who is not listed is a plain account.
    pub code: BTreeMap<Address, Code>,

    /// Balances and frozen amounts; the hub's own balance is under its address, the kitty's under [`KITTY`].
    pub accounts: BTreeMap<Address, Account>,
    /// Sum of all balances, in nRLC.
    pub supply: U256,
    /// Who lets whom spend how much, by (owner, spender).
    pub allowances: BTreeMap<(Address, Address), U256>,

    /// Who signed an order on chain.
    pub presigned: BTreeMap<OrderHash, Address>,
    /// How much of an order's volume is used up.
    pub consumed: BTreeMap<OrderHash, U256>,
    /// The epochs of those who raised theirs.
    pub epochs: BTreeMap<Address, Epoch>,

    /// The deals.
    pub deals: BTreeMap<DealId, Deal>,
    /// The tasks that were initialized.
    pub tasks: BTreeMap<TaskId, Task>,
    /// The contributions, by task and worker.
    pub contributions: BTreeMap<(TaskId, Address), Contribution>,
    /// The weights of the groups of each task.
    pub tallies: BTreeMap<TaskId, Tally>,
    /// Workers' scores.
    pub scores: BTreeMap<Address, U256>,

    /// How long tasks may take; never shrinks.
    pub categories: Vec<Category>,
    /// Who may authorize contributions from enclaves beside the scheduler; zero for nobody.
    pub enclave_broker: Address,
    /// Gas given to a callback.
    pub callback_gas: U256,
    /// Callbacks made so far.
    pub callbacks: Vec<Callback>,

    /// Events of the verb at work; empty between verbs.
    events: Vec<Event>,
}

impl Hub {
    /// A hub as a deployment leaves it: sealed, no deals, no money, the categories of
    /// [`CATEGORIES`](crate::deal::CATEGORIES). `owner` holds all the token.
    #[must_use]
    pub fn new(domain: Domain, owner: Address) -> Self {
        Self {
            domain,
            owner,
            sealed: true,
            token: Token::new(owner),
            entries: Entries::default(),
            code: BTreeMap::new(),
            accounts: BTreeMap::new(),
            supply: U256::ZERO,
            allowances: BTreeMap::new(),
            presigned: BTreeMap::new(),
            consumed: BTreeMap::new(),
            epochs: BTreeMap::new(),
            deals: BTreeMap::new(),
            tasks: BTreeMap::new(),
            contributions: BTreeMap::new(),
            tallies: BTreeMap::new(),
            scores: BTreeMap::new(),
            categories: standard_categories(),
            enclave_broker: Address::ZERO,
            callback_gas: U256::from(200_000),
            callbacks: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Its own address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.domain.hub
    }

    /// What an account has.
    #[must_use]
    pub fn account(&self, account: Address) -> Account {
        self.accounts.get(&account).copied().unwrap_or_default()
    }

    /// What the kitty holds: the stakes of schedulers who failed, not yet drained.
    #[must_use]
    pub fn kitty(&self) -> U256 {
        self.account(KITTY).frozen
    }

    /// A worker's score.
    #[must_use]
    pub fn score(&self, worker: Address) -> U256 {
        self.scores.get(&worker).copied().unwrap_or_default()
    }

    /// A task; all unset if it was not initialized.
    #[must_use]
    pub fn task(&self, task: TaskId) -> Task {
        self.tasks.get(&task).cloned().unwrap_or_default()
    }

    /// A worker's contribution to a task; unset if there is none.
    #[must_use]
    pub fn contribution(&self, task: TaskId, worker: Address) -> Contribution {
        self.contributions
            .get(&(task, worker))
            .copied()
            .unwrap_or_default()
    }

    /// How much of an order is used up.
    #[must_use]
    pub fn consumed(&self, order: OrderHash) -> U256 {
        self.consumed.get(&order).copied().unwrap_or_default()
    }

    /// Up to which epoch somebody's orders are taken back.
    #[must_use]
    pub fn epoch(&self, signer: Address) -> Epoch {
        self.epochs.get(&signer).copied().unwrap_or_default()
    }

    /// Plays one call of the contract. Views change nothing and are answered with no events, or refused.
    pub fn step(&mut self, call: Call, verb: abi::HubCalls) -> Outcome {
        use abi::HubCalls as Verb;
        match verb {
            Verb::deposit(verb) => self.deposit(call, verb.amount),
            Verb::depositFor(verb) => self.deposit_for(call, verb.amount, verb.target),
            Verb::depositForArray(verb) => {
                self.deposit_for_array(call, &verb.amounts, &verb.targets)
            }
            Verb::withdraw(verb) => self.withdraw(call, verb.amount),
            Verb::withdrawTo(verb) => self.withdraw_to(call, verb.amount, verb.target),
            Verb::transfer(verb) => self.transfer(call, verb.recipient, verb.amount),
            Verb::transferFrom(verb) => self.transfer_from(call, verb.from, verb.to, verb.value),
            Verb::approve(verb) => self.approve(call, verb.spender, verb.value),
            Verb::increaseAllowance(verb) => {
                self.increase_allowance(call, verb.spender, verb.added)
            }
            Verb::decreaseAllowance(verb) => {
                self.decrease_allowance(call, verb.spender, verb.subtracted)
            }
            Verb::approveAndCall(verb) => self.approve_and_call(call, verb.spender, verb.value),
            Verb::receiveApproval(verb) => {
                // What the token itself calls is `deposit_by_approval`; nobody else can be the token.
                refuse!(NotTheToken {
                    sender: call.sender,
                    token: verb.token
                })
            }
            Verb::recover(_) => self.recover(call),

            Verb::manageAppOrder(verb) => self.manage_app_order(call, verb.operation),
            Verb::manageDatasetOrder(verb) => self.manage_dataset_order(call, verb.operation),
            Verb::manageWorkerpoolOrder(verb) => self.manage_workerpool_order(call, verb.operation),
            Verb::manageRequestOrder(verb) => self.manage_request_order(call, verb.operation),
            Verb::broadcastAppOrder(verb) => {
                self.broadcast(Event::BroadcastAppOrder(abi::BroadcastAppOrder {
                    apporder: verb.order,
                }))
            }
            Verb::broadcastDatasetOrder(verb) => {
                self.broadcast(Event::BroadcastDatasetOrder(abi::BroadcastDatasetOrder {
                    datasetorder: verb.order,
                }))
            }
            Verb::broadcastWorkerpoolOrder(verb) => self.broadcast(
                Event::BroadcastWorkerpoolOrder(abi::BroadcastWorkerpoolOrder {
                    workerpoolorder: verb.order,
                }),
            ),
            Verb::broadcastRequestOrder(verb) => {
                self.broadcast(Event::BroadcastRequestOrder(abi::BroadcastRequestOrder {
                    requestorder: verb.order,
                }))
            }
            Verb::raiseEpoch(verb) => self.raise_epoch(call, verb.refuseUnmarked),
            Verb::matchOrders(verb) => self.match_orders(
                call,
                verb.apporder.into(),
                verb.datasetorder.into(),
                verb.workerpoolorder.into(),
                verb.requestorder.into(),
            ),
            Verb::sponsorMatchOrders(verb) => self.sponsor_match_orders(
                call,
                verb.apporder.into(),
                verb.datasetorder.into(),
                verb.workerpoolorder.into(),
                verb.requestorder.into(),
            ),
            Verb::assertDatasetDealCompatibility(verb) => {
                self.assert_dataset_fits(call, &verb.datasetorder.into(), DealId(verb.dealid))
            }

            Verb::initialize(verb) => self.initialize(call, DealId(verb.dealid), verb.idx),
            Verb::initializeArray(verb) => {
                self.initialize_array(call, &ids(verb.dealid), &verb.idx)
            }
            Verb::contribute(verb) => self.contribute(
                call,
                TaskId(verb.taskid),
                verb.resultHash,
                verb.resultSeal,
                verb.enclaveChallenge,
                &verb.enclaveSign,
                &verb.authorizationSign,
            ),
            Verb::reveal(verb) => self.reveal(call, TaskId(verb.taskid), verb.resultDigest.into()),
            Verb::reopen(verb) => self.reopen(call, TaskId(verb.taskid)),
            Verb::finalize(verb) => self.finalize(
                call,
                TaskId(verb.taskid),
                verb.results,
                verb.resultsCallback,
            ),
            Verb::contributeAndFinalize(verb) => self.contribute_and_finalize(
                call,
                TaskId(verb.taskid),
                verb.resultDigest.into(),
                verb.results,
                verb.resultsCallback,
                verb.enclaveChallenge,
                &verb.enclaveSign,
                &verb.authorizationSign,
            ),
            Verb::abandon(verb) => self.abandon(call, DealId(verb.dealid), verb.idx),
            Verb::abandonArray(verb) => self.abandon_array(call, &ids(verb.dealid), &verb.idx),
            Verb::claim(verb) => self.claim(call, TaskId(verb.taskid)),
            Verb::claimArray(verb) => self.claim_array(call, &ids(verb.taskid)),
            Verb::initializeAndClaimArray(verb) => {
                self.initialize_and_claim_array(call, &ids(verb.dealid), &verb.idx)
            }
            Verb::claimDeal(verb) => self
                .claim_deal(call, DealId(verb.dealid), verb.from, verb.count)
                .map(|(events, _)| events),

            Verb::resultFor(verb) => self.assert_completed(TaskId(verb.id)),

            Verb::configure(_) => self.configure(call),
            Verb::changeRegistries(_) => self.change_registries(call),
            Verb::seal(_) => self.seal(call),
            Verb::viewCategory(verb) => self.assert_category(verb.catid),
            Verb::createCategory(verb) => {
                self.create_category(call, verb.name, verb.description, verb.workClockTimeRef)
            }
            Verb::setTeeBroker(verb) => self.set_enclave_broker(call, verb.teebroker),
            Verb::setCallbackGas(verb) => self.set_callback_gas(call, verb.callbackgas),
            Verb::transferOwnership(verb) => self.transfer_ownership(call, verb.newOwner),
            Verb::importScore(_) => refuse!(NoFormerHub {}),
            _ => Ok(Vec::new()),
        }
    }

    /// Runs a verb so that it happens as a whole or not at all, and gathers its events.
    fn atomically(&mut self, verb: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Outcome {
        self.atomically_answering(verb).map(|(events, ())| events)
    }

    /// The same for a verb that answers something.
    fn atomically_answering<A>(
        &mut self,
        verb: impl FnOnce(&mut Self) -> Result<A, Refusal>,
    ) -> Result<(Vec<Event>, A), Refusal> {
        let before = self.clone();
        match verb(self) {
            Ok(answer) => Ok((std::mem::take(&mut self.events), answer)),
            Err(refusal) => {
                *self = before;
                Err(refusal)
            }
        }
    }
}

/// Hashes as ids.
fn ids<T: From<alloy_primitives::B256>>(hashes: Vec<alloy_primitives::B256>) -> Vec<T> {
    hashes.into_iter().map(T::from).collect()
}
