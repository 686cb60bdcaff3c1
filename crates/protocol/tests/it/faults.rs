//! Fault by fault: from a call that is good, exactly one thing is broken, and exactly its error is the answer, with its
//! values, from the contracts and from the twin.
//!
//! [`GOOD`] lists a good call of each verb, [`FAULTS`] what can be broken about it, verb by verb in the order in which the
//! hub looks, and [`TAMPERED`] what no caller can bring about with the market's own contracts, so that the world has to
//! be changed behind the hub's back first; the twin has no such back. Tests at the end see to it that no verb of the hub
//! checks what has no fault here at that verb, and that the contracts have no error without a test of their own in
//! `contracts/test`.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolInterface as _};
use protocol::abi::Hub as abi;
use protocol::model::{Call, Outcome, Refusal};
use protocol::order::{
    AppOrderOperation, DatasetOrderOperation, Order, RequestOrderOperation, Tag,
    WorkerpoolOrderOperation,
};
use protocol::payment::Nrlc;
use protocol::result::Digest;
use protocol::{DealId, TaskId};

use crate::chain::{Chain, play};
use crate::deed::{Deed, Entry};
use crate::law::Law;
use crate::people::Person;
use crate::town::{Orders, Town, Verb};
use crate::twin::start;

mod good;
mod table;
mod tampered;

use good::GOOD;
use table::FAULTS;
use tampered::TAMPERED;

/// Both sides, at the same moment.
pub(crate) struct World {
    chain: Chain,
    town: Town,
}

type Try = (Call, Deed);
type Fault = (&'static str, &'static str, fn(&mut World) -> (Try, Refusal));

/// One of the hub's errors.
macro_rules! error {
    ($name:ident { $($fields:tt)* }) => {
        ::protocol::model::Refusal::Hub(Box::new(
            ::protocol::abi::Hub::HubErrors::$name(::protocol::abi::Hub::$name { $($fields)* })
        ))
    };
}

use error;

const TRUTH: Digest = Digest(B256::repeat_byte(1));
const LIE: Digest = Digest(B256::repeat_byte(2));
/// Nobody, without code, without money.
const NOBODY: Address = Address::repeat_byte(0x99);

fn number(value: u64) -> U256 {
    U256::from(value)
}

impl World {
    fn new() -> Self {
        let (chain, town) = start();
        Self { chain, town }
    }

    fn call(&self, sender: Address) -> Call {
        let time = self.town.time;
        Call { sender, time }
    }

    fn verb(&self, sender: Address, verb: impl Verb) -> Try {
        (self.call(sender), Deed::Hub(Box::new(verb.verb())))
    }

    fn play(&mut self, (call, deed): Try) -> (Outcome, Outcome) {
        let on_chain = play(&mut self.chain, &self.town, call, &deed).0;
        (on_chain, self.town.play_deed(call, deed))
    }

    /// Plays what must succeed.
    fn done(&mut self, attempt: Try) {
        let (on_chain, on_paper) = self.play(attempt);
        assert!(on_chain.is_ok(), "{on_chain:?}");
        assert_eq!(on_chain, on_paper);
    }

    fn wait(&mut self, secs: u64) {
        self.town.time += secs;
    }

    fn requester(&self) -> Address {
        self.town.requester.address
    }

    fn scheduler(&self) -> Address {
        self.town.scheduler.address
    }

    fn worker(&self, number: usize) -> Address {
        self.town.workers[number].address
    }

    /// A match of good orders, but for what is changed before everybody signs.
    fn matching(&self, change: impl FnOnce(&mut Orders)) -> Try {
        let mut orders = self.town.orders(1, 1);
        change(&mut orders);
        self.verb(self.requester(), self.town.matching(&orders))
    }

    /// A match of good orders, but for what is changed after everybody signed.
    fn spoiled(&self, spoil: impl FnOnce(&mut abi::matchOrdersCall)) -> Try {
        let mut verb = self.town.matching(&self.town.orders(1, 1));
        spoil(&mut verb);
        self.verb(self.requester(), verb)
    }

    /// A good deal, but for what is changed.
    fn deal(&mut self, change: impl FnOnce(&mut Orders)) -> DealId {
        let mut orders = self.town.orders(1, 1);
        change(&mut orders);
        let verb = self.town.matching(&orders);
        let attempt = self.verb(self.requester(), verb);
        self.done(attempt);
        DealId::derive(orders.request.hash(&self.town.hub.domain), U256::ZERO)
    }

