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
    /// How often it changed hands.
    pub epoch: u64,
}

/// A registered dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dataset {
    /// Who owns it now.
    pub owner: Address,
    /// How often it changed hands.
    pub epoch: u64,
}

/// A registered workerpool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workerpool {
    /// Who owns it now: the scheduler.
    pub owner: Address,
    /// How often it changed hands.
    pub epoch: u64,
    /// What a worker stakes per contribution, in percent of the price.
    pub worker_stake_ratio: U256,
    /// What the scheduler keeps of the workers' reward, in percent.
    pub scheduler_reward_ratio: U256,
}

impl App {
    /// An app its first owner still has.
    #[must_use]
    pub fn new(owner: Address) -> Self {
        Self { owner, epoch: 0 }
    }
}

impl Dataset {
    /// A dataset its first owner still has.
    #[must_use]
    pub fn new(owner: Address) -> Self {
        Self { owner, epoch: 0 }
    }
}

impl Workerpool {
    /// A workerpool whose owner has not changed the policy: 30 % stake, 1 % kept.
    #[must_use]
    pub fn new(owner: Address) -> Self {
        Self {
            owner,
            epoch: 0,
            worker_stake_ratio: U256::from(30),
            scheduler_reward_ratio: U256::ONE,
        }
    }
}

/// Between what the gas of a callback may be set once the hub is sealed: enough to do something with, and little enough
/// that a task can be finished in one transaction.
const CALLBACK_GAS_LEAST: u64 = 50_000;
const CALLBACK_GAS_MOST: u64 = 2_000_000;

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
        self.require_open()?;
        refuse!(AlreadyConfigured {})
    }

    /// Trusts other registries from now on, by the owner; which is beyond the twin, so that nothing happens here.
    pub fn change_registries(&mut self, call: Call) -> Outcome {
        self.require_owner(call)?;
        self.require_open()?;
        Ok(Vec::new())
    }

    /// Names who may authorize contributions from enclaves beside the scheduler, by the owner.
    pub fn set_enclave_broker(&mut self, call: Call, broker: Address) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            hub.require_open()?;
            hub.enclave_broker = broker;
            Ok(())
        })
    }

    /// Sets the gas given to a callback, by the owner: within bounds once the hub is sealed.
    pub fn set_callback_gas(&mut self, call: Call, gas: U256) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            if hub.sealed {
                require_callback_gas(gas)?;
            }
            hub.callback_gas = gas;
            Ok(())
        })
    }

    /// Hands the hub to another owner.
    pub fn transfer_ownership(&mut self, call: Call, to: Address) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            let name = "newOwner".to_owned();
            require!(!to.is_zero(), ZeroArgument { name });
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

    /// Fixes for ever what the owner could set, by the owner. The twin's hub is configured and its registries are open,
    /// so it is always ready for it.
    pub fn seal(&mut self, call: Call) -> Outcome {
        self.atomically(|hub| {
            hub.require_owner(call)?;
            hub.require_open()?;
            require_callback_gas(hub.callback_gas)?;
            hub.sealed = true;
            emit!(hub, HubSealed {});
            Ok(())
        })
    }

    /// What was fixed when the hub was sealed cannot be set any more.
    pub(super) fn require_open(&self) -> Result<(), Refusal> {
        require!(!self.sealed, HubIsSealed {});
        Ok(())
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

/// What a callback may be given by a sealed hub.
fn require_callback_gas(gas: U256) -> Result<(), Refusal> {
    let least = U256::from(CALLBACK_GAS_LEAST);
    let most = U256::from(CALLBACK_GAS_MOST);
    require!(
        least <= gas && gas <= most,
        CallbackGasOutOfBounds {
            callbackgas: gas,
            least,
            most
        }
    );
    Ok(())
}
