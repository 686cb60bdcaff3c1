//! Payment: what everybody gets and loses when a task ends.
//!
//! Money is counted in nRLC, 10⁻⁹ RLC, as whole numbers. [`Settlement`] says exactly what the hub moves when a task
//! is finalized after consensus ([`Settlement::after_consensus`]) or by its only worker
//! ([`Settlement::of_lone_worker`]), [`Refund`] what it moves when a task is claimed. Roundings are the hub's, always
//! down, and the scheduler gets the dust. The kitty is an account without a key that holds the stakes of schedulers
//! who failed; each later success drains a tenth of it for its scheduler ([`kitty_drain`]).
//!
//! Everything here is arithmetic over arguments; who owns what is [`model`](crate::model)'s or the chain's.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, U256, U512, address};
use serde::{Deserialize, Serialize};

use crate::deal::Deal;

/// The kitty: an address nobody has a key for (the first 20 bytes of keccak256("iExecKitty"), minus one).
pub const KITTY: Address = address!("99c2268479b93fDe36232351229815DF80837e23");

/// The scheduler's stake per task, in percent of the workerpool's price.
pub const SCHEDULER_STAKE_PERCENT: u64 = 30;

/// What a success drains of the kitty, in percent.
pub const KITTY_PERCENT: u64 = 10;

/// The least a success drains of the kitty (or all there is): 1 RLC, in nRLC.
pub const KITTY_MIN: u64 = 1_000_000_000;

/// An amount of money, in nRLC (10⁻⁹ RLC).
///
/// Prints as RLC (`1.5 RLC`); reads `1.5`, `1.5 RLC`, `1500000000 nRLC`. In JSON it is a decimal string of nRLC.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nrlc(#[serde(with = "crate::order::decimal")] pub U256);

/// nRLC in one RLC.
const PER_RLC: U256 = U256::from_limbs([1_000_000_000, 0, 0, 0]);

impl Nrlc {
    /// No money.
    pub const ZERO: Self = Self(U256::ZERO);

    /// So many whole RLC.
    #[must_use]
    pub fn rlc(whole: u64) -> Self {
        Self(U256::from(whole) * PER_RLC)
    }

    /// So many nRLC.
    #[expect(
        clippy::self_named_constructors,
        reason = "beside `rlc`, it names the unit of its argument"
    )]
    #[must_use]
    pub fn nrlc(amount: u64) -> Self {
        Self(U256::from(amount))
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The sum, unless it exceeds 2^256 - 1.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it is negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl From<U256> for Nrlc {
    fn from(amount: U256) -> Self {
        Self(amount)
    }
}

impl From<Nrlc> for U256 {
    fn from(amount: Nrlc) -> Self {
        amount.0
    }
}

impl fmt::Display for Nrlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = self.0.div_rem(PER_RLC);
        let digits = format!("{:09}", rest.to::<u64>());
        let fraction = digits.trim_end_matches('0');
        let text = match fraction {
            "" => format!("{whole} RLC"),
            _ => format!("{whole}.{fraction} RLC"),
        };
        f.pad(&text)
    }
}

/// A text that was meant to be an amount of money and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    /// Not a number with an optional unit.
    #[error("{text:?} is no amount: expected for instance 1.5, \"1.5 RLC\" or \"1500 nRLC\"")]
    NotANumber {
        /// What was read.
        text: String,
    },
    /// More than nine decimals of an RLC, or decimals of an nRLC.
    #[error("{text:?} is finer than 1 nRLC, the smallest unit")]
    TooFine {
        /// What was read.
        text: String,
    },
    /// More than 2^256 - 1 nRLC.
    #[error("{text:?} is more than can be counted")]
    TooLarge {
        /// What was read.
        text: String,
    },
}

impl FromStr for Nrlc {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let not_a_number = || BadAmount::NotANumber {
            text: text.to_owned(),
        };
        let too_large = || BadAmount::TooLarge {
            text: text.to_owned(),
        };

        let trimmed = text.trim();
        let lower = trimmed.to_ascii_lowercase();
        let (number, decimals) = if lower.ends_with("nrlc") {
            (&trimmed[..trimmed.len() - 4], 0_usize)
        } else if lower.ends_with("rlc") {
            (&trimmed[..trimmed.len() - 3], 9)
        } else {
            (trimmed, 9)
        };
        let number = number.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
            return Err(not_a_number());
        }
        if fraction.len() > decimals {
            return Err(BadAmount::TooFine {
                text: text.to_owned(),
            });
        }
        let padded = format!("{whole}{fraction:0<decimals$}");
        U256::from_str_radix(&padded, 10)
            .map(Self)
            .map_err(|_| too_large())
    }
}

