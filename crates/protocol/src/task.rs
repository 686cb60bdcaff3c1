//! A task: one unit of a deal, run by one or several workers, and the deadlines it lives under.
//!
//! ```text
//! Unset ─initialize→ Active ─consensus→ Revealing ─finalize→ Completed
//!   │                 ▲  │                │  │
//!   │                 │  ├────── claim ───│──┴─→ Failed      (after the final deadline)
//!   └─────────────────│──┴─── abandon ────│────→ Failed      (the scheduler gives up before contributions end)
//!                     └────── reopen ─────┘                  (nobody revealed in time)
//! ```
//! `contributeAndFinalize` leads from Active to Completed at once. With `T` the category's time and `t0` the deal's
//! start: contribute or abandon before `t0 + 7T`, reveal before `2T` after consensus, finalize or reopen before
//! `t0 + 10T`, claim from then on. A worker who revealed may finalize in the scheduler's place from `T/2` after the time
//! for reveals on. All tasks of a deal share `t0`, whenever they are initialized.

use std::fmt;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::abi::Hub;
use crate::ids::DealId;

/// Contributions are taken for this many times the category's time, from the deal's start.
pub const CONTRIBUTION_DEADLINE_RATIO: u64 = 7;
/// Reveals are taken for this many times the category's time, from consensus.
pub const REVEAL_DEADLINE_RATIO: u64 = 2;
/// A task can be claimed after this many times the category's time, from the deal's start.
pub const FINAL_DEADLINE_RATIO: u64 = 10;

/// Where a task stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Not initialized yet.
    #[default]
    Unset,
    /// Takes contributions.
    Active,
    /// Consensus is reached, winners reveal.
    Revealing,
    /// Finalized and paid.
    Completed,
    /// Claimed or given up, and refunded.
    Failed,
}

impl TaskStatus {
    /// Whether nothing can change any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Completed | Self::Failed => true,
            Self::Unset | Self::Active | Self::Revealing => false,
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unset => "unset",
            Self::Active => "active",
            Self::Revealing => "revealing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        })
    }
}

/// A number that is no status; only another kind of hub could answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{value} is no {what} this version knows")]
pub struct UnknownStatus {
    /// Of what.
    pub what: &'static str,
    /// The number.
    pub value: u8,
}

/// The deadlines fixed by a deal's start and category, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// Contributions are taken before this.
    pub contribution: u64,
    /// Finalize and reopen go before this, claim from this on.
    pub end: u64,
}

/// The deadlines of every task of a deal that started at `start_time` in a category of `time_secs`.
#[must_use]
pub fn deadlines(start_time: u64, time_secs: u64) -> Deadlines {
    let after = |ratio: u64| start_time.saturating_add(time_secs.saturating_mul(ratio));
    Deadlines {
        contribution: after(CONTRIBUTION_DEADLINE_RATIO),
        end: after(FINAL_DEADLINE_RATIO),
    }
}

/// Until when winners may reveal, if consensus comes at `now`.
#[must_use]
pub fn reveal_deadline(now: u64, time_secs: u64) -> u64 {
    now.saturating_add(time_secs.saturating_mul(REVEAL_DEADLINE_RATIO))
}

/// A task, as `viewTask` tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Where it stands.
    pub status: TaskStatus,
    /// The deal it belongs to.
    pub deal: DealId,
    /// Its index in the deal.
    pub index: U256,
    /// The category's time, in seconds.
    pub time_secs: u64,
    /// Contributions are taken before this.
    pub contribution_deadline: u64,
    /// Reveals are taken before this; 0 without consensus.
    pub reveal_deadline: u64,
    /// Claim goes from this on.
    pub final_deadline: u64,
    /// The result hash that won; zero without consensus.
    pub consensus_value: B256,
    /// How many winners have revealed.
    pub reveal_counter: u64,
    /// How many winners there are.
    pub winner_counter: u64,
    /// Everybody who contributed, in order.
    pub contributors: Vec<Address>,
    /// The digest the winners revealed; zero before.
    pub result_digest: B256,
    /// Where the result lies: a [`ResultLink`](crate::result::ResultLink) as JSON.
    pub results: Bytes,
    /// What was handed to the callback.
    pub results_callback: Bytes,
}

impl Task {
    /// Whether a contribution would be in time at `now`.
    #[must_use]
    pub fn takes_contributions(&self, now: u64) -> bool {
        self.status == TaskStatus::Active && now < self.contribution_deadline
    }

    /// Whether a reveal would be in time at `now`.
    #[must_use]
    pub fn takes_reveals(&self, now: u64) -> bool {
        self.status == TaskStatus::Revealing && now < self.reveal_deadline
    }

    /// Whether the scheduler may finalize at `now`: every winner revealed, or some did and the time is over.
    #[must_use]
    pub fn can_finalize(&self, now: u64) -> bool {
        self.status == TaskStatus::Revealing
            && now < self.final_deadline
            && (self.reveal_counter == self.winner_counter
                || (self.reveal_counter > 0 && self.reveal_deadline <= now))
    }

