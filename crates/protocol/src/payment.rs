//! Payment: what everybody gets and loses when a task ends.
//!
//! Money is counted in nRLC, 10⁻⁹ RLC, as whole numbers. [`Settlement`] says exactly what the hub moves when a task
//! is finalized after consensus ([`Settlement::after_consensus`]) or by its only worker
//! ([`Settlement::of_lone_worker`]), [`Refund`] what it moves when a task is claimed, [`Abandonment`] when its scheduler
//! gives it up. Roundings are the hub's, down unless said, and the scheduler gets the dust of a success, nobody that of
//! a failure. The kitty is an account without a key that holds the stakes of schedulers who failed; each later success
//! drains a tenth of it for its scheduler ([`kitty_drain`]). What is burnt goes to [`BURNT`].
//!
//! Everything here is arithmetic over arguments; who owns what is [`model`](crate::model)'s or the chain's.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, U256, U512, address};
use serde::{Deserialize, Serialize};

use crate::deal::Deal;

/// The kitty: an address nobody has a key for (the first 20 bytes of keccak256("iExecKitty"), minus one).
pub const KITTY: Address = address!("99c2268479b93fDe36232351229815DF80837e23");

/// Where money goes that nobody shall have: an account of the hub without a key, whose balance only grows. So burning
/// depends on nothing the token can or cannot do, and money still adds up.
pub const BURNT: Address = address!("000000000000000000000000000000000000dEaD");

/// Of a stake whose scheduler gives the task up, one part in so many is burnt, rounded up.
const ABANDON_DIVISOR: u64 = 10;

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
    /// For the scheduler, or for the worker who finishes in its place: what the workers leave, dust included.
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

    /// `finalize` by a worker, because the scheduler stays silent: the same, but the kitty pays nothing, and what is
    /// for the scheduler is for that worker, all but its own stake.
    #[must_use]
    pub fn by_worker(deal: &Deal, contributors: &[Contributor]) -> Option<Self> {
        Self::after_consensus(deal, Nrlc::ZERO, contributors)
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

/// Where a contribution stands when its task ends without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It revealed what the consensus found true.
    Proved,
    /// It agrees with the consensus, and did not reveal.
    Silent,
    /// It was rejected when the task was reopened: it had won once, and did not reveal.
    Rejected,
    /// Any other: there is no consensus, or another one. Its worker could do no more than it did.
    Waiting,
}

/// A contributor when the task ends without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant {
    /// Who.
    pub worker: Address,
    /// What it did.
    pub standing: Standing,
    /// Share in the reward, see [`reward_weight`](crate::consensus::reward_weight).
    pub weight: U256,
}

/// What becomes of a contributor's stake when its task ends without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Given back.
    Unlocked,
    /// Given back, and this with it.
    Rewarded(Nrlc),
    /// Seized.
    Seized,
}

/// What a claimed task moves. Nothing ever goes to who pays, beyond what was frozen, nor to the scheduler: neither
/// gains by a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Given back to who pays.
    pub cost: Nrlc,
    /// Seized from the scheduler, for the kitty.
    pub scheduler_stake: Nrlc,
    /// What each contributor had staked.
    pub worker_stake: Nrlc,
    /// What becomes of it, in the order of the contributions.
    pub workers: Vec<(Address, Fate)>,
    /// Burnt: the stakes of the silent, or what a division left over.
    pub burnt: Nrlc,
}

