//! The bill of a deal: who was paid what, and why, read from the events of the deal's transactions.
//!
//! The hub names the task in every reward and seizure, but not in what it locks and unlocks. Those are told apart by
//! their place: within a transaction, the money a step moves comes before the event that tells of the step
//! (`TaskContribute`, `TaskFinalize`, `TaskClaimed`, `OrdersMatched`). And since one account may play several parts,
//! a role follows from the order in which the hub pays, which is fixed, and only then from the address.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use alloy_primitives::{Address, B256, U256};
use protocol::abi::Hub;
use protocol::abi::Hub::HubEvents as Event;
use protocol::deal::Deal;
use protocol::ids::{DealId, TaskId};
use protocol::payment::{BURNT, KITTY, Nrlc};
use serde::Serialize;

use super::{PaymentError, chain_error};
use crate::chain::{Chain, HubEvent, Receipt};
use crate::deal;

/// What part somebody plays in a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who asked, or whoever pays for it.
    Requester,
    /// Who owns the app.
    AppOwner,
    /// Who owns the dataset.
    DatasetOwner,
    /// Who owns the workerpool.
    Scheduler,
    /// Who contributed.
    Worker,
    /// The account that gathers lost stakes of schedulers and gives them to later successes.
    Kitty,
    /// The account without a key where burnt money goes.
    Nobody,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Requester => "requester",
            Self::AppOwner => "app owner",
            Self::DatasetOwner => "dataset owner",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
            Self::Kitty => "kitty",
            Self::Nobody => "nobody",
        })
    }
}

/// Which way money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Earned: added to the free balance.
    Earned,
    /// Spent, out of what was frozen.
    Spent,
    /// Frozen: still the owner's, but not free.
    Frozen,
    /// Freed again.
    Freed,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Earned => "earned",
            Self::Spent => "spent",
            Self::Frozen => "frozen",
            Self::Freed => "freed",
        })
    }
}

/// One movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whose money.
    pub who: Address,
    /// In what part.
    pub role: Role,
    /// Which way.
    pub flow: Flow,
    /// How much.
    pub amount: Nrlc,
    /// Why, in words.
    pub why: &'static str,
    /// For which task; of the match, for none.
    pub task: Option<TaskId>,
    /// Index of that task.
    pub index: Option<u64>,
    /// Height of the block.
    pub block: u64,
    /// The transaction.
    pub tx: B256,
}

/// A worker's score changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScoreChange {
    /// Whose.
    pub worker: Address,
    /// By which task.
    pub task: TaskId,
    /// True: one more; false: two thirds are left.
    pub accurate: bool,
}

/// Everything money did in a deal so far, in the order of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// The deal.
    pub deal: DealId,
    /// The movements.
    pub lines: Vec<Line>,
    /// Scores that changed.
    pub scores: Vec<ScoreChange>,
}

/// What one account in one role made of the deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Whose.
    pub who: Address,
    /// In what part.
    pub role: Role,
    /// Sum of what was earned.
    pub earned: Nrlc,
    /// Sum of what was spent or seized.
    pub spent: Nrlc,
    /// What is still frozen.
    pub frozen: Nrlc,
    /// The reasons, each once, in the order in which they came.
    pub why: Vec<&'static str>,
}

impl Bill {
    /// Sums per account and role, in the order of [`Role`].
    #[must_use]
    pub fn totals(&self) -> Vec<Total> {
        let mut totals: BTreeMap<(Role, Address), Total> = BTreeMap::new();
        for line in &self.lines {
            let total = totals
                .entry((line.role, line.who))
                .or_insert_with(|| Total {
                    who: line.who,
                    role: line.role,
                    earned: Nrlc::ZERO,
                    spent: Nrlc::ZERO,
                    frozen: Nrlc::ZERO,
                    why: Vec::new(),
                });
            let amount = line.amount.0;
            match line.flow {
                Flow::Earned => total.earned.0 = total.earned.0.saturating_add(amount),
                Flow::Spent => {
                    total.spent.0 = total.spent.0.saturating_add(amount);
                    total.frozen.0 = total.frozen.0.saturating_sub(amount);
                }
                Flow::Frozen => total.frozen.0 = total.frozen.0.saturating_add(amount),
                Flow::Freed => total.frozen.0 = total.frozen.0.saturating_sub(amount),
            }
            let tells = matches!(line.flow, Flow::Earned | Flow::Spent);
            if tells && !total.why.contains(&line.why) {
                total.why.push(line.why);
            }
        }
        totals.into_values().collect()
    }
}

