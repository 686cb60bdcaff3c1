//! The twin and the contracts, side by side: the same life, the same events, refusals, money, states and scores after
//! every step.
//!
//! A step touches few things, so only these are compared after it, and everything at the end of a life; why nothing
//! can drift unseen in between is said in [`words`](crate::words).

use std::sync::LazyLock;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use protocol::abi::Hub as abi;
use protocol::model::{Call, Callback, Hub};
use protocol::order::Order as _;
use protocol::payment::{BURNT, KITTY, Nrlc};

use crate::chain::{Chain, State, play, refusal};
use crate::deed::Deed;
use crate::law::{Footprint, Law};
use crate::life::Act;
use crate::nouns::{Noun, all, changed, compare, contracts_made};
use crate::seeds::play_lives;
use crate::town::{ENOUGH_CALLBACK_GAS, INTRUDER, LISTENER, T, Town, Verb};
use crate::words::Directory;

alloy_sol_types::sol! {
    /// What a contract that is called back is told.
    function receiveResult(bytes32 id, bytes result);
}

/// Deployed once; every life goes on from here.
static START: LazyLock<(State, Town, Directory)> = LazyLock::new(|| {
    let (mut chain, mut town) = Chain::with_town();
    prepare(&mut chain, &mut town);
    let directory = Directory::of(&town, chain.deployment());
    (chain.state(), town, directory)
});

/// Both sides, ready for a life.
pub(crate) fn start() -> (Chain, Town) {
    let (state, town, _) = &*START;
    (state.chain(), town.clone())
}

/// Everybody has deposited 500 RLC. Workers of some history weigh more: 2, 3, 4 and 9.
pub(crate) fn prepare(law: &mut impl Law, town: &mut Town) {
    for sender in town.everybody() {
        let verb = Verb::verb(abi::depositCall {
            amount: Nrlc::rlc(500).0,
        });
        let deed = Deed::Hub(Box::new(verb));
        let call = Call {
            sender,
            time: law.now(),
        };
        let (played, _) = play(law, town, call, &deed);
        assert_eq!(played, town.play_deed(call, deed));
    }
    for (worker, score) in town.workers.clone().into_iter().zip([0, 14, 15, 30]) {
        let (worker, score) = (worker.address, U256::from(score));
        law.set_score(worker, score);
        assert_eq!(law.view(&abi::viewScoreCall { worker }), score);
        town.hub.scores.insert(worker, score);
    }
}

/// Plays a life on both sides.
pub(crate) fn live(
    law: &mut impl Law,
    town: &mut Town,
    directory: &mut Directory,
    acts: &[Act],
) -> Result<(), TestCaseError> {
    for (number, act) in acts.iter().enumerate() {
        town.wait(act);
        let Some((call, deed)) = town.deed_of(act) else {
            continue;
        };
        let before = town.hub.clone();
        let (on_chain, footprint) = play(law, town, call, &deed);
        let on_paper = town.play_deed(call, deed);
        prop_assert_eq!(
            &on_paper,
            &on_chain,
            "step {}, {:?}: the twin (left) and the contract differ",
            number,
            act
        );
        let touched = match &footprint {
            Some(footprint) => touched(directory, &before, &town.hub, footprint, on_chain.is_ok())?,
            None if on_chain.is_ok() => all(&town.hub),
            None => Default::default(),
        };
        for noun in touched {
            compare(law, &town.hub, noun).map_err(|error| match error {
                TestCaseError::Fail(reason) => {
                    TestCaseError::fail(format!("after step {number}, {act:?}: {reason}"))
                }
                reject => reject,
            })?;
        }
    }
    for noun in all(&town.hub) {
        compare(law, &town.hub, noun)?;
    }
    Ok(())
}

/// What a step touched, on either side.
fn touched(
    directory: &mut Directory,
    before: &Hub,
    after: &Hub,
    footprint: &Footprint,
    accepted: bool,
) -> Result<std::collections::BTreeSet<Noun>, TestCaseError> {
    let mut nouns = changed(before, after);
    if !accepted {
        prop_assert!(
            nouns.is_empty(),
            "a refused verb changed the twin: {:?}",
            nouns
        );
        prop_assert!(footprint.words.is_empty(), "a refused verb changed storage");
    }
    for (address, slot) in &footprint.words {
        let noun = directory.noun(*address, *slot, after);
        prop_assert!(noun.is_some(), "word {slot:#x} of {address} is nobody's");
        nouns.extend(noun);
    }
    prop_assert_eq!(
        contracts_made(before, after),
        footprint.created,
        "contracts made"
    );
    let called = &after.callbacks[before.callbacks.len()..];
    if let Some(told) = told(called, after.callback_gas) {
        prop_assert_eq!(
            told,
            footprint.told.as_slice(),
            "what was told to whom was called back"
        );
    }
    Ok(nouns)
}