    /// A started task.
    fn task(&mut self, change: impl FnOnce(&mut Orders)) -> TaskId {
        let deal = self.deal(change);
        self.started(deal)
    }

    fn started(&mut self, deal: DealId) -> TaskId {
        let verb = initialize(deal, 0);
        let attempt = self.verb(self.scheduler(), verb);
        self.done(attempt);
        TaskId::derive(deal, U256::ZERO)
    }

    /// A good contribution, but for what is changed.
    fn contribution(
        &self,
        worker: usize,
        task: TaskId,
        digest: Digest,
        change: impl FnOnce(&mut abi::contributeCall),
    ) -> Try {
        let in_enclave = self.in_enclave(task);
        let worker = self.worker(worker);
        let mut verb = self.town.contribution(worker, task, digest, in_enclave);
        change(&mut verb);
        self.verb(worker, verb)
    }

    fn in_enclave(&self, task: TaskId) -> bool {
        let deal = self.town.hub.deals.get(&self.town.hub.task(task).deal);
        deal.is_some_and(protocol::deal::Deal::needs_enclave)
    }

    fn contributed(&mut self, worker: usize, task: TaskId, digest: Digest) {
        let attempt = self.contribution(worker, task, digest, |_| {});
        self.done(attempt);
    }

    /// A task whose first worker has contributed and has to reveal now.
    fn revealing(&mut self, change: impl FnOnce(&mut Orders)) -> TaskId {
        let task = self.task(change);
        self.contributed(0, task, TRUTH);
        task
    }

    fn reveal(&self, worker: usize, task: TaskId, digest: Digest) -> Try {
        let verb = abi::revealCall {
            taskid: task.0,
            resultDigest: digest.0,
        };
        self.verb(self.worker(worker), verb)
    }

    /// A task that may be finalized.
    fn revealed(&mut self, change: impl FnOnce(&mut Orders)) -> TaskId {
        let task = self.revealing(change);
        let attempt = self.reveal(0, task, TRUTH);
        self.done(attempt);
        task
    }

    fn completed(&mut self) -> TaskId {
        let task = self.revealed(|_| {});
        let attempt = self.finalizing(task, |_| {});
        self.done(attempt);
        task
    }

    fn finalizing(&self, task: TaskId, change: impl FnOnce(&mut abi::finalizeCall)) -> Try {
        let mut verb = abi::finalizeCall {
            taskid: task.0,
            results: Bytes::from_static(b"{}"),
            resultsCallback: Bytes::new(),
        };
        change(&mut verb);
        self.verb(self.scheduler(), verb)
    }

    /// A task somebody may do in one step, and the step, but for what is changed.
    fn one_step(
        &self,
        task: TaskId,
        change: impl FnOnce(&mut abi::contributeAndFinalizeCall),
    ) -> Try {
        let claim = self
            .town
            .contribution(self.worker(0), task, TRUTH, self.in_enclave(task));
        let mut verb = abi::contributeAndFinalizeCall {
            taskid: task.0,
            resultDigest: TRUTH.0,
            results: Bytes::from_static(b"{}"),
            resultsCallback: Bytes::new(),
            enclaveChallenge: claim.enclaveChallenge,
            enclaveSign: claim.enclaveSign,
            authorizationSign: claim.authorizationSign,
        };
        change(&mut verb);
        self.verb(self.worker(0), verb)
    }

    /// The first worker finishes in the scheduler's place, but for what is changed.
    fn finishing(&self, task: TaskId, change: impl FnOnce(&mut abi::finalizeCall)) -> Try {
        let mut verb = abi::finalizeCall {
            taskid: task.0,
            results: Bytes::new(),
            resultsCallback: Bytes::new(),
        };
        change(&mut verb);
        self.verb(self.worker(0), verb)
    }

    fn abandoning(&self, deal: DealId, index: u64) -> Try {
        let verb = abi::abandonCall {
            dealid: deal.0,
            idx: U256::from(index),
        };
        self.verb(self.scheduler(), verb)
    }

    fn claiming_deal(&self, deal: DealId, from: u64) -> Try {
        let verb = abi::claimDealCall {
            dealid: deal.0,
            from: U256::from(from),
            count: U256::MAX,
        };
        self.verb(NOBODY, verb)
    }

    fn sealed(&mut self) {
        let attempt = self.by_governor(abi::sealCall {});
        self.done(attempt);
    }

