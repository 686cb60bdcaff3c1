//! Random lives: what may happen in a town, and the calls it means.
//!
//! An [`Act`] is small and says nothing of ids: tasks and people are picked by number among those there are, so that
//! any list of acts is a life, and a shorter list is a shorter life. Most acts are sensible at the moment; enough are
//! not: wrong signers, late reveals, orders with one thing broken, tasks that do not exist.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use proptest::prelude::*;
use protocol::abi::Hub as abi;
use protocol::contribution::{ContributionStatus, authorization_hash, hash, message_hash, seal};
use protocol::deal::Deal;
use protocol::model::Call;
use protocol::order::salt::Policy;
use protocol::order::{
    AppOrderOperation, DatasetOrderOperation, MarkedSalt, Order, RequestOrderOperation, Tag,
    WorkerpoolOrderOperation,
};
use protocol::payment::Nrlc;
use protocol::result::Digest;
use protocol::task::TaskStatus;
use protocol::{DealId, TaskId};

use crate::deed::{Deed, Entry};
use crate::people::Person;
use crate::town::{
    GLUTTON, GROUP, INTRUDER, LISTENER, Orders, QUARRELLER, START, Town, Verb, WALLET,
};

#[derive(Debug, Clone)]
pub(crate) enum Act {
    Wait {
        secs: u64,
    },
    /// Until something about a task changes, or the second before.
    WaitFor {
        task: usize,
        moment: Moment,
        early: bool,
    },
    Deposit {
        who: usize,
        amount: u64,
    },
    Withdraw {
        who: usize,
        amount: u64,
    },
    Transfer {
        from: usize,
        to: usize,
        amount: u64,
    },
    /// Pays in for somebody else.
    DepositFor {
        who: usize,
        whom: usize,
        amount: u64,
    },
    /// Pays in for two others.
    DepositForArray {
        who: usize,
        whom: usize,
        amount: u64,
        uneven: bool,
    },
    /// Pays in through the token, and may match at once.
    PayIn {
        who: usize,
        amount: u64,
        errand: Errand,
    },
    WithdrawTo {
        who: usize,
        whom: usize,
        amount: u64,
    },
    /// Token sent to the hub without a word.
    Donate {
        who: usize,
        amount: u64,
    },
    Recover {
        right: bool,
    },
    Approve {
        owner: usize,
        spender: usize,
        amount: u64,
    },
    ChangeAllowance {
        owner: usize,
        spender: usize,
        amount: u64,
        more: bool,
    },
    ApproveAndCall {
        who: usize,
        spender: usize,
        amount: u64,
    },
    TransferFrom {
        spender: usize,
        from: usize,
        to: usize,
        amount: u64,
    },
    Match {
        wish: Wish,
        fault: u8,
        sponsored: bool,
    },
    Manage {
        wish: Wish,
        kind: u8,
        close: bool,
        right: bool,
        by_stranger: bool,
    },
    Broadcast {
        wish: Wish,
        kind: u8,
    },
    /// Asks whether a dataset could be lent to a deal that has none.
    Lend {
        wish: Wish,
        deal: usize,
        fault: u8,
    },
    /// Somebody takes all orders back that name the epoch.
    RaiseEpoch {
        who: usize,
        refuse_unmarked: bool,
    },
    /// What is registered changes hands.
    HandOver {
        entry: Entry,
        to: usize,
    },
    Policy {
        stake_ratio: u64,
        reward_ratio: u64,
    },
    Initialize {
        deal: usize,
        index: u64,
    },
    InitializeAll,
    InitializeUnevenly {
        deal: usize,
    },
    Contribute {
        task: usize,
        worker: usize,
        digest: u8,
        odd_enclave: bool,
        fault: u8,
    },
    Reveal {
        task: usize,
        worker: usize,
        winner: bool,
        right: bool,
    },
    Reopen {
        task: usize,
        right: bool,
    },
    Finalize {
        task: usize,
        right: bool,
        with_data: bool,
        long: bool,
    },
    ContributeAndFinalize {
        task: usize,
        worker: usize,
        digest: u8,
        odd_enclave: bool,
        with_data: bool,
        fault: u8,
    },
    /// A worker finishes in the scheduler's place.
    Finish {
        task: usize,
        worker: usize,
        right: bool,
        with_data: bool,
        with_results: bool,
    },
    /// The scheduler gives a task up.
    Abandon {
        deal: usize,
        index: u64,
        right: bool,
    },
    AbandonAll {
        deal: usize,
        uneven: bool,
    },
    Claim {
        task: usize,
    },
    ClaimDeal {
        deal: usize,
        from: u64,
        count: u64,
    },
    ClaimAll {
        initialize: bool,
        deal: usize,
    },
    Broker {
        set: bool,
        right: bool,
    },
    Category {
        secs: u64,
        right: bool,
    },
    CallbackGas {
        gas: u64,
        right: bool,
    },
    Crown {
        to: usize,
        right: bool,
    },
    Seal {
        right: bool,
    },
    /// Verbs that nobody is allowed, or that come too late.
    Meddle {
        kind: u8,
        right: bool,
    },
}

/// When what may be done about a task changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    ContributionsEnd,
    RevealsEnd,
    WorkersTurn,
    End,
}

/// What goes along with a payment through the token.
#[derive(Debug, Clone)]
pub(crate) enum Errand {
    None,
    Match { wish: Wish, fault: u8 },
    Unsupported,
    Cut { length: usize },
}

/// What a requester wants; few enough choices that the same orders come up again.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    salt: u8,
    trust: u64,
    volume: u64,
    price: u64,
    dataset: bool,
    callback: usize,
    enclave: bool,
    marks: Option<Marks>,
}

/// What the four orders of a wish say in their salts.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    /// The conditions, as far as each kind of order can have them.
    flags: u8,
    /// Which of the four orders is wrong about one of them, and how; see [`Town::mark`].
    whose: u8,
    wrong: u8,
}

/// Who may be called back: nobody, who hears it, who fails in some way, who has no code, and who means no harm.
const CALLBACKS: [Address; 8] = [
    Address::ZERO,
    LISTENER,
    QUARRELLER,
    GLUTTON,
    INTRUDER,
    protocol::payment::KITTY,
    GROUP,
    WALLET,
];

