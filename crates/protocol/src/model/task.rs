//! Tasks in the twin: their beginning, their way back to contributions, and their end without a result.

use alloy_primitives::{Address, U256};

use super::contribution::require_before_contribution_deadline;
use super::{Call, Event, Hub, Outcome, Refusal, emit, refuse, require};
use crate::contribution::ContributionStatus;
use crate::deal::Deal;
use crate::ids::{DealId, TaskId};
use crate::payment::{Abandonment, Claimant, Fate, Nrlc, Refund, Standing};
use crate::task::{Task, TaskStatus, deadlines};

impl Hub {
    /// Starts a task of a deal. Anyone may, at any time.
    pub fn initialize(&mut self, _call: Call, deal: DealId, index: U256) -> Outcome {
        self.atomically(|hub| hub.start(deal, index).map(drop))
    }

    /// Starts several tasks, all or none.
    pub fn initialize_array(&mut self, _call: Call, deals: &[DealId], indices: &[U256]) -> Outcome {
        self.atomically(|hub| {
            require_pairs(deals, indices)?;
            deals
                .iter()
                .zip(indices)
                .try_for_each(|(deal, index)| hub.start(*deal, *index).map(drop))
        })
    }

    /// Takes a task back to contributions when none of the winners revealed in time. By the scheduler. The winners are
    /// rejected, and pay for it if the task is finalized later.
    pub fn reopen(&mut self, call: Call, id: TaskId) -> Outcome {
        self.atomically(|hub| {
            let (mut task, deal) = hub.require_revealing(id)?;
            require_scheduler(call, &deal)?;
            require_before_end(call, id, &task)?;
            require!(
                task.reveal_counter == 0,
                AlreadyRevealed {
                    taskid: id.0,
                    reveals: U256::from(task.reveal_counter)
                }
            );
            require!(
                task.reveal_deadline <= call.time,
                RevealDeadlineAhead {
                    taskid: id.0,
                    deadline: U256::from(task.reveal_deadline),
                    time: U256::from(call.time),
                }
            );

            for worker in &task.contributors {
                if let Some(contribution) = hub.contributions.get_mut(&(id, *worker))
                    && contribution.result_hash == task.consensus_value
                {
                    contribution.status = ContributionStatus::Rejected;
                }
            }
            hub.tallies
                .entry(id)
                .or_default()
                .forget(task.consensus_value);
            task.status = TaskStatus::Active;
            task.consensus_value = Default::default();
            task.reveal_deadline = 0;
            task.winner_counter = 0;
            hub.tasks.insert(id, task);
            emit!(hub, TaskReopen { taskid: id.0 });
            Ok(())
        })
    }

    /// Gives a task up while it could still be contributed to. By the scheduler, who pays for it, though less than for
    /// one that is claimed; whoever pays for the task is refunded at once.
    pub fn abandon(&mut self, call: Call, deal: DealId, index: U256) -> Outcome {
        self.atomically(|hub| hub.let_go(call, deal, index))
    }

    /// Gives several tasks up, all or none.
    pub fn abandon_array(&mut self, call: Call, deals: &[DealId], indices: &[U256]) -> Outcome {
        self.atomically(|hub| {
            require_pairs(deals, indices)?;
            deals
                .iter()
                .zip(indices)
                .try_for_each(|(deal, index)| hub.let_go(call, *deal, *index))
        })
    }

    /// Ends a task that nobody finished in time. Anyone may.
    pub fn claim(&mut self, call: Call, id: TaskId) -> Outcome {
        self.atomically(|hub| hub.give_up(call, id))
    }

    /// Claims several tasks, all or none.
    pub fn claim_array(&mut self, call: Call, tasks: &[TaskId]) -> Outcome {
        self.atomically(|hub| tasks.iter().try_for_each(|task| hub.give_up(call, *task)))
    }

    /// Starts and at once claims several tasks, all or none.
    pub fn initialize_and_claim_array(
        &mut self,
        call: Call,
        deals: &[DealId],
        indices: &[U256],
    ) -> Outcome {
        self.atomically(|hub| {
            require_pairs(deals, indices)?;
            deals.iter().zip(indices).try_for_each(|(deal, index)| {
                let task = hub.start(*deal, *index)?;
                hub.give_up(call, task)
            })
        })
    }