    fn reopening(&self, task: TaskId) -> Try {
        self.verb(self.scheduler(), abi::reopenCall { taskid: task.0 })
    }

    fn claiming(&self, task: TaskId) -> Try {
        self.verb(self.requester(), abi::claimCall { taskid: task.0 })
    }

    fn hash(&self, order: &impl Order) -> B256 {
        order.hash(&self.town.hub.domain).0
    }

    /// Lending the good dataset to a deal without one, but for what is changed.
    fn lending(&mut self, change: impl FnOnce(&mut Orders)) -> Try {
        let deal = self.deal(without_dataset);
        self.lending_to(deal, change)
    }

    fn lending_to(&self, deal: DealId, change: impl FnOnce(&mut Orders)) -> Try {
        let mut orders = self.town.orders(1, 1);
        // Another order than the one of the deal.
        orders.dataset.salt = B256::repeat_byte(8);
        change(&mut orders);
        let holder = self.town.holder(Entry::Dataset);
        let verb = abi::assertDatasetDealCompatibilityCall {
            datasetorder: self.town.sign(orders.dataset, holder).into(),
            dealid: deal.0,
        };
        self.verb(self.requester(), verb)
    }

    /// An operation on the good orders by a stranger: with the owner's signature, or with a stranger's.
    fn managing(
        &self,
        kind: Kind,
        close: bool,
        signer: &Person,
        change: impl FnOnce(&mut Orders),
    ) -> Try {
        self.managing_signed(kind, close, |hash| signer.sign(hash), change)
    }

    fn managing_signed(
        &self,
        kind: Kind,
        close: bool,
        sign: impl FnOnce(B256) -> Bytes,
        change: impl FnOnce(&mut Orders),
    ) -> Try {
        let mut orders = self.town.orders(1, 1);
        change(&mut orders);
        let domain = self.town.hub.domain;
        let operation = u8::from(close);
        let verb = match kind {
            Kind::App => {
                let typed = AppOrderOperation {
                    order: orders.app.clone(),
                    operation: U256::from(operation),
                };
                let sign = sign(domain.hash(&typed).0);
                let order = orders.app.signed(Bytes::new()).into();
                let operation = abi::AppOrderOperation {
                    order,
                    operation,
                    sign,
                };
                abi::manageAppOrderCall { operation }.verb()
            }
            Kind::Dataset => {
                let typed = DatasetOrderOperation {
                    order: orders.dataset.clone(),
                    operation: U256::from(operation),
                };
                let sign = sign(domain.hash(&typed).0);
                let order = orders.dataset.signed(Bytes::new()).into();
                let operation = abi::DatasetOrderOperation {
                    order,
                    operation,
                    sign,
                };
                abi::manageDatasetOrderCall { operation }.verb()
            }
            Kind::Workerpool => {
                let typed = WorkerpoolOrderOperation {
                    order: orders.workerpool.clone(),
                    operation: U256::from(operation),
                };
                let sign = sign(domain.hash(&typed).0);
                let order = orders.workerpool.signed(Bytes::new()).into();
                let operation = abi::WorkerpoolOrderOperation {
                    order,
                    operation,
                    sign,
                };
                abi::manageWorkerpoolOrderCall { operation }.verb()
            }
            Kind::Request => {
                let typed = RequestOrderOperation {
                    order: orders.request.clone(),
                    operation: U256::from(operation),
                };
                let sign = sign(domain.hash(&typed).0);
                let order = orders.request.signed(Bytes::new()).into();
                let operation = abi::RequestOrderOperation {
                    order,
                    operation,
                    sign,
                };
                abi::manageRequestOrderCall { operation }.verb()
            }
        };
        let call = self.call(self.town.broker.address);
        (call, Deed::Hub(Box::new(verb)))
    }

    fn by_owner(&self, kind: Kind, close: bool, change: impl FnOnce(&mut Orders)) -> Try {
        let owner = match kind {
            Kind::App => &self.town.app_owner,
            Kind::Dataset => &self.town.dataset_owner,
            Kind::Workerpool => &self.town.scheduler,
            Kind::Request => &self.town.requester,
        };
        self.managing(kind, close, owner, change)
    }

