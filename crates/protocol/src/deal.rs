//! A deal: orders matched on chain. Who, what, for how much, how many tasks.
//!
//! Prices, owners and policies are frozen in it: what an owner changes afterwards does not touch it. Its tasks are
//! the `bot_size` indices from `bot_first` on ("bag of tasks"), and all of them count time from `start_time`.

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::abi::Hub;
use crate::ids::{DealId, TaskId};
use crate::order::Tag;
use crate::payment::{Nrlc, SCHEDULER_STAKE_PERCENT, percentage};

/// An app, dataset or workerpool as a deal froze it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Where it stands; zero for no dataset.
    pub pointer: Address,
    /// Who owned it when the orders were matched, and is paid.
    pub owner: Address,
    /// nRLC per task.
    pub price: Nrlc,
}

/// A deal, as `viewDeal` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deal {
    /// The app.
    pub app: Resource,
    /// The dataset; all zero when there is none.
    pub dataset: Resource,
    /// The machines; its owner is the scheduler.
    pub workerpool: Resource,
    /// Trust asked for, at least 1.
    pub trust: U256,
    /// Category, an index into the hub's list.
    pub category: U256,
    /// What the machine must offer.
    pub tag: Tag,
    /// Who asked.
    pub requester: Address,
    /// For whom the result is (encrypted), by the requester's choice.
    pub beneficiary: Address,
    /// The contract that gets the result, or zero.
    pub callback: Address,
    /// What the requester wrote for the app; see [`DealParams`](crate::params::DealParams).
    pub params: String,
    /// When the orders were matched, in seconds since 1970.
    pub start_time: u64,
    /// Index of the first task.
    pub bot_first: U256,
    /// Number of tasks.
    pub bot_size: U256,
    /// What a worker stakes per contribution.
    pub worker_stake: Nrlc,
    /// What the scheduler keeps of the workers' reward, in percent.
    pub scheduler_reward_ratio: U256,
    /// Who pays.
    pub sponsor: Address,
}

impl Deal {
    /// Whether the hub knows such a deal; an unknown id reads as all zero.
    #[must_use]
    pub fn exists(&self) -> bool {
        !self.bot_size.is_zero()
    }

    /// Whether a dataset is part of it.
    #[must_use]
    pub fn has_dataset(&self) -> bool {
        !self.dataset.pointer.is_zero()
    }

    /// Whether the result is handed to a contract.
    #[must_use]
    pub fn has_callback(&self) -> bool {
        !self.callback.is_zero()
    }

    /// Whether contributions need an enclave.
    #[must_use]
    pub fn needs_enclave(&self) -> bool {
        self.tag.needs_enclave()
    }

    /// Price of one task: app, dataset and workerpool together. The hub has checked that it can be summed.
    #[must_use]
    pub fn price(&self) -> Nrlc {
        Nrlc(
            self.app
                .price
                .0
                .saturating_add(self.dataset.price.0)
                .saturating_add(self.workerpool.price.0),
        )
    }

    /// What the scheduler staked per task: 30 % of the workerpool's price, rounded down.
    #[must_use]
    pub fn scheduler_stake(&self) -> Nrlc {
        scheduler_stake(self.workerpool.price)
    }

    /// Whether the deal has a task of this index.
    #[must_use]
    pub fn has_index(&self, index: U256) -> bool {
        index >= self.bot_first && index - self.bot_first < self.bot_size
    }

    /// The indices of its tasks, in order. Indices beyond 2^64 exist only on paper and are left out.
    pub fn indices(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.bot_first.saturating_to::<u64>();
        let end = self
            .bot_first
            .saturating_add(self.bot_size)
            .saturating_to::<u64>();
        first..end
    }

    /// The ids of its tasks, in the order of their indices.
    pub fn tasks(&self, deal: DealId) -> impl Iterator<Item = (u64, TaskId)> + use<> {
        self.indices()
            .map(move |index| (index, TaskId::derive(deal, U256::from(index))))
    }
}

