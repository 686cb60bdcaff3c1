//! The books, read from the chain's own events from its first block to its last, and what is wrong with them.
//!
//! Nothing here believes a service or a view of the hub where an event says the same: money is added up account by
//! account, and compared with what the hub says of it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, I256, U256};
use protocol::{DealId, TaskId, abi::Hub::HubEvents as Event, task::TaskStatus};
use sdk::chain::Chain;
use serde_json::{Value, json};

use crate::node::Node;

/// What happened to the tasks of some deals.
#[derive(Debug, Default)]
pub struct Audit {
    pub completed: usize,
    pub refunded: usize,
    /// Contributions, all together.
    pub contributions: usize,
    /// Stakes that were lost, by whom.
    pub lost_stakes: BTreeMap<Address, usize>,
    /// What must not be.
    pub wrong: Vec<String>,
}

/// What the events say of one task.
#[derive(Debug, Default)]
struct TaskBook {
    /// The transactions that did it.
    finalized: Vec<B256>,
    claimed: usize,
    contributors: Vec<Address>,
    /// The transactions that did it.
    contributed: Vec<B256>,
    revealed: BTreeSet<Address>,
    seized: Vec<(Address, U256)>,
    rewarded: Vec<(Address, U256)>,
}

impl TaskBook {
    fn rewards(&self, account: Address) -> usize {
        let owners = self.rewarded.iter().map(|(owner, _)| *owner);
        owners.filter(|owner| *owner == account).count()
    }

    fn seizures(&self, account: Address) -> usize {
        let owners = self.seized.iter().map(|(owner, _)| *owner);
        owners.filter(|owner| *owner == account).count()
    }

    /// Who finalized in the place of a silent pool, if somebody did: who sent that, unless it was the pool, or the only
    /// worker in the step that was his contribution too.
    async fn stand_in(&self, chain: &Chain, pool: Address) -> anyhow::Result<Option<Address>> {
        let [finalized] = self.finalized[..] else {
            return Ok(None);
        };
        if self.contributed.contains(&finalized) {
            return Ok(None);
        }
        let sent: Value = Node::at(chain.rpc_url().clone())
            .ask("eth_getTransactionByHash", json!([finalized]))
            .await?;
        let sender: Address = serde_json::from_value(sent["from"].clone())?;
        Ok((sender != pool).then_some(sender))
    }

    /// What must not be where somebody stood in for the pool.
    fn wrong_stand_in(&self, stand_in: Address, pool: Address, entries: &[Address]) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.revealed.contains(&stand_in) {
            wrong.push(format!("{stand_in} finalized, and had not revealed"));
        }
        let earns_otherwise = entries.contains(&pool) || self.contributors.contains(&pool);
        if !earns_otherwise && self.rewards(pool) > 0 {
            wrong.push(format!("{stand_in} finalized, and the pool was paid"));
        }
        wrong
    }

    /// How often a worker may be paid: whoever stood in for the pool, a second time for that.
    fn due(worker: Address, stand_in: Option<Address>) -> usize {
        1 + usize::from(stand_in == Some(worker))
    }
}