    /// A stranger signs for the owner.
    fn by_stranger(&self, kind: Kind, owner: &Person, hash: B256) -> (Try, Refusal) {
        let attempt = self.managing(kind, false, &self.town.sponsor, |_| {});
        let refusal = error!(OperationNotAuthorized {
            orderHash: hash,
            owner: owner.address,
            sender: self.town.broker.address
        });
        (attempt, refusal)
    }

    /// Pays in through the token, with the calldata of a good match by the requester.
    fn paying_in(&self, sender: Address, data: Bytes) -> Try {
        let amount = Nrlc::rlc(1).0;
        (self.call(sender), Deed::PayIn { amount, data })
    }

    fn good_match(&self) -> Bytes {
        self.town
            .matching(&self.town.orders(1, 1))
            .abi_encode()
            .into()
    }

    /// What only the owner may do, done by the sponsor.
    fn by_nobody(&self, verb: impl Verb) -> (Try, Refusal) {
        let sender = self.town.sponsor.address;
        let refusal = error!(NotTheOwner {
            sender,
            owner: self.town.owner.address
        });
        (self.verb(sender, verb), refusal)
    }

    fn by_governor(&self, verb: impl Verb) -> Try {
        self.verb(self.town.owner.address, verb)
    }

    fn broke(&self, account: Address, needed: U256) -> Refusal {
        let balance = self.town.hub.account(account).balance;
        error!(InsufficientBalance {
            account,
            balance,
            needed
        })
    }

    /// The account has nothing left in the hub.
    fn emptied(&mut self, account: Address) {
        let amount = self.town.hub.account(account).balance;
        let attempt = self.verb(account, abi::withdrawCall { amount });
        self.done(attempt);
    }
}

impl World {
    /// The same by other verbs that have to look at the same.
    fn by_other_verbs(&self, call: Call, verb: &abi::HubCalls) -> Vec<(&'static str, Try)> {
        use abi::HubCalls as Verb;
        let hub = |name, verb| (name, (call, Deed::Hub(Box::new(verb))));
        match verb.clone() {
            Verb::deposit(verb) => {
                let (amount, target) = (verb.amount, call.sender);
                let (amounts, targets) = (vec![amount], vec![target]);
                vec![
                    hub("depositFor", abi::depositForCall { amount, target }.verb()),
                    hub(
                        "depositForArray",
                        abi::depositForArrayCall { amounts, targets }.verb(),
                    ),
                ]
            }
            Verb::depositFor(verb) => {
                let (amounts, targets) = (vec![verb.amount], vec![verb.target]);
                vec![hub(
                    "depositForArray",
                    abi::depositForArrayCall { amounts, targets }.verb(),
                )]
            }
            Verb::withdraw(verb) => {
                let (amount, target) = (verb.amount, call.sender);
                vec![hub(
                    "withdrawTo",
                    abi::withdrawToCall { amount, target }.verb(),
                )]
            }
            Verb::matchOrders(verb) => {
                let by_requester = verb.requestorder.requester == call.sender;
                let data = verb.abi_encode().into();
                let sponsored = abi::sponsorMatchOrdersCall {
                    apporder: verb.apporder,
                    datasetorder: verb.datasetorder,
                    workerpoolorder: verb.workerpoolorder,
                    requestorder: verb.requestorder,
                };
                let sponsor = self.town.sponsor.address;
                let mut others = vec![("sponsorMatchOrders", self.verb(sponsor, sponsored))];
                if by_requester {
                    others.push(("receiveApproval", self.paying_in(call.sender, data)));
                }
                others
            }
            Verb::initialize(verb) => {
                let (dealid, idx) = (vec![verb.dealid], vec![verb.idx]);
                vec![
                    hub(
                        "initializeArray",
                        abi::initializeArrayCall {
                            dealid: dealid.clone(),
                            idx: idx.clone(),
                        }
                        .verb(),
                    ),
                    hub(
                        "initializeAndClaimArray",
                        abi::initializeAndClaimArrayCall { dealid, idx }.verb(),
                    ),
                ]
            }
            Verb::claim(verb) => {
                let taskid = vec![verb.taskid];
                vec![hub("claimArray", abi::claimArrayCall { taskid }.verb())]
            }
            Verb::abandon(verb) => {
                let (dealid, idx) = (vec![verb.dealid], vec![verb.idx]);
                vec![hub(
                    "abandonArray",
                    abi::abandonArrayCall { dealid, idx }.verb(),
                )]
            }
            _ => Vec::new(),
        }
    }
}

