//! Lives written out: what each party has at the end, to the last nRLC.

use alloy_primitives::{B256, Bytes, U256};
use protocol::abi::Hub as abi;
use protocol::contribution::ContributionStatus;
use protocol::model::Refusal;
use protocol::order::MarkedSalt;
use protocol::payment::{BURNT, KITTY, Nrlc};
use protocol::result::Digest;
use protocol::task::TaskStatus;

use crate::deed::{Deed, Entry};
use crate::town::{T, Town};

const TRUTH: Digest = Digest(B256::repeat_byte(1));
const LIE: Digest = Digest(B256::repeat_byte(2));

/// What somebody gained since the deposit of 500 RLC, in thousandths of an RLC.
fn gain(town: &Town, person: &crate::people::Person) -> i64 {
    let (free, frozen) = town.money(person.address);
    let total = i64::try_from(free + frozen).expect("no more than there is");
    let before = i64::try_from(Nrlc::rlc(500).0).expect("no more than there is");
    (total - before) / 1_000_000
}

#[track_caller]
fn refused(outcome: protocol::model::Outcome, words: &str) {
    let refusal = outcome.expect_err(words);
    let text = format!("{refusal:?}");
    assert!(text.contains(words), "{text} is not {words}");
}

#[test]
fn one_worker_one_task_everybody_is_paid() {
    let mut town = Town::funded();
    let (_, tasks) = town.deal(&town.orders(1, 1));
    let task = tasks[0];
    assert_eq!(town.money(town.requester.address).1, Nrlc::rlc(13).0);
    assert_eq!(town.money(town.scheduler.address).1, Nrlc::rlc(3).0);

    town.contribute(0, task, TRUTH).expect("authorized");
    assert_eq!(town.hub.task(task).status, TaskStatus::Revealing);
    assert_eq!(town.money(town.workers[0].address).1, Nrlc::rlc(3).0);
    town.reveal(0, task, TRUTH).expect("what was sealed");
    town.finalize(task).expect("all revealed");

    let finished = town.hub.task(task);
    assert_eq!(finished.status, TaskStatus::Completed);
    assert_eq!(finished.result_digest, TRUTH.0);
    // 13 paid: 1 for the app, 2 for the dataset, 10 for the pool, of which the scheduler keeps 1 %.
    assert_eq!(gain(&town, &town.requester), -13_000);
    assert_eq!(gain(&town, &town.app_owner), 1_000);
    assert_eq!(gain(&town, &town.dataset_owner), 2_000);
    assert_eq!(gain(&town, &town.workers[0]), 9_900);
    assert_eq!(gain(&town, &town.scheduler), 100);
    assert_eq!(
        town.hub.score(town.workers[0].address),
        U256::ZERO,
        "alone proves nothing"
    );
}

#[test]
fn a_liar_among_three_loses_the_stake_and_the_others_share_it() {
    let mut town = Town::funded();
    let (_, tasks) = town.deal(&town.orders(3, 1));
    let task = tasks[0];
    town.hub
        .scores
        .insert(town.workers[1].address, U256::from(5));
    town.contribute(0, task, TRUTH).expect("authorized");
    town.contribute(1, task, LIE).expect("authorized");
    town.contribute(2, task, TRUTH).expect("authorized");
    assert_eq!(
        town.hub.task(task).status,
        TaskStatus::Active,
        "2 · 2 · 3 is not more than 7 · 2"
    );
    refused(town.contribute(2, task, TRUTH), "AlreadyContributed");
    town.contribute(3, task, TRUTH).expect("authorized");
    assert_eq!(town.hub.task(task).winner_counter, 3);

    refused(town.reveal(1, task, LIE), "NotTheConsensus");
    town.reveal(0, task, TRUTH).expect("what was sealed");
    refused(town.reveal(2, task, LIE), "DigestMismatch");
    town.reveal(2, task, TRUTH).expect("what was sealed");
    refused(town.finalize(task), "RevealsMissing");
    town.reveal(3, task, TRUTH).expect("what was sealed");
    town.finalize(task).expect("all revealed");

    // The pot is 10 + 3; the workers' 99 % are 12.87, shared by three.
    assert_eq!(gain(&town, &town.workers[0]), 4_290);
    assert_eq!(gain(&town, &town.workers[1]), -3_000);
    assert_eq!(gain(&town, &town.workers[2]), 4_290);
    assert_eq!(gain(&town, &town.workers[3]), 4_290);
    assert_eq!(gain(&town, &town.scheduler), 130);
    let scores: Vec<u64> = town
        .workers
        .iter()
        .map(|worker| town.hub.score(worker.address).to())
        .collect();
    assert_eq!(scores, [1, 3, 1, 1]);
}