    /// Claims the tasks of a deal from an index on, no more than `count`, whether they were started or not; those that are
    /// over are passed by. Answers the first index it did not look at. Anyone may, once the deal's time is over.
    pub fn claim_deal(
        &mut self,
        call: Call,
        deal_id: DealId,
        from: U256,
        count: U256,
    ) -> Result<(Vec<Event>, U256), Refusal> {
        self.atomically_answering(|hub| {
            let deal = hub.require_index(deal_id, from)?;
            let end = deadlines(deal.start_time, hub.category_time(&deal)).end;
            require!(
                end <= call.time,
                DealNotOver {
                    dealid: deal_id.0,
                    end: U256::from(end),
                    time: U256::from(call.time)
                }
            );
            let next = from
                .saturating_add(count)
                .min(deal.bot_first.saturating_add(deal.bot_size));
            let mut index = from;
            while index < next {
                let task = TaskId::derive(deal_id, index);
                let status = hub.task(task).status;
                if status == TaskStatus::Unset {
                    hub.start(deal_id, index)?;
                }
                if !status.is_over() {
                    hub.give_up(call, task)?;
                }
                index += U256::ONE;
            }
            Ok(next)
        })
    }

    fn start(&mut self, deal_id: DealId, index: U256) -> Result<TaskId, Refusal> {
        let deal = self.require_index(deal_id, index)?;
        let id = TaskId::derive(deal_id, index);
        let status = self.task(id).status;
        require!(
            status == TaskStatus::Unset,
            TaskAlreadyInitialized {
                taskid: id.0,
                status: status as u8
            }
        );

        let time_secs = self.category_time(&deal);
        let limits = deadlines(deal.start_time, time_secs);
        let workerpool = deal.workerpool.pointer;
        self.tasks.insert(
            id,
            Task {
                status: TaskStatus::Active,
                deal: deal_id,
                index,
                time_secs,
                contribution_deadline: limits.contribution,
                final_deadline: limits.end,
                ..Task::default()
            },
        );
        emit!(
            self,
            TaskInitialize {
                taskid: id.0,
                workerpool
            }
        );
        Ok(id)
    }

    fn give_up(&mut self, call: Call, id: TaskId) -> Result<(), Refusal> {
        let mut task = self.task(id);
        require!(
            matches!(task.status, TaskStatus::Active | TaskStatus::Revealing),
            TaskNotClaimable {
                taskid: id.0,
                status: task.status as u8
            }
        );
        require!(
            task.final_deadline <= call.time,
            FinalDeadlineAhead {
                taskid: id.0,
                deadline: U256::from(task.final_deadline),
                time: U256::from(call.time),
            }
        );
        let deal = self.deal_of(&task);
        let claimants = self.claimants(id, &task);
        let refund = Refund::after_claim(&deal, &claimants).ok_or(Refusal::Overflow)?;

        task.status = TaskStatus::Failed;
        self.unlock(deal.sponsor, refund.cost.0)?;
        self.seize(deal.workerpool.owner, refund.scheduler_stake.0, id.0)?;
        self.feed_kitty(refund.scheduler_stake.0, id.0);
        self.meet_fates(id, refund.worker_stake, &refund.workers)?;
        self.burn(refund.burnt.0, id.0)?;
        self.tasks.insert(id, task);
        emit!(self, TaskClaimed { taskid: id.0 });
        Ok(())
    }

    fn let_go(&mut self, call: Call, deal_id: DealId, index: U256) -> Result<(), Refusal> {
        require_scheduler(call, &self.require_deal(deal_id)?)?;
        let deal = self.require_index(deal_id, index)?;
        let id = TaskId::derive(deal_id, index);
        let status = self.task(id).status;
        require!(
            matches!(status, TaskStatus::Unset | TaskStatus::Active),
            TaskNotActive {
                taskid: id.0,
                status: status as u8
            }
        );
        if status == TaskStatus::Unset {
            self.start(deal_id, index)?;
        }
        let mut task = self.task(id);
        require_before_contribution_deadline(call, id, &task)?;

        let claimants = self.claimants(id, &task);
        let abandonment = Abandonment::of(&deal, &claimants).ok_or(Refusal::Overflow)?;
        let scheduler = deal.workerpool.owner;
        task.status = TaskStatus::Failed;
        self.unlock(deal.sponsor, abandonment.cost.0)?;
        self.seize(scheduler, abandonment.seized.0, id.0)?;
        if let Some(Nrlc(returned)) = abandonment.returned {
            self.unlock(scheduler, returned)?;
        }
        self.meet_fates(id, abandonment.worker_stake, &abandonment.workers)?;
        self.burn(abandonment.burnt.0, id.0)?;
        self.tasks.insert(id, task);
        emit!(self, TaskClaimed { taskid: id.0 });
        emit!(self, TaskAbandoned { taskid: id.0 });
        Ok(())
    }