/// Makes out the bill of a deal, from the chain's events up to now.
pub async fn bill(chain: &Chain, deal: DealId) -> Result<Bill, PaymentError> {
    let view = deal::view(chain, deal)
        .await
        .map_err(|source| PaymentError::Deal {
            source: Box::new(source),
        })?;
    let failed = || chain_error(format!("make out the bill of deal {deal}"));
    let matched = find_match(chain, deal, &view)
        .await?
        .ok_or(PaymentError::NoHistory { deal })?;
    let tasks: BTreeMap<TaskId, u64> = view
        .tasks(deal)
        .map(|(index, task)| (task, index))
        .collect();
    let topics: Vec<B256> = tasks.keys().map(|task| task.0).collect();
    let about = chain
        .events_about(matched.block, &topics)
        .await
        .map_err(failed())?;
    let transactions: BTreeSet<(u64, u64, B256)> = first_places(&about, &matched);
    let hashes: Vec<B256> = transactions.iter().map(|(.., tx)| *tx).collect();
    let receipts = chain.receipts(&hashes).await.map_err(failed())?;
    Ok(Clerk {
        deal,
        view: &view,
        tasks: &tasks,
    }
    .make_out(receipts.into_iter().flatten()))
}

/// The distinct transactions, in the order of the chain.
fn first_places(about: &[HubEvent], matched: &HubEvent) -> BTreeSet<(u64, u64, B256)> {
    let mut first: BTreeMap<B256, (u64, u64)> = BTreeMap::new();
    for event in about.iter().chain([matched]) {
        let place = (event.block, event.log_index);
        first
            .entry(event.tx)
            .and_modify(|known| *known = (*known).min(place))
            .or_insert(place);
    }
    first
        .into_iter()
        .map(|(tx, (block, log_index))| (block, log_index, tx))
        .collect()
}

/// The event that told of the deal: in one of the blocks of the second in which it started.
async fn find_match(
    chain: &Chain,
    deal: DealId,
    view: &Deal,
) -> Result<Option<HubEvent>, PaymentError> {
    let failed = || chain_error(format!("find the beginning of deal {deal}"));
    let newest = chain.block().await.map_err(failed())?;
    let mut next = first_block_at(chain, view.start_time, newest.number).await?;
    while next <= newest.number {
        let end = newest.number.min(next + 499);
        let events = chain.events(next, end).await.map_err(failed())?;
        let told = events.into_iter().find(|event| match &event.event {
            Event::OrdersMatched(matched) => matched.dealid == deal.0,
            _ => false,
        });
        if told.is_some() {
            return Ok(told);
        }
        next = end + 1;
    }
    Ok(None)
}

/// The first block whose time is not before this, by bisection.
async fn first_block_at(chain: &Chain, time_secs: u64, newest: u64) -> Result<u64, PaymentError> {
    let (mut low, mut high) = (chain.deployment().block.min(newest), newest);
    while low < high {
        let middle = low + (high - low) / 2;
        let block = chain
            .block_at(middle)
            .await
            .map_err(chain_error(format_args!("look at block {middle}")))?;
        match block {
            Some(block) if block.time_secs >= time_secs => high = middle,
            _ => low = middle + 1,
        }
    }
    Ok(low)
}

struct Clerk<'a> {
    deal: DealId,
    view: &'a Deal,
    tasks: &'a BTreeMap<TaskId, u64>,
}

/// A movement of money that is not told whose step it belongs to yet.
#[derive(Debug, Clone, Copy)]
enum Movement {
    Lock(Address, U256),
    Unlock(Address, U256),
    Reward(Address, U256),
    Seize(Address, U256),
}

