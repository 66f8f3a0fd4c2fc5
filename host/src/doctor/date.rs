//! Times, as they stand in reports, entries and names.

use std::time::SystemTime;

use jiff::Timestamp;

/// RFC 3339 in UTC, cut to the second, as the registry writes it.
pub(super) fn seconds(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The same without what a name of a file should not have.
pub(super) fn for_names(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H-%M-%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_time_is_cut_to_the_second() {
        let time = UNIX_EPOCH + Duration::from_millis(1_790_000_000_999);
        assert_eq!(seconds(time).as_deref(), Some("2026-09-21T14:13:20Z"));
        assert_eq!(for_names(time), "2026-09-21T14-13-20Z");
    }
}
