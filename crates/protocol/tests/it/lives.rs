//! Random lives on the twin alone: whatever happens, no money is made or lost, what is frozen is what is staked, and
//! what is over stays over.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use alloy_primitives::{Address, U256};
use proptest::test_runner::TestCaseError;
use protocol::deal::Deal;
use protocol::model::{Event, Hub};
use protocol::payment::{BURNT, KITTY};
use protocol::task::TaskStatus;

use crate::deed::Deed;
use crate::life::Act;
use crate::seeds::{acts_of, life_seed, play_lives};
use crate::town::Town;

/// Free and frozen money by account, as the events tell it.
type Ledger = BTreeMap<Address, (U256, U256)>;

fn book(ledger: &mut Ledger, event: &Event) {
    match event {
        Event::Transfer(event) => {
            if !event.from.is_zero() {
                ledger.entry(event.from).or_default().0 -= event.value;
            }
            if !event.to.is_zero() {
                ledger.entry(event.to).or_default().0 += event.value;
            }
        }
        Event::Lock(event) => ledger.entry(event.owner).or_default().1 += event.amount,
        Event::Unlock(event) => ledger.entry(event.owner).or_default().1 -= event.amount,
        Event::Seize(event) => ledger.entry(event.owner).or_default().1 -= event.amount,
        _ => {}
    }
}

/// What must be frozen on each account, from the deals, tasks and contributions alone.
fn stakes(hub: &Hub) -> BTreeMap<Address, U256> {
    let mut stakes: BTreeMap<Address, U256> = BTreeMap::new();
    for (id, deal) in &hub.deals {
        let open = deal
            .tasks(*id)
            .filter(|(_, task)| !hub.task(*task).status.is_over())
            .count();
        let open = U256::from(open);
        *stakes.entry(deal.sponsor).or_default() += deal.price().0 * open;
        *stakes.entry(deal.workerpool.owner).or_default() += deal.scheduler_stake().0 * open;
    }
    for task in hub.tasks.values().filter(|task| !task.status.is_over()) {
        let deal: &Deal = &hub.deals[&task.deal];
        for worker in &task.contributors {
            *stakes.entry(*worker).or_default() += deal.worker_stake.0;
        }
    }
    stakes
}

fn check(hub: &Hub) {
    let balances: U256 = hub.accounts.values().map(|account| account.balance).sum();
    let frozen: U256 = hub.accounts.values().map(|account| account.frozen).sum();
    assert_eq!(balances, hub.supply, "balances add up to the supply");
    assert_eq!(
        frozen,
        hub.account(hub.address()).balance,
        "what is frozen is what the hub keeps"
    );
    assert_eq!(
        hub.account(KITTY).balance,
        U256::ZERO,
        "nothing is given to who cannot spend it"
    );
    assert_eq!(
        hub.token.balance(KITTY),
        U256::ZERO,
        "nothing is withdrawn to who cannot spend it"
    );

    let stakes = stakes(hub);
    for (account, state) in &hub.accounts {
        let staked = stakes.get(account).copied().unwrap_or_default();
        if *account == KITTY {
            assert_eq!(staked, U256::ZERO);
        } else {
            assert_eq!(
                state.frozen, staked,
                "what {account} has frozen is what it staked"
            );
        }
    }
    for task in hub.tasks.values() {
        assert!(task.reveal_counter <= task.winner_counter);
        assert!(task.winner_counter <= task.contributors.len() as u64);
        let completed = task.status == TaskStatus::Completed;
        assert!(
            !completed || !task.result_digest.is_zero(),
            "a completed task has a result"
        );
        assert!(
            completed || task.results.is_empty(),
            "no other says where its result lies"
        );
    }
}

/// Token that comes to the hub without anybody's balance growing.
fn donation(deed: &Deed) -> U256 {
    match deed {
        Deed::Donate { amount } => *amount,
        _ => U256::ZERO,
    }
}

