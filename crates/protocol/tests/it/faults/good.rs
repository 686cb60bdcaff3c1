//! A good call of each verb.

use alloy_primitives::{Address, U256};
use protocol::abi::Hub as abi;
use protocol::order::salt::Policy;
use protocol::order::{MarkedSalt, Tag};
use protocol::payment::Nrlc;

use super::{Kind, LIE, NOBODY, TRUTH, Try, World, initialize, nothing, number, without_dataset};
use crate::deed::Deed;
use crate::town::T;

pub(super) type Good = (&'static str, fn(&mut World) -> Try);

pub(super) const GOOD: &[Good] = &[
    ("deposit", |w| {
        w.verb(
            w.requester(),
            abi::depositCall {
                amount: Nrlc::rlc(1).0,
            },
        )
    }),
    ("depositFor", |w| {
        w.verb(
            w.requester(),
            abi::depositForCall {
                amount: Nrlc::rlc(1).0,
                target: NOBODY,
            },
        )
    }),
    ("depositForArray", |w| {
        let verb = abi::depositForArrayCall {
            amounts: vec![Nrlc::rlc(1).0; 2],
            targets: vec![NOBODY; 2],
        };
        w.verb(w.requester(), verb)
    }),
    ("a payment through the token", |w| {
        w.paying_in(w.requester(), w.good_match())
    }),
    ("withdraw", |w| {
        w.verb(
            w.requester(),
            abi::withdrawCall {
                amount: Nrlc::rlc(500).0,
            },
        )
    }),
    ("withdrawTo", |w| {
        w.verb(
            w.requester(),
            abi::withdrawToCall {
                amount: Nrlc::rlc(500).0,
                target: NOBODY,
            },
        )
    }),
    ("recover", |w| {
        let donation = (w.call(w.requester()), Deed::Donate { amount: number(7) });
        w.done(donation);
        w.by_governor(abi::recoverCall {})
    }),
    ("transfer", |w| {
        w.verb(
            w.requester(),
            abi::transferCall {
                recipient: NOBODY,
                amount: Nrlc::rlc(500).0,
            },
        )
    }),
    ("approve", |w| {
        w.verb(
            w.requester(),
            abi::approveCall {
                spender: NOBODY,
                value: number(5),
            },
        )
    }),
    ("increaseAllowance", |w| {
        w.verb(
            w.requester(),
            abi::increaseAllowanceCall {
                spender: NOBODY,
                added: U256::MAX,
            },
        )
    }),
    ("decreaseAllowance", |w| {
        w.lent(5);
        w.verb(
            w.requester(),
            abi::decreaseAllowanceCall {
                spender: w.town.sponsor.address,
                subtracted: number(5),
            },
        )
    }),
    ("transferFrom", |w| {
        w.lent(5);
        w.spending(5, NOBODY)
    }),
    ("manageAppOrder", |w| w.by_owner(Kind::App, true, nothing)),
    ("manageDatasetOrder", |w| {
        w.by_owner(Kind::Dataset, true, nothing)
    }),
    ("manageWorkerpoolOrder", |w| {
        w.by_owner(Kind::Workerpool, false, nothing)
    }),
    ("manageRequestOrder", |w| {
        w.by_owner(Kind::Request, false, nothing)
    }),
    ("raiseEpoch", |w| {
        let verb = abi::raiseEpochCall {
            refuseUnmarked: true,
        };
        w.verb(NOBODY, verb)
    }),
    ("broadcastAppOrder", |w| {
        let order = w.town.matching(&w.town.orders(1, 1)).apporder;
        w.verb(NOBODY, abi::broadcastAppOrderCall { order })
    }),
    ("broadcastDatasetOrder", |w| {
        let order = w.town.matching(&w.town.orders(1, 1)).datasetorder;
        w.verb(NOBODY, abi::broadcastDatasetOrderCall { order })
    }),
    ("broadcastWorkerpoolOrder", |w| {
        let order = w.town.matching(&w.town.orders(1, 1)).workerpoolorder;
        w.verb(NOBODY, abi::broadcastWorkerpoolOrderCall { order })
    }),
    ("broadcastRequestOrder", |w| {
        let order = w.town.matching(&w.town.orders(1, 1)).requestorder;
        w.verb(NOBODY, abi::broadcastRequestOrderCall { order })
    }),
    ("matchOrders", |w| w.matching(nothing)),
    ("matchOrders without a dataset", |w| {
        w.matching(without_dataset)
    }),
    (
        "matchOrders without a dataset, whose order asks for what nobody offers",
        |w| {
            w.matching(|orders| {
                without_dataset(orders);
                orders.dataset.tag = Tag::GPU.0;
            })
        },
    ),
    ("matchOrders of marked orders in their last second", |w| {
        for sender in [w.scheduler(), w.requester()] {
            let verb = abi::raiseEpochCall {
                refuseUnmarked: true,
            };
            let attempt = w.verb(sender, verb);
            w.done(attempt);
        }
        let marks = MarkedSalt {
            expiry: Some(w.town.time + 1),
            signer_epoch: Some(0),
            asset_epoch: Some(0),
            ..MarkedSalt::default()
        };
        let policy = Some(Policy {
            worker_stake_ratio: 30,
            scheduler_reward_ratio: 1,
        });
        let of_pool = MarkedSalt {
            signer_epoch: Some(1),
            policy,
            ..marks
        };
        let of_request = MarkedSalt {
            signer_epoch: Some(1),
            asset_epoch: None,
            ..marks
        };
        let make = |marks: MarkedSalt| marks.make().expect("small numbers");
        w.matching(|orders| {
            (orders.app.salt, orders.dataset.salt) = (make(marks), make(marks));
            (orders.workerpool.salt, orders.request.salt) = (make(of_pool), make(of_request));
        })
    }),
    ("sponsorMatchOrders", |w| w.sponsoring(nothing)),
    ("assertDatasetDealCompatibility", |w| w.lending(nothing)),
    ("initialize", |w| {
        let deal = w.deal(nothing);
        w.verb(NOBODY, initialize(deal, 0))
    }),
    ("initializeArray", |w| {
        let deal = w.deal(nothing);
        w.verb(
            NOBODY,
            abi::initializeArrayCall {
                dealid: vec![deal.0],
                idx: vec![U256::ZERO],
            },
        )
    }),
    ("contribute", |w| {
        let task = w.task(nothing);
        w.contribution(0, task, TRUTH, |_| {})
    }),
    ("contribute from an enclave", |w| {
        let task = w.task(super::confidential);
        w.contribution(0, task, TRUTH, |_| {})
    }),
    ("reveal", |w| {
        let task = w.revealing(nothing);
        w.reveal(0, task, TRUTH)
    }),
    ("reopen", |w| {
        let task = w.revealing(nothing);
        w.wait(2 * T);
        w.reopening(task)
    }),
    ("finalize", |w| {
        let task = w.revealed(nothing);
        w.finalizing(task, |_| {})
    }),
    ("finalize by a worker", |w| {
        let task = w.revealed(nothing);
        w.wait(2 * T + T / 2);
        w.finishing(task, |_| {})
    }),
    ("finalize by a worker in the last second", |w| {
        let task = w.revealed(nothing);
        w.wait(10 * T - 1);
        w.finishing(task, |_| {})
    }),
    ("finalize by the scheduler in the worker's time", |w| {
        let task = w.revealed(nothing);
        w.wait(10 * T - 1);
        w.finalizing(task, |_| {})
    }),
    ("contributeAndFinalize", |w| {
        let task = w.task(nothing);
        w.one_step(task, |_| {})
    }),
    ("contributeAndFinalize from an enclave", |w| {
        let task = w.task(super::confidential);
        w.one_step(task, |_| {})
    }),
    ("abandon", |w| {
        let deal = w.deal(nothing);
        w.wait(7 * T - 1);
        w.abandoning(deal, 0)
    }),
    ("abandon a task somebody contributed to", |w| {
        let deal = w.deal(|orders| orders.request.trust = number(99));
        let task = w.started(deal);
        w.contributed(0, task, TRUTH);
        w.contributed(1, task, LIE);
        w.abandoning(deal, 0)
    }),
    ("abandonArray", |w| {
        let deal = w.deal(nothing);
        let verb = abi::abandonArrayCall {
            dealid: vec![deal.0],
            idx: vec![U256::ZERO],
        };
        w.verb(w.scheduler(), verb)
    }),
    ("claimDeal", |w| {
        let deal = w.deal(nothing);
        w.wait(10 * T);
        w.claiming_deal(deal, 0)
    }),
    ("claimDeal of a deal that is finished", |w| {
        let task = w.completed();
        let deal = w.town.hub.task(task).deal;
        w.wait(10 * T);
        w.claiming_deal(deal, 0)
    }),
    ("claim of a task whose winner was silent", |w| {
        let task = w.revealing(nothing);
        w.wait(10 * T);
        w.claiming(task)
    }),
    ("claim of a task somebody revealed in", |w| {
        let task = w.task(|orders| orders.request.trust = number(3));
        w.contributed(0, task, TRUTH);
        w.contributed(1, task, LIE);
        w.contributed(3, task, TRUTH);
        let attempt = w.reveal(0, task, TRUTH);
        w.done(attempt);
        w.wait(10 * T);
        w.claiming(task)
    }),
    ("claim", |w| {
        let task = w.task(nothing);
        w.wait(10 * T);
        w.claiming(task)
    }),
    ("claim of a task somebody lied about", |w| {
        let task = w.task(|orders| orders.request.trust = number(99));
        w.contributed(0, task, LIE);
        w.wait(10 * T);
        w.claiming(task)
    }),
    ("claimArray", |w| {
        let task = w.task(nothing);
        w.wait(10 * T);
        w.verb(
            NOBODY,
            abi::claimArrayCall {
                taskid: vec![task.0],
            },
        )
    }),
    ("initializeAndClaimArray", |w| {
        let deal = w.deal(nothing);
        w.wait(10 * T);
        w.verb(
            NOBODY,
            abi::initializeAndClaimArrayCall {
                dealid: vec![deal.0],
                idx: vec![U256::ZERO],
            },
        )
    }),
    ("resultFor", |w| {
        let task = w.completed();
        w.verb(NOBODY, abi::resultForCall { id: task.0 })
    }),
    ("viewCategory", |w| {
        w.verb(NOBODY, abi::viewCategoryCall { catid: U256::ZERO })
    }),
    ("createCategory", |w| w.by_governor(category(number(9)))),
    ("setTeeBroker", |w| {
        w.by_governor(abi::setTeeBrokerCall { teebroker: NOBODY })
    }),
    ("setCallbackGas", |w| {
        w.by_governor(abi::setCallbackGasCall {
            callbackgas: U256::ONE,
        })
    }),
    ("transferOwnership", |w| {
        w.by_governor(abi::transferOwnershipCall { newOwner: NOBODY })
    }),
    ("seal", |w| w.by_governor(abi::sealCall {})),
    ("setCallbackGas of a sealed hub", |w| {
        w.sealed();
        w.by_governor(abi::setCallbackGasCall {
            callbackgas: number(50_000),
        })
    }),
    ("createCategory of a sealed hub", |w| {
        w.sealed();
        w.by_governor(category(number(9)))
    }),
    ("transferOwnership of a sealed hub", |w| {
        w.sealed();
        w.by_governor(abi::transferOwnershipCall { newOwner: NOBODY })
    }),
    ("updateDomainSeparator", |w| {
        w.verb(NOBODY, abi::updateDomainSeparatorCall {})
    }),
];

pub(super) fn category(secs: U256) -> abi::createCategoryCall {
    abi::createCategoryCall {
        name: "odd".to_owned(),
        description: String::new(),
        workClockTimeRef: secs,
    }
}

impl World {
    /// The sponsor may spend so much of the requester's.
    pub(super) fn lent(&mut self, value: u64) {
        let verb = abi::approveCall {
            spender: self.town.sponsor.address,
            value: number(value),
        };
        let attempt = self.verb(self.requester(), verb);
        self.done(attempt);
    }

    /// The sponsor spends so much of the requester's.
    pub(super) fn spending(&self, value: u64, to: Address) -> Try {
        let verb = abi::transferFromCall {
            from: self.requester(),
            to,
            value: number(value),
        };
        self.verb(self.town.sponsor.address, verb)
    }

    /// A match of good orders for which the sponsor pays, but for what is changed.
    pub(super) fn sponsoring(&self, change: impl FnOnce(&mut crate::town::Orders)) -> Try {
        let mut orders = self.town.orders(1, 1);
        change(&mut orders);
        let abi::matchOrdersCall {
            apporder,
            datasetorder,
            workerpoolorder,
            requestorder,
        } = self.town.matching(&orders);
        let verb = abi::sponsorMatchOrdersCall {
            apporder,
            datasetorder,
            workerpoolorder,
            requestorder,
        };
        self.verb(self.town.sponsor.address, verb)
    }
}
