//! Results in the twin: the result is recorded, everybody is paid, the requester's contract is told.

use alloy_primitives::{Address, Bytes, U256};

use super::contribution::require_before_contribution_deadline;
use super::task::{require_before_end, require_scheduler};
use super::{Call, Callback, Hub, Outcome, Refusal, emit, require};
use crate::consensus::{score_after_fault, score_after_proof};
use crate::contribution::{Contribution, ContributionStatus, hash, seal};
use crate::deal::Deal;
use crate::ids::TaskId;
use crate::payment::{Contributor, KITTY, Nrlc, Settlement};
use crate::result::Digest;
use crate::task::{Task, TaskStatus, reveal_deadline};

/// The most bytes of a result link and callback data together: what fits in a contract's code.
const RESULTS_LIMIT: usize = 24_575 - 2;
/// The highest score: 64 bits.
const SCORE_LIMIT: U256 = U256::from_limbs([u64::MAX, 0, 0, 0]);

impl Hub {
    /// Records the result and pays everybody. By the scheduler, once all winners revealed, or some did and the time
    /// for it is over. When the scheduler stays silent, by a worker who revealed: it earns the scheduler's part of the
    /// pot, and leaves the results empty, since the bytes can be found by their digest.
    pub fn finalize(
        &mut self,
        call: Call,
        id: TaskId,
        results: Bytes,
        callback_data: Bytes,
    ) -> Outcome {
        self.atomically(|hub| {
            let (mut task, deal) = hub.require_revealing(id)?;
            let by_worker = call.sender != deal.workerpool.owner;
            if by_worker {
                hub.require_workers_turn(call, id, &task, &deal)?;
            }
            require_before_end(call, id, &task)?;
            require!(
                task.reveal_counter == task.winner_counter
                    || (task.reveal_counter > 0 && task.reveal_deadline <= call.time),
                RevealsMissing {
                    taskid: id.0,
                    reveals: U256::from(task.reveal_counter),
                    winners: U256::from(task.winner_counter),
                    deadline: U256::from(task.reveal_deadline),
                }
            );
            require!(
                !by_worker || results.is_empty(),
                ResultsNotAllowed {
                    taskid: id.0,
                    length: U256::from(results.len())
                }
            );
            require_callback_data(id, &deal, Digest(task.result_digest), &callback_data)?;

            hub.record(id, &mut task, &results, &callback_data)?;
            let contributors = hub.contributors(id, &task);
            let settlement = if by_worker {
                Settlement::by_worker(&deal, &contributors)
            } else {
                Settlement::after_consensus(&deal, Nrlc(hub.kitty()), &contributors)
            };
            let settlement = settlement.ok_or(Refusal::Overflow)?;
            hub.settle(id, &deal, &settlement)?;
            hub.pay_workers(id, &deal, &settlement)?;
            hub.reward(call.sender, settlement.scheduler.0, id.0)?;

            emit!(
                hub,
                TaskFinalize {
                    taskid: id.0,
                    results
                }
            );
            hub.call_back(id, &deal, callback_data);
            Ok(())
        })
    }

    /// Only who revealed may step in for the scheduler, and only after the scheduler had its time.
    fn require_workers_turn(
        &self,
        call: Call,
        id: TaskId,
        task: &Task,
        deal: &Deal,
    ) -> Result<(), Refusal> {
        if self.contribution(id, call.sender).status != ContributionStatus::Proved {
            return require_scheduler(call, deal);
        }
        let from = task.workers_turn();
        require!(
            from <= call.time,
            WorkersTurnAhead {
                taskid: id.0,
                from: U256::from(from),
                time: U256::from(call.time)
            }
        );
        Ok(())
    }

    /// Contributes, reveals and finalizes in one step, for deals of trust 1, by an authorized worker. Stakes nothing
    /// and moves no score.
    #[expect(clippy::too_many_arguments, reason = "the contract's verb has as many")]
    pub fn contribute_and_finalize(
        &mut self,
        call: Call,
        id: TaskId,
        digest: Digest,
        results: Bytes,
        callback_data: Bytes,
        enclave: Address,
        enclave_sign: &[u8],
        authorization_sign: &[u8],
    ) -> Outcome {
        self.atomically(|hub| {
            let worker = call.sender;
            let (mut task, deal) = hub.require_active(id)?;
            require_before_contribution_deadline(call, id, &task)?;
            require!(
                task.contributors.is_empty(),
                TaskHasContributions {
                    taskid: id.0,
                    contributions: U256::from(task.contributors.len()),
                }
            );
            require!(
                deal.trust == U256::ONE,
                TrustNotOne {
                    taskid: id.0,
                    trust: deal.trust
                }
            );
            require_callback_data(id, &deal, digest, &callback_data)?;
            hub.require_admission(worker, id, &deal, enclave, authorization_sign)?;
            let (result_hash, result_seal) = (hash(id, digest), seal(worker, id, digest));
            hub.require_enclave(id, result_hash, result_seal, enclave, enclave_sign)?;

            hub.contributions.insert(
                (id, worker),
                Contribution {
                    status: ContributionStatus::Proved,
                    result_hash,
                    result_seal,
                    enclave_challenge: enclave,
                    weight: U256::ZERO,
                },
            );
            task.contributors.push(worker);
            task.consensus_value = result_hash;
            task.reveal_deadline = reveal_deadline(call.time, task.time_secs);
            task.winner_counter = 1;
            task.reveal_counter = 1;
            task.result_digest = digest.0;
            hub.record(id, &mut task, &results, &callback_data)?;

            let settlement = Settlement::of_lone_worker(&deal, Nrlc(hub.kitty()), worker);
            hub.settle(id, &deal, &settlement)?;
            for share in &settlement.workers {
                hub.reward(share.worker, share.reward.unwrap_or_default().0, id.0)?;
            }
            hub.reward(deal.workerpool.owner, settlement.scheduler.0, id.0)?;

            emit!(
                hub,
                TaskContribute {
                    taskid: id.0,
                    worker,
                    hash: result_hash
                }
            );
            emit!(
                hub,
                TaskConsensus {
                    taskid: id.0,
                    consensus: result_hash
                }
            );
            emit!(
                hub,
                TaskReveal {
                    taskid: id.0,
                    worker,
                    digest: digest.0
                }
            );
            emit!(
                hub,
                TaskFinalize {
                    taskid: id.0,
                    results
                }
            );
            hub.call_back(id, &deal, callback_data);
            Ok(())
        })
    }

