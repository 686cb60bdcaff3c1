//! Consensus: the hub's decision which claim is true.
//!
//! Every contribution multiplies the weight of the group that claims the same hash by the worker's own weight,
//! which grows with the worker's score. The hub accepts a group as soon as
//!
//! ```text
//! group × trust > total × (trust − 1)          total = 1 + the sum of all groups
//! ```
//!
//! that is, when its share of the total, the *confidence*, exceeds 1 − 1/trust. So trust is not a number of
//! replicas: `n` agreeing workers of weight `w` suffice exactly when `trust ≤ wⁿ`. The arithmetic is the hub's,
//! whole numbers of 256 bits; where it would overflow, the hub refuses that contribution, and so does this.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};

/// The least weight of a worker, that of a new one.
const LEAST_WEIGHT: u64 = 2;

/// A worker's weight in consensus: `max(score / 3, 3) − 1`, so 2 below a score of 12, then one more per 3 points.
#[must_use]
pub fn weight(score: U256) -> U256 {
    (score / U256::from(3)).max(U256::from(LEAST_WEIGHT + 1)) - U256::ONE
}

/// A worker's share in the reward: the whole part of log₂ of its [`weight`].
#[must_use]
pub fn reward_weight(weight: U256) -> U256 {
    U256::from(weight.bit_len().saturating_sub(1))
}

/// A worker's score after its contribution was proved in a task with more than one contributor.
#[must_use]
pub fn score_after_proof(score: U256) -> U256 {
    score.saturating_add(U256::ONE)
}

/// A worker's score after a task was finalized without its contribution being proved: two thirds, rounded down.
#[must_use]
pub fn score_after_fault(score: U256) -> U256 {
    let (thirds, rest) = score.div_rem(U256::from(3));
    thirds * U256::from(2) + rest * U256::from(2) / U256::from(3)
}

/// The weights have outgrown 256 bits; the hub refuses the contribution that would do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the weights of this task would exceed 256 bits")]
pub struct Overflow;

/// Whether a group of weight `group` out of `total` is accepted at `trust`.
pub fn reached(group: U256, total: U256, trust: U256) -> Result<bool, Overflow> {
    // The hub stores a trust of 0 as 1.
    let others = trust.saturating_sub(U256::ONE);
    let trust = trust.max(U256::ONE);
    let left = group.checked_mul(trust).ok_or(Overflow)?;
    let right = total.checked_mul(others).ok_or(Overflow)?;
    Ok(left > right)
}

/// The share of a group in the total: how sure the formula is that its claim is true. For showing, not deciding.
#[must_use]
pub fn confidence(group: U256, total: U256) -> f64 {
    if total.is_zero() {
        0.0
    } else {
        f64::from(group) / f64::from(total)
    }
}

/// The confidence that a trust asks for: 1 − 1/trust.
#[must_use]
pub fn confidence_asked(trust: U256) -> f64 {
    1.0 - 1.0 / f64::from(trust.max(U256::ONE))
}

/// How many of these workers, by their scores and in this order, reach `trust` if they all agree; `None` if all of
/// them together do not.
pub fn replicas_needed(trust: U256, scores: impl IntoIterator<Item = U256>) -> Option<usize> {
    let mut tally = Tally::default();
    scores
        .into_iter()
        .position(|score| matches!(tally.count(B256::ZERO, weight(score), trust), Ok(true)))
        .map(|position| position + 1)
}

/// How many agreeing workers of no history reach `trust`.
#[must_use]
pub fn replicas_of_new_workers(trust: U256) -> usize {
    // The smallest n with trust ≤ 2ⁿ, and at least one.
    trust.saturating_sub(U256::ONE).bit_len().max(1)
}

/// The weights of one task's groups, as the hub keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    total: U256,
    groups: BTreeMap<B256, U256>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            total: U256::ONE,
            groups: BTreeMap::new(),
        }
    }
}