fn wish() -> impl Strategy<Value = Wish> {
    let trust = prop_oneof![3 => Just(1_u64), 1 => Just(0), 6 => 2_u64..9, 1 => Just(64)];
    let price = prop_oneof![
        Just(0_u64),
        Just(10_000_000_000),
        Just(7),
        0_u64..20_000_000_000
    ];
    (
        0_u8..2,
        trust,
        1_u64..4,
        price,
        any::<bool>(),
        prop_oneof![4 => Just(0_usize), 3 => 1..CALLBACKS.len()],
        prop::bool::weighted(0.2),
        prop::option::weighted(0.4, marks()),
    )
        .prop_map(
            |(salt, trust, volume, price, dataset, callback, enclave, marks)| Wish {
                salt,
                trust,
                volume,
                price,
                dataset,
                callback,
                enclave,
                marks,
            },
        )
}

fn marks() -> impl Strategy<Value = Marks> {
    let wrong = prop_oneof![3 => Just(0_u8), 1 => 1_u8..10];
    (0_u8..16, 0_u8..4, wrong).prop_map(|(flags, whose, wrong)| Marks {
        flags,
        whose,
        wrong,
    })
}

/// A whole life: a deal or two to begin with, on a hub that may be sealed already, then anything.
pub(crate) fn life(
    acts: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Act>> {
    let begin = wish().prop_map(|wish| {
        [
            Act::Match {
                wish,
                fault: 0,
                sponsored: false,
            },
            Act::InitializeAll,
        ]
    });
    (
        prop::bool::weighted(0.15),
        prop::collection::vec(begin, 1..3),
        prop::collection::vec(act(), acts),
    )
        .prop_map(|(sealed, begin, acts)| {
            let seal = sealed.then_some(Act::Seal { right: true });
            let begin = begin.into_iter().flatten();
            seal.into_iter().chain(begin).chain(acts).collect()
        })
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0_usize..9;
    let whom = 0_usize..13;
    let amount = prop_oneof![3 => 0_u64..50_000_000_000, 1 => any::<u64>()];
    let task = prop_oneof![8 => 0_usize..2, 1 => 0_usize..8];
    let worker = prop_oneof![12 => 0_usize..4, 1 => 4_usize..6];
    let digest = prop_oneof![3 => Just(1_u8), 1 => 0_u8..3];
    let mostly = || prop::bool::weighted(0.9);
    let seldom = || prop::bool::weighted(0.1);
    let fault = prop_oneof![9 => Just(0_u8), 1 => 1_u8..6];
    let moment = prop_oneof![
        1 => Just(Moment::ContributionsEnd),
        3 => Just(Moment::RevealsEnd),
        3 => Just(Moment::WorkersTurn),
        2 => Just(Moment::End),
    ];
    prop_oneof![
        3 => prop_oneof![8 => 1_u64..200, 1 => Just(600_u64), 1 => Just(2_100_u64), 1 => Just(3_000_u64)]
            .prop_map(|secs| Act::Wait { secs }),
        3 => (task.clone(), moment, prop::bool::weighted(0.2))
            .prop_map(|(task, moment, early)| Act::WaitFor { task, moment, early }),
        1 => (who.clone(), amount.clone()).prop_map(|(who, amount)| Act::Deposit { who, amount }),
        1 => (who.clone(), amount.clone()).prop_map(|(who, amount)| Act::Withdraw { who, amount }),
        3 => money(),
        2 => order(),
        2 => governing(),
        1 => (who.clone(), whom.clone(), amount.clone()).prop_map(|(from, to, amount)| Act::Transfer { from, to, amount }),
        1 => (who.clone(), whom.clone(), amount.clone())
            .prop_map(|(owner, spender, amount)| Act::Approve { owner, spender, amount }),
        1 => (who.clone(), who, whom, amount)
            .prop_map(|(spender, from, to, amount)| Act::TransferFrom { spender, from, to, amount }),
        7 => (wish(), prop_oneof![2 => Just(0_u8), 1 => 1_u8..62], any::<bool>())
            .prop_map(|(wish, fault, sponsored)| Act::Match { wish, fault, sponsored }),
        2 => (wish(), 0_u8..4, prop::bool::weighted(0.2), mostly(), any::<bool>())
            .prop_map(|(wish, kind, close, right, by_stranger)| Act::Manage { wish, kind, close, right, by_stranger }),
        2 => (0_usize..3, prop_oneof![9 => 0_u64..3, 1 => 0_u64..10])
            .prop_map(|(deal, index)| Act::Initialize { deal, index }),
        5 => Just(Act::InitializeAll),
        1 => (0_usize..3).prop_map(|deal| Act::InitializeUnevenly { deal }),
        30 => (task.clone(), worker.clone(), digest.clone(), seldom(), fault.clone())
            .prop_map(|(task, worker, digest, odd_enclave, fault)| Act::Contribute { task, worker, digest, odd_enclave, fault }),
        24 => (task.clone(), worker.clone(), mostly(), mostly())
            .prop_map(|(task, worker, winner, right)| Act::Reveal { task, worker, winner, right }),
        4 => (task.clone(), mostly()).prop_map(|(task, right)| Act::Reopen { task, right }),
        14 => (task.clone(), mostly(), any::<bool>(), prop::bool::weighted(0.02))
            .prop_map(|(task, right, with_data, long)| Act::Finalize { task, right, with_data, long }),
        4 => (task.clone(), worker, digest, seldom(), any::<bool>(), fault)
            .prop_map(|(task, worker, digest, odd_enclave, with_data, fault)|
                Act::ContributeAndFinalize { task, worker, digest, odd_enclave, with_data, fault }),
        5 => (task.clone(), 0_usize..5, mostly(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(task, worker, right, with_data, with_results)|
                Act::Finish { task, worker, right, with_data, with_results }),
        1 => (0_usize..3, prop_oneof![9 => 0_u64..3, 1 => 0_u64..10], mostly())
            .prop_map(|(deal, index, right)| Act::Abandon { deal, index, right }),
        1 => (0_usize..3, seldom()).prop_map(|(deal, uneven)| Act::AbandonAll { deal, uneven }),
        3 => task.prop_map(|task| Act::Claim { task }),
        2 => (0_usize..3, prop_oneof![9 => 0_u64..3, 1 => 0_u64..10], prop_oneof![3 => 0_u64..4, 1 => Just(u64::MAX)])
            .prop_map(|(deal, from, count)| Act::ClaimDeal { deal, from, count }),
        1 => (any::<bool>(), 0_usize..3).prop_map(|(initialize, deal)| Act::ClaimAll { initialize, deal }),
        1 => (any::<bool>(), mostly()).prop_map(|(set, right)| Act::Broker { set, right }),
        1 => (prop_oneof![1_u64..1_000, any::<u64>()], mostly()).prop_map(|(secs, right)| Act::Category { secs, right }),
    ]
}

/// Somebody else.
fn stranger_to(owner: Address, town: &Town) -> Address {
    if owner == town.sponsor.address {
        town.requester.address
    } else {
        town.sponsor.address
    }
}

/// The rarer ways of money.
fn money() -> impl Strategy<Value = Act> {
    let who = 0_usize..9;
    let whom = 0_usize..13;
    let amount = prop_oneof![3 => 0_u64..50_000_000_000, 1 => any::<u64>()];
    let errand = prop_oneof![
        2 => Just(Errand::None),
        5 => (wish(), prop_oneof![2 => Just(0_u8), 1 => 1_u8..62]).prop_map(|(wish, fault)| Errand::Match { wish, fault }),
        1 => Just(Errand::Unsupported),
        1 => (0_usize..400).prop_map(|length| Errand::Cut { length }),
    ];
    let often = || prop::bool::weighted(0.8);
    prop_oneof![
        1 => (who.clone(), whom.clone(), amount.clone())
            .prop_map(|(who, whom, amount)| Act::DepositFor { who, whom, amount }),
        1 => (who.clone(), whom.clone(), amount.clone(), any::<bool>())
            .prop_map(|(who, whom, amount, uneven)| Act::DepositForArray { who, whom, amount, uneven }),
        3 => (prop_oneof![3 => Just(3_usize), 1 => who.clone()], amount.clone(), errand)
            .prop_map(|(who, amount, errand)| Act::PayIn { who, amount, errand }),
        1 => (who.clone(), whom.clone(), amount.clone())
            .prop_map(|(who, whom, amount)| Act::WithdrawTo { who, whom, amount }),
        1 => (who.clone(), 0_u64..50_000_000_000).prop_map(|(who, amount)| Act::Donate { who, amount }),
        1 => often().prop_map(|right| Act::Recover { right }),
        2 => (who.clone(), whom.clone(), amount.clone(), any::<bool>())
            .prop_map(|(owner, spender, amount, more)| Act::ChangeAllowance { owner, spender, amount, more }),
        1 => (who, whom, amount).prop_map(|(who, spender, amount)| Act::ApproveAndCall { who, spender, amount }),
    ]
}

/// What else may happen to orders, and to what they offer.
fn order() -> impl Strategy<Value = Act> {
    let entry = prop_oneof![
        Just(Entry::App),
        Just(Entry::Dataset),
        Just(Entry::Workerpool)
    ];
    prop_oneof![
        1 => (wish(), 0_u8..4).prop_map(|(wish, kind)| Act::Broadcast { wish, kind }),
        2 => (wish(), 0_usize..3, 0_u8..16).prop_map(|(wish, deal, fault)| Act::Lend { wish, deal, fault }),
        // The first three are who had what is registered in the beginning, so that it comes back, too.
        2 => (entry, prop_oneof![0_usize..9, 0_usize..3]).prop_map(|(entry, to)| Act::HandOver { entry, to }),
        1 => (0_usize..9, prop::bool::weighted(0.3))
            .prop_map(|(who, refuse_unmarked)| Act::RaiseEpoch { who, refuse_unmarked }),
        2 => (prop_oneof![4 => 0_u64..200, 1 => Just(0), 1 => Just(30), 1 => Just(1_000)], prop_oneof![4 => 0_u64..101, 1 => Just(1)])
            .prop_map(|(stake_ratio, reward_ratio)| Act::Policy { stake_ratio, reward_ratio }),
    ]
}

/// What the hub's owner may do, and what nobody may.
fn governing() -> impl Strategy<Value = Act> {
    let often = || prop::bool::weighted(0.8);
    prop_oneof![
        3 => (prop_oneof![Just(0_u64), Just(49_999), Just(50_000), Just(200_000), Just(2_000_000), Just(2_000_001)], often())
            .prop_map(|(gas, right)| Act::CallbackGas { gas, right }),
        1 => often().prop_map(|right| Act::Seal { right }),
        1 => (0_usize..10, often()).prop_map(|(to, right)| Act::Crown { to, right }),
        2 => (0_u8..8, often()).prop_map(|(kind, right)| Act::Meddle { kind, right }),
    ]
}

/// Data for a callback, and the digest that stands for it.
fn data(digest: u8) -> Bytes {
    Bytes::from(vec![digest; 3])
}

fn digest(number: u8) -> Digest {
    Digest::of_callback(&data(number))
}

impl Town {
    /// Lets the time pass that an act waits for.
    pub(crate) fn wait(&mut self, act: &Act) {
        match *act {
            Act::Wait { secs } => self.time += secs,
            Act::WaitFor {
                task,
                moment,
                early,
            } => {
                let task = self.task_number(task, TaskStatus::Revealing);
                let task = self.hub.task(task);
                let until = match moment {
                    Moment::ContributionsEnd => task.contribution_deadline,
                    Moment::RevealsEnd => task.reveal_deadline,
                    Moment::WorkersTurn => task.workers_turn(),
                    Moment::End => task.final_deadline,
                };
                self.time = self.time.max(until.saturating_sub(u64::from(early)));
            }
            _ => {}
        }
    }

    /// The deed an act means now, if it is one.
    pub(crate) fn deed_of(&self, act: &Act) -> Option<(Call, Deed)> {
        let (sender, deed) = match *act {
            Act::PayIn {
                who,
                amount,
                ref errand,
            } => {
                let data: Bytes = match *errand {
                    Errand::None => Bytes::new(),
                    Errand::Match { ref wish, fault } => {
                        self.faulty_match(wish, fault).abi_encode().into()
                    }
                    Errand::Unsupported => {
                        abi::claimCall { taskid: B256::ZERO }.abi_encode().into()
                    }
                    Errand::Cut { length } => {
                        let whole = self.matching(&self.orders(1, 1)).abi_encode();
                        Bytes::copy_from_slice(&whole[..length])
                    }
                };
                let amount = U256::from(amount);
                (self.payer(who), Deed::PayIn { amount, data })
            }
            Act::Donate { who, amount } => {
                let amount = U256::from(amount);
                (self.payer(who), Deed::Donate { amount })
            }
            Act::HandOver { entry, to } => {
                let to = self.payer(to);
                (self.owner_of(entry), Deed::HandOver { entry, to })
            }
            Act::Policy {
                stake_ratio,
                reward_ratio,
            } => {
                let deed = Deed::Policy {
                    stake_ratio,
                    reward_ratio,
                };
                (self.owner_of(Entry::Workerpool), deed)
            }
            _ => {
                let (sender, verb) = self.verb_of(act)?;
                (sender, Deed::Hub(Box::new(verb)))
            }
        };
        let time = self.time;
        Some((Call { sender, time }, deed))
    }

    /// The call of the hub an act means now.
    fn verb_of(&self, act: &Act) -> Option<(Address, abi::HubCalls)> {
        Some(match *act {
            Act::Wait { .. }
            | Act::WaitFor { .. }
            | Act::PayIn { .. }
            | Act::Donate { .. }
            | Act::HandOver { .. }
            | Act::Policy { .. } => return None,
            Act::DepositFor { who, whom, amount } => {
                let verb = abi::depositForCall {
                    amount: U256::from(amount),
                    target: self.payee(whom),
                };
                (self.payer(who), verb.verb())
            }
            Act::DepositForArray {
                who,
                whom,
                amount,
                uneven,
            } => {
                let amounts = vec![U256::from(amount / 2); if uneven { 3 } else { 2 }];
                let targets = vec![self.payee(whom), self.payer(whom)];
                (
                    self.payer(who),
                    abi::depositForArrayCall { amounts, targets }.verb(),
                )
            }
            Act::WithdrawTo { who, whom, amount } => {
                let verb = abi::withdrawToCall {
                    amount: U256::from(amount),
                    target: self.payee(whom),
                };
                (self.payer(who), verb.verb())
            }
            Act::Recover { right } => (self.governor_if(right), abi::recoverCall {}.verb()),
            Act::ChangeAllowance {
                owner,
                spender,
                amount,
                more,
            } => {
                let spender = self.payee(spender);
                // Now and then more than 256 bits hold.
                let amount = if amount % 16 == 0 {
                    U256::MAX
                } else {
                    U256::from(amount)
                };
                let verb = if more {
                    abi::increaseAllowanceCall {
                        spender,
                        added: amount,
                    }
                    .verb()
                } else {
                    abi::decreaseAllowanceCall {
                        spender,
                        subtracted: amount,
                    }
                    .verb()
                };
                (self.payer(owner), verb)
            }
            Act::ApproveAndCall {
                who,
                spender,
                amount,
            } => {
                let verb = abi::approveAndCallCall {
                    spender: self.payee(spender),
                    value: U256::from(amount),
                    data: Bytes::new(),
                };
                (self.payer(who), verb.verb())
            }
            Act::Broadcast { ref wish, kind } => {
                let orders = self.matching(&self.wished(wish));
                let verb = match kind {
                    0 => abi::broadcastAppOrderCall {
                        order: orders.apporder,
                    }
                    .verb(),
                    1 => abi::broadcastDatasetOrderCall {
                        order: orders.datasetorder,
                    }
                    .verb(),
                    2 => abi::broadcastWorkerpoolOrderCall {
                        order: orders.workerpoolorder,
                    }
                    .verb(),
                    _ => abi::broadcastRequestOrderCall {
                        order: orders.requestorder,
                    }
                    .verb(),
                };
                (self.workers[3].address, verb)
            }
            Act::Lend {
                ref wish,
                deal,
                fault,
            } => (self.workers[3].address, self.lending(wish, deal, fault)),
            Act::CallbackGas { gas, right } => {
                let callbackgas = U256::from(gas);
                (
                    self.governor_if(right),
                    abi::setCallbackGasCall { callbackgas }.verb(),
                )
            }
            Act::Crown { to, right } => {
                let verb = abi::transferOwnershipCall {
                    newOwner: self.payee(to),
                };
                (self.governor_if(right), verb.verb())
            }
            Act::Seal { right } => (self.governor_if(right), abi::sealCall {}.verb()),
            Act::RaiseEpoch {
                who,
                refuse_unmarked,
            } => {
                let verb = abi::raiseEpochCall {
                    refuseUnmarked: refuse_unmarked,
                };
                (self.payer(who), verb.verb())
            }
            Act::Meddle { kind, right } => self.meddling(kind, right),
            Act::Deposit { who, amount } => (
                self.payer(who),
                abi::depositCall {
                    amount: U256::from(amount),
                }
                .verb(),
            ),
            Act::Withdraw { who, amount } => (
                self.payer(who),
                abi::withdrawCall {
                    amount: U256::from(amount),
                }
                .verb(),
            ),
            Act::Transfer { from, to, amount } => {
                let verb = abi::transferCall {
                    recipient: self.payee(to),
                    amount: U256::from(amount),
                };
                (self.payer(from), verb.verb())
            }
            Act::Approve {
                owner,
                spender,
                amount,
            } => {
                let verb = abi::approveCall {
                    spender: self.payee(spender),
                    value: U256::from(amount),
                };
                (self.payer(owner), verb.verb())
            }
            Act::TransferFrom {
                spender,
                from,
                to,
                amount,
            } => {
                let verb = abi::transferFromCall {
                    from: self.payer(from),
                    to: self.payee(to),
                    value: U256::from(amount),
                };
                (self.payer(spender), verb.verb())
            }
            Act::Match {
                ref wish,
                fault,
                sponsored,
            } => {
                let verb = self.faulty_match(wish, fault);
                if sponsored {
                    let abi::matchOrdersCall {
                        apporder,
                        datasetorder,
                        workerpoolorder,
                        requestorder,
                    } = verb;
                    let verb = abi::sponsorMatchOrdersCall {
                        apporder,
                        datasetorder,
                        workerpoolorder,
                        requestorder,
                    };
                    (self.sponsor.address, verb.verb())
                } else {
                    (self.workers[3].address, verb.verb())
                }
            }
            Act::Manage {
                ref wish,
                kind,
                close,
                right,
                by_stranger,
            } => self.managing(wish, kind, close, right, by_stranger),
            Act::Initialize { deal, index } => {
                let (dealid, first) = self.deal_number(deal);
                let verb = abi::initializeCall {
                    dealid: dealid.0,
                    idx: first + U256::from(index),
                };
                (self.scheduler.address, verb.verb())
            }
            Act::InitializeAll => {
                let (dealid, first) = self.deal_number(0);
                let size = self
                    .hub
                    .deals
                    .get(&dealid)
                    .map_or(0, |deal| deal.bot_size.to::<u64>());
                let verb = abi::initializeArrayCall {
                    dealid: (0..size).map(|_| dealid.0).collect(),
                    idx: (0..size).map(|index| first + U256::from(index)).collect(),
                };
                (self.sponsor.address, verb.verb())
            }
            Act::InitializeUnevenly { deal } => {
                let (dealid, first) = self.deal_number(deal);
                let verb = abi::initializeArrayCall {
                    dealid: vec![dealid.0; 2],
                    idx: vec![first],
                };
                (self.sponsor.address, verb.verb())
            }
            Act::Contribute {
                task,
                worker,
                digest: number,
                odd_enclave,
                fault,
            } => {
                let task = self.task_number(task, TaskStatus::Active);
                let worker = self.candidate(task, worker);
                let in_enclave = self.needs_enclave(task) ^ odd_enclave;
                let mut verb = self.contribution(worker, task, digest(number), in_enclave);
                if in_enclave && !self.hub.enclave_broker.is_zero() {
                    let hash = authorization_hash(worker, task, self.enclave.address);
                    verb.authorizationSign = self.broker.sign(message_hash(hash));
                }
                match fault {
                    1 => verb.authorizationSign = self.sponsor.sign(task.0),
                    2 => verb.authorizationSign = Bytes::from_static(b"short"),
                    3 => verb.enclaveSign = self.sponsor.sign(task.0),
                    4 => verb.resultSeal = B256::repeat_byte(9),
                    5 => verb.enclaveChallenge = WALLET,
                    _ => {}
                }
                (worker, verb.verb())
            }
            Act::Reveal {
                task,
                worker,
                winner,
                right,
            } => {
                let id = self.task_number(task, TaskStatus::Revealing);
                let task = self.hub.task(id);
                let waiting = task.contributors.iter().copied().filter(|worker| {
                    let contribution = self.hub.contribution(id, *worker);
                    contribution.status == ContributionStatus::Contributed
                        && (contribution.result_hash == task.consensus_value) == winner
                });
                let mut waiting = waiting;
                let worker = waiting.next().unwrap_or(self.worker(worker));
                let won = (0..3)
                    .map(digest)
                    .find(|digest| hash(id, *digest) == task.consensus_value);
                let shown = won.filter(|_| right).unwrap_or(digest(7));
                (
                    worker,
                    abi::revealCall {
                        taskid: id.0,
                        resultDigest: shown.0,
                    }
                    .verb(),
                )
            }
            Act::Reopen { task, right } => {
                let task = self.task_number(task, TaskStatus::Revealing);
                let verb = abi::reopenCall { taskid: task.0 };
                (self.scheduler_if(task, right), verb.verb())
            }
            Act::Finalize {
                task,
                right,
                with_data,
                long,
            } => {
                let task = self.task_number(task, TaskStatus::Revealing);
                let with_data = with_data || self.has_callback(task);
                let found =
                    (0..3).find(|number| digest(*number).0 == self.hub.task(task).result_digest);
                let verb = abi::finalizeCall {
                    taskid: task.0,
                    results: vec![b'r'; if long { 24_571 } else { 20 }].into(),
                    resultsCallback: if with_data {
                        data(found.unwrap_or(0))
                    } else {
                        Bytes::new()
                    },
                };
                (self.scheduler_if(task, right), verb.verb())
            }
            Act::ContributeAndFinalize {
                task,
                worker,
                digest: number,
                odd_enclave,
                with_data,
                fault,
            } => {
                let task = self.task_number(task, TaskStatus::Active);
                let worker = self.worker(worker);
                let in_enclave = self.needs_enclave(task) ^ odd_enclave;
                let with_data = with_data || self.has_callback(task);
                let digest = digest(number);
                let claim = self.contribution(worker, task, digest, in_enclave);
                let mut verb = abi::contributeAndFinalizeCall {
                    taskid: task.0,
                    resultDigest: digest.0,
                    results: Bytes::from_static(b"results"),
                    resultsCallback: if with_data {
                        data(number)
                    } else {
                        Bytes::new()
                    },
                    enclaveChallenge: claim.enclaveChallenge,
                    enclaveSign: self.vouch(
                        hash(task, digest),
                        seal(worker, task, digest),
                        in_enclave,
                    ),
                    authorizationSign: claim.authorizationSign,
                };
                match fault {
                    1 => verb.authorizationSign = self.sponsor.sign(task.0),
                    2 => verb.authorizationSign = Bytes::from_static(b"short"),
                    3 => verb.enclaveSign = Bytes::from_static(b"short"),
                    4 => verb.resultsCallback = Bytes::from_static(b"other"),
                    _ => {}
                }
                (worker, verb.verb())
            }
            Act::Finish {
                task,
                worker,
                right,
                with_data,
                with_results,
            } => {
                let id = self.task_number(task, TaskStatus::Revealing);
                let task = self.hub.task(id);
                let proved = |worker: &&Address| {
                    self.hub.contribution(id, **worker).status == ContributionStatus::Proved
                };
                let finisher = task.contributors.iter().find(proved).copied();
                let with_data = with_data || self.has_callback(id);
                let found = (0..3).find(|number| digest(*number).0 == task.result_digest);
                let verb = abi::finalizeCall {
                    taskid: id.0,
                    results: vec![b'r'; usize::from(with_results)].into(),
                    resultsCallback: if with_data {
                        data(found.unwrap_or(0))
                    } else {
                        Bytes::new()
                    },
                };
                let finisher = finisher.filter(|_| right);
                (finisher.unwrap_or(self.worker(worker)), verb.verb())
            }
            Act::Abandon { deal, index, right } => {
                let (dealid, first) = self.deal_number(deal);
                let verb = abi::abandonCall {
                    dealid: dealid.0,
                    idx: first + U256::from(index),
                };
                (self.scheduler_of_deal(dealid, right), verb.verb())
            }
            Act::AbandonAll { deal, uneven } => {
                let (dealid, first) = self.deal_number(deal);
                let size = self
                    .hub
                    .deals
                    .get(&dealid)
                    .map_or(1, |deal| deal.bot_size.to::<u64>());
                let verb = abi::abandonArrayCall {
                    dealid: vec![dealid.0; size as usize + usize::from(uneven)],
                    idx: (0..size).map(|index| first + U256::from(index)).collect(),
                };
                (self.scheduler_of_deal(dealid, true), verb.verb())
            }
            Act::ClaimDeal { deal, from, count } => {
                let (dealid, first) = self.deal_number(deal);
                let verb = abi::claimDealCall {
                    dealid: dealid.0,
                    from: first + U256::from(from),
                    // Nothing may overflow.
                    count: if count == u64::MAX {
                        U256::MAX
                    } else {
                        U256::from(count)
                    },
                };
                (self.requester.address, verb.verb())
            }
            Act::Claim { task } => (
                self.requester.address,
                abi::claimCall {
                    taskid: self.task_number(task, TaskStatus::Revealing).0,
                }
                .verb(),
            ),
            Act::ClaimAll {
                initialize: false, ..
            } => {
                let taskid = self.hub.tasks.keys().map(|task| task.0).collect();
                (
                    self.requester.address,
                    abi::claimArrayCall { taskid }.verb(),
                )
            }
            Act::ClaimAll {
                initialize: true,
                deal,
            } => {
                let (dealid, first) = self.deal_number(deal);
                let size = self
                    .hub
                    .deals
                    .get(&dealid)
                    .map_or(1, |deal| deal.bot_size.to::<u64>());
                let verb = abi::initializeAndClaimArrayCall {
                    dealid: (0..size).map(|_| dealid.0).collect(),
                    idx: (0..size).map(|index| first + U256::from(index)).collect(),
                };
                (self.requester.address, verb.verb())
            }
            Act::Broker { set, right } => {
                let sender = self.governor_if(right);
                let teebroker = if set {
                    self.broker.address
                } else {
                    Address::ZERO
                };
                (sender, abi::setTeeBrokerCall { teebroker }.verb())
            }
            Act::Category { secs, right } => {
                let sender = self.governor_if(right);
                let verb = abi::createCategoryCall {
                    name: "odd".to_owned(),
                    description: String::new(),
                    workClockTimeRef: U256::from(secs),
                };
                (sender, verb.verb())
            }
        })
    }

    /// Asks whether a dataset fits a deal that has none, with one thing broken, or none.
    fn lending(&self, wish: &Wish, deal: usize, fault: u8) -> abi::HubCalls {
        let stranger = self.sponsor.address;
        let mut order = self
            .wished(&Wish {
                dataset: true,
                ..wish.clone()
            })
            .dataset;
        match fault {
            1 => order.dataset = stranger,
            2 => order.apprestrict = stranger,
            3 => order.workerpoolrestrict = stranger,
            4 => order.requesterrestrict = stranger,
            5 => order.tag = Tag::GPU.0,
            6 => order.tag = Tag::SCONE.0,
            7 => order.volume = U256::ZERO,
            8 => order.requesterrestrict = GROUP,
            _ => {}
        }
        let mut datasetorder: abi::DatasetOrder =
            self.sign(order, self.holder(Entry::Dataset)).into();
        match fault {
            9 => datasetorder.sign = self.sponsor.sign(B256::ZERO),
            10 => datasetorder.sign = Bytes::new(),
            _ => {}
        }
        let dealid = self.deal_number(deal).0.0;
        abi::assertDatasetDealCompatibilityCall {
            datasetorder,
            dealid,
        }
        .verb()
    }

    fn meddling(&self, kind: u8, right: bool) -> (Address, abi::HubCalls) {
        let (stranger, sender) = (self.sponsor.address, self.governor_if(right));
        match kind {
            0 => {
                let verb = abi::configureCall {
                    token: stranger,
                    name: String::new(),
                    symbol: String::new(),
                    decimals: 0,
                    appregistry: stranger,
                    datasetregistry: stranger,
                    workerpoolregistry: stranger,
                    v3hub: stranger,
                };
                (sender, verb.verb())
            }
            1 => {
                let verb = abi::changeRegistriesCall {
                    appregistry: stranger,
                    datasetregistry: stranger,
                    workerpoolregistry: stranger,
                };
                // The owner's own changes of registries are beyond the twin, as long as they are possible.
                (self.governor_if(right && self.hub.sealed), verb.verb())
            }
            2 => {
                let worker = stranger;
                (sender, abi::importScoreCall { worker }.verb())
            }
            3 => {
                let verb = abi::receiveApprovalCall {
                    sender,
                    amount: U256::ONE,
                    token: stranger,
                    data: Bytes::new(),
                };
                (sender, verb.verb())
            }
            4 => (sender, abi::updateDomainSeparatorCall {}.verb()),
            5 => {
                let count = self.hub.categories.len();
                let catid = U256::from(if right { count - 1 } else { count });
                (sender, abi::viewCategoryCall { catid }.verb())
            }
            _ => {
                let id = self.task_number(usize::from(!right), TaskStatus::Completed);
                (sender, abi::resultForCall { id: id.0 }.verb())
            }
        }
    }

    fn payer(&self, number: usize) -> Address {
        self.everybody()[number % 9]
    }

    /// Like a payer, but also nobody, the kitty, and a contract.
    fn payee(&self, number: usize) -> Address {
        match number {
            9 => Address::ZERO,
            10 => protocol::payment::KITTY,
            11 => WALLET,
            12 => self.hub.address(),
            _ => self.payer(number),
        }
    }

    fn governor_if(&self, right: bool) -> Address {
        if right {
            self.hub.owner
        } else {
            stranger_to(self.hub.owner, self)
        }
    }

    /// The first four numbers are for workers who have not contributed yet, the next for one who has.
    fn candidate(&self, task: TaskId, number: usize) -> Address {
        let contributors = self.hub.task(task).contributors;
        if number == 4 {
            return contributors.first().copied().unwrap_or(self.worker(number));
        }
        let workers = self.workers.iter().map(|worker| worker.address);
        let mut left: Vec<_> = workers
            .filter(|worker| !contributors.contains(worker))
            .collect();
        if number > 4 || left.is_empty() {
            return self.worker(number);
        }
        left.swap_remove(number % left.len())
    }

    fn worker(&self, number: usize) -> Address {
        self.workers
            .get(number)
            .map_or(self.sponsor.address, |worker| worker.address)
    }

    fn scheduler_if(&self, task: TaskId, right: bool) -> Address {
        let scheduler = self.scheduler_of(task).address;
        if right {
            scheduler
        } else {
            stranger_to(scheduler, self)
        }
    }

    fn scheduler_of_deal(&self, deal: DealId, right: bool) -> Address {
        let deal = self.hub.deals.get(&deal);
        let scheduler = deal.map_or(self.scheduler.address, |deal| deal.workerpool.owner);
        if right {
            scheduler
        } else {
            stranger_to(scheduler, self)
        }
    }

    /// The `number`th newest deal and its first index; one that is none if there are not so many.
    fn deal_number(&self, number: usize) -> (DealId, U256) {
        let mut deals: Vec<_> = self.hub.deals.iter().collect();
        deals.sort_by_key(|(id, deal)| (std::cmp::Reverse(deal.start_time), **id));
        deals.get(number).map_or(
            (DealId(B256::repeat_byte(0xde)), U256::ZERO),
            |(id, deal)| (**id, deal.bot_first),
        )
    }

    /// The `number`th task, first those in this state (the most contributed to before others), then other open ones,
    /// then those that are over; one that is none if there are not so many.
    fn task_number(&self, number: usize, status: TaskStatus) -> TaskId {
        let mut tasks: Vec<_> = self.hub.tasks.iter().collect();
        tasks.sort_by_key(|(id, task)| {
            let contributors = std::cmp::Reverse(task.contributors.len());
            (
                task.status != status,
                task.status.is_over(),
                contributors,
                **id,
            )
        });
        tasks
            .get(number)
            .map_or(TaskId(B256::repeat_byte(0x7a)), |(id, _)| **id)
    }

    fn deal_of(&self, task: TaskId) -> Option<&Deal> {
        self.hub.deals.get(&self.hub.task(task).deal)
    }

    fn needs_enclave(&self, task: TaskId) -> bool {
        self.deal_of(task).is_some_and(Deal::needs_enclave)
    }

    fn has_callback(&self, task: TaskId) -> bool {
        self.deal_of(task).is_some_and(Deal::has_callback)
    }

    fn wished(&self, wish: &Wish) -> Orders {
        let mut orders = self.orders(wish.trust, wish.volume);
        let salt = B256::repeat_byte(wish.salt);
        orders.app.salt = salt;
        orders.app.volume = U256::from(1_000);
        orders.dataset.volume = U256::from(4);
        orders.workerpool.salt = salt;
        orders.workerpool.volume = U256::from(6);
        orders.request.salt = salt;
        orders.workerpool.workerpoolprice = U256::from(wish.price);
        orders.request.workerpoolmaxprice = U256::from(20_000_000_000_u64);
        if !wish.dataset {
            orders.dataset = Default::default();
            orders.request.dataset = Address::ZERO;
            orders.request.datasetmaxprice = U256::ZERO;
        }
        if let Some(marks) = &wish.marks {
            self.mark(&mut orders, marks, wish.salt);
        }
        orders.request.callback = CALLBACKS[wish.callback];
        if wish.enclave {
            orders.app.tag = Tag::TEE.0;
            orders.workerpool.tag = Tag::TEE.0;
            orders.request.tag = Tag::TEE.0;
        }
        orders
    }

    /// Gives the orders salts that hold at this moment, but for one that does not.
    fn mark(&self, orders: &mut Orders, marks: &Marks, random: u8) {
        let asset = |entry: Entry| (self.owner_of(entry), Some(self.epoch_of(entry)));
        let pool = self.hub.entries.workerpools[&self.workerpool];
        let salts = [
            (&mut orders.app.salt, asset(Entry::App)),
            (&mut orders.dataset.salt, asset(Entry::Dataset)),
            (&mut orders.workerpool.salt, asset(Entry::Workerpool)),
            (&mut orders.request.salt, (self.requester.address, None)),
        ];
        for (kind, (salt, (signer, asset_epoch))) in (0_u8..).zip(salts) {
            let is_pool = kind == 2;
            let has = |flag: u8| marks.flags & flag != 0;
            let small = |number: u64| u32::try_from(number).expect("a life is short");
            let mut marked = MarkedSalt {
                expiry: has(1).then_some(START + 5_000),
                signer_epoch: has(2).then(|| small(self.hub.epoch(signer).number)),
                asset_epoch: asset_epoch.filter(|_| has(4)).map(small),
                policy: (is_pool && has(8)).then(|| Policy {
                    worker_stake_ratio: pool.worker_stake_ratio.to(),
                    scheduler_reward_ratio: pool.scheduler_reward_ratio.to(),
                }),
                random: [random; 12],
            };
            let wrong = if marks.whose == kind { marks.wrong } else { 0 };
            match wrong {
                1 => marked.expiry = Some(self.time),
                2 => marked.expiry = Some(self.time + 1),
                3 => marked.signer_epoch = Some(small(self.hub.epoch(signer).number) + 1),
                4 => marked.asset_epoch = asset_epoch.map(|epoch| small(epoch) + 1),
                5 => {
                    if let Some(policy) = &mut marked.policy {
                        policy.worker_stake_ratio += 1;
                    }
                }
                6 => {
                    if let Some(policy) = &mut marked.policy {
                        policy.scheduler_reward_ratio += 1;
                    }
                }
                _ => {}
            }
            *salt = marked.make().expect("small numbers");
            match wrong {
                7 => salt[4] = 2,
                8 => salt[5] |= 16,
                // On a request or an offer that has no policy to name.
                9 => salt[5] |= 12,
                _ => {}
            }
        }
    }

    /// A match with one thing broken, or none.
    fn faulty_match(&self, wish: &Wish, fault: u8) -> abi::matchOrdersCall {
        let mut orders = self.wished(wish);
        let stranger = self.sponsor.address;
        let Orders {
            app,
            dataset,
            workerpool,
            request,
        } = &mut orders;
        match fault {
            1 => request.category = U256::from(1),
            2 => (request.category, workerpool.category) = (U256::from(99), U256::from(99)),
            3 => request.trust = U256::from(101),
            4 => app.appprice += U256::ONE,
            5 => dataset.datasetprice += Nrlc::rlc(9).0,
            6 => workerpool.workerpoolprice += Nrlc::rlc(99).0,
            7 => request.tag = Tag::GPU.0,
            8 => (workerpool.tag, request.tag, app.tag) = (Tag::TEE.0, Tag::TEE.0, B256::ZERO),
            9 => request.app = stranger,
            10 => request.dataset = stranger,
            11 => request.workerpool = stranger,
            12 => app.datasetrestrict = stranger,
            13 => app.workerpoolrestrict = stranger,
            14 => app.requesterrestrict = stranger,
            15 => dataset.apprestrict = stranger,
            16 => dataset.workerpoolrestrict = WALLET,
            17 => dataset.requesterrestrict = WALLET,
            18 => workerpool.apprestrict = stranger,
            19 => workerpool.datasetrestrict = GROUP,
            20 => workerpool.requesterrestrict = stranger,
            21 => (app.app, request.app) = (stranger, stranger),
            22 => (dataset.dataset, request.dataset) = (stranger, stranger),
            23 => workerpool.workerpool = stranger,
            24 => request.requester = stranger,
            25 => request.requester = Address::ZERO,
            26 => request.requester = WALLET,
            27 => (app.appprice, request.appmaxprice) = (U256::MAX, U256::MAX),
            28 => (request.trust, workerpool.trust) = (U256::MAX, U256::MAX),
            29 => request.volume = U256::ZERO,
            30 => app.volume = U256::MAX,
            31 => {
                (app.volume, workerpool.volume, request.volume) = (
                    U256::from(1_u64 << 40),
                    U256::from(1_u64 << 40),
                    U256::from(1_u64 << 40),
                );
                dataset.volume = U256::from(1_u64 << 40);
                (
                    workerpool.workerpoolprice,
                    app.appprice,
                    dataset.datasetprice,
                ) = Default::default();
            }
            32 => request.params = "x".repeat(24_271),
            33 => request.params = "x".repeat(24_270),
            // What passes: a group, the account itself, framework bits of a dataset.
            34 => app.requesterrestrict = GROUP,
            35 => workerpool.requesterrestrict = request.requester,
            36 => dataset.tag = Tag::SCONE.0,
            37 => request.beneficiary = stranger,
            38 => request.beneficiary = Address::ZERO,
            39 => app.datasetrestrict = dataset.dataset,
            40 => workerpool.trust = U256::from(1_u64 << 32),
            // Counts where there is a dataset.
            61 => dataset.tag = Tag::GPU.0,
            _ => {}
        }
        let mut verb = self.matching(&orders);
        match fault {
            41 => verb.apporder.sign = self.sponsor.sign(B256::ZERO),
            42 => verb.datasetorder.sign = self.sponsor.sign(B256::ZERO),
            43 => verb.workerpoolorder.sign = Bytes::new(),
            44 => verb.requestorder.sign = Bytes::from(vec![0; 65]),
            45 => verb.requestorder.sign = Bytes::from(vec![0; 64]),
            46 => {
                let hash = orders.request.hash(&self.hub.domain).0;
                verb.requestorder.sign = self.requester.sign_compactly(hash);
            }
            47 => verb.apporder.sign = Bytes::new(),
            48..=60 => {
                // Presigned or refused.
                verb.apporder.sign = Bytes::new();
                verb.datasetorder.sign = Bytes::new();
                verb.workerpoolorder.sign = Bytes::new();
                verb.requestorder.sign = Bytes::new();
            }
            _ => {}
        }
        verb
    }

    fn managing(
        &self,
        wish: &Wish,
        kind: u8,
        close: bool,
        right: bool,
        by_stranger: bool,
    ) -> (Address, abi::HubCalls) {
        let Orders {
            app,
            dataset,
            workerpool,
            request,
        } = self.wished(wish);
        let operation = u8::from(close);
        let number = U256::from(operation);
        let domain = self.hub.domain;
        let signed = |owner: &Person, hash: B256| match (right, by_stranger) {
            (true, false) => (owner.address, Bytes::new()),
            (true, true) => (self.workers[3].address, owner.sign(hash)),
            (false, true) => (self.workers[3].address, self.sponsor.sign(hash)),
            (false, false) => (self.workers[3].address, Bytes::new()),
        };
        match kind {
            0 => {
                let typed = AppOrderOperation {
                    order: app.clone(),
                    operation: number,
                };
                let (sender, sign) = signed(self.holder(Entry::App), domain.hash(&typed).0);
                let order = app.signed(Bytes::new()).into();
                let operation = abi::AppOrderOperation {
                    order,
                    operation,
                    sign,
                };
                (sender, abi::manageAppOrderCall { operation }.verb())
            }
            1 => {
                let typed = DatasetOrderOperation {
                    order: dataset.clone(),
                    operation: number,
                };
                let (sender, sign) = signed(self.holder(Entry::Dataset), domain.hash(&typed).0);
                let order = dataset.signed(Bytes::new()).into();
                let operation = abi::DatasetOrderOperation {
                    order,
                    operation,
                    sign,
                };
                (sender, abi::manageDatasetOrderCall { operation }.verb())
            }
            2 => {
                let typed = WorkerpoolOrderOperation {
                    order: workerpool.clone(),
                    operation: number,
                };
                let (sender, sign) = signed(self.holder(Entry::Workerpool), domain.hash(&typed).0);
                let order = workerpool.signed(Bytes::new()).into();
                let operation = abi::WorkerpoolOrderOperation {
                    order,
                    operation,
                    sign,
                };
                (sender, abi::manageWorkerpoolOrderCall { operation }.verb())
            }
            _ => {
                let typed = RequestOrderOperation {
                    order: request.clone(),
                    operation: number,
                };
                let (sender, sign) = signed(&self.requester, domain.hash(&typed).0);
                let order = request.signed(Bytes::new()).into();
                let operation = abi::RequestOrderOperation {
                    order,
                    operation,
                    sign,
                };
                (sender, abi::manageRequestOrderCall { operation }.verb())
            }
        }
    }
}
