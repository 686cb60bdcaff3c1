//! What no caller can bring about with the market's own contracts: the hub checks it all the same, and says so.
//!
//! Storage is written, or code put somewhere, behind the hub's back.

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use protocol::DealId;
use protocol::abi::Hub as abi;
use protocol::model::Refusal;
use protocol::payment::Nrlc;

use super::good::category;
use super::{NOBODY, TRUTH, Try, World, error, nothing, number, without_dataset};
use crate::law::Law;
use crate::town::{GROUP, T, WALLET};
use crate::words::{CALLBACK_GAS, CATEGORIES, FORMER_HUB, HOUSE, TOKEN, score_word, task_word};

/// Sender, whom it calls, with what, and what the contracts say.
type Tampered = (
    &'static str,
    &'static str,
    fn(&mut World) -> (Address, Address, Bytes, Refusal),
);

/// A contract that answers 101 to everything.
const A_HUNDRED_AND_ONE: [u8; 8] = hex!("60655f5260205ff3");
/// A contract that answers 1,001 to everything.
const A_THOUSAND_AND_ONE: [u8; 9] = hex!("6103e95f5260205ff3");
/// A contract that answers 2⁹⁶ to everything: 1 << 96.
const MORE_THAN_96_BITS: [u8; 12] = hex!("600160601b5f5260205ff300");
/// A contract that answers no to everything.
const NO: [u8; 7] = hex!("5f5f5260205ff3");
/// The code every deal and result is made with.
const INIT_CODE: [u8; 14] = hex!("5f5f5f5f335afa3d5f5f3e3d5ff3");

