//! Marked salts: how long an order is good for, in the 32 bytes that its signature covers and older clients leave alone.
//!
//! The typed data cannot change, so what an order says beyond it stands in its salt. One that begins with `oxec` is
//! marked; any other only tells orders of equal content apart, and binds nobody to anything:
//!
//! ```text
//!  0     4       5     6         11            14           17           19              20         32
//!  | oxec | version | flags | expiry | signer epoch | asset epoch | stake ratio | reward ratio | random |
//! ```
//!
//! All numbers are big-endian. The version is 1. Each flag switches a condition on; a field whose flag is off counts for
//! nothing. A mark this version does not know, or that has no meaning for that kind of order, is refused rather than
//! ignored: it may have been meant to protect somebody.
//!
//! [`require_good`] is the hub's own look at a salt, in its order. Markets and wallets ask it before the hub does. What
//! the chain knows is handed in as [`Today`].

use alloy_primitives::{B256, U256};

use super::OrderKind;

/// What a marked salt begins with.
const MAGIC: [u8; 4] = *b"oxec";
/// The only version there is.
const VERSION: u8 = 1;

const EXPIRY: u8 = 1;
const SIGNER_EPOCH: u8 = 2;
const ASSET_EPOCH: u8 = 4;
const POLICY: u8 = 8;

/// The greatest expiry a salt has room for, in seconds since 1970: 40 bits, some 35,000 years.
pub const EXPIRY_LIMIT: u64 = (1 << 40) - 1;
/// The greatest epoch a salt has room for: 24 bits.
pub const EPOCH_LIMIT: u32 = (1 << 24) - 1;

/// A salt as the hub reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Salt {
    /// Just a number.
    Unmarked(B256),
    /// With conditions.
    Marked(MarkedSalt),
}

/// The conditions under which an order is good; [`Default`] sets none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MarkedSalt {
    /// The order is over from this second on (since 1970); at most [`EXPIRY_LIMIT`].
    pub expiry: Option<u64>,
    /// The signer's epoch; the order is over when its signer raises it. At most [`EPOCH_LIMIT`].
    pub signer_epoch: Option<u32>,
    /// How often the asset had changed hands; the order is over when it does again. Not for requests. At most
    /// [`EPOCH_LIMIT`].
    pub asset_epoch: Option<u32>,
    /// The workerpool's policy; the order rests while the pool has another one. For workerpool orders.
    pub policy: Option<Policy>,
    /// Tells orders of equal content apart.
    pub random: [u8; 12],
}

/// Under which terms a workerpool works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What a worker stakes per contribution, in percent of the price.
    pub worker_stake_ratio: u16,
    /// What the scheduler keeps of the workers' reward, in percent.
    pub scheduler_reward_ratio: u8,
}

/// A number that has no room in a salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value} has no room in an order's salt: {limit} is the most")]
pub struct TooGreat {
    /// Which one.
    pub what: &'static str,
    /// What was asked for.
    pub value: u64,
    /// What there is room for.
    pub limit: u64,
}

/// A salt that begins as a marked one and is none this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the salt {salt} carries marks that mean nothing on this kind of order, or nothing to this version"
)]
pub struct UnknownSalt {
    /// The salt.
    pub salt: B256,
}

