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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
        let not_a_number = || BadAmount::NotANumber { text: text.to_owned() };
        let too_large = || BadAmount::TooLarge { text: text.to_owned() };

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
            return Err(BadAmount::TooFine { text: text.to_owned() });
        }
        let padded = format!("{whole}{fraction:0<decimals$}");
        U256::from_str_radix(&padded, 10).map(Self).map_err(|_| too_large())
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
        let losers = contributors.iter().filter(|contributor| !contributor.proved).count();
        let lost = deal.worker_stake.0.checked_mul(U256::from(losers))?;
        let pot = deal.workerpool.price.0.checked_add(lost)?;
        let for_workers = percentage(pot, workers_percent(deal));
        let weights = contributors
            .iter()
            .filter(|contributor| contributor.proved)
            .try_fold(U256::ZERO, |sum, contributor| sum.checked_add(contributor.weight))?;

        let mut scheduler = pot;
        let workers = contributors
            .iter()
            .map(|contributor| {
                let reward = contributor.proved.then(|| {
                    let reward = mul_div(for_workers, contributor.weight, weights);
                    scheduler -= reward;
                    Nrlc(reward)
                });
                Share { worker: contributor.worker, reward }
            })
            .collect();
        Some(Self { workers, scheduler: Nrlc(scheduler), ..Self::before_workers(deal, kitty) })
    }

    /// `contributeAndFinalize`: one worker, which staked nothing.
    #[must_use]
    pub fn of_lone_worker(deal: &Deal, kitty: Nrlc, worker: Address) -> Self {
        let price = deal.workerpool.price.0;
        let reward = percentage(price, workers_percent(deal));
        Self {
            workers: vec![Share { worker, reward: Some(Nrlc(reward)) }],
            scheduler: Nrlc(price - reward),
            ..Self::before_workers(deal, kitty)
        }
    }

    fn before_workers(deal: &Deal, kitty: Nrlc) -> Self {
        Self {
            cost: deal.price(),
            app: deal.app.price,
            dataset: if deal.has_dataset() { deal.dataset.price } else { Nrlc::ZERO },
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