impl Clerk<'_> {
    fn make_out(&self, receipts: impl Iterator<Item = Receipt>) -> Bill {
        let mut bill = Bill {
            deal: self.deal,
            lines: Vec::new(),
            scores: Vec::new(),
        };
        for receipt in receipts {
            let mut moved = Vec::new();
            for event in &receipt.events {
                self.take(event, &mut moved, &mut bill);
            }
        }
        bill
    }

    fn take(&self, event: &HubEvent, moved: &mut Vec<Movement>, bill: &mut Bill) {
        match &event.event {
            Event::Lock(lock) => moved.push(Movement::Lock(lock.owner, lock.amount)),
            Event::Unlock(unlock) => moved.push(Movement::Unlock(unlock.owner, unlock.amount)),
            Event::Reward(reward) => moved.push(Movement::Reward(reward.owner, reward.amount)),
            Event::Seize(seize) => moved.push(Movement::Seize(seize.owner, seize.amount)),
            Event::OrdersMatched(matched) => {
                let moved = std::mem::take(moved);
                if matched.dealid == self.deal.0 {
                    self.write(bill, event, None, matched_lines(&moved));
                }
            }
            Event::TaskContribute(Hub::TaskContribute { taskid, .. }) => {
                let moved = std::mem::take(moved);
                // A lone worker's contribution ends the task, and the money with it.
                let ends = moved
                    .iter()
                    .any(|movement| matches!(movement, Movement::Seize(..)));
                let lines = if ends {
                    self.finalized_lines(&moved)
                } else {
                    contributed_lines(&moved)
                };
                self.write(bill, event, Some(TaskId(*taskid)), lines);
            }
            Event::TaskFinalize(Hub::TaskFinalize { taskid, .. }) => {
                let lines = self.finalized_lines(&std::mem::take(moved));
                self.write(bill, event, Some(TaskId(*taskid)), lines);
            }
            Event::TaskClaimed(Hub::TaskClaimed { taskid }) => {
                // Given up or claimed: `TaskAbandoned` comes right after this, so the money has to tell by itself.
                let lines = self.failed_lines(&std::mem::take(moved));
                self.write(bill, event, Some(TaskId(*taskid)), lines);
            }
            Event::AccurateContribution(change) => {
                self.score(bill, change.worker, TaskId(change.taskid), true)
            }
            Event::FaultyContribution(change) => {
                self.score(bill, change.worker, TaskId(change.taskid), false)
            }
            _ => {}
        }
    }

    fn score(&self, bill: &mut Bill, worker: Address, task: TaskId, accurate: bool) {
        if self.tasks.contains_key(&task) {
            bill.scores.push(ScoreChange {
                worker,
                task,
                accurate,
            });
        }
    }

    fn write(&self, bill: &mut Bill, event: &HubEvent, task: Option<TaskId>, lines: Vec<Draft>) {
        // One transaction may move tasks of several deals.
        let index = task.map(|task| self.tasks.get(&task).copied());
        if index == Some(None) {
            return;
        }
        let index = index.flatten();
        let kept = lines
            .into_iter()
            .filter(|line| !line.amount.is_zero())
            .map(|line| Line {
                who: line.who,
                role: line.role,
                flow: line.flow,
                amount: Nrlc(line.amount),
                why: line.why,
                task,
                index,
                block: event.block,
                tx: event.tx,
            });
        bill.lines.extend(kept);
    }

    /// The hub pays in a fixed order: price, app, dataset, the scheduler's stake, the kitty's part, workers, and
    /// what is left to the scheduler, or to the worker who finished in its place.
    fn finalized_lines(&self, moved: &[Movement]) -> Vec<Draft> {
        let mut app_is_due = !self.view.app.price.is_zero();
        let mut dataset_is_due = !self.view.dataset.price.is_zero();
        let mut price_is_due = true;
        let mut stake_is_due = true;
        let mut from_kitty = false;
        let last_reward = moved
            .iter()
            .rposition(|movement| matches!(movement, Movement::Reward(..)));
        let mut lines = Vec::new();
        for (place, movement) in moved.iter().enumerate() {
            lines.push(match *movement {
                Movement::Seize(who, amount) if price_is_due => {
                    price_is_due = false;
                    draft(
                        who,
                        Role::Requester,
                        Flow::Spent,
                        amount,
                        "price of the task",
                    )
                }
                Movement::Seize(who, amount) if who == KITTY => {
                    from_kitty = true;
                    draft(who, Role::Kitty, Flow::Spent, amount, "share for a success")
                }
                Movement::Seize(who, amount) => draft(
                    who,
                    Role::Worker,
                    Flow::Spent,
                    amount,
                    "stake lost: the consensus was another result",
                ),
                Movement::Reward(who, amount) if app_is_due => {
                    app_is_due = false;
                    draft(who, Role::AppOwner, Flow::Earned, amount, "use of the app")
                }
                Movement::Reward(who, amount) if dataset_is_due => {
                    dataset_is_due = false;
                    draft(
                        who,
                        Role::DatasetOwner,
                        Flow::Earned,
                        amount,
                        "use of the dataset",
                    )
                }
                Movement::Reward(who, amount) if from_kitty => {
                    from_kitty = false;
                    draft(
                        who,
                        Role::Scheduler,
                        Flow::Earned,
                        amount,
                        "share of the kitty",
                    )
                }
                Movement::Reward(who, amount) if Some(place) == last_reward => {
                    if who == self.view.workerpool.owner {
                        draft(who, Role::Scheduler, Flow::Earned, amount, "scheduling")
                    } else {
                        let why = "finishing in the scheduler's place";
                        draft(who, Role::Worker, Flow::Earned, amount, why)
                    }
                }
                Movement::Reward(who, amount) => {
                    draft(who, Role::Worker, Flow::Earned, amount, "right result")
                }
                Movement::Unlock(who, amount) if stake_is_due => {
                    stake_is_due = false;
                    draft(who, Role::Scheduler, Flow::Freed, amount, "stake back")
                }
                Movement::Unlock(who, amount) => {
                    draft(who, Role::Worker, Flow::Freed, amount, "stake back")
                }
                Movement::Lock(who, amount) => {
                    draft(who, Role::Worker, Flow::Frozen, amount, "stake")
                }
            });
        }
        lines
    }

    /// The payer's refund, the scheduler's stake, the workers' stakes and what they get beside, and what is burnt. The
    /// stake of a scheduler who gave the task up does not go to the kitty; what was not taken of it comes back at once.
    fn failed_lines(&self, moved: &[Movement]) -> Vec<Draft> {
        let given_up = !moved
            .iter()
            .any(|movement| matches!(movement, Movement::Lock(..)));
        let mut refund_is_due = true;
        let mut stake_is_due = true;
        let mut rest_is_due = false;
        let (refund, stake_lost, shared) = if given_up {
            (
                "refund: the scheduler gave the task up",
                "stake lost: the task was given up",
                "for having contributed in vain",
            )
        } else {
            (
                "refund: nobody finished in time",
                "stake lost: the task was not finished in time",
                "stakes of those who did not reveal the result",
            )
        };
        let line = |movement: &Movement| match *movement {
            Movement::Unlock(who, amount) if refund_is_due => {
                refund_is_due = false;
                draft(who, Role::Requester, Flow::Freed, amount, refund)
            }
            Movement::Unlock(who, amount) if rest_is_due => {
                rest_is_due = false;
                draft(
                    who,
                    Role::Scheduler,
                    Flow::Freed,
                    amount,
                    "rest of the stake",
                )
            }
            Movement::Unlock(who, amount) => {
                draft(who, Role::Worker, Flow::Freed, amount, "stake back")
            }
            Movement::Seize(who, amount) if stake_is_due => {
                stake_is_due = false;
                // All of it is taken where somebody contributed.
                rest_is_due = given_up && amount < self.view.scheduler_stake().0;
                draft(who, Role::Scheduler, Flow::Spent, amount, stake_lost)
            }
            Movement::Seize(who, amount) => draft(
                who,
                Role::Worker,
                Flow::Spent,
                amount,
                "stake lost: the result was not revealed",
            ),
            Movement::Reward(who, amount) if who == KITTY => draft(
                who,
                Role::Kitty,
                Flow::Earned,
                amount,
                "a scheduler's lost stake",
            ),
            Movement::Reward(who, amount) if who == BURNT => {
                draft(who, Role::Nobody, Flow::Earned, amount, "burnt")
            }
            Movement::Reward(who, amount) => draft(who, Role::Worker, Flow::Earned, amount, shared),
            Movement::Lock(who, amount) => draft(
                who,
                Role::Kitty,
                Flow::Frozen,
                amount,
                "kept for later successes",
            ),
        };
        moved.iter().map(line).collect()
    }
}