#[test]
fn a_copied_hash_cannot_be_revealed() {
    let mut town = Town::funded();
    let (_, tasks) = town.deal(&town.orders(4, 1));
    let task = tasks[0];
    town.contribute(0, task, TRUTH).expect("authorized");
    let thief = town.workers[1].address;
    let mut copy = town.contribution(thief, task, TRUTH, false);
    copy.resultSeal = town
        .hub
        .contribution(task, town.workers[0].address)
        .result_seal;
    town.play(thief, copy).expect("nobody can see it yet");
    refused(town.reveal(1, task, TRUTH), "SealMismatch");
}

#[test]
fn a_task_nobody_finished_is_refunded_and_feeds_the_kitty() {
    let mut town = Town::funded();
    let (_, tasks) = town.deal(&town.orders(100, 2));
    town.contribute(0, tasks[0], LIE).expect("authorized");
    town.time += 10 * T - 1;
    refused(town.claim(tasks[0]), "FinalDeadlineAhead");
    refused(
        town.contribute(1, tasks[0], TRUTH),
        "ContributionDeadlineReached",
    );
    town.time += 1;
    town.claim(tasks[0]).expect("the time is over");
    town.claim(tasks[1]).expect("the time is over");
    refused(town.claim(tasks[1]), "TaskNotClaimable");

    assert_eq!(gain(&town, &town.requester), 0);
    assert_eq!(
        gain(&town, &town.workers[0]),
        0,
        "right or wrong, nobody knows"
    );
    assert_eq!(gain(&town, &town.scheduler), -6_000);
    assert_eq!(town.money(KITTY).1, Nrlc::rlc(6).0);
    assert_eq!(town.money(town.requester.address).1, U256::ZERO);
}

#[test]
fn each_success_drains_the_kitty_by_one_rlc_or_a_tenth() {
    let mut town = Town::funded();
    let (_, lost) = town.deal(&town.orders(100, 4));
    town.time += 10 * T;
    for task in lost {
        town.claim(task).expect("the time is over");
    }
    assert_eq!(town.hub.kitty(), Nrlc::rlc(12).0);
    let mut orders = town.orders(1, 12);
    orders.request.salt = B256::repeat_byte(7);
    orders.app.salt = B256::repeat_byte(7);
    orders.dataset.salt = B256::repeat_byte(7);
    orders.workerpool.salt = B256::repeat_byte(7);
    let (_, tasks) = town.deal(&orders);
    let mut left = Vec::new();
    for task in tasks {
        town.contribute(0, task, TRUTH).expect("authorized");
        town.reveal(0, task, TRUTH).expect("what was sealed");
        town.finalize(task).expect("all revealed");
        left.push(town.hub.kitty().to::<u64>() / 100_000_000);
    }
    // 12 RLC less 1.2, then 1.08, then 1 each until nothing is left; in tenths of an RLC.
    assert_eq!(left, [108, 97, 87, 77, 67, 57, 47, 37, 27, 17, 7, 0]);
}

#[test]
fn a_task_whose_winners_stay_silent_is_reopened_and_they_pay_for_it() {
    let mut town = Town::funded();
    let (_, tasks) = town.deal(&town.orders(1, 1));
    let task = tasks[0];
    let reopen = abi::reopenCall { taskid: task.0 };
    town.contribute(0, task, LIE).expect("authorized");
    refused(
        town.play(town.scheduler.address, reopen.clone()),
        "RevealDeadlineAhead",
    );
    town.time += 2 * T;
    refused(town.reveal(0, task, LIE), "RevealDeadlineReached");
    refused(
        town.play(town.requester.address, reopen.clone()),
        "NotTheWorkerpoolOwner",
    );
    town.play(town.scheduler.address, reopen)
        .expect("nobody revealed");
    let rejected = town.hub.contribution(task, town.workers[0].address);
    assert_eq!(rejected.status, ContributionStatus::Rejected);
    refused(town.contribute(0, task, TRUTH), "AlreadyContributed");

    town.contribute(1, task, TRUTH).expect("authorized");
    town.reveal(1, task, TRUTH).expect("what was sealed");
    town.finalize(task).expect("all revealed");
    assert_eq!(gain(&town, &town.workers[0]), -3_000);
    assert_eq!(gain(&town, &town.workers[1]), 12_870);
}