    /// Every contributor, and what there is to say of it.
    fn claimants(&self, id: TaskId, task: &Task) -> Vec<Claimant> {
        let claimant = |worker: &_| {
            let contribution = self.contribution(id, *worker);
            let agrees = task.status == TaskStatus::Revealing
                && contribution.result_hash == task.consensus_value;
            Claimant {
                worker: *worker,
                standing: match contribution.status {
                    ContributionStatus::Proved => Standing::Proved,
                    ContributionStatus::Rejected => Standing::Rejected,
                    ContributionStatus::Contributed if agrees => Standing::Silent,
                    // Who did not contribute is no contributor.
                    ContributionStatus::Contributed | ContributionStatus::Unset => {
                        Standing::Waiting
                    }
                },
                weight: contribution.weight,
            }
        };
        task.contributors.iter().map(claimant).collect()
    }

    /// Moves what each contributor had staked, and what some get beside.
    fn meet_fates(
        &mut self,
        id: TaskId,
        Nrlc(stake): Nrlc,
        workers: &[(Address, Fate)],
    ) -> Result<(), Refusal> {
        for (worker, fate) in workers {
            match fate {
                Fate::Unlocked => self.unlock(*worker, stake)?,
                Fate::Rewarded(share) => {
                    self.unlock(*worker, stake)?;
                    if !share.is_zero() {
                        self.reward(*worker, share.0, id.0)?;
                    }
                }
                Fate::Seized => self.seize(*worker, stake, id.0)?,
            }
        }
        Ok(())
    }

    fn require_deal(&self, id: DealId) -> Result<Deal, Refusal> {
        let Some(deal) = self.deals.get(&id) else {
            return refuse!(UnknownDeal { dealid: id.0 });
        };
        Ok(deal.clone())
    }

    /// The deal, if it has a task of this index.
    fn require_index(&self, id: DealId, index: U256) -> Result<Deal, Refusal> {
        let deal = self.require_deal(id)?;
        require!(
            deal.has_index(index),
            TaskIndexOutOfRange {
                dealid: id.0,
                idx: index,
                first: deal.bot_first,
                size: deal.bot_size,
            }
        );
        Ok(deal)
    }

    /// The deal of a task, which exists because tasks are only made of deals that do.
    pub(super) fn deal_of(&self, task: &Task) -> Deal {
        self.deals[&task.deal].clone()
    }

    /// `T` of a deal's category, in seconds. Categories never go, so the deal's is there.
    fn category_time(&self, deal: &Deal) -> u64 {
        self.categories[deal.category.to::<usize>()].time_secs
    }

    pub(super) fn require_active(&self, id: TaskId) -> Result<(Task, Deal), Refusal> {
        let task = self.task(id);
        require!(
            task.status == TaskStatus::Active,
            TaskNotActive {
                taskid: id.0,
                status: task.status as u8
            }
        );
        let deal = self.deal_of(&task);
        Ok((task, deal))
    }

    pub(super) fn require_revealing(&self, id: TaskId) -> Result<(Task, Deal), Refusal> {
        let task = self.task(id);
        require!(
            task.status == TaskStatus::Revealing,
            TaskNotRevealing {
                taskid: id.0,
                status: task.status as u8
            }
        );
        let deal = self.deal_of(&task);
        Ok((task, deal))
    }
}

pub(super) fn require_scheduler(call: Call, deal: &Deal) -> Result<(), Refusal> {
    let owner = deal.workerpool.owner;
    require!(
        call.sender == owner,
        NotTheWorkerpoolOwner {
            sender: call.sender,
            owner
        }
    );
    Ok(())
}

pub(super) fn require_before_end(call: Call, id: TaskId, task: &Task) -> Result<(), Refusal> {
    require!(
        call.time < task.final_deadline,
        FinalDeadlineReached {
            taskid: id.0,
            deadline: U256::from(task.final_deadline),
            time: U256::from(call.time),
        }
    );
    Ok(())
}

fn require_pairs(deals: &[DealId], indices: &[U256]) -> Result<(), Refusal> {
    require!(
        deals.len() == indices.len(),
        LengthMismatch {
            left: U256::from(deals.len()),
            right: U256::from(indices.len())
        }
    );
    Ok(())
}