/// `amount × percent / 100`, rounded down, without overflow on the way. For percents above 100 the outcome may not
/// fit; then it is the greatest amount there is.
#[must_use]
pub fn percentage(amount: U256, percent: U256) -> U256 {
    mul_div(amount, percent, U256::from(100))
}

/// `left × right / divisor`, rounded down and exact (the product has 512 bits); the greatest number where the outcome
/// does not fit or the divisor is zero.
fn mul_div(left: U256, right: U256, divisor: U256) -> U256 {
    if divisor.is_zero() {
        return U256::MAX;
    }
    let product: U512 = left.widening_mul(right);
    (product / divisor.to::<U512>()).saturating_to()
}

/// What a success drains of a kitty of this size: a tenth, at least 1 RLC, at most all of it.
#[must_use]
pub fn kitty_drain(kitty: Nrlc) -> Nrlc {
    let tenth = percentage(kitty.0, U256::from(KITTY_PERCENT));
    Nrlc(tenth.max(U256::from(KITTY_MIN)).min(kitty.0))
}

/// What a worker stakes per contribution, at this price of the workerpool and this policy, in percent; the greatest
/// amount there is where the product outgrows 256 bits, which the hub then refuses as too large.
#[must_use]
pub fn worker_stake(workerpool_price: Nrlc, worker_stake_ratio: U256) -> Nrlc {
    let product = workerpool_price.0.checked_mul(worker_stake_ratio);
    Nrlc(product.map_or(U256::MAX, |product| product / U256::from(100)))
}

/// A contributor when the task is finalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contributor {
    /// Who.
    pub worker: Address,
    /// Whether it revealed what the consensus found true; everybody else loses its stake.
    pub proved: bool,
    /// Share in the reward, see [`reward_weight`](crate::consensus::reward_weight).
    pub weight: U256,
}

/// What a contributor gets or loses when the task is finalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Who.
    pub worker: Address,
    /// What it gets. `None`: it was not proved, and its stake is seized.
    pub reward: Option<Nrlc>,
}

/// What a finished task moves, in the order in which the hub moves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Seized from who pays.
    pub cost: Nrlc,
    /// For the app's owner.
    pub app: Nrlc,
    /// For the dataset's owner.
    pub dataset: Nrlc,
    /// Given back to the scheduler.
    pub scheduler_stake: Nrlc,
    /// For the scheduler, out of the kitty.
    pub kitty: Nrlc,
    /// For the workers, in the order of their contributions.
    pub workers: Vec<Share>,
    /// For the scheduler: what the workers leave, dust included.
    pub scheduler: Nrlc,
}

impl Settlement {
    /// `finalize`: the workerpool's price and the losers' stakes make a pot; the scheduler's ratio of it stays with
    /// the scheduler, the proved workers share the rest by weight.
    ///
    /// `kitty` is what the kitty holds before. `None` when the pot exceeds 256 bits, which no price in 64 bits brings.
    #[must_use]
    pub fn after_consensus(deal: &Deal, kitty: Nrlc, contributors: &[Contributor]) -> Option<Self> {
        let losers = contributors
            .iter()
            .filter(|contributor| !contributor.proved)
            .count();
        let lost = deal.worker_stake.0.checked_mul(U256::from(losers))?;
        let pot = deal.workerpool.price.0.checked_add(lost)?;
        let for_workers = percentage(pot, workers_percent(deal));
        let weights = contributors
            .iter()
            .filter(|contributor| contributor.proved)
            .try_fold(U256::ZERO, |sum, contributor| {
                sum.checked_add(contributor.weight)
            })?;

        let mut scheduler = pot;
        let workers = contributors
            .iter()
            .map(|contributor| {
                let reward = contributor.proved.then(|| {
                    let reward = mul_div(for_workers, contributor.weight, weights);
                    scheduler -= reward;
                    Nrlc(reward)
                });
                Share {
                    worker: contributor.worker,
                    reward,
                }
            })
            .collect();
        Some(Self {
            workers,
            scheduler: Nrlc(scheduler),
            ..Self::before_workers(deal, kitty)
        })
    }