#[test]
fn a_worker_finishes_for_a_silent_scheduler_and_earns_what_the_scheduler_would_have() {
    let mut town = Town::funded();
    // Something is in the kitty, and stays there.
    let (_, lost) = town.deal(&town.orders(100, 1));
    town.time += 10 * T;
    town.claim(lost[0]).expect("the time is over");
    let mut orders = town.orders(3, 1);
    orders.request.salt = B256::repeat_byte(7);
    orders.app.salt = B256::repeat_byte(7);
    orders.dataset.salt = B256::repeat_byte(7);
    orders.workerpool.salt = B256::repeat_byte(7);
    let (_, tasks) = town.deal(&orders);
    let task = tasks[0];
    town.contribute(0, task, TRUTH).expect("authorized");
    town.contribute(1, task, TRUTH).expect("authorized");
    town.reveal(0, task, TRUTH).expect("what was sealed");

    let finish = |results: &'static [u8]| abi::finalizeCall {
        taskid: task.0,
        results: Bytes::from_static(results),
        resultsCallback: Bytes::new(),
    };
    let (finisher, silent) = (town.workers[0].address, town.workers[1].address);
    refused(town.play(finisher, finish(b"")), "WorkersTurnAhead");
    town.time += 2 * T + T / 2;
    refused(town.play(silent, finish(b"")), "NotTheWorkerpoolOwner");
    refused(town.play(finisher, finish(b"{}")), "ResultsNotAllowed");
    town.play(finisher, finish(b"")).expect("half a T is over");

    let finished = town.hub.task(task);
    assert_eq!(finished.status, TaskStatus::Completed);
    assert_eq!(finished.result_digest, TRUTH.0);
    assert!(finished.results.is_empty());
    // The pot is 10 + 3, all of it for the only one who revealed: 12.87 by weight, and the scheduler's 0.13.
    assert_eq!(gain(&town, &town.workers[0]), 13_000);
    assert_eq!(gain(&town, &town.workers[1]), -3_000);
    assert_eq!(gain(&town, &town.scheduler), -3_000, "of the lost task");
    assert_eq!(town.hub.kitty(), Nrlc::rlc(3).0);
    assert_eq!(town.hub.score(silent), U256::ZERO);
    assert_eq!(town.hub.score(finisher), U256::ONE);
}

#[test]
fn giving_a_task_up_costs_a_tenth_of_the_stake_or_all_of_it_where_somebody_came() {
    let mut town = Town::funded();
    let (deal, tasks) = town.deal(&town.orders(100, 3));
    let give_up = |index: u64| abi::abandonCall {
        dealid: deal.0,
        idx: U256::from(index),
    };
    let (scheduler, requester) = (town.scheduler.address, town.requester.address);
    refused(town.play(requester, give_up(0)), "NotTheWorkerpoolOwner");
    town.play(scheduler, give_up(0)).expect("in time");
    assert_eq!(town.hub.task(tasks[0]).status, TaskStatus::Failed);
    assert_eq!(town.money(requester).1, Nrlc::rlc(26).0, "refunded at once");
    assert_eq!(gain(&town, &town.scheduler), -300);
    assert_eq!(town.money(BURNT).0, Nrlc::nrlc(300_000_000).0);

    town.contribute(0, tasks[1], TRUTH).expect("authorized");
    town.contribute(1, tasks[1], LIE).expect("authorized");
    town.play(scheduler, give_up(1)).expect("no consensus");
    assert_eq!(gain(&town, &town.scheduler), -300 - 3_000);
    assert_eq!(gain(&town, &town.workers[0]), 1_350);
    assert_eq!(gain(&town, &town.workers[1]), 1_350, "nobody says who lied");
    assert_eq!(town.money(BURNT).0, Nrlc::nrlc(600_000_000).0);
    assert_eq!(gain(&town, &town.requester), 0);

    town.time += 7 * T;
    refused(
        town.play(scheduler, give_up(2)),
        "ContributionDeadlineReached",
    );
}

#[test]
fn a_claim_takes_from_the_silent_and_the_wrong_for_those_who_revealed() {
    let mut town = Town::funded();
    let (_, tasks) = town.deal(&town.orders(3, 1));
    let task = tasks[0];
    town.contribute(0, task, TRUTH).expect("authorized");
    town.contribute(1, task, LIE).expect("authorized");
    town.contribute(2, task, TRUTH).expect("authorized");
    town.contribute(3, task, TRUTH).expect("authorized");
    town.reveal(0, task, TRUTH).expect("what was sealed");
    town.time += 10 * T;
    town.claim(task).expect("the time is over");
    let gains: Vec<_> = town
        .workers
        .iter()
        .map(|worker| gain(&town, worker))
        .collect();
    assert_eq!(gains, [9_000, -3_000, -3_000, -3_000]);
    assert_eq!(gain(&town, &town.requester), 0);
    assert_eq!(gain(&town, &town.scheduler), -3_000);
    assert!(town.money(BURNT).0.is_zero());
    assert!(town.hub.scores.values().all(U256::is_zero));
}

