//! Where the contracts keep what: which noun a changed word of storage belongs to.
//!
//! After each step the twin and the contracts are compared in what the step touched, and only there. What it touched is
//! learned from both sides: from the twin by looking at all it holds, before and after; from the contracts by the
//! complete list of words of storage that changed. Every such word must belong to a noun known here, or the test
//! fails. So nothing can drift unseen: a view's answer follows from storage (and from code, which is counted where it
//! comes to be), and a noun none of whose words changed answers what it answered when it was last compared.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::SolValue;
use protocol::deployment::Deployment;
use protocol::model::Hub;
use protocol::{OrderHash, TaskId};

use crate::nouns::Noun;
use crate::town::Town;

// The hub's places, as `forge inspect Hub storage-layout` shows them.
const ORDERS: u64 = 0;
const TASKS: u64 = 1;
const ACCOUNTS: u64 = 2;
pub(crate) const HOUSE: u64 = 3;
const ALLOWANCES: u64 = 4;
const OWNER: u64 = 5;
/// The token's address, its decimals, and whether the hub is sealed.
pub(crate) const TOKEN: u64 = 6;
const TEE_BROKER: u64 = 12;
pub(crate) const FORMER_HUB: u64 = 13;
pub(crate) const CALLBACK_GAS: u64 = 14;
pub(crate) const CATEGORIES: u64 = 15;
const CATEGORY_TIMES: u64 = 16;
const SIGNERS: u64 = 18;

// The token's.
const TOKEN_BALANCES: u64 = 0;
const TOKEN_ALLOWANCES: u64 = 1;

/// A task's words: its own, 512 groups, 512 contributions of three words.
const TASK_WORDS: u64 = 1 + 512 + 512 * 3;
/// A category's words: name, description, time. Names are short.
const CATEGORY_WORDS: u64 = 3;

fn entry_of(key: impl SolValue, slot: U256) -> U256 {
    let place = [key.abi_encode(), slot.abi_encode()].concat();
    U256::from_be_bytes(keccak256(place).0)
}

/// Where the hub keeps a worker's score, above balance and frozen money.
pub(crate) fn score_word(worker: Address) -> U256 {
    entry_of(worker, U256::from(ACCOUNTS))
}

/// Where the hub keeps the first word of a task.
pub(crate) fn task_word(task: TaskId) -> U256 {
    entry_of(task.0, U256::from(TASKS))
}

/// What is written where. The part that is the same in every life is shared between them.
#[derive(Clone)]
pub(crate) struct Directory {
    people: Arc<HashMap<(Address, U256), Noun>>,
    registries: [Address; 4],
    hub: Address,
    orders: HashMap<U256, OrderHash>,
    tasks: BTreeMap<U256, TaskId>,
}

impl Directory {
    pub(crate) fn of(town: &Town, at: &Deployment) -> Self {
        let mut people = HashMap::new();
        let mut of_hub = |slot: U256, noun: Noun| {
            people.insert((at.hub, slot), noun);
        };
        let number = |slot: u64| U256::from(slot);
        let accounts = town.accounts();
        for account in &accounts {
            of_hub(score_word(*account), Noun::Account(*account));
            of_hub(entry_of(*account, number(SIGNERS)), Noun::Epoch(*account));
            let spenders = entry_of(*account, number(ALLOWANCES));
            for spender in &accounts {
                of_hub(
                    entry_of(*spender, spenders),
                    Noun::Allowance(*account, *spender),
                );
            }
        }
        of_hub(number(HOUSE), Noun::House);
        for slot in [OWNER, TOKEN, TEE_BROKER, CALLBACK_GAS, CATEGORIES] {
            of_hub(number(slot), Noun::Governance);
        }
        let first_category = U256::from_be_bytes(keccak256(number(CATEGORIES).abi_encode()).0);
        // A life makes a few; one that makes more fails loudly.
        for category in 0..200 {
            of_hub(
                entry_of(number(category), number(CATEGORY_TIMES)),
                Noun::Governance,
            );
            for word in 0..CATEGORY_WORDS {
                let slot = first_category + number(category * CATEGORY_WORDS + word);
                of_hub(slot, Noun::Governance);
            }
        }
        for account in &accounts {
            let slot = entry_of(*account, number(TOKEN_BALANCES));
            people.insert((at.rlc, slot), Noun::Held(*account));
            let slot = entry_of(at.hub, entry_of(*account, number(TOKEN_ALLOWANCES)));
            people.insert((at.rlc, slot), Noun::Lent(*account));
        }
        Self {
            people: Arc::new(people),
            registries: [
                at.app_registry,
                at.dataset_registry,
                at.workerpool_registry,
                town.workerpool,
            ],
            hub: at.hub,
            orders: HashMap::new(),
            tasks: BTreeMap::new(),
        }
    }

    /// Whose word it is, if anybody's the twin knows of.
    pub(crate) fn noun(&mut self, address: Address, slot: U256, hub: &Hub) -> Option<Noun> {
        self.known(address, slot).or_else(|| {
            self.read(hub);
            self.known(address, slot)
        })
    }

    fn known(&self, address: Address, slot: U256) -> Option<Noun> {
        if let Some(noun) = self.people.get(&(address, slot)) {
            return Some(*noun);
        }
        if self.registries.contains(&address) {
            return Some(Noun::Entries);
        }
        if address != self.hub {
            return None;
        }
        if let Some(order) = self.orders.get(&slot) {
            return Some(Noun::Order(*order));
        }
        let (first, task) = self.tasks.range(..=slot).next_back()?;
        (slot - first < U256::from(TASK_WORDS)).then_some(Noun::Task(*task))
    }

    /// Takes in the orders and tasks the twin knows by now.
    fn read(&mut self, hub: &Hub) {
        for order in hub.consumed.keys().chain(hub.presigned.keys()) {
            self.orders
                .insert(entry_of(order.0, U256::from(ORDERS)), *order);
        }
        for task in hub.tasks.keys() {
            self.tasks.insert(task_word(*task), *task);
        }
    }
}