/// What the contracts that were called back must have logged: those that do. Given some gas, but perhaps too little,
/// nobody here can tell.
fn told(called: &[Callback], gas: U256) -> Option<Vec<(Address, Bytes)>> {
    if gas.is_zero() {
        return Some(Vec::new());
    }
    if gas < U256::from(ENOUGH_CALLBACK_GAS) {
        return None;
    }
    let told = called
        .iter()
        .filter_map(|callback| {
            let heard = match callback.to {
                LISTENER => receiveResultCall {
                    id: callback.task.0,
                    result: callback.data.clone(),
                }
                .abi_encode()
                .into(),
                // It asked for the task's money and was refused.
                INTRUDER => Bytes::new(),
                _ => return None,
            };
            Some((callback.to, heard))
        })
        .collect();
    Some(told)
}

fn live_on_the_contracts(acts: &[Act]) -> Result<(), TestCaseError> {
    let (state, town, directory) = &*START;
    live(
        &mut state.chain(),
        &mut town.clone(),
        &mut directory.clone(),
        acts,
    )
}

#[test]
fn the_twin_and_the_contracts_agree_in_the_first_quarter_of_lives() {
    play_lives(4, 0, live_on_the_contracts);
}

#[test]
fn the_twin_and_the_contracts_agree_in_the_second_quarter_of_lives() {
    play_lives(4, 1, live_on_the_contracts);
}

#[test]
fn the_twin_and_the_contracts_agree_in_the_third_quarter_of_lives() {
    play_lives(4, 2, live_on_the_contracts);
}

#[test]
fn the_twin_and_the_contracts_agree_in_the_last_quarter_of_lives() {
    play_lives(4, 3, live_on_the_contracts);
}

#[test]
fn the_hub_tells_the_same_constants() {
    let (state, town, _) = &*START;
    let mut chain = state.chain();
    assert_eq!(chain.view(&abi::kitty_addressCall {}), KITTY);
    assert_eq!(chain.view(&abi::burnt_addressCall {}), BURNT);
    assert_eq!(
        chain.view(&abi::eip712domain_separatorCall {}),
        town.hub.domain.separator()
    );
    for (number, category) in town.hub.categories.iter().enumerate() {
        let catid = U256::from(number);
        let shown = chain.view(&abi::viewCategoryCall { catid });
        assert_eq!(protocol::deal::Category::from(shown), *category);
    }
    assert_eq!(chain.view(&abi::callbackgasCall {}), town.hub.callback_gas);
}

#[test]
fn depositing_and_matching_in_one_step_agrees_too() {
    let (state, town, directory) = &*START;
    let (mut chain, mut town) = (state.chain(), town.clone());
    let orders = town.orders(1, 1);
    let matching: Bytes = town.matching(&orders).abi_encode().into();
    let mut broken = orders.clone();
    broken.request.category = U256::ONE;
    let unfit: Bytes = town.matching(&broken).abi_encode().into();
    let claim: Bytes = abi::claimCall {
        taskid: Default::default(),
    }
    .abi_encode()
    .into();
    let junk = Bytes::from([&abi::matchOrdersCall::SELECTOR[..], &[0xff; 40]].concat());

    let requester = town.requester.address;
    let sponsor = town.sponsor.address;
    let tries = [
        (requester, Bytes::new()),
        (requester, Bytes::from_static(&[1, 2])),
        (requester, claim),
        (requester, unfit),
        (requester, junk),
        (sponsor, matching.clone()),
        (requester, matching.clone()),
        (requester, matching),
    ];
    for (number, (sender, data)) in tries.into_iter().enumerate() {
        let call = Call {
            sender,
            time: town.time,
        };
        let amount = Nrlc::rlc(1).0;
        let deed = Deed::PayIn { amount, data };
        let before = town.hub.clone();
        let (on_chain, footprint) = play(&mut chain, &town, call, &deed);
        let on_paper = town.play_deed(call, deed);
        assert_eq!(on_paper, on_chain, "try {number}");
        let footprint = footprint.expect("seen on this chain");
        let accepted = on_chain.is_ok();
        touched(
            &mut directory.clone(),
            &before,
            &town.hub,
            &footprint,
            accepted,
        )
        .expect("nothing else was touched");
        for noun in all(&town.hub) {
            compare(&mut chain, &town.hub, noun).expect("they agree");
        }
    }
    assert_eq!(town.hub.deals.len(), 1);
}