impl Refund {
    /// `claim` of one task of this deal.
    ///
    /// Where somebody revealed, the stakes of all others are shared among those who did, by weight: they were kept
    /// from their pay. Where nobody did, those who won and stayed silent, now or before a reopening, lose theirs to
    /// nobody, since whoever got them could gain by silence; and all others get theirs back. `None` when a sum exceeds
    /// 256 bits, which no stake in 64 bits brings.
    #[must_use]
    pub fn after_claim(deal: &Deal, claimants: &[Claimant]) -> Option<Self> {
        let stake = deal.worker_stake.0;
        let is_proved = |claimant: &&Claimant| claimant.standing == Standing::Proved;
        let proved = claimants.iter().filter(is_proved).count();
        let staked = stake.checked_mul(U256::from(claimants.len()))?;
        let pot = if proved == 0 {
            U256::ZERO
        } else {
            staked - stake * U256::from(proved)
        };
        let weights = claimants
            .iter()
            .filter(is_proved)
            .try_fold(U256::ZERO, |sum, claimant| sum.checked_add(claimant.weight))?;
        let mut burnt = pot;
        let workers = claimants
            .iter()
            .map(|claimant| {
                let fate = match claimant.standing {
                    Standing::Proved => {
                        let share = mul_div(pot, claimant.weight, weights);
                        burnt -= share;
                        Fate::Rewarded(Nrlc(share))
                    }
                    Standing::Silent | Standing::Rejected | Standing::Waiting if proved > 0 => {
                        Fate::Seized
                    }
                    Standing::Silent | Standing::Rejected => {
                        // Fits: all stakes together do.
                        burnt += stake;
                        Fate::Seized
                    }
                    Standing::Waiting => Fate::Unlocked,
                };
                (claimant.worker, fate)
            })
            .collect();
        Some(Self {
            cost: deal.price(),
            scheduler_stake: deal.scheduler_stake(),
            worker_stake: deal.worker_stake,
            workers,
            burnt: Nrlc(burnt),
        })
    }
}

/// What moves when a scheduler gives a task up before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandonment {
    /// Given back to who pays.
    pub cost: Nrlc,
    /// Seized from the scheduler, for the contributors who waited, and for nobody.
    pub seized: Nrlc,
    /// Given back to the scheduler, if nobody waited.
    pub returned: Option<Nrlc>,
    /// What each contributor had staked.
    pub worker_stake: Nrlc,
    /// What becomes of it, in the order of the contributions.
    pub workers: Vec<(Address, Fate)>,
    /// Burnt of all that was seized.
    pub burnt: Nrlc,
}

