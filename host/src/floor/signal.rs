//! Whom a policy may name as the target of a signal.

use super::{Reading, Refusal};

/// The entry that a policy means by a sid and a pid.
///
/// # Errors
/// When the registry says no such thing, or says it more than once: an ambiguous entry
/// must not decide who is hit.
pub(crate) fn find_target(reading: &Reading, sid: &str, pid: u32) -> Result<usize, Refusal> {
    let claims = reading
        .claims()
        .map_err(|error| Refusal(format!("the registry cannot be read: {error}")))?;
    match reading.with_sid(sid) {
        [] => Err(Refusal(format!("no entry has the sid {sid:?}"))),
        [index] if claims[*index].pid == pid => Ok(*index),
        [index] => Err(Refusal(format!(
            "the entry of {sid:?} names pid {}, not pid {pid}",
            claims[*index].pid
        ))),
        several => Err(Refusal(format!(
            "{} entries have the sid {sid:?}; none of them can be signalled until it is unique",
            several.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(entries: &[(&str, u32)]) -> Reading {
        let entries: Vec<_> = entries
            .iter()
            .map(|(sid, pid)| {
                format!(r#"{{"sid":"{sid}","pid":{pid},"sock":"","version":"","created_at":""}}"#)
            })
            .collect();
        Reading::new(Some(
            format!(r#"{{"sessions":[{}]}}"#, entries.join(",")).into_bytes(),
        ))
    }

    #[test]
    fn only_a_registered_pair_is_a_target() {
        let reading = reading(&[("a", 10), ("b", 11)]);
        assert_eq!(find_target(&reading, "b", 11), Ok(1));
        assert!(
            find_target(&reading, "c", 10)
                .expect_err("it is refused")
                .0
                .contains("no entry")
        );
        assert!(
            find_target(&reading, "a", 11)
                .expect_err("it is refused")
                .0
                .contains("pid 10, not pid 11")
        );
    }

    #[test]
    fn a_sid_that_stands_twice_is_no_target() {
        let reading = reading(&[("a", 10), ("a", 11)]);
        assert!(
            find_target(&reading, "a", 10)
                .expect_err("it is refused")
                .0
                .contains("2 entries")
        );
    }

    #[test]
    fn an_unreadable_registry_has_no_targets() {
        let reading = Reading::new(Some(b"{".to_vec()));
        assert!(
            find_target(&reading, "a", 10)
                .expect_err("it is refused")
                .0
                .contains("cannot be read")
        );
    }
}