#[test]
fn where_nobody_revealed_the_silent_winners_stakes_are_burnt_and_the_outvoted_go_free() {
    let mut town = Town::funded();
    let (_, tasks) = town.deal(&town.orders(3, 1));
    let task = tasks[0];
    town.contribute(0, task, TRUTH).expect("authorized");
    town.contribute(1, task, LIE).expect("authorized");
    town.contribute(2, task, TRUTH).expect("authorized");
    town.contribute(3, task, TRUTH).expect("authorized");
    town.time += 10 * T;
    town.claim(task).expect("the time is over");
    let gains: Vec<_> = town
        .workers
        .iter()
        .map(|worker| gain(&town, worker))
        .collect();
    assert_eq!(gains, [-3_000, 0, -3_000, -3_000]);
    assert_eq!(town.money(BURNT).0, Nrlc::rlc(9).0);
    assert_eq!(gain(&town, &town.requester), 0, "never to who pays");
    assert_eq!(gain(&town, &town.scheduler), -3_000, "nor to the pool");
}

#[test]
fn a_whole_deal_is_claimed_in_calls_of_any_length() {
    let mut town = Town::funded();
    let (deal, tasks) = town.deal(&town.orders(1, 5));
    town.contribute(0, tasks[1], TRUTH).expect("authorized");
    town.reveal(0, tasks[1], TRUTH).expect("what was sealed");
    town.finalize(tasks[1]).expect("all revealed");
    town.time += 10 * T;
    let call = protocol::model::Call {
        sender: town.requester.address,
        time: town.time,
    };
    let mut next = U256::ZERO;
    let mut looks = Vec::new();
    while next < U256::from(5) {
        let (events, after) = town
            .hub
            .claim_deal(call, deal, next, U256::from(2))
            .expect("its time is over");
        let claims = events
            .iter()
            .filter(|event| matches!(event, protocol::model::Event::TaskClaimed(_)));
        looks.push((after.to::<u64>(), claims.count()));
        next = after;
    }
    assert_eq!(looks, [(2, 1), (4, 2), (5, 1)]);
    assert_eq!(town.money(town.requester.address).1, U256::ZERO);
    let again = town.hub.claim_deal(call, deal, U256::ZERO, U256::MAX);
    assert_eq!(again, Ok((Vec::new(), U256::from(5))));
}

#[test]
fn who_raises_the_epoch_takes_all_orders_back_that_name_it() {
    let mut town = Town::funded();
    let marked = |epoch: u32| {
        let marks = MarkedSalt {
            signer_epoch: Some(epoch),
            ..MarkedSalt::default()
        };
        marks.make().expect("a small number")
    };
    let scheduler = town.scheduler.address;
    let raise = |refuse: bool| abi::raiseEpochCall {
        refuseUnmarked: refuse,
    };
    let matched = |town: &Town, salt: B256| {
        let mut orders = town.orders(1, 1);
        orders.workerpool.salt = salt;
        let verb = town.matching(&orders);
        town.clone().play(town.requester.address, verb)
    };
    matched(&town, marked(0)).expect("its epoch");
    town.play(scheduler, raise(false)).expect("anybody may");
    refused(matched(&town, marked(0)), "OrderEpochPassed");
    matched(&town, marked(1)).expect("its epoch");
    matched(&town, B256::repeat_byte(1)).expect("unmarked");
    town.play(scheduler, raise(true)).expect("anybody may");
    town.play(scheduler, raise(false)).expect("anybody may");
    refused(matched(&town, B256::repeat_byte(1)), "UnmarkedOrderRefused");
    matched(&town, marked(3)).expect("its epoch");
}