/// Whether only who calls is refused for it: a requester without money, where somebody else pays, or pays in just then.
fn is_the_payers(world: &World, refusal: &Refusal) -> bool {
    let Refusal::Hub(error) = refusal else {
        return false;
    };
    matches!(&**error, abi::HubErrors::InsufficientBalance(error) if error.account == world.requester())
}

/// The four kinds of order.
#[derive(Debug, Clone, Copy)]
enum Kind {
    App,
    Dataset,
    Workerpool,
    Request,
}

fn initialize(deal: DealId, index: u64) -> abi::initializeCall {
    abi::initializeCall {
        dealid: deal.0,
        idx: U256::from(index),
    }
}

fn without_dataset(orders: &mut Orders) {
    orders.dataset = Default::default();
    orders.request.dataset = Address::ZERO;
    orders.request.datasetmaxprice = U256::ZERO;
}

fn confidential(orders: &mut Orders) {
    let tag = Tag::TEE.0;
    (orders.app.tag, orders.workerpool.tag, orders.request.tag) = (tag, tag, tag);
}

fn nothing(_: &mut Orders) {}

/// The name of an error, as the ABI has it.
fn name(refusal: &Refusal) -> String {
    let words = match refusal {
        Refusal::Hub(error) => format!("{error:?}"),
        other => format!("{other:?}"),
    };
    words.split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn the_good_call_of_each_verb_is_accepted() {
    for (verb, good) in GOOD {
        let mut world = World::new();
        let attempt = good(&mut world);
        let (on_chain, on_paper) = world.play(attempt);
        assert!(on_chain.is_ok(), "{verb}: {on_chain:?}");
        assert_eq!(on_chain, on_paper, "{verb}");
    }
}

#[test]
fn one_broken_thing_is_refused_with_exactly_its_error() {
    for (verb, broken, fault) in FAULTS {
        let mut world = World::new();
        let (attempt, expected) = fault(&mut world);
        let (on_chain, on_paper) = world.play(attempt);
        assert_eq!(
            on_chain,
            Err(expected.clone()),
            "{verb}, {broken}, on the contracts"
        );
        assert_eq!(on_paper, Err(expected), "{verb}, {broken}, on the twin");
    }
}

#[test]
fn what_one_verb_refuses_its_like_refuse_too() {
    let mut tried = 0;
    for (verb, broken, fault) in FAULTS {
        let mut world = World::new();
        let ((call, deed), expected) = fault(&mut world);
        let Deed::Hub(good_verb) = deed else {
            continue;
        };
        for (other, attempt) in world.by_other_verbs(call, &good_verb) {
            if *verb == "matchOrders" && is_the_payers(&world, &expected) {
                continue;
            }
            tried += 1;
            let (on_chain, on_paper) = world.play(attempt);
            assert_eq!(
                on_chain,
                Err(expected.clone()),
                "{other} as {verb}, {broken}, on the contracts"
            );
            assert_eq!(
                on_paper,
                Err(expected.clone()),
                "{other} as {verb}, {broken}, on the twin"
            );
        }
    }
    assert!(tried > 100, "only {tried} were tried");
}

#[test]
fn what_no_caller_can_bring_about_is_refused_all_the_same() {
    for (verb, broken, fault) in TAMPERED {
        let mut world = World::new();
        let (sender, to, data, expected) = fault(&mut world);
        if to == world.town.hub.address()
            && let Ok(hubs) = abi::HubCalls::abi_decode(&data)
        {
            for (other, attempt) in world.by_other_verbs(world.call(sender), &hubs) {
                let (sender, to, data, _) = world.raw(attempt, Refusal::Silent);
                let (outcome, _) = world.chain.play(world.call(sender), to, data);
                assert_eq!(
                    outcome,
                    Err(expected.clone()),
                    "{other} as {verb}, {broken}"
                );
            }
        }
        let (outcome, _) = world.chain.play(world.call(sender), to, data);
        let mut refusal = outcome.expect_err(broken);
        // How much gas is left where it is missing is for the gas snapshots.
        if let Refusal::Hub(error) = &mut refusal
            && let abi::HubErrors::CallbackGasMissing(error) = &mut **error
        {
            assert!(error.left < error.needed, "{verb}, {broken}");
            error.left = U256::ZERO;
        }
        assert_eq!(refusal, expected, "{verb}, {broken}");
    }
}

#[test]
fn every_error_of_the_hub_has_its_fault() {
    let mut met = BTreeSet::new();
    for (_, _, fault) in FAULTS {
        met.insert(name(&fault(&mut World::new()).1));
    }
    for (_, _, fault) in TAMPERED {
        met.insert(name(&fault(&mut World::new()).3));
    }
    let missing: Vec<_> = errors_of_the_hub()
        .into_iter()
        .filter(|error| !met.contains(error))
        .collect();
    assert!(missing.is_empty(), "errors without a fault: {missing:?}");
}

/// Errors that stand in what a verb calls by name, and that it cannot answer with all the same; and why.
const NOT_OF_THE_VERB: &[(&str, &[&str], &str)] = &[
    (
        "deposit",
        &["ZeroAddress", "AccountCannotSpend"],
        "the caller is somebody, and no account of the hub's",
    ),
    (
        "withdraw",
        &["AccountCannotSpend"],
        "the caller is no account of the hub's",
    ),
    ("recover", &["ZeroAddress"], "the hub has an owner"),
    ("matchOrders", PAYS_IN_ONLY, SAME_NAMES),
    ("sponsorMatchOrders", PAYS_IN_ONLY, SAME_NAMES),
    ("receiveApproval", &["ResultsTooLong"], SAME_NAMES),
    (
        "receiveApproval",
        &[
            "ZeroAddress",
            "AccountCannotSpend",
            "AmountTooLarge",
            "TokenTransferFailed",
        ],
        "only a sound token can call it, and names a payer",
    ),
    (
        "initializeAndClaimArray",
        &["InsufficientBalance"],
        "nobody has contributed yet, so nothing is paid out",
    ),
    ("computeDealVolume", &["VolumeTooLarge"], NOT_ON_PAPER),
    ("verifySignature", &["InvalidSignatureLength"], NOT_ON_PAPER),
    (
        "verifyPresignatureOrSignature",
        &["InvalidSignatureLength"],
        NOT_ON_PAPER,
    ),
];

const SAME_NAMES: &str = "`_match` is also what a payment matches by, and `record` what keeps a result as well as a deal";
const NOT_ON_PAPER: &str = "the twin does not have this view";
const PAYS_IN_ONLY: &[&str] = &[
    "CallerIsNotTheRequester",
    "OperationFailed",
    "UnsupportedOperation",
    "ResultsTooLong",
];

/// Whatever a verb checks has a fault at that very verb, not only at another that checks the same.
#[test]
fn every_check_of_every_verb_has_its_fault_there() {
    let mut met = BTreeSet::new();
    for (verb, _, fault) in FAULTS {
        let mut world = World::new();
        let ((call, deed), refusal) = fault(&mut world);
        let verb = match verb {
            &"a payment through the token" => "receiveApproval",
            verb => verb,
        };
        met.insert((verb, name(&refusal)));
        if let Deed::Hub(hubs) = deed {
            for (other, _) in world.by_other_verbs(call, &hubs) {
                met.insert((other, name(&refusal)));
            }
        }
    }
    for (verb, _, fault) in TAMPERED {
        let mut world = World::new();
        let (sender, _, data, refusal) = fault(&mut world);
        met.insert((verb, name(&refusal)));
        if let Ok(hubs) = abi::HubCalls::abi_decode(&data) {
            for (other, _) in world.by_other_verbs(world.call(sender), &hubs) {
                met.insert((other, name(&refusal)));
            }
        }
    }

    let functions = functions_of_the_hub();
    let errors: BTreeSet<_> = errors_of_the_hub().into_iter().collect();
    let (mut checks, mut missing) = (0, Vec::new());
    for (verb, _) in named_in_the_abi("function") {
        for error in errors_within(&verb, &functions, &errors) {
            let excepted = NOT_OF_THE_VERB
                .iter()
                .any(|(excepted, errors, _)| *excepted == verb && errors.contains(&&*error));
            checks += 1;
            if !excepted && !met.contains(&(&*verb, error.clone())) {
                missing.push(format!("{verb}: {error}"));
            }
        }
    }
    assert!(checks > 200, "only {checks} checks were found");
    assert!(missing.is_empty(), "checks without a fault: {missing:#?}");
}

/// The bodies of the hub's functions, by name.
fn functions_of_the_hub() -> BTreeMap<String, String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/src");
    let mut text = String::new();
    for part in ["stages", "libraries"] {
        read_all(&folder.join(part), &mut text);
    }
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let modifiers: Vec<_> = code
        .split("modifier ")
        .skip(1)
        .filter_map(|part| part.split_once('('))
        .map(|(name, _)| name)
        .collect();
    let mut functions = BTreeMap::<String, String>::new();
    for part in code.split("function ").skip(1) {
        // A modifier begins where the function before it ends.
        for (number, part) in part.split("modifier ").enumerate() {
            let Some((name, rest)) = part.split_once('(') else {
                continue;
            };
            let Some(open) = rest.find('{') else {
                continue;
            };
            // Declared in an interface only.
            if rest.find(';').is_some_and(|end| end < open) {
                continue;
            }
            let mut depth = 0;
            let end = rest[open..].find(|letter| {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                depth == 0
            });
            let body = &rest[open..open + end.expect("a body ends")];
            let kept = functions.entry(name.to_owned()).or_default();
            kept.push_str(body);
            // What guards a function is part of it.
            let guards = modifiers.iter().filter(|guard| {
                number == 0 && rest[..open].split_whitespace().any(|word| word == **guard)
            });
            for guard in guards {
                kept.push_str(&format!(" {guard}()"));
            }
        }
    }
    functions
}