pub(super) const TAMPERED: &[Tampered] = &[
    ("deposit", "more money than the hub counts", |w| {
        let limit = (U256::ONE << 96) - U256::ONE;
        w.write(U256::from(HOUSE), limit - number(4));
        let attempt = w.verb(w.requester(), abi::depositCall { amount: number(5) });
        w.raw(
            attempt,
            error!(AmountTooLarge {
                amount: number(5),
                limit: number(4)
            }),
        )
    }),
    ("deposit", "a token that says no", |w| {
        let token = w.chain.deployment().rlc;
        w.chain.put(token, &NO);
        let attempt = w.verb(w.requester(), abi::depositCall { amount: number(5) });
        w.raw(attempt, error!(TokenTransferFailed { token }))
    }),
    ("withdraw", "a token that says no", |w| {
        let token = w.chain.deployment().rlc;
        w.chain.put(token, &NO);
        let attempt = w.verb(w.requester(), abi::withdrawCall { amount: number(5) });
        w.raw(attempt, error!(TokenTransferFailed { token }))
    }),
    ("approveAndCall", "a contract that does not want it", |w| {
        // The group says no to everybody but the requester.
        let verb = abi::approveAndCallCall {
            spender: GROUP,
            value: U256::ONE,
            data: Bytes::new(),
        };
        let attempt = w.verb(w.town.sponsor.address, verb);
        w.raw(attempt, error!(ApprovalRefused { spender: GROUP }))
    }),
    (
        "matchOrders",
        "a workerpool that keeps more than all",
        |w| {
            w.chain.put(w.town.workerpool, &A_HUNDRED_AND_ONE);
            let attempt = w.matching(nothing);
            w.raw(
                attempt,
                error!(SchedulerRatioTooHigh {
                    ratio: number(101),
                    limit: number(100)
                }),
            )
        },
    ),
    (
        "matchOrders",
        "a workerpool of a registry before this one, which asks for more than ten times the price",
        |w| {
            w.chain.put(w.town.workerpool, &A_THOUSAND_AND_ONE);
            let attempt = w.matching(nothing);
            w.raw(
                attempt,
                error!(StakeRatioTooHigh {
                    workerpool: w.town.workerpool,
                    ratio: number(1_001),
                    limit: number(1_000)
                }),
            )
        },
    ),
    (
        "matchOrders",
        "a deal in whose place something stands",
        |w| {
            let request = w.hash(&w.town.orders(1, 1).request);
            let deal = DealId::derive(request.into(), U256::ZERO);
            let mut key = B256::ZERO;
            key[..16].copy_from_slice(&deal.0[..16]);
            w.chain
                .put(w.town.hub.address().create2(key, keccak256(INIT_CODE)), &NO);
            let attempt = w.matching(nothing);
            w.raw(attempt, error!(ContentNotWritten { key }))
        },
    ),
    ("contribute", "the 513th", |w| {
        let task = w.task(|orders| orders.request.trust = number(99));
        let slot = task_word(task);
        // Bits 36 to 47 of a task's word count its contributions.
        let word = w.read(slot) | (number(512) << 36);
        w.write(slot, word);
        let attempt = w.contribution(0, task, TRUTH, |_| {});
        w.raw(
            attempt,
            error!(TooManyContributions {
                taskid: task.0,
                limit: number(512)
            }),
        )
    }),
    (
        "finalize",
        "the requester's money is not frozen any more",
        |w| {
            let task = w.revealed(nothing);
            let account = w.requester();
            w.write(score_word(account), U256::ZERO);
            let attempt = w.finalizing(task, |_| {});
            let needed = Nrlc::rlc(13).0;
            w.raw(
                attempt,
                error!(InsufficientFrozen {
                    account,
                    frozen: U256::ZERO,
                    needed
                }),
            )
        },
    ),
    (
        "claim",
        "the requester's money is not frozen any more",
        |w| {
            let task = w.task(without_dataset);
            let account = w.requester();
            w.write(score_word(account), U256::ZERO);
            w.wait(10 * T);
            let attempt = w.claiming(task);
            let needed = Nrlc::rlc(11).0;
            w.raw(
                attempt,
                error!(InsufficientFrozen {
                    account,
                    frozen: U256::ZERO,
                    needed
                }),
            )
        },
    ),
    ("finalize", "less gas than the callback is owed", |w| {
        let needed = U256::MAX;
        w.write(U256::from(CALLBACK_GAS), needed);
        let data = Bytes::from_static(b"data");
        let digest = protocol::result::Digest::of_callback(&data);
        let task = w.task(|orders| orders.request.callback = WALLET);
        w.contributed(0, task, digest);
        let attempt = w.reveal(0, task, digest);
        w.done(attempt);
        let attempt = w.finalizing(task, |verb| verb.resultsCallback = data);
        w.raw(
            attempt,
            error!(CallbackGasMissing {
                left: U256::ZERO,
                needed
            }),
        )
    }),
    (
        "finalize",
        "a result in whose place something stands",
        |w| {
            let task = w.revealed(nothing);
            w.occupied(task.0);
            let attempt = w.finalizing(task, |_| {});
            w.raw(attempt, error!(ContentNotWritten { key: task.0 }))
        },
    ),
    (
        "finalize",
        "the scheduler's stake is not frozen any more",
        |w| {
            let task = w.revealed(nothing);
            let refusal = w.thawed(w.scheduler(), Nrlc::rlc(3));
            let attempt = w.finalizing(task, |_| {});
            w.raw(attempt, refusal)
        },
    ),
    (
        "finalize",
        "the worker's stake is not frozen any more",
        |w| {
            let task = w.revealed(nothing);
            let refusal = w.thawed(w.worker(0), Nrlc::rlc(3));
            let attempt = w.finalizing(task, |_| {});
            w.raw(attempt, refusal)
        },
    ),
    ("finalize", "the hub has nothing to pay with", |w| {
        let task = w.revealed(nothing);
        let refusal = w.plundered(Nrlc::rlc(1));
        let attempt = w.finalizing(task, |_| {});
        w.raw(attempt, refusal)
    }),
    (
        "claim",
        "the scheduler's stake is not frozen any more",
        |w| {
            let task = w.task(nothing);
            let refusal = w.thawed(w.scheduler(), Nrlc::rlc(3));
            w.wait(10 * T);
            let attempt = w.claiming(task);
            w.raw(attempt, refusal)
        },
    ),
    ("claim", "the worker's stake is not frozen any more", |w| {
        let task = w.revealing(nothing);
        let refusal = w.thawed(w.worker(0), Nrlc::rlc(3));
        w.wait(10 * T);
        let attempt = w.claiming(task);
        w.raw(attempt, refusal)
    }),
    (
        "initializeAndClaimArray",
        "the requester's money is not frozen any more",
        |w| {
            let deal = w.deal(nothing);
            let refusal = w.thawed(w.requester(), Nrlc::rlc(13));
            w.wait(10 * T);
            let verb = abi::initializeAndClaimArrayCall {
                dealid: vec![deal.0],
                idx: vec![U256::ZERO],
            };
            w.raw(w.verb(NOBODY, verb), refusal)
        },
    ),
    ("claim", "the hub has nothing to burn", |w| {
        let task = w.revealing(nothing);
        let refusal = w.plundered_to(Nrlc::rlc(13), Nrlc::rlc(3));
        w.wait(10 * T);
        let attempt = w.claiming(task);
        w.raw(attempt, refusal)
    }),
    ("claimDeal", "the hub has nothing to burn", |w| {
        let task = w.revealing(nothing);
        let refusal = w.plundered_to(Nrlc::rlc(13), Nrlc::rlc(3));
        w.wait(10 * T);
        let attempt = w.claiming_deal(w.town.hub.task(task).deal, 0);
        w.raw(attempt, refusal)
    }),
    (
        "claimDeal",
        "the requester's money is not frozen any more",
        |w| {
            let deal = w.deal(nothing);
            let refusal = w.thawed(w.requester(), Nrlc::rlc(13));
            w.wait(10 * T);
            let attempt = w.claiming_deal(deal, 0);
            w.raw(attempt, refusal)
        },
    ),
    ("abandon", "the hub has nothing to burn", |w| {
        let deal = w.deal(nothing);
        // What is unlocked before: 13 RLC, and nine tenths of 3.
        let unlocked = Nrlc::nrlc(15_700_000_000);
        let refusal = w.plundered_to(unlocked, Nrlc::nrlc(300_000_000));
        let attempt = w.abandoning(deal, 0);
        w.raw(attempt, refusal)
    }),
    (
        "abandon",
        "the requester's money is not frozen any more",
        |w| {
            let deal = w.deal(nothing);
            let refusal = w.thawed(w.requester(), Nrlc::rlc(13));
            let attempt = w.abandoning(deal, 0);
            w.raw(attempt, refusal)
        },
    ),
    (
        "contributeAndFinalize",
        "a result in whose place something stands",
        |w| {
            let task = w.task(nothing);
            w.occupied(task.0);
            let attempt = w.one_step(task, |_| {});
            w.raw(attempt, error!(ContentNotWritten { key: task.0 }))
        },
    ),
    (
        "contributeAndFinalize",
        "the requester's money is not frozen any more",
        |w| {
            let task = w.task(nothing);
            let refusal = w.thawed(w.requester(), Nrlc::rlc(13));
            let attempt = w.one_step(task, |_| {});
            w.raw(attempt, refusal)
        },
    ),
    (
        "contributeAndFinalize",
        "the scheduler's stake is not frozen any more",
        |w| {
            let task = w.task(nothing);
            let refusal = w.thawed(w.scheduler(), Nrlc::rlc(3));
            let attempt = w.one_step(task, |_| {});
            w.raw(attempt, refusal)
        },
    ),
    (
        "contributeAndFinalize",
        "the hub has nothing to pay with",
        |w| {
            let task = w.task(nothing);
            let refusal = w.plundered(Nrlc::rlc(1));
            let attempt = w.one_step(task, |_| {});
            w.raw(attempt, refusal)
        },
    ),
    (
        "contributeAndFinalize",
        "less gas than the callback is owed",
        |w| {
            let needed = U256::MAX;
            w.write(U256::from(CALLBACK_GAS), needed);
            let data = Bytes::from_static(b"data");
            let digest = protocol::result::Digest::of_callback(&data).0;
            let task = w.task(|orders| orders.request.callback = WALLET);
            let attempt = w.one_step(task, |verb| {
                (verb.resultDigest, verb.resultsCallback) = (digest, data)
            });
            w.raw(
                attempt,
                error!(CallbackGasMissing {
                    left: U256::ZERO,
                    needed
                }),
            )
        },
    ),
    ("recover", "more money than the hub counts", |w| {
        let limit = (U256::ONE << 96) - U256::ONE;
        // The token says that the hub holds 2⁹⁶, one more than it can count.
        w.write(U256::from(HOUSE), limit);
        w.chain.put(w.chain.deployment().rlc, &MORE_THAN_96_BITS);
        let attempt = w.by_governor(abi::recoverCall {});
        w.raw(
            attempt,
            error!(AmountTooLarge {
                amount: U256::ONE,
                limit: U256::ZERO
            }),
        )
    }),
    ("importScore", "a second time", |w| {
        // A former hub whose scores are great numbers.
        w.write(
            U256::from(FORMER_HUB),
            U256::from_be_slice(WALLET.as_slice()),
        );
        let worker = w.worker(0);
        let (sender, to, data, _) = w.raw(
            w.verb(NOBODY, abi::importScoreCall { worker }),
            Refusal::Silent,
        );
        let (outcome, _) = w.chain.play(w.call(sender), to, data.clone());
        assert!(outcome.is_ok(), "{outcome:?}");
        (sender, to, data, error!(ScoreAlreadyImported { worker }))
    }),
    ("configure", "with no token", |w| {
        w.unconfigured("token", |verb| verb.token = Address::ZERO)
    }),
    ("configure", "with no registry of apps", |w| {
        w.unconfigured("appregistry", |verb| verb.appregistry = Address::ZERO)
    }),
    ("configure", "with no registry of datasets", |w| {
        w.unconfigured("datasetregistry", |verb| {
            verb.datasetregistry = Address::ZERO
        })
    }),
    ("configure", "with no registry of workerpools", |w| {
        w.unconfigured("workerpoolregistry", |verb| {
            verb.workerpoolregistry = Address::ZERO
        })
    }),
    ("seal", "a hub that was never configured", |w| {
        w.write(U256::from(TOKEN), U256::ZERO);
        let attempt = w.by_governor(abi::sealCall {});
        let what = w.town.hub.address();
        w.raw(attempt, error!(NotReadyToSeal { what }))
    }),
    ("seal", "with a registry of apps that nobody opened", |w| {
        w.closed(w.chain.deployment().app_registry)
    }),
    (
        "seal",
        "with a registry of datasets that nobody opened",
        |w| w.closed(w.chain.deployment().dataset_registry),
    ),
    (
        "seal",
        "with a registry of workerpools that nobody opened",
        |w| w.closed(w.chain.deployment().workerpool_registry),
    ),
    ("createCategory", "the 65,536th", |w| {
        let limit = number(65_535);
        w.write(U256::from(CATEGORIES), limit);
        let attempt = w.by_governor(category(number(9)));
        w.raw(attempt, error!(TooManyCategories { limit }))
    }),
    ("a verb", "there is no such verb", |w| {
        let hub = w.town.hub.address();
        let data = Bytes::from_static(&hex!("deadbeef"));
        (
            NOBODY,
            hub,
            data,
            error!(UnknownFunction {
                selector: hex!("deadbeef").into()
            }),
        )
    }),
    ("a verb", "a call without data", |w| {
        let hub = w.town.hub.address();
        (
            NOBODY,
            hub,
            Bytes::new(),
            error!(UnknownFunction {
                selector: [0; 4].into()
            }),
        )
    }),
];