/// What a scheduler stakes per task of a workerpool at this price: 30 %, rounded down.
#[must_use]
pub fn scheduler_stake(workerpool_price: Nrlc) -> Nrlc {
    Nrlc(percentage(
        workerpool_price.0,
        U256::from(SCHEDULER_STAKE_PERCENT),
    ))
}

impl From<Hub::Resource> for Resource {
    fn from(resource: Hub::Resource) -> Self {
        Self {
            pointer: resource.pointer,
            owner: resource.owner,
            price: Nrlc(resource.price),
        }
    }
}

impl From<Hub::Deal> for Deal {
    fn from(deal: Hub::Deal) -> Self {
        Self {
            app: deal.app.into(),
            dataset: deal.dataset.into(),
            workerpool: deal.workerpool.into(),
            trust: deal.trust,
            category: deal.category,
            tag: Tag(deal.tag),
            requester: deal.requester,
            beneficiary: deal.beneficiary,
            callback: deal.callback,
            params: deal.params,
            start_time: deal.startTime.saturating_to(),
            bot_first: deal.botFirst,
            bot_size: deal.botSize,
            worker_stake: Nrlc(deal.workerStake),
            scheduler_reward_ratio: deal.schedulerRewardRatio,
            sponsor: deal.sponsor,
        }
    }
}

/// A category: how long tasks may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Short name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The category's time `T`, in seconds: the limit of one run, and the unit of the task's deadlines.
    pub time_secs: u64,
}

/// The categories every deployment starts with, by name and time in seconds.
pub const CATEGORIES: [(&str, u64); 5] = [
    ("XS", 300),
    ("S", 1_200),
    ("M", 3_600),
    ("L", 10_800),
    ("XL", 36_000),
];

/// [`CATEGORIES`] as the hub keeps them, described for people.
#[must_use]
pub fn standard_categories() -> Vec<Category> {
    CATEGORIES
        .iter()
        .map(|&(name, time_secs)| Category {
            name: name.to_owned(),
            description: format!("tasks of up to {} minutes", time_secs / 60),
            time_secs,
        })
        .collect()
}

impl From<Hub::Category> for Category {
    fn from(category: Hub::Category) -> Self {
        Self {
            name: category.name,
            description: category.description,
            time_secs: category.workClockTimeRef.saturating_to(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    fn bag(first: U256, size: u64) -> Deal {
        let mut deal = Deal::from(Hub::Deal::default());
        deal.bot_first = first;
        deal.bot_size = U256::from(size);
        deal
    }

    #[test]
    fn an_unknown_deal_reads_as_one_that_does_not_exist() {
        assert!(!Deal::from(Hub::Deal::default()).exists());
    }

    #[test]
    fn the_tasks_of_a_deal_begin_where_the_request_was_left_off() {
        let deal = bag(U256::from(5), 2);
        let id = DealId(B256::repeat_byte(1));
        let tasks: Vec<_> = deal.tasks(id).collect();
        assert_eq!(
            tasks,
            [5, 6].map(|index| (index, TaskId::derive(id, U256::from(index))))
        );
        let known = [4, 5, 6, 7].map(|index| deal.has_index(U256::from(index)));
        assert_eq!(known, [false, true, true, false]);
        assert_eq!(bag(U256::MAX, 9).indices().count(), 0);
    }

    #[test]
    fn a_scheduler_stakes_thirty_percent_rounded_down() {
        for (price, stake) in [
            (0, 0),
            (3, 0),
            (4, 1),
            (10, 3),
            (1_000_000_009, 300_000_002),
        ] {
            assert_eq!(scheduler_stake(Nrlc::nrlc(price)), Nrlc::nrlc(stake));
        }
        assert!(
            scheduler_stake(Nrlc(U256::MAX)).0 < U256::MAX,
            "no price is too large to take a part of"
        );
    }
}