/// Audits these deals, and every account of the hub.
///
/// Wrong is: a task that is neither completed nor refunded; one that was paid for twice, not at all, or with another sum
/// than its price; a payment that somebody else did not lose; a worker that contributed twice to a task or was paid twice
/// for it, but for the one who finalized in the place of the pool, which then earns nothing; a stake lost by one of `honest`;
/// money left frozen by tasks that are over; an account that does not add up.
pub async fn audit(
    chain: &Chain,
    deals: &[DealId],
    honest: &BTreeSet<Address>,
) -> anyhow::Result<Audit> {
    let head = chain.block().await?.number;
    let events = chain.events(chain.deployment().block, head).await?;
    let mut books: BTreeMap<B256, TaskBook> = BTreeMap::new();
    let mut free: BTreeMap<Address, I256> = BTreeMap::new();
    let mut frozen: BTreeMap<Address, I256> = BTreeMap::new();
    let add = |to: &mut BTreeMap<Address, I256>, account: Address, amount: I256| {
        *to.entry(account).or_default() += amount;
    };
    for event in events {
        match event.event {
            Event::TaskContribute(it) => {
                let book = books.entry(it.taskid).or_default();
                book.contributors.push(it.worker);
                book.contributed.push(event.tx);
            }
            Event::TaskReveal(it) => drop(
                books
                    .entry(it.taskid)
                    .or_default()
                    .revealed
                    .insert(it.worker),
            ),
            Event::TaskFinalize(it) => books.entry(it.taskid).or_default().finalized.push(event.tx),
            Event::TaskClaimed(it) => books.entry(it.taskid).or_default().claimed += 1,
            Event::Reward(it) => books
                .entry(it.r#ref)
                .or_default()
                .rewarded
                .push((it.owner, it.amount)),
            Event::Seize(it) => {
                add(&mut frozen, it.owner, -signed(it.amount));
                books
                    .entry(it.r#ref)
                    .or_default()
                    .seized
                    .push((it.owner, it.amount));
            }
            Event::Lock(it) => add(&mut frozen, it.owner, signed(it.amount)),
            Event::Unlock(it) => add(&mut frozen, it.owner, -signed(it.amount)),
            Event::Transfer(it) => {
                add(&mut free, it.from, -signed(it.value));
                add(&mut free, it.to, signed(it.value));
            }
            _ => {}
        }
    }

    let mut audit = Audit::default();
    for &deal in deals {
        audit.deal(chain, deal, &books, honest).await?;
    }
    for (&account, lost) in &audit.lost_stakes {
        if honest.contains(&account) {
            audit
                .wrong
                .push(format!("the honest worker {account} lost {lost} stakes"));
        }
    }
    audit.accounts(chain, free, frozen, honest).await?;
    Ok(audit)
}

impl Audit {
    async fn deal(
        &mut self,
        chain: &Chain,
        id: DealId,
        books: &BTreeMap<B256, TaskBook>,
        honest: &BTreeSet<Address>,
    ) -> anyhow::Result<()> {
        let deal = sdk::deal::view(chain, id).await?;
        let tasks: Vec<(u64, TaskId)> = deal.tasks(id).collect();
        let ids: Vec<TaskId> = tasks.iter().map(|(_, task)| *task).collect();
        let views = sdk::task::view_many(chain, &ids).await?;
        let nothing = TaskBook::default();
        for ((index, task), view) in tasks.into_iter().zip(views) {
            let book = books.get(&task.0).unwrap_or(&nothing);
            let pool = deal.workerpool.owner;
            let stand_in = book.stand_in(chain, pool).await?;
            let finalized = book.finalized.len();
            let mut wrong =
                |what: String| self.wrong.push(format!("task {index} ({task}): {what}"));
            let paid: Vec<U256> = book
                .seized
                .iter()
                .filter(|(owner, _)| *owner == deal.sponsor)
                .map(|(_, amount)| *amount)
                .collect();
            let sum = |moved: &[(Address, U256)]| {
                moved
                    .iter()
                    .fold(U256::ZERO, |sum, (_, amount)| sum + amount)
            };
            match view.status {
                TaskStatus::Completed => {
                    self.completed += 1;
                    if (finalized, book.claimed) != (1, 0) {
                        wrong(format!(
                            "finalized {finalized} times, claimed {} times",
                            book.claimed
                        ));
                    }
                    if paid != [deal.price().0] {
                        wrong(format!(
                            "its price is {}, and {paid:?} was paid",
                            deal.price()
                        ));
                    }
                }
                TaskStatus::Failed => {
                    self.refunded += 1;
                    if (finalized, book.claimed) != (0, 1) || !paid.is_empty() {
                        wrong(format!(
                            "refunded, finalized {finalized} times, and {paid:?} was paid"
                        ));
                    }
                }
                TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing => {
                    wrong(format!(
                        "is {} with {} of {} winners revealed; contributors {:?}",
                        view.status, view.reveal_counter, view.winner_counter, view.contributors
                    ));
                }
            }
            if sum(&book.rewarded) != sum(&book.seized) {
                wrong(format!(
                    "{:?} was paid out of {:?}",
                    book.rewarded, book.seized
                ));
            }
            if let Some(stand_in) = stand_in {
                let entries = [deal.app.owner, deal.dataset.owner];
                book.wrong_stand_in(stand_in, pool, &entries)
                    .into_iter()
                    .for_each(&mut wrong);
            }
            for worker in book.contributors.iter().collect::<BTreeSet<_>>() {
                let contributed = book.contributors.iter().filter(|it| *it == worker).count();
                if contributed != 1 {
                    wrong(format!("{worker} contributed {contributed} times"));
                }
                let (rewarded, seized) = (book.rewards(*worker), book.seizures(*worker));
                let due = TaskBook::due(*worker, stand_in);
                if *worker != pool && *worker != deal.app.owner && rewarded + seized > due {
                    wrong(format!(
                        "{worker} was paid {rewarded} times and lost {seized} stakes"
                    ));
                }
                if view.status == TaskStatus::Completed
                    && honest.contains(worker)
                    && rewarded != due
                {
                    let revealed = book.revealed.contains(worker);
                    wrong(format!(
                        "the honest worker {worker} was paid {rewarded} times (revealed: {revealed})"
                    ));
                }
                *self.lost_stakes.entry(*worker).or_default() += seized;
            }
            self.contributions += book.contributors.len();
        }
        self.lost_stakes.retain(|_, lost| *lost > 0);
        Ok(())
    }

    /// Compares what the events add up to with what the hub says, account by account and all together.
    async fn accounts(
        &mut self,
        chain: &Chain,
        free: BTreeMap<Address, I256>,
        frozen: BTreeMap<Address, I256>,
        honest: &BTreeSet<Address>,
    ) -> anyhow::Result<()> {
        let mut sum = U256::ZERO;
        let outside = [Address::ZERO, chain.deployment().hub];
        let people: BTreeSet<Address> = free.keys().chain(frozen.keys()).copied().collect();
        for person in people
            .into_iter()
            .filter(|person| !outside.contains(person))
        {
            let account = sdk::payment::account(chain, person).await?;
            let told = [&free, &frozen].map(|side| side.get(&person).copied().unwrap_or_default());
            if told != [signed(account.balance.0), signed(account.frozen.0)] {
                self.wrong.push(format!(
                    "the events say {told:?} of {person}, the hub {account:?}"
                ));
            }
            if honest.contains(&person) && !account.frozen.is_zero() {
                self.wrong.push(format!(
                    "{} of the honest worker {person} are still frozen",
                    account.frozen
                ));
            }
            sum += account.balance.0 + account.frozen.0;
        }
        let deposited = sdk::payment::deposited(chain).await?;
        if sum != deposited.0 {
            self.wrong.push(format!(
                "all accounts hold {sum}, and {} was deposited",
                deposited.0
            ));
        }
        Ok(())
    }
}

/// An amount; none exceeds 96 bits.
fn signed(amount: U256) -> I256 {
    I256::from_raw(amount)
}

#[cfg(test)]
mod checks {
    use super::*;

    const WORKER: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);
    const POOL: Address = Address::repeat_byte(3);

    #[test]
    fn only_who_stood_in_for_the_pool_is_paid_for_it() {
        assert_eq!(TaskBook::due(WORKER, Some(WORKER)), 2);
        assert_eq!(TaskBook::due(OTHER, Some(WORKER)), 1);
        assert_eq!(TaskBook::due(WORKER, None), 1);

        let mut book = TaskBook {
            contributors: vec![WORKER, OTHER],
            revealed: BTreeSet::from([WORKER]),
            rewarded: vec![(WORKER, U256::from(9)), (WORKER, U256::ONE)],
            ..TaskBook::default()
        };
        assert!(book.wrong_stand_in(WORKER, POOL, &[]).is_empty());
        assert_eq!(book.wrong_stand_in(OTHER, POOL, &[]).len(), 1);
        book.rewarded.push((POOL, U256::ONE));
        assert_eq!(book.wrong_stand_in(WORKER, POOL, &[]).len(), 1);
        assert!(book.wrong_stand_in(WORKER, POOL, &[POOL]).is_empty());
    }
}
