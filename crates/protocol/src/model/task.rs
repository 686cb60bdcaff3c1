//! Tasks in the twin: their beginning, their way back to contributions, and their end by time.

use alloy_primitives::U256;

use super::{Call, Hub, Outcome, Refusal, emit, refuse, require};
use crate::contribution::ContributionStatus;
use crate::deal::Deal;
use crate::ids::{DealId, TaskId};
use crate::payment::Refund;
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

    fn start(&mut self, deal_id: DealId, index: U256) -> Result<TaskId, Refusal> {
        let Some(deal) = self.deals.get(&deal_id) else {
            return refuse!(UnknownDeal { dealid: deal_id.0 });
        };
        require!(
            deal.has_index(index),
            TaskIndexOutOfRange {
                dealid: deal_id.0,
                idx: index,
                first: deal.bot_first,
                size: deal.bot_size,
            }
        );
        let id = TaskId::derive(deal_id, index);
        let status = self.task(id).status;
        require!(
            status == TaskStatus::Unset,
            TaskAlreadyInitialized {
                taskid: id.0,
                status: status as u8
            }
        );

        let time_secs = self.category_time(deal);
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
        let refund = Refund::of(&deal);

        task.status = TaskStatus::Failed;
        self.unlock(deal.sponsor, refund.cost.0)?;
        self.seize(deal.workerpool.owner, refund.scheduler_stake.0, id.0)?;
        self.feed_kitty(refund.scheduler_stake.0, id.0);
        for worker in &task.contributors {
            self.unlock(*worker, refund.worker_stake.0)?;
        }
        self.tasks.insert(id, task);
        emit!(self, TaskClaimed { taskid: id.0 });
        Ok(())
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
