//! What the twin holds, noun by noun, beside what the contracts show of it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use protocol::abi::{AppRegistry, Hub as abi, RLC, Workerpool};
use protocol::contribution::Contribution;
use protocol::deal::{Category, Deal};
use protocol::model::Hub;
use protocol::task::Task;
use protocol::{DealId, OrderHash, TaskId};

use crate::law::Law;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noun {
    /// Balance, frozen amount and score.
    Account(Address),
    /// The supply and the hub's own balance.
    House,
    /// Who may spend whose money.
    Allowance(Address, Address),
    /// How much of an order is used up, and who signed it on chain.
    Order(OrderHash),
    /// Up to which epoch somebody's orders are taken back.
    Epoch(Address),
    Deal(DealId),
    /// A task and all its contributions.
    Task(TaskId),
    /// Owner, categories, broker of enclaves, gas for callbacks, seal.
    Governance,
    /// Who owns what is registered, how often it changed hands, and the workerpool's policy.
    Entries,
    /// What somebody holds of the token.
    Held(Address),
    /// What somebody lets the hub take of it.
    Lent(Address),
}

/// Everything the twin holds.
pub(crate) fn all(hub: &Hub) -> BTreeSet<Noun> {
    changed(&Hub::new(hub.domain, Address::ZERO), hub)
}

/// What the twin changed.
pub(crate) fn changed(before: &Hub, after: &Hub) -> BTreeSet<Noun> {
    let mut nouns = BTreeSet::new();
    nouns.extend(differing(&before.accounts, &after.accounts).map(Noun::Account));
    nouns.extend(differing(&before.scores, &after.scores).map(Noun::Account));
    if before.supply != after.supply
        || before.account(before.address()) != after.account(after.address())
    {
        nouns.insert(Noun::House);
    }
    nouns.extend(
        differing(&before.allowances, &after.allowances)
            .map(|(owner, spender)| Noun::Allowance(owner, spender)),
    );
    nouns.extend(differing(&before.consumed, &after.consumed).map(Noun::Order));
    nouns.extend(differing(&before.presigned, &after.presigned).map(Noun::Order));
    nouns.extend(differing(&before.epochs, &after.epochs).map(Noun::Epoch));
    nouns.extend(differing(&before.deals, &after.deals).map(Noun::Deal));
    nouns.extend(differing(&before.tasks, &after.tasks).map(Noun::Task));
    nouns.extend(
        differing(&before.contributions, &after.contributions).map(|(task, _)| Noun::Task(task)),
    );
    if (
        before.owner,
        before.sealed,
        before.enclave_broker,
        before.callback_gas,
        before.categories.len(),
    ) != (
        after.owner,
        after.sealed,
        after.enclave_broker,
        after.callback_gas,
        after.categories.len(),
    ) {
        nouns.insert(Noun::Governance);
    }
    if before.entries != after.entries {
        nouns.insert(Noun::Entries);
    }
    nouns.extend(differing(&before.token.balances, &after.token.balances).map(Noun::Held));
    nouns.extend(
        differing(&before.token.allowances, &after.token.allowances)
            .map(|(owner, _)| Noun::Lent(owner)),
    );
    nouns
}

/// Keys whose value is another now, or gone: what one side forgets the other may keep.
fn differing<'a, K: Ord + Copy, V: PartialEq>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = K> + 'a {
    let changed = after
        .iter()
        .filter(|(key, value)| before.get(key) != Some(value));
    let gone = before.iter().filter(|(key, _)| !after.contains_key(key));
    changed.chain(gone).map(|(key, _)| *key)
}

/// How many contracts a step must have brought into being: one for each deal, and one for each result that says
/// anything.
pub(crate) fn contracts_made(before: &Hub, after: &Hub) -> usize {
    let written = |hub: &Hub, id: &TaskId| {
        hub.tasks
            .get(id)
            .is_some_and(|task| !task.results.is_empty() || !task.results_callback.is_empty())
    };
    let deals = differing(&before.deals, &after.deals).count();
    let results = differing(&before.tasks, &after.tasks)
        .filter(|task| written(after, task) && !written(before, task))
        .count();
    deals + results
}