impl Salt {
    /// Reads the salt of an order of this kind.
    pub fn read(salt: B256, kind: OrderKind) -> Result<Self, UnknownSalt> {
        if salt[..4] != MAGIC {
            return Ok(Self::Unmarked(salt));
        }
        let flags = salt[5];
        if salt[4] != VERSION || flags & !flags_of(kind) != 0 {
            return Err(UnknownSalt { salt });
        }
        let number = |from: usize, to: usize| {
            let bytes = salt[from..to].iter();
            bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let epoch =
            |from: usize| u32::from_be_bytes([0, salt[from], salt[from + 1], salt[from + 2]]);
        let mut random = [0; 12];
        random.copy_from_slice(&salt[20..]);
        Ok(Self::Marked(MarkedSalt {
            expiry: (flags & EXPIRY != 0).then(|| number(6, 11)),
            signer_epoch: (flags & SIGNER_EPOCH != 0).then(|| epoch(11)),
            asset_epoch: (flags & ASSET_EPOCH != 0).then(|| epoch(14)),
            policy: (flags & POLICY != 0).then(|| Policy {
                worker_stake_ratio: u16::from_be_bytes([salt[17], salt[18]]),
                scheduler_reward_ratio: salt[19],
            }),
            random,
        }))
    }
}

/// The flags that mean something on an order of this kind: a request is about no asset, and only workerpools have a policy.
const fn flags_of(kind: OrderKind) -> u8 {
    match kind {
        OrderKind::App | OrderKind::Dataset => EXPIRY | SIGNER_EPOCH | ASSET_EPOCH,
        OrderKind::Workerpool => EXPIRY | SIGNER_EPOCH | ASSET_EPOCH | POLICY,
        OrderKind::Request => EXPIRY | SIGNER_EPOCH,
    }
}

impl MarkedSalt {
    /// The 32 bytes, for the order's `salt`. Which marks its kind can have is looked at when they are read.
    pub fn make(self) -> Result<B256, TooGreat> {
        let fits = |what, value: u64, limit: u64| {
            let too_great = TooGreat { what, value, limit };
            (value <= limit).then_some(value).ok_or(too_great)
        };
        let mut salt = B256::ZERO;
        salt[..4].copy_from_slice(&MAGIC);
        salt[4] = VERSION;
        if let Some(expiry) = self.expiry {
            let expiry = fits("the expiry", expiry, EXPIRY_LIMIT)?;
            salt[5] |= EXPIRY;
            salt[6..11].copy_from_slice(&expiry.to_be_bytes()[3..]);
        }
        let epochs = [
            ("the signer's epoch", self.signer_epoch, SIGNER_EPOCH, 11),
            ("the asset's epoch", self.asset_epoch, ASSET_EPOCH, 14),
        ];
        for (what, epoch, flag, at) in epochs {
            if let Some(epoch) = epoch {
                let epoch = fits(what, epoch.into(), EPOCH_LIMIT.into())?;
                salt[5] |= flag;
                salt[at..at + 3].copy_from_slice(&epoch.to_be_bytes()[5..]);
            }
        }
        if let Some(policy) = self.policy {
            salt[5] |= POLICY;
            salt[17..19].copy_from_slice(&policy.worker_stake_ratio.to_be_bytes());
            salt[19] = policy.scheduler_reward_ratio;
        }
        salt[20..].copy_from_slice(&self.random);
        Ok(salt)
    }
}

/// What the chain knows about an order's signer and asset at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Today {
    /// Seconds since 1970.
    pub time: u64,
    /// The signer's epoch.
    pub signer_epoch: u64,
    /// Whether the signer refuses all orders of its own that do not name its epoch.
    pub refuses_unmarked: bool,
    /// How often the asset changed hands; of a request, whatever.
    pub asset_epoch: u64,
    /// The workerpool's policy, both in percent: what a worker stakes, what the scheduler keeps; of other kinds, whatever.
    pub policy: (U256, U256),
}

/// Why an order is good no longer, or rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lapse {
    /// Nobody knows what it wants.
    #[error(transparent)]
    Unknown(#[from] UnknownSalt),
    /// Its time is over.
    #[error("the order was good until {expiry}, and it is {time} now")]
    Expired {
        /// Its last second was the one before, in seconds since 1970.
        expiry: u64,
        /// What time it is.
        time: u64,
    },
    /// Its signer took back all orders up to its epoch.
    #[error("the order was signed in epoch {signed} of its signer, who is in epoch {current} now")]
    EpochPassed {
        /// The epoch it names.
        signed: u32,
        /// The signer's epoch now.
        current: u64,
    },
    /// Its signer wants orders that name its epoch, and this one does not.
    #[error("the order names no epoch of its signer, who refuses such orders")]
    UnmarkedRefused,
    /// Its asset changed hands.
    #[error(
        "the order was signed after {signed} transfers of its asset, and there were {current} by now"
    )]
    AssetTransferred {
        /// How many transfers it names.
        signed: u32,
        /// How many there were.
        current: u64,
    },
    /// The workerpool has another policy.
    #[error(
        "the order is for another policy than the workerpool's of now, {worker_stake_ratio} % staked and \
         {scheduler_reward_ratio} % kept"
    )]
    PolicyChanged {
        /// What a worker stakes now, in percent.
        worker_stake_ratio: U256,
        /// What the scheduler keeps now, in percent.
        scheduler_reward_ratio: U256,
    },
}

