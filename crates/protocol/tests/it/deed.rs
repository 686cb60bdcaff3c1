//! What somebody may do: mostly a call of the hub, sometimes of a contract around it whose state the hub asks for.
//!
//! A deed is played twice: on the contracts as a transaction ([`Deed::transaction`]), and on paper ([`Town::play_deed`]).

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolInterface};
use protocol::abi::{AppRegistry, Hub as abi, RLC, Workerpool};
use protocol::deployment::Deployment;
use protocol::model::{Call, Outcome};

use crate::town::Town;

#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Hub(Box<abi::HubCalls>),
    /// `approveAndCall` of the token: pays in, and with the calldata of a match it matches.
    PayIn {
        amount: U256,
        data: Bytes,
    },
    /// Token sent to the hub without a word.
    Donate {
        amount: U256,
    },
    /// The workerpool's owner asks for another stake and keeps another part.
    Policy {
        stake_ratio: u64,
        reward_ratio: u64,
    },
    /// Whose entry it is gives it to somebody else.
    HandOver {
        entry: Entry,
        to: Address,
    },
}

/// What is registered in the town.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    App,
    Dataset,
    Workerpool,
}

impl Deed {
    /// Whom it calls, and with what.
    pub(crate) fn transaction(
        &self,
        sender: Address,
        town: &Town,
        at: &Deployment,
    ) -> (Address, Bytes) {
        match self {
            Self::Hub(verb) => (at.hub, verb.abi_encode().into()),
            Self::PayIn { amount, data } => {
                let verb = RLC::approveAndCallCall {
                    spender: at.hub,
                    amount: *amount,
                    data: data.clone(),
                };
                (at.rlc, verb.abi_encode().into())
            }
            Self::Donate { amount } => {
                let verb = RLC::transferCall {
                    to: at.hub,
                    value: *amount,
                };
                (at.rlc, verb.abi_encode().into())
            }
            Self::Policy {
                stake_ratio,
                reward_ratio,
            } => {
                let verb = Workerpool::changePolicyCall {
                    newWorkerStakeRatioPolicy: U256::from(*stake_ratio),
                    newSchedulerRewardRatioPolicy: U256::from(*reward_ratio),
                };
                (town.workerpool, verb.abi_encode().into())
            }
            Self::HandOver { entry, to } => {
                // The three registries are alike.
                let (registry, entry) = match entry {
                    Entry::App => (at.app_registry, town.app),
                    Entry::Dataset => (at.dataset_registry, town.dataset),
                    Entry::Workerpool => (at.workerpool_registry, town.workerpool),
                };
                let verb = AppRegistry::transferFromCall {
                    from: sender,
                    to: *to,
                    tokenId: U256::from_be_slice(entry.as_slice()),
                };
                (registry, verb.abi_encode().into())
            }
        }
    }
}

impl Town {
    /// The deed on paper. Entries are changed by their owners only, who are not refused.
    pub(crate) fn play_deed(&mut self, call: Call, deed: Deed) -> Outcome {
        match deed {
            Deed::Hub(verb) => return self.hub.step(call, *verb),
            Deed::PayIn { amount, data } => {
                return self.hub.deposit_by_approval(call, amount, &data);
            }
            Deed::Donate { amount } => {
                let hub = self.hub.address();
                self.hub.token.transfer(call.sender, hub, amount)?;
            }
            Deed::Policy {
                stake_ratio,
                reward_ratio,
            } => {
                let pool = self.hub.entries.workerpools.get_mut(&self.workerpool);
                let pool = pool.expect("registered");
                pool.worker_stake_ratio = U256::from(stake_ratio);
                pool.scheduler_reward_ratio = U256::from(reward_ratio);
            }
            Deed::HandOver { entry, to } => self.hand_over(entry, to),
        }
        Ok(Vec::new())
    }

    fn hand_over(&mut self, entry: Entry, to: Address) {
        let entries = &mut self.hub.entries;
        let found = match entry {
            Entry::App => entries
                .apps
                .get_mut(&self.app)
                .map(|entry| (&mut entry.owner, &mut entry.epoch)),
            Entry::Dataset => entries
                .datasets
                .get_mut(&self.dataset)
                .map(|entry| (&mut entry.owner, &mut entry.epoch)),
            Entry::Workerpool => entries
                .workerpools
                .get_mut(&self.workerpool)
                .map(|entry| (&mut entry.owner, &mut entry.epoch)),
        };
        let (owner, epoch) = found.expect("registered");
        *owner = to;
        *epoch += 1;
    }

    /// How often an entry changed hands.
    pub(crate) fn epoch_of(&self, entry: Entry) -> u64 {
        let entries = &self.hub.entries;
        match entry {
            Entry::App => entries.apps[&self.app].epoch,
            Entry::Dataset => entries.datasets[&self.dataset].epoch,
            Entry::Workerpool => entries.workerpools[&self.workerpool].epoch,
        }
    }

    pub(crate) fn owner_of(&self, entry: Entry) -> Address {
        let entries = &self.hub.entries;
        match entry {
            Entry::App => entries.apps[&self.app].owner,
            Entry::Dataset => entries.datasets[&self.dataset].owner,
            Entry::Workerpool => entries.workerpools[&self.workerpool].owner,
        }
    }
}