impl Tally {
    /// What the group of `claim` and all groups would weigh after one more contribution of this [`weight`].
    pub fn foresee(&self, claim: B256, weight: U256) -> Result<(U256, U256), Overflow> {
        let before = self.group(claim);
        let after = before.max(U256::ONE).checked_mul(weight).ok_or(Overflow)?;
        let total = (self.total - before).checked_add(after).ok_or(Overflow)?;
        Ok((after, total))
    }

    /// Counts a claim of a worker of this [`weight`] and says whether its group is now accepted at `trust`. On
    /// overflow nothing is counted.
    pub fn count(&mut self, claim: B256, weight: U256, trust: U256) -> Result<bool, Overflow> {
        let (group, total) = self.foresee(claim, weight)?;
        let accepted = reached(group, total, trust)?;
        self.groups.insert(claim, group);
        self.total = total;
        Ok(accepted)
    }

    /// Forgets a group whose winners did not reveal (`reopen`).
    pub fn forget(&mut self, claim: B256) {
        if let Some(group) = self.groups.remove(&claim) {
            self.total -= group;
        }
    }

    /// Weight of the group that claims this.
    #[must_use]
    pub fn group(&self, claim: B256) -> U256 {
        self.groups.get(&claim).copied().unwrap_or_default()
    }

    /// One plus the weights of all groups.
    #[must_use]
    pub fn total(&self) -> U256 {
        self.total
    }

    /// The heaviest group so far.
    #[must_use]
    pub fn leader(&self) -> Option<(B256, U256)> {
        self.groups
            .iter()
            .map(|(claim, group)| (*claim, *group))
            .max_by_key(|(_, group)| *group)
    }

    /// How sure the formula is of a claim.
    #[must_use]
    pub fn confidence(&self, claim: B256) -> f64 {
        confidence(self.group(claim), self.total)
    }

