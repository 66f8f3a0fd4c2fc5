//! The proof by time: a process that had started when the entry was made.
//!
//! It assumes that the entry was made in this pid namespace, and that the clock was not
//! stepped since: a start time is known only as a distance from boot.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::kernel::{Clocks, Kernel};

/// How much later than its entry a worker may have started: algocline truncates
/// `created_at` to the second, and the start time itself is rounded to a clock tick.
pub(super) const SLACK: Duration = Duration::from_secs(3);

/// Turns the clocks of one moment into points in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    now: SystemTime,
    boot: SystemTime,
    ticks_per_second: u64,
}

/// How the start of a process lies to its entry's `created_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It had started by then, the slack included.
    Before,
    /// It started later.
    After { created: SystemTime },
    /// The entry is from before the machine booted.
    BeforeBoot { created: SystemTime },
    /// The entry is from a time that is still to come.
    Future { created: SystemTime },
    /// `created_at` is not a point in time.
    Unreadable,
}

impl Calendar {
    pub(super) fn new(kernel: &dyn Kernel) -> Self {
        let Clocks { wall, since_boot } = kernel.clocks();
        Self {
            now: wall,
            // A clock so wrong that boot cannot be counted back.
            boot: wall
                .checked_sub(since_boot)
                .unwrap_or(SystemTime::UNIX_EPOCH),
            ticks_per_second: kernel.ticks_per_second().max(1),
        }
    }

    /// When the machine booted, by the clock as it is set now.
    pub(super) fn boot(&self) -> SystemTime {
        self.boot
    }

    /// The time that many clock ticks after boot.
    pub(super) fn at(&self, ticks: u64) -> SystemTime {
        let rest = ticks % self.ticks_per_second * 1_000_000_000 / self.ticks_per_second;
        let since_boot =
            Duration::from_secs(ticks / self.ticks_per_second) + Duration::from_nanos(rest);
        // Only the ticks of a damaged ledger row leave the range of the clock.
        self.boot.checked_add(since_boot).unwrap_or(self.now)
    }

    /// Compares a start time with an entry's `created_at`, RFC 3339 with any offset.
    pub(super) fn relation(&self, started: SystemTime, created_at: &str) -> Relation {
        let Ok(created) = created_at.parse::<Timestamp>() else {
            return Relation::Unreadable;
        };
        let created = SystemTime::from(created);
        let Some(latest) = created.checked_add(SLACK) else {
            return Relation::Future { created };
        };
        if created
            .checked_sub(SLACK)
            .is_some_and(|earliest| earliest > self.now)
        {
            Relation::Future { created }
        } else if started <= latest {
            Relation::Before
        } else if latest < self.boot {
            Relation::BeforeBoot { created }
        } else {
            Relation::After { created }
        }
    }
}

/// A point in time for people: UTC, to the second.
pub(super) fn text(time: SystemTime) -> String {
    Timestamp::try_from(time)
        .and_then(|time| Timestamp::from_second(time.as_second()))
        .map_or_else(|_| "an impossible time".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> SystemTime {
        text.parse::<Timestamp>().expect("a time").into()
    }

    fn calendar() -> Calendar {
        Calendar {
            now: time("2026-11-23T12:00:00Z"),
            boot: time("2026-11-23T10:00:00Z"),
            ticks_per_second: 100,
        }
    }

    #[test]
    fn ticks_count_from_boot() {
        assert_eq!(calendar().at(0), time("2026-11-23T10:00:00Z"));
        assert_eq!(calendar().at(360_050), time("2026-11-23T11:00:00.5Z"));
        // A damaged ledger row must not make it panic.
        assert_eq!(text(calendar().at(u64::MAX)), "an impossible time");
    }

    #[test]
    fn a_process_is_before_its_entry_up_to_the_slack() {
        let started = time("2026-11-23T11:00:03Z");
        let relation = |created_at| calendar().relation(started, created_at);
        assert_eq!(relation("2026-11-23T11:30:00Z"), Relation::Before);
        assert_eq!(relation("2026-11-23T11:00:00Z"), Relation::Before);
        let created = time("2026-11-23T10:59:59.999Z");
        assert_eq!(
            relation("2026-11-23T10:59:59.999Z"),
            Relation::After { created }
        );
    }

    #[test]
    fn offsets_and_lower_case_are_read() {
        let relation = |text| calendar().relation(time("2026-11-23T11:00:00Z"), text);
        assert_eq!(relation("2026-11-23T20:00:00+09:00"), Relation::Before);
        assert_eq!(relation("2026-11-23t11:00:00z"), Relation::Before);
        assert_eq!(
            relation("2026-11-23T05:30:00.123456-05:30"),
            Relation::Before
        );
    }

    #[test]
    fn what_is_no_point_in_time_is_unreadable() {
        for text in [
            "",
            "yesterday",
            "2026-11-23",
            "2026-11-23T11:00:00",
            "1795431600",
            "\0",
        ] {
            let relation = calendar().relation(time("2026-11-23T11:00:00Z"), text);
            assert_eq!(relation, Relation::Unreadable, "{text:?}");
        }
    }

    #[test]
    fn an_entry_can_be_from_an_earlier_boot_or_from_the_future() {
        let relation = |text| calendar().relation(time("2026-11-23T11:00:00Z"), text);
        let created = time("2026-11-23T09:59:56Z");
        assert_eq!(
            relation("2026-11-23T09:59:56Z"),
            Relation::BeforeBoot { created }
        );
        let created = time("2026-11-23T09:59:57Z");
        assert_eq!(
            relation("2026-11-23T09:59:57Z"),
            Relation::After { created }
        );
        assert_eq!(relation("2026-11-23T12:00:03Z"), Relation::Before);
        let created = time("2026-11-23T12:00:04Z");
        assert_eq!(
            relation("2026-11-23T12:00:04Z"),
            Relation::Future { created }
        );
        let created = time("9999-12-30T22:00:00Z");
        assert_eq!(
            relation("9999-12-30T22:00:00Z"),
            Relation::Future { created }
        );
    }

    #[test]
    fn times_are_told_to_the_second() {
        assert_eq!(
            text(time("2026-11-23T11:00:00.987Z")),
            "2026-11-23T11:00:00Z"
        );
    }
}
