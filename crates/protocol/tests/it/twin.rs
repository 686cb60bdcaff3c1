//! The twin and the contracts, side by side: the same life, the same events, refusals, money, states and scores after
//! every step.

use std::sync::LazyLock;

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;
use proptest::prelude::*;
use protocol::abi::Hub as abi;
use protocol::contribution::Contribution;
use protocol::deal::Deal;
use protocol::model::{Call, Hub};
use protocol::payment::{KITTY, Nrlc};
use protocol::task::Task;

use crate::chain::Chain;
use crate::life::{Act, life, lives};
use crate::town::{Town, Verb};

/// Deployed once; every life starts from a copy.
static START: LazyLock<(Chain, Town)> = LazyLock::new(|| {
    let (mut chain, mut town) = Chain::with_town();
    for person in town.everybody() {
        let verb = Verb::verb(abi::depositCall {
            amount: Nrlc::rlc(500).0,
        });
        let call = Call {
            sender: person,
            time: town.time,
        };
        let played = chain.play(call, &verb);
        assert_eq!(played, town.hub.step(call, verb));
    }
    // Workers of some history weigh more: 2, 3, 4 and 9.
    for (worker, score) in town.workers.clone().into_iter().zip([0, 14, 15, 30]) {
        let score = U256::from(score);
        chain.set_score(worker.address, score);
        assert_eq!(
            chain.view(&abi::viewScoreCall {
                worker: worker.address
            }),
            score
        );
        town.hub.scores.insert(worker.address, score);
    }
    (chain, town)
});

/// Compares everything the hub shows with what the twin holds.
fn compare(chain: &mut Chain, hub: &Hub) {
    assert_eq!(chain.view(&abi::totalSupplyCall {}), hub.supply);
    for (account, state) in &hub.accounts {
        let shown = chain.view(&abi::viewAccountCall { account: *account });
        assert_eq!(
            (shown.stake, shown.locked),
            (state.balance, state.frozen),
            "money of {account}"
        );
    }
    for ((owner, spender), allowance) in &hub.allowances {
        let shown = chain.view(&abi::allowanceCall {
            account: *owner,
            spender: *spender,
        });
        assert_eq!(shown, *allowance);
    }
    for (order, consumed) in &hub.consumed {
        assert_eq!(
            chain.view(&abi::viewConsumedCall { id: order.0 }),
            *consumed
        );
    }
    for (order, signer) in &hub.presigned {
        assert_eq!(chain.view(&abi::viewPresignedCall { id: order.0 }), *signer);
    }
    for (id, deal) in &hub.deals {
        assert_eq!(
            Deal::from(chain.view(&abi::viewDealCall { dealid: id.0 })),
            *deal,
            "deal {id}"
        );
    }
    for (id, task) in &hub.tasks {
        let shown = Task::try_from(chain.view(&abi::viewTaskCall { taskid: id.0 }));
        assert_eq!(shown.as_ref(), Ok(task), "task {id}");
        for worker in &task.contributors {
            let shown = chain.view(&abi::viewContributionCall {
                taskid: id.0,
                worker: *worker,
            });
            let held = hub.contribution(*id, *worker);
            assert_eq!(
                Contribution::try_from(shown),
                Ok(held),
                "of {worker} to {id}"
            );
        }
    }
    for (worker, score) in &hub.scores {
        assert_eq!(chain.view(&abi::viewScoreCall { worker: *worker }), *score);
    }
    let count: usize = chain.view(&abi::countCategoryCall {}).to();
    assert_eq!(count, hub.categories.len());
}

fn live(acts: &[Act]) {
    let (mut chain, mut town) = START.clone();
    for (number, act) in acts.iter().enumerate() {
        if let Act::Wait { secs } = act {
            town.time += secs;
        }
        let Some((call, verb)) = town.call_of(act) else {
            continue;
        };
        let on_chain = chain.play(call, &verb);
        let on_paper = town.hub.step(call, verb);
        assert_eq!(
            on_paper, on_chain,
            "step {number}, {act:?}: the twin (left) and the contract differ"
        );
        if on_chain.is_ok() {
            compare(&mut chain, &town.hub);
        }
    }
    compare(&mut chain, &town.hub);
}

proptest! {
    #![proptest_config(lives(100))]

    #[test]
    fn the_twin_and_the_contracts_agree(acts in life(1..80)) {
        live(&acts);
    }
}

#[test]
fn the_hub_tells_the_same_constants() {
    let (mut chain, town) = START.clone();
    assert_eq!(chain.view(&abi::kitty_addressCall {}), KITTY);
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
    let (mut chain, mut town) = START.clone();
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
        let on_chain = chain.deposit_by_approval(call, amount, &data);
        let on_paper = town.hub.deposit_by_approval(call, amount, &data);
        assert_eq!(on_paper, on_chain, "try {number}");
        compare(&mut chain, &town.hub);
    }
    assert_eq!(town.hub.deals.len(), 1);
}