/// What verbs answer is no part of a life: here it is.
#[test]
fn the_answers_of_verbs_agree_too() {
    let (mut chain, mut town) = start();
    let hub = town.hub.address();
    let orders = town.orders(1, 4);
    let request = orders.request.hash(&town.hub.domain);
    let dealid = protocol::DealId::derive(request, U256::ZERO);
    let (sender, time) = (town.requester.address, town.time);
    let deed = Deed::Hub(Box::new(town.matching(&orders).verb()));
    let (on_chain, _) = play(&mut chain, &town, Call { sender, time }, &deed);
    assert_eq!(town.play_deed(Call { sender, time }, deed), on_chain);

    let time = time + 10 * T;
    let call = Call { sender, time };
    let mut tries = 0;
    for from in 0..6 {
        for count in [
            U256::ZERO,
            U256::ONE,
            U256::from(3),
            U256::from(9),
            U256::MAX,
        ] {
            let from = U256::from(from);
            let verb = abi::claimDealCall {
                dealid: dealid.0,
                from,
                count,
            };
            let on_paper = town.hub.clone().claim_deal(call, dealid, from, count);
            let on_chain = chain.foresee(call, hub, verb.abi_encode().into());
            let on_chain = on_chain.map_err(|output| refusal(&output));
            let next = |answer: Bytes| abi::claimDealCall::abi_decode_returns(&answer);
            assert_eq!(
                on_paper.map(|(_, next)| next),
                on_chain.map(|answer| next(answer).expect("a number")),
                "{count} tasks from {from} on"
            );
            tries += 1;
        }
    }
    assert_eq!(tries, 30);

    for epoch in 1..4 {
        let raise = abi::raiseEpochCall {
            refuseUnmarked: epoch == 2,
        };
        let foreseen = chain.foresee(call, hub, raise.abi_encode().into());
        let foreseen = foreseen.map(|answer| abi::raiseEpochCall::abi_decode_returns(&answer));
        assert_eq!(foreseen, Ok(Ok(U256::from(epoch))));
        let deed = Deed::Hub(Box::new(raise.verb()));
        let (on_chain, _) = play(&mut chain, &town, call, &deed);
        assert_eq!(town.play_deed(call, deed), on_chain);
        assert_eq!(town.hub.epoch(sender).number, epoch);
    }
}

/// A twin that loses something in a step is told from the contracts, which keep it.
#[test]
fn what_the_twin_forgets_is_compared_too() {
    let (mut chain, mut town) = start();
    let matching = town.matching(&town.orders(1, 1));
    let deed = Deed::Hub(Box::new(matching.verb()));
    let (sender, time) = (town.requester.address, town.time);
    let call = Call { sender, time };
    let (on_chain, _) = play(&mut chain, &town, call, &deed);
    assert_eq!(town.play_deed(call, deed), on_chain);

    let raise = abi::raiseEpochCall {
        refuseUnmarked: false,
    };
    let seal = abi::sealCall {};
    for (sender, verb) in [(sender, raise.verb()), (town.hub.owner, seal.verb())] {
        let call = Call { sender, time };
        let deed = Deed::Hub(Box::new(verb));
        let (on_chain, _) = play(&mut chain, &town, call, &deed);
        assert_eq!(town.play_deed(call, deed), on_chain);
    }

    let worker = town.workers[3].address;
    type Forgetting = (&'static str, fn(&mut Hub, Address));
    let losses: [Forgetting; 7] = [
        ("what is used of orders", |hub, _| hub.consumed.clear()),
        ("deals", |hub, _| hub.deals.clear()),
        ("accounts", |hub, _| hub.accounts.clear()),
        ("a score", |hub, worker| {
            hub.scores.remove(&worker);
        }),
        ("who holds the token", |hub, _| hub.token.balances.clear()),
        ("an epoch", |hub, _| hub.epochs.clear()),
        ("the seal", |hub, _| hub.sealed = false),
    ];
    for (what, forget) in losses {
        let mut forgetful = town.hub.clone();
        forget(&mut forgetful, worker);
        let nouns = changed(&town.hub, &forgetful);
        assert!(
            nouns
                .into_iter()
                .any(|noun| compare(&mut chain, &forgetful, noun).is_err()),
            "nobody saw that the twin forgot {what}"
        );
    }
}