struct Draft {
    who: Address,
    role: Role,
    flow: Flow,
    amount: U256,
    why: &'static str,
}

fn draft(who: Address, role: Role, flow: Flow, amount: U256, why: &'static str) -> Draft {
    Draft {
        who,
        role,
        flow,
        amount,
        why,
    }
}

/// The payer's money for the whole bag, then the scheduler's stake.
fn matched_lines(moved: &[Movement]) -> Vec<Draft> {
    let mut lines = Vec::new();
    for movement in moved {
        if let Movement::Lock(who, amount) = *movement {
            lines.push(match lines.len() {
                0 => draft(
                    who,
                    Role::Requester,
                    Flow::Frozen,
                    amount,
                    "price of all tasks",
                ),
                _ => draft(
                    who,
                    Role::Scheduler,
                    Flow::Frozen,
                    amount,
                    "stake for all tasks",
                ),
            });
        }
    }
    lines
}

fn contributed_lines(moved: &[Movement]) -> Vec<Draft> {
    let lock = |movement: &Movement| match *movement {
        Movement::Lock(who, amount) => {
            Some(draft(who, Role::Worker, Flow::Frozen, amount, "stake"))
        }
        _ => None,
    };
    moved.iter().filter_map(lock).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYER: Address = Address::repeat_byte(1);
    const POOL: Address = Address::repeat_byte(2);
    const WORKER: Address = Address::repeat_byte(3);

    fn told(moved: &[Movement]) -> Vec<(Role, Flow, u64)> {
        let mut view = Deal::from(Hub::Deal::default());
        view.workerpool.owner = POOL;
        view.workerpool.price = Nrlc::nrlc(1_000);
        let clerk = Clerk {
            deal: DealId::default(),
            view: &view,
            tasks: &BTreeMap::new(),
        };
        let lines = clerk.failed_lines(moved);
        let line = |line: &Draft| (line.role, line.flow, line.amount.to());
        lines.iter().map(line).collect()
    }

    fn number(amount: u64) -> U256 {
        U256::from(amount)
    }

    #[test]
    fn who_gives_a_task_up_before_anybody_came_gets_the_rest_of_the_stake_back() {
        let moved = [
            Movement::Unlock(PAYER, number(1_000)),
            Movement::Seize(POOL, number(30)),
            Movement::Unlock(POOL, number(270)),
            Movement::Reward(BURNT, number(30)),
        ];
        assert_eq!(
            told(&moved),
            [
                (Role::Requester, Flow::Freed, 1_000),
                (Role::Scheduler, Flow::Spent, 30),
                (Role::Scheduler, Flow::Freed, 270),
                (Role::Nobody, Flow::Earned, 30),
            ]
        );
    }

    #[test]
    fn who_contributed_in_vain_is_paid_from_the_stake_even_a_worker_of_the_pools_own() {
        let moved = [
            Movement::Unlock(PAYER, number(1_000)),
            Movement::Seize(POOL, number(300)),
            Movement::Unlock(POOL, number(50)),
            Movement::Reward(POOL, number(270)),
            Movement::Reward(BURNT, number(30)),
        ];
        assert_eq!(
            told(&moved)[2..4],
            [
                (Role::Worker, Flow::Freed, 50),
                (Role::Worker, Flow::Earned, 270)
            ]
        );
    }

    #[test]
    fn a_claim_pays_those_who_revealed_with_the_stakes_of_the_others() {
        let moved = [
            Movement::Unlock(PAYER, number(1_000)),
            Movement::Seize(POOL, number(300)),
            Movement::Reward(KITTY, number(300)),
            Movement::Lock(KITTY, number(300)),
            Movement::Unlock(WORKER, number(50)),
            Movement::Reward(WORKER, number(50)),
            Movement::Seize(PAYER, number(50)),
        ];
        assert_eq!(
            told(&moved)[2..],
            [
                (Role::Kitty, Flow::Earned, 300),
                (Role::Kitty, Flow::Frozen, 300),
                (Role::Worker, Flow::Freed, 50),
                (Role::Worker, Flow::Earned, 50),
                (Role::Worker, Flow::Spent, 50),
            ]
        );
    }
}