/// The errors that a function may answer with, itself or by what it calls.
fn errors_within(
    verb: &str,
    functions: &BTreeMap<String, String>,
    errors: &BTreeSet<String>,
) -> BTreeSet<String> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut ahead = vec![verb];
    while let Some(function) = ahead.pop() {
        let Some(body) = functions.get(function) else {
            continue;
        };
        if !seen.insert(function) {
            continue;
        }
        // Whatever stands before an opening bracket is called.
        for before in body.split('(') {
            let called = before
                .rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .next()
                .unwrap_or_default();
            let what_of = &before[..before.len() - called.len()];
            if errors.contains(called) {
                found.insert(called.to_owned());
            } else if !what_of.ends_with(").") {
                // `IERC20(token).transfer(…)` is another contract's.
                ahead.push(called);
            }
        }
    }
    found
}

#[test]
fn every_verb_of_the_hub_has_a_good_call_or_is_a_view() {
    let good: BTreeSet<_> = GOOD.iter().map(|(verb, _)| (*verb).to_owned()).collect();
    let missing: Vec<_> = named_in_the_abi("function")
        .into_iter()
        .filter(|(verb, changing)| *changing && !good.contains(verb))
        .map(|(verb, _)| verb)
        // What only a deployment does, and what is called by the token.
        .filter(|verb| {
            ![
                "configure",
                "changeRegistries",
                "importScore",
                "receiveApproval",
                "approveAndCall",
            ]
            .contains(&&**verb)
        })
        .collect();
    assert!(missing.is_empty(), "verbs without a good call: {missing:?}");
}

