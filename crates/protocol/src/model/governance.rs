//! What the hub's owner may set, and the entries of the registries.
//!
//! The registries are contracts of their own; the twin is told who owns which entry, and under which policy a
//! workerpool is run at the moment.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::{Call, Hub, Outcome, Refusal, emit, refuse, require};
use crate::deal::Category;

/// Everything registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Apps by their address.
    pub apps: BTreeMap<Address, App>,
    /// Datasets by their address.
    pub datasets: BTreeMap<Address, Dataset>,
    /// Workerpools by their address.
    pub workerpools: BTreeMap<Address, Workerpool>,
}

/// A registered app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct App {
    /// Who owns it now.
    pub owner: Address,
}

/// A registered dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dataset {
    /// Who owns it now.
    pub owner: Address,
}

/// A registered workerpool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workerpool {
    /// Who owns it now: the scheduler.
    pub owner: Address,
    /// What a worker stakes per contribution, in percent of the price.
    pub worker_stake_ratio: U256,
    /// What the scheduler keeps of the workers' reward, in percent.
    pub scheduler_reward_ratio: U256,
}

impl Workerpool {
    /// A workerpool whose owner has not changed the policy: 30 % stake, 1 % kept.
    #[must_use]
    pub fn new(owner: Address) -> Self {
        Self {
            owner,
            worker_stake_ratio: U256::from(30),
            scheduler_reward_ratio: U256::ONE,
        }
    }
}

/// The longest time of a category, in seconds.
const CATEGORY_TIME_LIMIT: u64 = u32::MAX as u64;
/// The most categories.
const CATEGORIES_LIMIT: usize = u16::MAX as usize;

impl Hub {
    /// Adds a category, by the owner.
    pub fn create_category(
        &mut self,
        call: Call,
        name: String,
        description: String,
        time_secs: U256,
    ) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            require!(
                hub.categories.len() < CATEGORIES_LIMIT,
                TooManyCategories {
                    limit: U256::from(CATEGORIES_LIMIT)
                }
            );
            require!(
                time_secs <= U256::from(CATEGORY_TIME_LIMIT),
                CategoryTimeTooLong {
                    secs: time_secs,
                    limit: U256::from(CATEGORY_TIME_LIMIT)
                }
            );
            emit!(
                hub,
                CreateCategory {
                    catid: U256::from(hub.categories.len()),
                    name: name.clone(),
                    description: description.clone(),
                    workClockTimeRef: time_secs,
                }
            );
            hub.categories.push(Category {
                name,
                description,
                time_secs: time_secs.to(),
            });
            Ok(())
        })
    }

    /// Refuses to show a category that is none.
    pub fn assert_category(&self, category: U256) -> Outcome {
        let count = U256::from(self.categories.len());
        require!(category < count, NoSuchCategory { category, count });
        Ok(Vec::new())
    }

    /// Comes too late: a deployment does it once.
    pub fn configure(&mut self, call: Call) -> Outcome {
        self.require_owner(call)?;
        refuse!(AlreadyConfigured {})
    }

    /// Names who may authorize contributions from enclaves beside the scheduler, by the owner.
    pub fn set_enclave_broker(&mut self, call: Call, broker: Address) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            hub.enclave_broker = broker;
            Ok(())
        })
    }

    /// Sets the gas given to a callback, by the owner.
    pub fn set_callback_gas(&mut self, call: Call, gas: U256) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            hub.callback_gas = gas;
            Ok(())
        })
    }

    /// Hands the hub to another owner.
    pub fn transfer_ownership(&mut self, call: Call, to: Address) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            emit!(
                hub,
                OwnershipTransferred {
                    previousOwner: hub.owner,
                    newOwner: to
                }
            );
            hub.owner = to;
            Ok(())
        })
    }

    pub(super) fn require_owner(&self, call: Call) -> Result<(), Refusal> {
        require!(
            call.sender == self.owner,
            NotTheOwner {
                sender: call.sender,
                owner: self.owner
            }
        );
        Ok(())
    }
}