    /// `contributeAndFinalize`: one worker, which staked nothing.
    #[must_use]
    pub fn of_lone_worker(deal: &Deal, kitty: Nrlc, worker: Address) -> Self {
        let price = deal.workerpool.price.0;
        let reward = percentage(price, workers_percent(deal));
        Self {
            workers: vec![Share {
                worker,
                reward: Some(Nrlc(reward)),
            }],
            scheduler: Nrlc(price - reward),
            ..Self::before_workers(deal, kitty)
        }
    }

    fn before_workers(deal: &Deal, kitty: Nrlc) -> Self {
        Self {
            cost: deal.price(),
            app: deal.app.price,
            dataset: if deal.has_dataset() {
                deal.dataset.price
            } else {
                Nrlc::ZERO
            },
            scheduler_stake: deal.scheduler_stake(),
            kitty: kitty_drain(kitty),
            workers: Vec::new(),
            scheduler: Nrlc::ZERO,
        }
    }
}

/// The workers' part of the pot, in percent. The registry lets no ratio above 100 through.
fn workers_percent(deal: &Deal) -> U256 {
    U256::from(100).saturating_sub(deal.scheduler_reward_ratio)
}

/// What a claimed task moves: everybody gets back what was frozen, only the scheduler's stake goes to the kitty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Given back to who pays.
    pub cost: Nrlc,
    /// Seized from the scheduler, for the kitty.
    pub scheduler_stake: Nrlc,
    /// Given back to each contributor, right or wrong.
    pub worker_stake: Nrlc,
}