/// Refuses an order that is not good any more, as the hub does when it is matched, with the first reason it finds.
pub fn require_good(salt: B256, kind: OrderKind, today: &Today) -> Result<(), Lapse> {
    let marks = match Salt::read(salt, kind)? {
        Salt::Marked(marks) => marks,
        Salt::Unmarked(_) => MarkedSalt::default(),
    };
    if let Some(expiry) = marks.expiry
        && expiry <= today.time
    {
        let time = today.time;
        return Err(Lapse::Expired { expiry, time });
    }
    match marks.signer_epoch {
        Some(signed) if u64::from(signed) != today.signer_epoch => {
            let current = today.signer_epoch;
            return Err(Lapse::EpochPassed { signed, current });
        }
        None if today.refuses_unmarked => return Err(Lapse::UnmarkedRefused),
        Some(_) | None => {}
    }
    if let Some(signed) = marks.asset_epoch
        && u64::from(signed) != today.asset_epoch
    {
        let current = today.asset_epoch;
        return Err(Lapse::AssetTransferred { signed, current });
    }
    if let Some(policy) = marks.policy {
        let (worker_stake_ratio, scheduler_reward_ratio) = today.policy;
        let signed = (
            U256::from(policy.worker_stake_ratio),
            U256::from(policy.scheduler_reward_ratio),
        );
        if signed != today.policy {
            return Err(Lapse::PolicyChanged {
                worker_stake_ratio,
                scheduler_reward_ratio,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;
    use proptest::prelude::*;

    use super::*;

    const KINDS: [OrderKind; 4] = [
        OrderKind::App,
        OrderKind::Dataset,
        OrderKind::Workerpool,
        OrderKind::Request,
    ];

    const WHOLE: MarkedSalt = MarkedSalt {
        expiry: Some(0x01_0203_0405),
        signer_epoch: Some(0x06_0708),
        asset_epoch: Some(0x09_0a0b),
        policy: Some(Policy {
            worker_stake_ratio: 0x0c0d,
            scheduler_reward_ratio: 0x0e,
        }),
        random: [0xff; 12],
    };

    const POLICY_TODAY: (U256, U256) = (U256::from_limbs([30, 0, 0, 0]), U256::ONE);

    const TODAY: Today = Today {
        time: 1_000,
        signer_epoch: 3,
        refuses_unmarked: false,
        asset_epoch: 5,
        policy: POLICY_TODAY,
    };

    #[test]
    fn every_field_has_its_place() {
        let salt = b256!("6f786563010f0102030405060708090a0b0c0d0effffffffffffffffffffffff");
        assert_eq!(WHOLE.make(), Ok(salt));
        let read = Salt::read(salt, OrderKind::Workerpool);
        assert_eq!(read, Ok(Salt::Marked(WHOLE)));
    }

    #[test]
    fn what_does_not_begin_with_the_word_is_just_a_number() {
        for salt in [B256::ZERO, B256::repeat_byte(0x6f), B256::repeat_byte(0xff)] {
            for kind in KINDS {
                assert_eq!(Salt::read(salt, kind), Ok(Salt::Unmarked(salt)));
            }
        }
    }

    #[test]
    fn marks_that_mean_nothing_are_refused() {
        let mut salt = MarkedSalt::default().make().expect("nothing is too great");
        for kind in KINDS {
            for flags in 0..=u8::MAX {
                salt[5] = flags;
                let known = flags & !flags_of(kind) == 0;
                assert_eq!(
                    Salt::read(salt, kind).is_ok(),
                    known,
                    "{flags:#b} on a {kind}"
                );
            }
            salt[5] = 0;
            for version in [0, 2, 255] {
                let mut salt = salt;
                salt[4] = version;
                let refusal = Salt::read(salt, kind);
                assert_eq!(refusal, Err(UnknownSalt { salt }), "version {version}");
            }
        }
        let of = |kind| flags_of(kind);
        assert_eq!(KINDS.map(of), [7, 7, 15, 3]);
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let expiry = Some(EXPIRY_LIMIT + 1);
        let salt = MarkedSalt { expiry, ..WHOLE };
        let refusal = salt.make().expect_err("41 bits");
        assert_eq!(
            refusal.to_string(),
            "the expiry 1099511627776 has no room in an order's salt: 1099511627775 is the most"
        );
        let epoch = Some(EPOCH_LIMIT + 1);
        let by_signer = MarkedSalt {
            signer_epoch: epoch,
            ..WHOLE
        };
        let by_asset = MarkedSalt {
            asset_epoch: epoch,
            ..WHOLE
        };
        assert!(by_signer.make().is_err() && by_asset.make().is_err());
    }

    fn good(marks: MarkedSalt, today: Today) -> Result<(), Lapse> {
        let salt = marks.make().expect("small numbers");
        require_good(salt, OrderKind::Workerpool, &today)
    }

    #[test]
    fn each_mark_ends_its_order_and_no_other() {
        let marks = MarkedSalt {
            expiry: Some(1_001),
            signer_epoch: Some(3),
            asset_epoch: Some(5),
            policy: Some(Policy {
                worker_stake_ratio: 30,
                scheduler_reward_ratio: 1,
            }),
            random: [7; 12],
        };
        assert_eq!(good(marks, TODAY), Ok(()));
        // All at once is told in the order in which the hub looks.
        let mut late = Today {
            time: 1_001,
            signer_epoch: 4,
            refuses_unmarked: true,
            asset_epoch: 6,
            policy: (U256::from(31), U256::ONE),
        };
        let (expiry, time) = (1_001, 1_001);
        assert_eq!(good(marks, late), Err(Lapse::Expired { expiry, time }));
        late.time = 1_000;
        let (signed, current) = (3, 4);
        assert_eq!(
            good(marks, late),
            Err(Lapse::EpochPassed { signed, current })
        );
        late.signer_epoch = 3;
        let (signed, current) = (5, 6);
        assert_eq!(
            good(marks, late),
            Err(Lapse::AssetTransferred { signed, current })
        );
        late.asset_epoch = 5;
        let changed = Lapse::PolicyChanged {
            worker_stake_ratio: U256::from(31),
            scheduler_reward_ratio: U256::ONE,
        };
        assert_eq!(good(marks, late), Err(changed));
        late.policy = POLICY_TODAY;
        assert_eq!(good(marks, late), Ok(()));
        assert_eq!(good(MarkedSalt::default(), TODAY), Ok(()));
    }

    #[test]
    fn who_refuses_unmarked_orders_refuses_all_that_do_not_name_the_epoch() {
        let today = Today {
            refuses_unmarked: true,
            ..TODAY
        };
        for kind in KINDS {
            let refusal = require_good(B256::repeat_byte(1), kind, &today);
            assert_eq!(refusal, Err(Lapse::UnmarkedRefused));
        }
        let dated = MarkedSalt {
            expiry: Some(2_000),
            ..MarkedSalt::default()
        };
        assert_eq!(good(dated, today), Err(Lapse::UnmarkedRefused));
        let named = MarkedSalt {
            signer_epoch: Some(3),
            ..dated
        };
        assert_eq!(good(named, today), Ok(()));
    }

    proptest! {
        #[test]
        fn a_salt_reads_back_as_it_was_made(
            expiry in prop::option::of(0..=EXPIRY_LIMIT),
            signer_epoch in prop::option::of(0..=EPOCH_LIMIT),
            asset_epoch in prop::option::of(0..=EPOCH_LIMIT),
            policy in prop::option::of((any::<u16>(), any::<u8>())),
            random: [u8; 12],
        ) {
            let policy = policy.map(|(worker_stake_ratio, scheduler_reward_ratio)| Policy { worker_stake_ratio, scheduler_reward_ratio });
            let marks = MarkedSalt { expiry, signer_epoch, asset_epoch, policy, random };
            let salt = marks.make().expect("all fits");
            prop_assert_eq!(Salt::read(salt, OrderKind::Workerpool), Ok(Salt::Marked(marks)));
        }
    }
}