impl World {
    /// Something else stands where the hub would write this.
    fn occupied(&mut self, key: B256) {
        let place = self.town.hub.address().create2(key, keccak256(INIT_CODE));
        self.chain.put(place, &NO);
    }

    /// An account loses all it has in the hub, balance and frozen; what the hub says to who needs so much of it.
    fn thawed(&mut self, account: Address, needed: Nrlc) -> Refusal {
        self.write(score_word(account), U256::ZERO);
        error!(InsufficientFrozen {
            account,
            frozen: U256::ZERO,
            needed: needed.0
        })
    }

    /// The hub's own balance, all that is frozen, is gone; what it says who has to be paid so much.
    fn plundered(&mut self, needed: Nrlc) -> Refusal {
        self.plundered_to(Nrlc::ZERO, needed)
    }

    /// The same, but for what is given back before that.
    fn plundered_to(&mut self, left: Nrlc, needed: Nrlc) -> Refusal {
        let supply = self.read(U256::from(HOUSE)) & ((U256::ONE << 96) - U256::ONE);
        self.write(U256::from(HOUSE), supply | left.0 << 96);
        error!(InsufficientBalance {
            account: self.town.hub.address(),
            balance: U256::ZERO,
            needed: needed.0
        })
    }

    /// A hub that is not configured yet, and is to be now, without somebody.
    fn unconfigured(
        &mut self,
        name: &str,
        forget: fn(&mut abi::configureCall),
    ) -> (Address, Address, Bytes, Refusal) {
        self.write(U256::from(TOKEN), U256::ZERO);
        let mut verb = super::table::configure();
        forget(&mut verb);
        let name = name.to_owned();
        self.raw(self.by_governor(verb), error!(ZeroArgument { name }))
    }

    /// The hub is to be sealed, and a registry says that it is not initialized.
    fn closed(&mut self, what: Address) -> (Address, Address, Bytes, Refusal) {
        self.chain.put(what, &NO);
        let attempt = self.by_governor(abi::sealCall {});
        self.raw(attempt, error!(NotReadyToSeal { what }))
    }

    pub(super) fn raw(
        &self,
        (call, deed): Try,
        refusal: Refusal,
    ) -> (Address, Address, Bytes, Refusal) {
        let (to, data) = deed.transaction(call.sender, &self.town, self.chain.deployment());
        (call.sender, to, data, refusal)
    }

    fn read(&self, slot: U256) -> U256 {
        self.chain.word(self.town.hub.address(), slot)
    }

    fn write(&mut self, slot: U256, word: U256) {
        let hub = self.town.hub.address();
        self.chain.set_word(hub, slot, word);
    }
}
