//! What time it is on the chain: the time of day, plus what was asked for, and never back.
//!
//! The machine's clock may be set while the chain runs. Set forward, the chain follows, as it has to show real time. Set
//! back, it does not: blocks cannot be taken back, so time goes on from what was last shown, at the pace of the
//! monotonic clock, until the time of day has caught up.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::store::StoredClock;

/// What was asked for, and can be asked for again: snapshots hold it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Added to the time of day.
    pub(crate) offset_secs: i64,
    /// The next block's timestamp.
    pub(crate) next_secs: Option<u64>,
    /// What each block is later than the one before it, whatever the time.
    pub(crate) interval_secs: Option<u64>,
}

impl Setting {
    pub(crate) fn stored(self) -> StoredClock {
        StoredClock {
            offset: self.offset_secs as u64,
            next: self.next_secs.unwrap_or_default(),
        }
    }

    /// As it was set then; what blocks are told about their distance is kept elsewhere.
    pub(crate) fn restore(&mut self, stored: StoredClock) {
        self.offset_secs = stored.offset as i64;
        self.next_secs = (stored.next != 0).then_some(stored.next);
    }
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) setting: Setting,
    pace: Pace,
}

impl Clock {
    pub(crate) fn started() -> Clock {
        Clock {
            setting: Setting::default(),
            pace: Pace {
                shown: wall(),
                at: Instant::now(),
            },
        }
    }

    fn time_of_day_secs(&self) -> u64 {
        self.pace.at(wall(), Instant::now()).as_secs()
    }

    pub(crate) fn now_secs(&self) -> u64 {
        self.time_of_day_secs()
            .saturating_add_signed(self.setting.offset_secs)
    }

    /// What has to be added to the time of day for the chain to show this.
    pub(crate) fn offset_to(&self, secs: u64) -> i64 {
        i64::try_from(secs)
            .unwrap_or(i64::MAX)
            .saturating_sub_unsigned(self.time_of_day_secs())
    }

    /// The time is relied upon now: it will not be earlier any more.
    pub(crate) fn tick(&mut self) {
        self.pace.show(wall(), Instant::now());
    }

    /// A chain that is continued goes on from its last block, even if the machine's clock was set back meanwhile.
    pub(crate) fn go_on_from(&mut self, secs: u64) {
        self.tick();
        let behind = secs.saturating_sub(self.now_secs());
        self.pace.shown = self.pace.shown.saturating_add(Duration::from_secs(behind));
    }
}

fn wall() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// A time of day that never goes back.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// The time of day last relied upon, and when that was.
    shown: Duration,
    at: Instant,
}

impl Pace {
    fn at(&self, wall: Duration, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at);
        wall.max(self.shown.saturating_add(passed))
    }

    fn show(&mut self, wall: Duration, now: Instant) {
        self.shown = self.at(wall, now);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_clock_set_forward_is_followed_and_one_set_back_is_not() {
        let start = Instant::now();
        let after = |passed| start + secs(passed);
        let mut pace = Pace {
            shown: secs(1_000),
            at: start,
        };
        assert_eq!(pace.at(secs(1_002), after(2)), secs(1_002));
        // An hour forward.
        pace.show(secs(4_602), after(2));
        assert_eq!(pace.at(secs(4_605), after(5)), secs(4_605));
        // And back: time goes on, and does not stand still.
        pace.show(secs(1_006), after(6));
        assert_eq!(pace.at(secs(1_008), after(8)), secs(4_608));
        pace.show(secs(1_008), after(8));
        assert_eq!(pace.at(secs(1_010), after(10)), secs(4_610));
        // Until the time of day has caught up.
        assert_eq!(pace.at(secs(4_700), after(11)), secs(4_700));
    }

    #[test]
    fn a_chain_that_is_continued_goes_on_from_its_last_block() {
        let mut clock = Clock::started();
        let now = clock.now_secs();
        clock.go_on_from(now + 500);
        assert!((now + 500..now + 505).contains(&clock.now_secs()));
        clock.go_on_from(7);
        assert!(clock.now_secs() >= now + 500);
    }
}