/// Compares what the contracts show of a noun with what the twin holds.
pub(crate) fn compare(law: &mut impl Law, hub: &Hub, noun: Noun) -> Result<(), TestCaseError> {
    match noun {
        Noun::Account(account) => {
            let held = hub.account(account);
            let shown = law.view(&abi::viewAccountCall { account });
            prop_assert_eq!(
                (held.balance, held.frozen),
                (shown.stake, shown.locked),
                "money of {}",
                account
            );
            let shown = law.view(&abi::viewScoreCall { worker: account });
            prop_assert_eq!(hub.score(account), shown, "score of {}", account);
        }
        Noun::House => {
            prop_assert_eq!(hub.supply, law.view(&abi::totalSupplyCall {}), "supply");
            let account = hub.address();
            let shown = law.view(&abi::viewAccountCall { account });
            prop_assert_eq!(hub.account(account).balance, shown.stake, "the hub's own");
        }
        Noun::Allowance(owner, spender) => {
            let held = hub.allowances.get(&(owner, spender)).copied();
            let shown = law.view(&abi::allowanceCall {
                account: owner,
                spender,
            });
            prop_assert_eq!(
                held.unwrap_or_default(),
                shown,
                "what {} lets {} spend",
                owner,
                spender
            );
        }
        Noun::Order(order) => {
            let id = order.0;
            let shown = law.view(&abi::viewConsumedCall { id });
            prop_assert_eq!(hub.consumed(order), shown, "used of {}", order);
            let held = hub.presigned.get(&order).copied().unwrap_or_default();
            let shown = law.view(&abi::viewPresignedCall { id });
            prop_assert_eq!(held, shown, "who signed {}", order);
        }
        Noun::Epoch(signer) => {
            let held = hub.epoch(signer);
            let shown = law.view(&abi::viewEpochCall { signer });
            prop_assert_eq!(
                (U256::from(held.number), held.unmarked_refused),
                (shown.epoch, shown.unmarkedRefused),
                "epoch of {}",
                signer
            );
        }
        Noun::Deal(id) => {
            let shown = law.view(&abi::viewDealCall { dealid: id.0 });
            prop_assert_eq!(hub.deals.get(&id), Some(&Deal::from(shown)), "deal {}", id);
        }
        Noun::Task(id) => compare_task(law, hub, id)?,
        Noun::Governance => {
            prop_assert_eq!(hub.owner, law.view(&abi::ownerCall {}), "owner");
            prop_assert_eq!(hub.sealed, law.view(&abi::isSealedCall {}), "seal");
            prop_assert_eq!(
                hub.enclave_broker,
                law.view(&abi::teebrokerCall {}),
                "broker of enclaves"
            );
            prop_assert_eq!(
                hub.callback_gas,
                law.view(&abi::callbackgasCall {}),
                "gas for callbacks"
            );
            let count: U256 = law.view(&abi::countCategoryCall {});
            prop_assert_eq!(U256::from(hub.categories.len()), count, "categories");
            if let Some(held) = hub.categories.last() {
                let catid = count - U256::ONE;
                let shown = Category::from(law.view(&abi::viewCategoryCall { catid }));
                prop_assert_eq!(held, &shown, "category {}", catid);
            }
        }
        Noun::Entries => compare_entries(law, hub)?,
        Noun::Held(account) => {
            let rlc = law.deployment().rlc;
            let shown: U256 = law.view_of(rlc, &RLC::balanceOfCall { account });
            prop_assert_eq!(hub.token.balance(account), shown, "token of {}", account);
        }
        Noun::Lent(owner) => {
            let rlc = law.deployment().rlc;
            let spender = hub.address();
            let held = hub.token.allowances.get(&(owner, spender)).copied();
            let shown: U256 = law.view_of(rlc, &RLC::allowanceCall { owner, spender });
            prop_assert_eq!(held.unwrap_or_default(), shown, "token lent by {}", owner);
        }
    }
    Ok(())
}

fn compare_task(law: &mut impl Law, hub: &Hub, id: TaskId) -> Result<(), TestCaseError> {
    let held = hub.task(id);
    let shown = Task::try_from(law.view(&abi::viewTaskCall { taskid: id.0 }));
    prop_assert_eq!(Ok(&held), shown.as_ref(), "task {}", id);
    for worker in &held.contributors {
        let shown = law.view(&abi::viewContributionCall {
            taskid: id.0,
            worker: *worker,
        });
        prop_assert_eq!(
            Ok(hub.contribution(id, *worker)),
            Contribution::try_from(shown),
            "contribution of {} to {}",
            worker,
            id
        );
    }
    Ok(())
}

fn compare_entries(law: &mut impl Law, hub: &Hub) -> Result<(), TestCaseError> {
    let at = law.deployment().clone();
    let apps = hub
        .entries
        .apps
        .iter()
        .map(|(at, entry)| (*at, entry.owner, entry.epoch));
    let datasets = hub
        .entries
        .datasets
        .iter()
        .map(|(at, entry)| (*at, entry.owner, entry.epoch));
    let pools = hub
        .entries
        .workerpools
        .iter()
        .map(|(at, entry)| (*at, entry.owner, entry.epoch));
    let owners = apps
        .map(|entry| (at.app_registry, entry))
        .chain(datasets.map(|entry| (at.dataset_registry, entry)))
        .chain(pools.map(|entry| (at.workerpool_registry, entry)));
    for (registry, (entry, owner, epoch)) in owners {
        // The three registries are alike.
        let shown = law.view_of(registry, &AppRegistry::ownerOfEntryCall { entry });
        prop_assert_eq!(owner, shown, "owner of {}", entry);
        let shown = law.view_of(registry, &AppRegistry::epochOfCall { entry });
        prop_assert_eq!(U256::from(epoch), shown, "transfers of {}", entry);
    }
    for (at, held) in &hub.entries.workerpools {
        let shown = (
            law.view_of(*at, &Workerpool::m_workerStakeRatioPolicyCall {}),
            law.view_of(*at, &Workerpool::m_schedulerRewardRatioPolicyCall {}),
        );
        prop_assert_eq!(
            (held.worker_stake_ratio, held.scheduler_reward_ratio),
            shown,
            "policy of {}",
            at
        );
    }
    Ok(())
}