    /// From when on a worker who revealed may finalize, where there is a consensus: half the category's time after the
    /// time for reveals, which the scheduler has to itself.
    #[must_use]
    pub fn workers_turn(&self) -> u64 {
        self.reveal_deadline.saturating_add(self.time_secs / 2)
    }

    /// Whether a worker who revealed may finalize at `now` in the scheduler's place.
    #[must_use]
    pub fn can_be_finished_by_worker(&self, now: u64) -> bool {
        self.can_finalize(now) && self.reveal_counter > 0 && self.workers_turn() <= now
    }

    /// Whether the scheduler may give the task up at `now`. One that is not initialized says nothing of its deadline;
    /// see [`deadlines`].
    #[must_use]
    pub fn can_abandon(&self, now: u64) -> bool {
        self.takes_contributions(now)
    }

    /// Whether the scheduler may reopen at `now`: the time to reveal is over and nobody did.
    #[must_use]
    pub fn can_reopen(&self, now: u64) -> bool {
        self.status == TaskStatus::Revealing
            && now < self.final_deadline
            && self.reveal_deadline <= now
            && self.reveal_counter == 0
    }

    /// Whether anyone may claim at `now`.
    #[must_use]
    pub fn can_claim(&self, now: u64) -> bool {
        matches!(self.status, TaskStatus::Active | TaskStatus::Revealing)
            && self.final_deadline <= now
    }
}

impl TryFrom<u8> for TaskStatus {
    type Error = UnknownStatus;

    fn try_from(value: u8) -> Result<Self, UnknownStatus> {
        Ok(match value {
            0 => Self::Unset,
            1 => Self::Active,
            2 => Self::Revealing,
            3 => Self::Completed,
            4 => Self::Failed,
            _ => {
                return Err(UnknownStatus {
                    what: "task status",
                    value,
                });
            }
        })
    }
}

impl TryFrom<Hub::Task> for Task {
    type Error = UnknownStatus;

    fn try_from(task: Hub::Task) -> Result<Self, UnknownStatus> {
        Ok(Self {
            status: TaskStatus::try_from(task.status)?,
            deal: DealId(task.dealid),
            index: task.idx,
            time_secs: task.timeref.saturating_to(),
            contribution_deadline: task.contributionDeadline.saturating_to(),
            reveal_deadline: task.revealDeadline.saturating_to(),
            final_deadline: task.finalDeadline.saturating_to(),
            consensus_value: task.consensusValue,
            reveal_counter: task.revealCounter.saturating_to(),
            winner_counter: task.winnerCounter.saturating_to(),
            contributors: task.contributors,
            result_digest: task.resultDigest,
            results: task.results,
            results_callback: task.resultsCallback,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_count_from_the_deals_start() {
        assert_eq!(
            deadlines(1_000, 300),
            Deadlines {
                contribution: 3_100,
                end: 4_000
            }
        );
        assert_eq!(reveal_deadline(1_500, 300), 2_100);
    }

    #[test]
    fn a_deadline_is_over_from_its_very_second_on() {
        let mut task = Task {
            status: TaskStatus::Active,
            contribution_deadline: 100,
            final_deadline: 200,
            ..Task::default()
        };
        assert!(task.takes_contributions(99) && !task.takes_contributions(100));
        assert!(!task.can_claim(199) && task.can_claim(200));

        task.status = TaskStatus::Revealing;
        task.reveal_deadline = 120;
        task.winner_counter = 2;
        assert!(task.takes_reveals(119) && !task.takes_reveals(120));
        assert!(!task.can_reopen(119) && task.can_reopen(120) && !task.can_reopen(200));
        task.reveal_counter = 1;
        assert!(!task.can_reopen(120));
        assert!(!task.can_finalize(119) && task.can_finalize(120) && !task.can_finalize(200));
        task.reveal_counter = 2;
        assert!(task.can_finalize(119));
    }

    #[test]
    fn a_worker_may_finish_half_a_category_time_after_the_reveals() {
        let task = Task {
            status: TaskStatus::Revealing,
            time_secs: 21,
            reveal_deadline: 120,
            final_deadline: 200,
            winner_counter: 2,
            reveal_counter: 1,
            ..Task::default()
        };
        assert_eq!(task.workers_turn(), 130);
        let at = [129, 130, 199, 200].map(|now| task.can_be_finished_by_worker(now));
        assert_eq!(at, [false, true, true, false]);
        let silent = Task {
            reveal_counter: 0,
            ..task
        };
        assert!(!silent.can_be_finished_by_worker(130));
    }

    #[test]
    fn statuses_are_the_hubs_numbers() {
        for number in 0..5 {
            assert_eq!(
                TaskStatus::try_from(number).map(|status| status as u8),
                Ok(number)
            );
        }
        let refusal = TaskStatus::try_from(5).expect_err("there are five");
        assert_eq!(
            refusal.to_string(),
            "5 is no task status this version knows"
        );
    }
}