/// Every error a contract of ours declares is expected, with its values, by a test of the contracts.
#[test]
fn every_error_of_the_contracts_has_a_test_in_solidity() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let text = |part: &str| {
        let mut text = String::new();
        read_all(&folder.join(part), &mut text);
        text
    };
    let (sources, tests) = (text("src"), text("test"));
    let declared: BTreeSet<_> = sources
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("error "))
        .filter_map(|rest| rest.split('(').next())
        .collect();
    assert!(
        declared.len() > 80,
        "only {} errors were found",
        declared.len()
    );
    let missing: Vec<_> = declared
        .into_iter()
        .filter(|error| !tests.contains(&format!(".{error}.selector")))
        .collect();
    assert!(
        missing.is_empty(),
        "errors no test in contracts/test expects: {missing:?}"
    );
}

fn read_all(folder: &std::path::Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of the contracts") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            read_all(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "sol") {
            text.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

fn errors_of_the_hub() -> Vec<String> {
    named_in_the_abi("error")
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

/// Names of one kind in the hub's ABI, and whether they change anything.
fn named_in_the_abi(kind: &str) -> Vec<(String, bool)> {
    let abi: serde_json::Value =
        serde_json::from_str(include_str!("../../../../contracts/abi/Hub.json")).expect("JSON");
    let entries = abi.get("abi").unwrap_or(&abi).as_array().expect("a list");
    entries
        .iter()
        .filter(|entry| entry["type"] == kind)
        .map(|entry| {
            let changing = !matches!(entry["stateMutability"].as_str(), Some("view" | "pure"));
            (entry["name"].as_str().expect("a name").to_owned(), changing)
        })
        .collect()
}