impl Refund {
    /// `claim` of one task of this deal.
    #[must_use]
    pub fn of(deal: &Deal) -> Self {
        Self {
            cost: deal.price(),
            scheduler_stake: deal.scheduler_stake(),
            worker_stake: deal.worker_stake,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;
    use proptest::prelude::*;

    use super::*;
    use crate::deal::Resource;

    fn deal(price: u64, worker_stake: u64, ratio: u64) -> Deal {
        let resource = |byte: u8, price: u64| Resource {
            pointer: Address::repeat_byte(byte),
            owner: Address::repeat_byte(byte + 1),
            price: Nrlc::nrlc(price),
        };
        Deal {
            app: resource(0x10, 3),
            dataset: resource(0x20, 4),
            workerpool: resource(0x30, price),
            trust: U256::from(5),
            category: U256::ZERO,
            tag: Default::default(),
            requester: Address::repeat_byte(0x41),
            beneficiary: Address::ZERO,
            callback: Address::ZERO,
            params: String::new(),
            start_time: 0,
            bot_first: U256::ZERO,
            bot_size: U256::ONE,
            worker_stake: Nrlc::nrlc(worker_stake),
            scheduler_reward_ratio: U256::from(ratio),
            sponsor: Address::repeat_byte(0x41),
        }
    }

    fn contributor(byte: u8, proved: bool, weight: u64) -> Contributor {
        Contributor {
            worker: Address::repeat_byte(byte),
            proved,
            weight: U256::from(weight),
        }
    }

    #[test]
    fn the_kitty_is_at_the_address_everybody_knows() {
        let hash = keccak256("iExecKitty");
        let number = U256::from_be_slice(&hash[..20]) - U256::ONE;
        assert_eq!(
            KITTY,
            Address::from_slice(&number.to_be_bytes::<32>()[12..])
        );
    }

    #[test]
    fn a_success_drains_a_tenth_of_the_kitty_at_least_one_rlc_at_most_all() {
        let drains = [
            (0, 0),
            (5, 5),
            (1_000_000_000, 1_000_000_000),
            (3_000_000_000, 1_000_000_000),
            (20_000_000_001, 2_000_000_000),
        ];
        for (kitty, drained) in drains {
            assert_eq!(kitty_drain(Nrlc::nrlc(kitty)), Nrlc::nrlc(drained));
        }
    }

    #[test]
    fn winners_share_the_price_and_the_losers_stakes_by_weight() {
        // Pot 1000 + 300; 10 % stay with the scheduler; 1170 go to weights 1 and 2.
        let judged = [
            contributor(1, true, 1),
            contributor(2, false, 9),
            contributor(3, true, 2),
        ];
        let settlement =
            Settlement::after_consensus(&deal(1_000, 300, 10), Nrlc::ZERO, &judged).expect("small");
        let rewards: Vec<_> = settlement
            .workers
            .iter()
            .map(|share| share.reward)
            .collect();
        assert_eq!(
            rewards,
            [Some(Nrlc::nrlc(390)), None, Some(Nrlc::nrlc(780))]
        );
        assert_eq!(settlement.scheduler, Nrlc::nrlc(130));
        assert_eq!(settlement.scheduler_stake, Nrlc::nrlc(300));
        assert_eq!(settlement.cost, Nrlc::nrlc(1_007));
    }

    #[test]
    fn dust_goes_to_the_scheduler() {
        let judged = [
            contributor(1, true, 1),
            contributor(2, true, 1),
            contributor(3, true, 1),
        ];
        let settlement =
            Settlement::after_consensus(&deal(101, 0, 0), Nrlc::ZERO, &judged).expect("small");
        assert_eq!(settlement.workers[0].reward, Some(Nrlc::nrlc(33)));
        assert_eq!(settlement.scheduler, Nrlc::nrlc(2));
        let alone = Settlement::of_lone_worker(&deal(101, 0, 1), Nrlc::ZERO, Address::ZERO);
        assert_eq!(alone.workers[0].reward, Some(Nrlc::nrlc(99)));
        assert_eq!(alone.scheduler, Nrlc::nrlc(2));
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let reads = [
            ("1.5", 1_500_000_000),
            ("1.5 RLC", 1_500_000_000),
            ("2RLC", 2_000_000_000),
            ("1500 nRLC", 1_500),
            ("0.000000001 rlc", 1),
            ("3.10", 3_100_000_000),
            ("7.0 nRLC", 7),
        ];
        for (text, nrlc) in reads {
            assert_eq!(text.parse(), Ok(Nrlc::nrlc(nrlc)), "{text}");
        }
        for text in ["", "RLC", "-1", "1,5", ".5", "5.", "1e9", "1 ETH"] {
            assert_eq!(
                text.parse::<Nrlc>(),
                Err(BadAmount::NotANumber {
                    text: text.to_owned()
                })
            );
        }
        for text in ["0.0000000001", "1.5 nRLC"] {
            assert_eq!(
                text.parse::<Nrlc>(),
                Err(BadAmount::TooFine {
                    text: text.to_owned()
                })
            );
        }
        let large = format!("{}0 nRLC", U256::MAX);
        assert_eq!(
            large.parse::<Nrlc>(),
            Err(BadAmount::TooLarge {
                text: large.clone()
            })
        );
    }

    #[test]
    fn amounts_print_in_rlc_and_align_like_text() {
        assert_eq!(Nrlc::nrlc(1_500_000_000).to_string(), "1.5 RLC");
        assert_eq!(Nrlc::nrlc(1).to_string(), "0.000000001 RLC");
        assert_eq!(format!("{:>7}", Nrlc::rlc(2)), "  2 RLC");
        assert_eq!(
            serde_json::to_string(&Nrlc::rlc(2)).expect("a string"),
            "\"2000000000\""
        );
    }

    proptest! {
        #[test]
        fn an_amount_reads_back_as_it_prints(limbs in prop::array::uniform4(any::<u64>())) {
            let amount = Nrlc(U256::from_limbs(limbs));
            prop_assert_eq!(amount.to_string().parse::<Nrlc>(), Ok(amount));
        }

        #[test]
        fn what_is_paid_out_is_what_was_paid_in_and_lost(
            price in any::<u64>(), stake in any::<u64>(), ratio in 0_u64..=100,
            judged in prop::collection::vec((any::<bool>(), 1_u64..64), 1..12),
        ) {
            let mut judged: Vec<_> = judged.into_iter().zip(1..).map(|((proved, weight), byte)| contributor(byte, proved, weight)).collect();
            judged[0].proved = true;
            let deal = deal(price, stake, ratio);
            let settlement = Settlement::after_consensus(&deal, Nrlc::ZERO, &judged).expect("64 bits");
            let lost = judged.iter().filter(|judged| !judged.proved).count();
            let paid: U256 = settlement.workers.iter().filter_map(|share| share.reward).map(|reward| reward.0).sum();
            prop_assert_eq!(
                settlement.app.0 + settlement.dataset.0 + paid + settlement.scheduler.0,
                settlement.cost.0 + U256::from(stake) * U256::from(lost)
            );
            prop_assert!(paid <= percentage(U256::from(price) + U256::from(stake) * U256::from(lost), U256::from(100 - ratio)));
        }

        #[test]
        fn a_percentage_is_exact_where_the_product_would_not_fit(limbs in prop::array::uniform4(any::<u64>()), percent in 0_u64..=100) {
            let amount = U256::from_limbs(limbs);
            let (hundreds, rest) = amount.div_rem(U256::from(100));
            let percent = U256::from(percent);
            prop_assert_eq!(percentage(amount, percent), hundreds * percent + rest * percent / U256::from(100));
        }
    }
}
