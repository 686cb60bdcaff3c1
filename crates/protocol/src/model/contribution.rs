//! Contributions in the twin: claimed under seal, shown after consensus.

use alloy_primitives::{Address, B256, U256};

use super::{Call, Hub, Outcome, Refusal, emit, require};
use crate::consensus::{reached, reward_weight, weight};
use crate::contribution::{
    Contribution, ContributionStatus, authorization_hash, enclave_hash, hash, message_hash, seal,
};
use crate::deal::Deal;
use crate::ids::TaskId;
use crate::result::Digest;
use crate::task::{Task, TaskStatus, reveal_deadline};

/// The most contributions a task takes.
const CONTRIBUTIONS_LIMIT: usize = 512;

impl Hub {
    /// Claims a result without showing it. By a worker whom the scheduler (or the enclave broker) authorized.
    #[expect(clippy::too_many_arguments, reason = "the contract's verb has as many")]
    pub fn contribute(
        &mut self,
        call: Call,
        id: TaskId,
        result_hash: B256,
        result_seal: B256,
        enclave: Address,
        enclave_sign: &[u8],
        authorization_sign: &[u8],
    ) -> Outcome {
        self.atomically(|hub| {
            let worker = call.sender;
            let (mut task, deal) = hub.require_active(id)?;
            require_before_contribution_deadline(call, id, &task)?;
            require!(
                task.contributors.len() < CONTRIBUTIONS_LIMIT,
                TooManyContributions {
                    taskid: id.0,
                    limit: U256::from(CONTRIBUTIONS_LIMIT)
                }
            );
            require!(
                !task.contributors.contains(&worker),
                AlreadyContributed {
                    taskid: id.0,
                    worker
                }
            );
            let weight = weight(hub.score(worker));
            let tally = hub.tallies.entry(id).or_default();
            let (group, total) = tally.foresee(result_hash, weight)?;
            hub.require_admission(worker, id, &deal, enclave, authorization_sign)?;
            hub.require_enclave(id, result_hash, result_seal, enclave, enclave_sign)?;
            let consensus = reached(group, total, deal.trust)?;

            hub.tallies
                .entry(id)
                .or_default()
                .count(result_hash, weight, deal.trust)?;
            hub.contributions.insert(
                (id, worker),
                Contribution {
                    status: ContributionStatus::Contributed,
                    result_hash,
                    result_seal,
                    enclave_challenge: enclave,
                    weight: reward_weight(weight),
                },
            );
            task.contributors.push(worker);
            if consensus {
                task.status = TaskStatus::Revealing;
                task.consensus_value = result_hash;
                task.reveal_deadline = reveal_deadline(call.time, task.time_secs);
                task.winner_counter = hub.winners(id, &task);
            }
            hub.tasks.insert(id, task);
            hub.lock(worker, deal.worker_stake.0)?;

            emit!(
                hub,
                TaskContribute {
                    taskid: id.0,
                    worker,
                    hash: result_hash
                }
            );
            if consensus {
                emit!(
                    hub,
                    TaskConsensus {
                        taskid: id.0,
                        consensus: result_hash
                    }
                );
            }
            Ok(())
        })
    }

    /// Shows the digest behind a contribution that won.
    pub fn reveal(&mut self, call: Call, id: TaskId, digest: Digest) -> Outcome {
        self.atomically(|hub| {
            let worker = call.sender;
            let (mut task, _) = hub.require_revealing(id)?;
            require!(
                call.time < task.reveal_deadline,
                RevealDeadlineReached {
                    taskid: id.0,
                    deadline: U256::from(task.reveal_deadline),
                    time: U256::from(call.time),
                }
            );
            let mut contribution = hub.contribution(id, worker);
            require!(
                contribution.status == ContributionStatus::Contributed,
                NothingToReveal {
                    taskid: id.0,
                    worker,
                    status: contribution.status as u8
                }
            );
            let consensus = task.consensus_value;
            require!(
                contribution.result_hash == consensus,
                NotTheConsensus {
                    taskid: id.0,
                    worker,
                    hash: contribution.result_hash,
                    consensus,
                }
            );
            require!(
                hash(id, digest) == consensus,
                DigestMismatch {
                    taskid: id.0,
                    digest: digest.0,
                    hash: consensus
                }
            );
            require!(
                seal(worker, id, digest) == contribution.result_seal,
                SealMismatch {
                    taskid: id.0,
                    worker,
                    seal: contribution.result_seal
                }
            );

            contribution.status = ContributionStatus::Proved;
            hub.contributions.insert((id, worker), contribution);
            task.reveal_counter += 1;
            task.result_digest = digest.0;
            hub.tasks.insert(id, task);
            emit!(
                hub,
                TaskReveal {
                    taskid: id.0,
                    worker,
                    digest: digest.0
                }
            );
            Ok(())
        })
    }

    /// How many contributions agree with the consensus.
    fn winners(&self, id: TaskId, task: &Task) -> u64 {
        task.contributors
            .iter()
            .map(|worker| self.contribution(id, *worker))
            .filter(|contribution| {
                contribution.status == ContributionStatus::Contributed
                    && contribution.result_hash == task.consensus_value
            })
            .map(|_| 1)
            .sum()
    }

    /// The worker was sent: by the enclave broker where one is set and an enclave is named, else by the scheduler.
    pub(super) fn require_admission(
        &self,
        worker: Address,
        id: TaskId,
        deal: &Deal,
        enclave: Address,
        sign: &[u8],
    ) -> Result<(), Refusal> {
        require!(
            !enclave.is_zero() || !deal.needs_enclave(),
            EnclaveRequired { taskid: id.0 }
        );
        let by_broker = !enclave.is_zero() && !self.enclave_broker.is_zero();
        let signer = if by_broker {
            self.enclave_broker
        } else {
            deal.workerpool.owner
        };
        let message = message_hash(authorization_hash(worker, id, enclave));
        require!(
            self.is_signer(signer, message, sign)?,
            InvalidAuthorization {
                taskid: id.0,
                worker,
                enclave,
                signer
            }
        );
        Ok(())
    }

    /// What came out of an enclave is signed there.
    pub(super) fn require_enclave(
        &self,
        id: TaskId,
        result_hash: B256,
        result_seal: B256,
        enclave: Address,
        sign: &[u8],
    ) -> Result<(), Refusal> {
        if enclave.is_zero() {
            return Ok(());
        }
        let message = message_hash(enclave_hash(result_hash, result_seal));
        require!(
            self.is_signer(enclave, message, sign)?,
            InvalidEnclaveSignature {
                taskid: id.0,
                enclave
            }
        );
        Ok(())
    }
}

pub(super) fn require_before_contribution_deadline(
    call: Call,
    id: TaskId,
    task: &Task,
) -> Result<(), Refusal> {
    require!(
        call.time < task.contribution_deadline,
        ContributionDeadlineReached {
            taskid: id.0,
            deadline: U256::from(task.contribution_deadline),
            time: U256::from(call.time),
        }
    );
    Ok(())
}