    /// Whether `trust` is reached for some claim, should these workers all join the heaviest group (or, while there
    /// is none, found one). A scheduler that has assigned them need assign no more for now.
    #[must_use]
    pub fn suffices(&self, trust: U256, scores: impl IntoIterator<Item = U256>) -> bool {
        let claim = self.leader().map(|(claim, _)| claim).unwrap_or_default();
        let mut foreseen = self.clone();
        scores
            .into_iter()
            .any(|score| matches!(foreseen.count(claim, weight(score), trust), Ok(true)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(value: u64) -> U256 {
        U256::from(value)
    }

    #[test]
    fn a_workers_weight_is_two_below_a_score_of_twelve() {
        let weights: Vec<u64> = [0, 11, 12, 14, 15, 30]
            .map(|score| weight(number(score)).to())
            .into();
        assert_eq!(weights, [2, 2, 3, 3, 4, 9]);
        assert_eq!(reward_weight(number(2)), number(1));
        assert_eq!(reward_weight(number(3)), number(1));
        assert_eq!(reward_weight(number(4)), number(2));
    }

    #[test]
    fn a_fault_costs_a_third_of_the_score_rounded_against_the_worker() {
        let after: Vec<u64> = [0, 1, 2, 3, 4, 5, 9]
            .map(|score| score_after_fault(number(score)).to())
            .into();
        assert_eq!(after, [0, 0, 1, 2, 2, 3, 6]);
        assert_eq!(score_after_proof(number(2)), number(3));
    }

    #[test]
    fn new_workers_needed_double_the_trust_each() {
        for (trust, replicas) in [
            (0, 1),
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (8, 3),
            (9, 4),
            (16, 4),
            (32, 5),
        ] {
            assert_eq!(
                replicas_of_new_workers(number(trust)),
                replicas,
                "trust {trust}"
            );
            let new = std::iter::repeat_n(U256::ZERO, 8);
            assert_eq!(
                replicas_needed(number(trust), new),
                Some(replicas),
                "trust {trust}"
            );
        }
        assert_eq!(replicas_needed(number(5), [U256::ZERO; 2]), None);
    }

    #[test]
    fn a_lie_must_be_outweighed() {
        // Trust 3: two new workers suffice when they agree; with one liar among them three honest ones are needed.
        let (truth, lie) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let mut tally = Tally::default();
        assert_eq!(tally.count(lie, number(2), number(3)), Ok(false));
        assert_eq!(tally.count(truth, number(2), number(3)), Ok(false));
        assert_eq!(tally.count(truth, number(2), number(3)), Ok(false));
        assert_eq!((tally.group(truth), tally.total()), (number(4), number(7)));
        assert!(tally.suffices(number(3), [U256::ZERO]));
        assert_eq!(tally.count(truth, number(2), number(3)), Ok(true));
        assert_eq!(tally.leader(), Some((truth, number(8))));
        assert!((tally.confidence(truth) - 8.0 / 11.0).abs() < 1e-12);
    }

    #[test]
    fn a_forgotten_group_weighs_nothing() {
        let claim = B256::repeat_byte(1);
        let mut tally = Tally::default();
        assert_eq!(tally.count(claim, number(2), number(1)), Ok(true));
        tally.forget(claim);
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn weights_beyond_256_bits_are_refused_and_change_nothing() {
        let claim = B256::repeat_byte(1);
        let heavy = U256::MAX >> 1;
        let mut tally = Tally::default();
        assert_eq!(tally.count(claim, heavy, number(1)), Ok(true));
        let before = tally.clone();
        assert_eq!(tally.count(claim, number(4), number(1)), Err(Overflow));
        assert_eq!(
            tally.count(B256::repeat_byte(2), heavy, number(3)),
            Err(Overflow)
        );
        assert_eq!(tally, before);
    }

    proptest! {
        #[test]
        fn unanimous_workers_suffice_exactly_when_the_product_of_their_weights_reaches_trust(
            trust in 0_u64..5_000,
            scores in prop::collection::vec(0_u64..60, 1..8),
        ) {
            let scores: Vec<U256> = scores.into_iter().map(number).collect();
            let product = |count: usize| scores.iter().take(count).map(|score| weight(*score)).product::<U256>();
            let expected = (1..=scores.len()).find(|count| number(trust) <= product(*count).max(U256::ONE));
            prop_assert_eq!(replicas_needed(number(trust), scores.iter().copied()), expected);
        }

        #[test]
        fn confidence_exceeds_what_trust_asks_exactly_when_consensus_is_reached(
            group in 1_u64..1_000_000, others in 0_u64..1_000_000, trust in 1_u64..10_000,
        ) {
            let (group, total) = (number(group), number(group + others + 1));
            let accepted = reached(group, total, number(trust)).expect("small numbers");
            let margin = confidence(group, total) - confidence_asked(number(trust));
            prop_assert!(accepted == (margin > 0.0) || margin.abs() < 1e-9);
        }

        #[test]
        fn the_total_is_always_one_more_than_the_groups(
            claims in prop::collection::vec((0_u8..4, 2_u64..30), 0..20),
        ) {
            let mut tally = Tally::default();
            for (claim, weight) in claims {
                tally.count(B256::repeat_byte(claim), number(weight), number(7)).expect("small numbers");
            }
            let groups: U256 = (0..4).map(|claim| tally.group(B256::repeat_byte(claim))).sum();
            prop_assert_eq!(tally.total(), groups + U256::ONE);
        }

        #[test]
        fn no_two_claims_can_both_be_accepted_at_trust_two_or_more(
            left in 0_u64..1_000, right in 0_u64..1_000, trust in 2_u64..50,
        ) {
            let total = number(left + right + 1);
            let both = reached(number(left), total, number(trust)) == Ok(true)
                && reached(number(right), total, number(trust)) == Ok(true);
            prop_assert!(!both);
        }
    }
}