fn live(acts: &[Act]) {
    let mut town = FUNDED.clone();
    let mut donated = U256::ZERO;
    let mut ledger: Ledger = BTreeMap::new();
    for (account, state) in &town.hub.accounts {
        ledger.insert(*account, (state.balance, state.frozen));
    }
    for act in acts {
        town.wait(act);
        let Some((call, deed)) = town.deed_of(act) else {
            continue;
        };
        let before = town.hub.clone();
        let donation = donation(&deed);
        match town.play_deed(call, deed) {
            Ok(events) => {
                for event in &events {
                    book(&mut ledger, event);
                }
                donated += donation;
                if matches!(act, Act::Recover { .. }) {
                    donated = U256::ZERO;
                }
            }
            Err(_) => assert_eq!(town.hub, before, "a refused verb changes nothing"),
        }
        check(&town.hub);
        assert_eq!(
            town.hub.token.balance(town.hub.address()),
            town.hub.supply + donated,
            "the hub holds what it owes, and what nobody recovered"
        );
        let over = before
            .tasks
            .iter()
            .filter(|(_, task)| task.status.is_over());
        for (id, task) in over {
            assert_eq!(
                town.hub.tasks.get(id),
                Some(task),
                "what is over stays over"
            );
        }
        assert!(
            before.account(BURNT).balance <= town.hub.account(BURNT).balance,
            "what is burnt is gone"
        );
        for (order, consumed) in &before.consumed {
            let refilled = town.hub.consumed(*order) < *consumed;
            assert!(
                !refilled || matches!(act, Act::Manage { .. }),
                "an order is used up for good"
            );
        }
    }
    for (account, state) in &town.hub.accounts {
        let (free, frozen) = ledger.get(account).copied().unwrap_or_default();
        assert_eq!(
            (state.balance, state.frozen),
            (free, frozen),
            "events tell {account}'s money"
        );
    }
}

/// Everybody with 500 RLC in the hub; every life goes on from here.
static FUNDED: LazyLock<Town> = LazyLock::new(Town::funded);

fn live_on_paper(acts: &[Act]) -> Result<(), TestCaseError> {
    live(acts);
    Ok(())
}

#[test]
fn no_money_is_made_or_lost_whatever_happens() {
    play_lives(1, 0, live_on_paper);
}

/// Random lives are worth little if they never get anywhere: they must make every event, and meet most refusals.
#[test]
fn lives_get_everywhere() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for life in 0..1_500 {
        let mut town = FUNDED.clone();
        for act in acts_of(life_seed(0, life)) {
            town.wait(&act);
            let Some((call, deed)) = town.deed_of(&act) else {
                continue;
            };
            match town.play_deed(call, deed) {
                Ok(events) => {
                    for event in events {
                        *seen.entry(name(&format!("{event:?}"))).or_default() += 1;
                    }
                }
                Err(refusal) => *seen.entry(name(&format!("{refusal:?}"))).or_default() += 1,
            }
        }
    }
    let missing: Vec<_> = EVERYWHERE
        .iter()
        .filter(|name| !seen.contains_key(**name))
        .collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

/// The innermost name in `Hub(TaskNotActive(TaskNotActive { … }))`.
fn name(debug: &str) -> String {
    let head = debug.split(' ').next().unwrap_or_default();
    head.rsplit('(')
        .find(|part| !part.is_empty())
        .unwrap_or_default()
        .trim_end_matches(')')
        .to_owned()
}

