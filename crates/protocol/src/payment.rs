//! Payment: what everybody gets and loses when a task ends.
//!
//! Money is counted in nRLC, 10⁻⁹ RLC, as whole numbers. [`Settlement`] says exactly what the hub moves when a
//! task is finalized ([`Settlement::of_consensus`]), finalized by its only worker ([`Settlement::of_lone_worker`])
//! or claimed after its time ([`ClaimRefund`]); roundings are the hub's, always down, and the scheduler gets the
//! dust. The kitty is an account without a key that holds the stakes of schedulers who failed; each later
//! success drains a tenth of it ([`kitty_drain`]).
//!
//! Everything here is arithmetic over arguments; who owns what is [`model`](crate::model)'s or the chain's.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, U256, address};
use serde::{Deserialize, Serialize};

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