impl Abandonment {
    /// `abandon` of one task of this deal. `None` when a sum exceeds 256 bits, which no stake in 64 bits brings.
    ///
    /// A tenth of the scheduler's stake, rounded up, is burnt in every case: else a worker of the scheduler's own could
    /// bring all of it home, and giving up would be free. Those who wait share the rest equally; without any it is
    /// given back. Who was silent before a reopening loses the stake to nobody.
    #[must_use]
    pub fn of(deal: &Deal, claimants: &[Claimant]) -> Option<Self> {
        let (stake, own) = (deal.scheduler_stake().0, deal.worker_stake.0);
        let tenth = stake.div_ceil(U256::from(ABANDON_DIVISOR));
        let is_waiting = |claimant: &&Claimant| claimant.standing == Standing::Waiting;
        let waiting = claimants.iter().filter(is_waiting).count();
        let silent = U256::from(claimants.len() - waiting);
        let waiting = U256::from(waiting);
        let share = (stake - tenth).checked_div(waiting);
        let (seized, returned) = match share {
            Some(_) => (stake, None),
            None => (tenth, Some(Nrlc(stake - tenth))),
        };
        let shared = share.unwrap_or_default();
        let burnt = own
            .checked_mul(silent)?
            .checked_add(seized - shared * waiting)?;
        let workers = claimants
            .iter()
            .map(|claimant| {
                let fate = match claimant.standing {
                    Standing::Waiting => Fate::Rewarded(Nrlc(shared)),
                    // Of these there are none but the rejected: without a consensus nobody agrees with it.
                    Standing::Rejected | Standing::Silent | Standing::Proved => Fate::Seized,
                };
                (claimant.worker, fate)
            })
            .collect();
        Some(Self {
            cost: deal.price(),
            seized: Nrlc(seized),
            returned,
            worker_stake: deal.worker_stake,
            workers,
            burnt: Nrlc(burnt),
        })
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

    fn claimant(byte: u8, standing: Standing, weight: u64) -> Claimant {
        Claimant {
            worker: Address::repeat_byte(byte),
            standing,
            weight: U256::from(weight),
        }
    }

    fn fates(workers: &[(Address, Fate)]) -> Vec<Fate> {
        workers.iter().map(|(_, fate)| *fate).collect()
    }

    #[test]
    fn who_revealed_in_vain_gets_the_stakes_of_all_others() {
        let claimants = [
            claimant(1, Standing::Proved, 1),
            claimant(2, Standing::Silent, 1),
            claimant(3, Standing::Waiting, 1),
            claimant(4, Standing::Proved, 2),
            claimant(5, Standing::Rejected, 1),
        ];
        let refund = Refund::after_claim(&deal(1_000, 301, 10), &claimants).expect("small");
        let (less, more) = (
            Fate::Rewarded(Nrlc::nrlc(301)),
            Fate::Rewarded(Nrlc::nrlc(602)),
        );
        let seized = Fate::Seized;
        assert_eq!(fates(&refund.workers), [less, seized, seized, more, seized]);
        assert_eq!(refund.burnt, Nrlc::ZERO);
        let refund = Refund::after_claim(&deal(1_000, 100, 10), &claimants[..4]).expect("small");
        assert_eq!(refund.workers[0].1, Fate::Rewarded(Nrlc::nrlc(66)));
        assert_eq!(refund.burnt, Nrlc::nrlc(1), "200 are shared by three");
    }

    #[test]
    fn silence_costs_the_stake_and_being_outvoted_does_not() {
        let claimants = [
            claimant(1, Standing::Silent, 1),
            claimant(2, Standing::Waiting, 1),
            claimant(3, Standing::Rejected, 1),
        ];
        let refund = Refund::after_claim(&deal(1_000, 300, 10), &claimants).expect("small");
        let expected = [Fate::Seized, Fate::Unlocked, Fate::Seized];
        assert_eq!(fates(&refund.workers), expected);
        assert_eq!(refund.burnt, Nrlc::nrlc(600));
    }

    #[test]
    fn giving_up_costs_a_tenth_rounded_up_or_all_if_somebody_waits() {
        // 30 % of 1,010 nRLC are 303 staked.
        let give_up = |price: u64, claimants: &[Claimant]| {
            Abandonment::of(&deal(price, 50, 10), claimants).expect("small")
        };
        let alone = give_up(1_010, &[]);
        assert_eq!(
            (alone.seized, alone.burnt),
            (Nrlc::nrlc(31), Nrlc::nrlc(31))
        );
        assert_eq!(alone.returned, Some(Nrlc::nrlc(272)));
        let claimants = [
            claimant(1, Standing::Waiting, 1),
            claimant(2, Standing::Rejected, 1),
            claimant(3, Standing::Waiting, 9),
            claimant(4, Standing::Waiting, 9),
        ];
        let shared = give_up(1_010, &claimants);
        assert_eq!((shared.seized, shared.returned), (Nrlc::nrlc(303), None));
        let share = Fate::Rewarded(Nrlc::nrlc(90));
        assert_eq!(fates(&shared.workers), [share, Fate::Seized, share, share]);
        // A tenth of 303, what the division of 272 by three left, and the stake of the silent one.
        assert_eq!(shared.burnt, Nrlc::nrlc(31 + 2 + 50));
        let free = give_up(3, &claimants[..1]);
        assert_eq!((free.seized, free.burnt), (Nrlc::ZERO, Nrlc::ZERO));
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
        fn what_is_staked_on_a_failure_is_given_back_shared_or_burnt(
            price in any::<u64>(), stake in any::<u64>(), claimants in prop::collection::vec((0_usize..4, 1_u64..64), 0..12),
        ) {
            const STANDINGS: [Standing; 4] = [Standing::Proved, Standing::Silent, Standing::Rejected, Standing::Waiting];
            let claimants: Vec<_> = claimants.into_iter().zip(1..)
                .map(|((standing, weight), byte)| claimant(byte, STANDINGS[standing], weight)).collect();
            let deal = deal(price, stake, 10);
            let moved = |workers: &[(Address, Fate)]| workers.iter().map(|(_, fate)| match fate {
                Fate::Rewarded(share) => U256::from(stake) + share.0,
                Fate::Unlocked => U256::from(stake),
                Fate::Seized => U256::ZERO,
            }).sum::<U256>();
            let refund = Refund::after_claim(&deal, &claimants).expect("64 bits");
            let staked = U256::from(stake) * U256::from(claimants.len());
            prop_assert_eq!(moved(&refund.workers) + refund.burnt.0, staked);
            let abandoned = Abandonment::of(&deal, &claimants).expect("64 bits");
            prop_assert_eq!(
                moved(&abandoned.workers) + abandoned.returned.unwrap_or_default().0 + abandoned.burnt.0,
                staked + deal.scheduler_stake().0
            );
            prop_assert!(abandoned.burnt.0 * U256::from(10) >= deal.scheduler_stake().0);
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