    /// Refuses to show what another contract may use before it is final.
    pub fn assert_completed(&self, id: TaskId) -> Outcome {
        require!(
            self.task(id).status == TaskStatus::Completed,
            TaskPending { taskid: id.0 }
        );
        Ok(Vec::new())
    }

    /// Writes the result down; the task is completed.
    fn record(
        &mut self,
        id: TaskId,
        task: &mut Task,
        results: &Bytes,
        callback_data: &Bytes,
    ) -> Result<(), Refusal> {
        let length = results.len() + callback_data.len();
        require!(
            length <= RESULTS_LIMIT,
            ResultsTooLong {
                length: U256::from(length),
                limit: U256::from(RESULTS_LIMIT)
            }
        );
        task.status = TaskStatus::Completed;
        task.results = results.clone();
        task.results_callback = callback_data.clone();
        self.tasks.insert(id, task.clone());
        Ok(())
    }

    fn contributors(&self, id: TaskId, task: &Task) -> Vec<Contributor> {
        task.contributors
            .iter()
            .map(|worker| {
                let contribution = self.contribution(id, *worker);
                Contributor {
                    worker: *worker,
                    proved: contribution.status == ContributionStatus::Proved,
                    weight: contribution.weight,
                }
            })
            .collect()
    }

    /// What every success has in common.
    fn settle(&mut self, id: TaskId, deal: &Deal, settlement: &Settlement) -> Result<(), Refusal> {
        let scheduler = deal.workerpool.owner;
        self.seize(deal.sponsor, settlement.cost.0, id.0)?;
        if !settlement.app.is_zero() {
            self.reward(deal.app.owner, settlement.app.0, id.0)?;
        }
        if !settlement.dataset.is_zero() {
            self.reward(deal.dataset.owner, settlement.dataset.0, id.0)?;
        }
        self.unlock(scheduler, settlement.scheduler_stake.0)?;
        if !settlement.kitty.is_zero() {
            self.seize(KITTY, settlement.kitty.0, id.0)?;
            self.reward(scheduler, settlement.kitty.0, id.0)?;
        }
        Ok(())
    }

    fn pay_workers(
        &mut self,
        id: TaskId,
        deal: &Deal,
        settlement: &Settlement,
    ) -> Result<(), Refusal> {
        let stake = deal.worker_stake.0;
        let alone = settlement.workers.len() == 1;
        for share in &settlement.workers {
            let worker = share.worker;
            let score = self.score(worker);
            if let Some(reward) = share.reward {
                self.unlock(worker, stake)?;
                self.reward(worker, reward.0, id.0)?;
                if !alone {
                    self.set_score(worker, score_after_proof(score));
                    emit!(
                        self,
                        AccurateContribution {
                            worker,
                            taskid: id.0
                        }
                    );
                }
            } else {
                self.seize(worker, stake, id.0)?;
                self.set_score(worker, score_after_fault(score));
                emit!(
                    self,
                    FaultyContribution {
                        worker,
                        taskid: id.0
                    }
                );
            }
        }
        Ok(())
    }

    fn set_score(&mut self, worker: Address, score: U256) {
        self.scores.insert(worker, score.min(SCORE_LIMIT));
    }

    /// Comes last, and its failure would change nothing.
    fn call_back(&mut self, id: TaskId, deal: &Deal, data: Bytes) {
        if deal.has_callback() {
            self.callbacks.push(Callback {
                to: deal.callback,
                task: id,
                data,
            });
        }
    }
}

/// Data for a contract are what the workers agreed on. There need be none where nobody is called.
fn require_callback_data(
    id: TaskId,
    deal: &Deal,
    digest: Digest,
    data: &Bytes,
) -> Result<(), Refusal> {
    if data.is_empty() && !deal.has_callback() {
        return Ok(());
    }
    let data_digest = Digest::of_callback(data);
    require!(
        data_digest == digest,
        CallbackDataMismatch {
            taskid: id.0,
            dataDigest: data_digest.0,
            resultDigest: digest.0
        }
    );
    Ok(())
}