/// Every event, and every refusal but those that take thousands of tries or an untrue registry; these are met one by one
/// in [`faults`](crate::faults).
const EVERYWHERE: [&str; 128] = [
    "AccountCannotSpend",
    "AccurateContribution",
    "AlreadyConfigured",
    "AlreadyContributed",
    "AlreadyRevealed",
    "AppMismatch",
    "AppNotConfidential",
    "AppNotRegistered",
    "AppOverpriced",
    "AppRestrictedByDataset",
    "AppRestrictedByWorkerpool",
    "Approval",
    "AssetTransferred",
    "AssetWithoutOwner",
    "BroadcastAppOrder",
    "BroadcastDatasetOrder",
    "BroadcastRequestOrder",
    "BroadcastWorkerpoolOrder",
    "CallbackDataMismatch",
    "CallbackGasOutOfBounds",
    "CallerIsNotTheRequester",
    "CategoryMismatch",
    "CategoryTimeTooLong",
    "ClosedAppOrder",
    "ClosedDatasetOrder",
    "ClosedRequestOrder",
    "ClosedWorkerpoolOrder",
    "ContributionDeadlineReached",
    "CreateCategory",
    "DatasetMismatch",
    "DatasetNotRegistered",
    "DatasetOrderConsumed",
    "DatasetOverpriced",
    "DatasetRestrictedByApp",
    "DatasetRestrictedByWorkerpool",
    "DealHasDataset",
    "DealNotOver",
    "DealSponsored",
    "DigestMismatch",
    "ERC20InsufficientAllowance",
    "ERC20InsufficientBalance",
    "ERC20InvalidReceiver",
    "EnclaveRequired",
    "EpochRaised",
    "FaultyContribution",
    "FinalDeadlineAhead",
    "FinalDeadlineReached",
    "HubIsSealed",
    "HubSealed",
    "InsufficientAllowance",
    "InsufficientBalance",
    "InsufficientTrust",
    "InvalidAppOrderSignature",
    "InvalidAuthorization",
    "InvalidDatasetOrderSignature",
    "InvalidEnclaveSignature",
    "InvalidRequestOrderSignature",
    "InvalidSignatureLength",
    "LengthMismatch",
    "Lock",
    "NoFormerHub",
    "NoSuchCategory",
    "NotTheConsensus",
    "NotTheOwner",
    "NotTheToken",
    "NotTheWorkerpoolOwner",
    "NothingToReveal",
    "OperationNotAuthorized",
    "OrderEpochPassed",
    "OrderExpired",
    "OrdersConsumed",
    "OrdersMatched",
    "OwnershipTransferred",
    "ParamsTooLong",
    "PolicyChanged",
    "PriceTooLarge",
    "RequesterRestrictedByApp",
    "RequesterRestrictedByDataset",
    "RequesterRestrictedByWorkerpool",
    "ResultsNotAllowed",
    "ResultsTooLong",
    "RevealDeadlineAhead",
    "RevealDeadlineReached",
    "RevealsMissing",
    "Reward",
    "SchedulerNotice",
    "SealMismatch",
    "Seize",
    "SignedAppOrder",
    "SignedDatasetOrder",
    "SignedRequestOrder",
    "SignedWorkerpoolOrder",
    "Silent",
    "TagNotOffered",
    "TaskAbandoned",
    "TaskAlreadyInitialized",
    "TaskClaimed",
    "TaskConsensus",
    "TaskContribute",
    "TaskFinalize",
    "TaskHasContributions",
    "TaskIndexOutOfRange",
    "TaskInitialize",
    "TaskNotActive",
    "TaskNotClaimable",
    "TaskNotRevealing",
    "TaskPending",
    "TaskReopen",
    "TaskReveal",
    "TooManyTasks",
    "Transfer",
    "TrustNotOne",
    "TrustTooHigh",
    "UnknownCategory",
    "UnknownDeal",
    "UnknownSalt",
    "Unlock",
    "UnmarkedOrderRefused",
    "UnsupportedOperation",
    "VolumeTooLarge",
    "WorkerpoolNotRegistered",
    "WorkerpoolOverpriced",
    "WorkerpoolRestrictedByApp",
    "WorkerpoolRestrictedByDataset",
    "WorkerpoolRestrictedByRequest",
    "WorkersTurnAhead",
    "ZeroAddress",
    "ZeroArgument",
];