#[test]
fn an_order_dies_with_the_transfer_of_its_asset_and_stays_dead_when_it_comes_back() {
    let mut town = Town::funded();
    let marks = MarkedSalt {
        asset_epoch: Some(0),
        ..MarkedSalt::default()
    };
    let salt = marks.make().expect("a small number");
    let matched = |town: &Town| {
        let mut orders = town.orders(1, 1);
        orders.app.salt = salt;
        let verb = town.matching(&orders);
        town.clone().play(town.requester.address, verb)
    };
    matched(&town).expect("its first owner's");
    let (owner, buyer) = (town.app_owner.address, town.sponsor.address);
    for (from, to) in [(owner, buyer), (buyer, owner)] {
        let call = protocol::model::Call {
            sender: from,
            time: town.time,
        };
        let entry = Entry::App;
        town.play_deed(call, Deed::HandOver { entry, to })
            .expect("its owner may");
        refused(matched(&town), "AssetTransferred");
    }
}

#[test]
fn one_worker_may_do_all_in_one_step_at_trust_one() {
    let mut town = Town::funded();
    let mut orders = town.orders(0, 1);
    orders.request.callback = crate::town::WALLET;
    let (_, tasks) = town.deal(&orders);
    let data = Bytes::from_static(b"for a contract");
    let worker = town.workers[0].address;
    let verb = |data: &Bytes, digest: Digest| abi::contributeAndFinalizeCall {
        taskid: tasks[0].0,
        resultDigest: digest.0,
        results: Bytes::from_static(b"{}"),
        resultsCallback: data.clone(),
        enclaveChallenge: Default::default(),
        enclaveSign: Bytes::new(),
        authorizationSign: town.authorization(worker, tasks[0], Default::default()),
    };
    let (good, bad) = (verb(&data, Digest::of_callback(&data)), verb(&data, TRUTH));
    refused(town.play(worker, bad), "CallbackDataMismatch");
    let events = town.play(worker, good).expect("authorized, alone");
    assert_eq!(gain(&town, &town.workers[0]), 9_900);
    assert_eq!(gain(&town, &town.scheduler), 100);
    assert_eq!(town.hub.callbacks.len(), 1);
    assert_eq!(town.hub.callbacks[0].data, data);
    let last: Vec<_> = events
        .iter()
        .rev()
        .take(4)
        .rev()
        .map(|event| format!("{event:?}"))
        .collect();
    let names = [
        "TaskContribute",
        "TaskConsensus",
        "TaskReveal",
        "TaskFinalize",
    ];
    assert!(
        last.iter()
            .zip(names)
            .all(|(event, name)| event.starts_with(name)),
        "{last:?}"
    );
}

#[test]
fn deposits_match_and_withdrawals_leave_no_trace() {
    let mut town = Town::on_paper();
    let who = town.requester.address;
    refused(
        town.play(who, abi::withdrawCall { amount: U256::ONE }),
        "InsufficientBalance",
    );
    let call = protocol::model::Call {
        sender: who,
        time: town.time,
    };
    town.hub
        .deposit_by_approval(call, Nrlc::rlc(20).0, &Bytes::new())
        .expect("the token is there");
    assert_eq!(town.money(who), (Nrlc::rlc(20).0, U256::ZERO));
    town.play(
        who,
        abi::withdrawCall {
            amount: Nrlc::rlc(20).0,
        },
    )
    .expect("it is free");
    assert_eq!(town.hub.token.balance(who), Nrlc::rlc(1_000).0);
    assert_eq!(town.hub.supply, U256::ZERO);

    let stranger = town.enclave.address;
    let refusal = town.play(stranger, abi::depositCall { amount: U256::ONE });
    assert!(matches!(refusal, Err(Refusal::Token(_))), "{refusal:?}");
}

#[test]
fn depositing_and_matching_in_one_step_is_for_ones_own_request() {
    use alloy_sol_types::SolCall;
    let mut town = Town::on_paper();
    let scheduler = town.scheduler.address;
    town.play(
        scheduler,
        abi::depositCall {
            amount: Nrlc::rlc(3).0,
        },
    )
    .expect("approved");
    let data: Bytes = town.matching(&town.orders(1, 1)).abi_encode().into();
    let by = |sender| protocol::model::Call {
        sender,
        time: town.time,
    };
    let (mine, strangers) = (by(town.requester.address), by(town.sponsor.address));
    let price = Nrlc::rlc(13).0;
    refused(
        town.hub.deposit_by_approval(strangers, price, &data),
        "CallerIsNotTheRequester",
    );
    refused(
        town.hub
            .deposit_by_approval(mine, price, &Bytes::from([1, 2])),
        "UnsupportedOperation",
    );
    town.hub
        .deposit_by_approval(mine, price, &data)
        .expect("paid in and matched");
    assert_eq!(town.hub.deals.len(), 1);
    assert_eq!(town.money(town.requester.address), (U256::ZERO, price));
}
