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
use crate::words::{CALLBACK_GAS, CATEGORIES, FORMER_HUB, HOUSE, score_word, task_word};

/// Sender, whom it calls, with what, and what the contracts say.
type Tampered = (
    &'static str,
    &'static str,
    fn(&mut World) -> (Address, Address, Bytes, Refusal),
);

/// A contract that answers 101 to everything.
const A_HUNDRED_AND_ONE: [u8; 8] = hex!("60655f5260205ff3");
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
    fn raw(&self, (call, deed): Try, refusal: Refusal) -> (Address, Address, Bytes, Refusal) {
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
