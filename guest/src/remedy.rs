//! What a person can do about a worker that nobody dares to signal. Pure functions, no host.

use std::borrow::Cow;

use crate::host::{Finding, Standing};
use crate::registry::Entry;

/// The pid that is never a worker's, so that nothing can be adopted under it.
const INIT: u32 = 1;

/// What there is to do about an entry whose process is neither proven to be its worker nor
/// proven to be no more; none where that is no matter of proof.
pub(crate) fn remedy(entry: &Entry<'_>, finding: &Finding) -> Option<String> {
    Some(match finding.standing {
        Standing::Unproven if entry.pid == INIT => return None,
        Standing::Unproven => format!(
            "if it is the worker: poolwarden adopt {}",
            argument(&entry.sid)
        ),
        Standing::Foreign if is_about_the_socket(finding) => {
            "look at who serves its socket (ss -xlp shows it, unless that is in another pid \
             namespace), and stop it there"
                .to_owned()
        }
        Standing::Foreign => {
            "stop it where it runs, on its own machine or in its own pid namespace".to_owned()
        }
        Standing::Unknown => {
            "remove what keeps its process from being examined, then try again".to_owned()
        }
        Standing::Alive | Standing::Reused | Standing::Exited | Standing::Gone => return None,
    })
}

/// The same for a stop, which leaves the entry of pid 1 as well.
pub(crate) fn remedy_of_stop(entry: &Entry<'_>, finding: &Finding) -> Option<String> {
    let of_init = || {
        (finding.standing == Standing::Unproven).then(|| {
            format!(
                "drop its entry: poolwarden forget --even-if-alive {}",
                argument(&entry.sid)
            )
        })
    };
    remedy(entry, finding).or_else(of_init)
}

/// Whether a foreign process is foreign because somebody else answers at the socket. The
/// other way is a row of another machine or pid namespace, whose words name no socket.
fn is_about_the_socket(finding: &Finding) -> bool {
    let evidence = finding.evidence.as_deref();
    evidence.is_some_and(|words| words.contains("socket"))
}

/// A sid as a shell takes it for one argument that is no option.
fn argument(sid: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@%+=,".contains(c);
    let word = if !sid.is_empty() && sid.chars().all(is_plain) {
        Cow::Borrowed(sid)
    } else {
        Cow::Owned(format!("'{}'", sid.replace('\'', r"'\''")))
    };
    if sid.starts_with('-') {
        format!("-- {word}")
    } else {
        word.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sid: &str, pid: u32) -> Entry<'_> {
        Entry {
            sid: sid.into(),
            pid,
            sock: "".into(),
            version: "".into(),
            created_at: "".into(),
        }
    }

    fn found(standing: Standing, evidence: Option<&str>) -> Finding {
        Finding {
            standing,
            evidence: evidence.map(str::to_owned),
            started: None,
            last_signal: None,
        }
    }

    #[test]
    fn each_standing_that_is_not_proven_has_one() {
        let of = |standing, evidence| remedy(&entry("a", 10), &found(standing, evidence));
        for proven in [
            Standing::Alive,
            Standing::Reused,
            Standing::Exited,
            Standing::Gone,
        ] {
            assert_eq!(of(proven, None), None);
        }
        for (standing, evidence, part) in [
            (Standing::Unproven, None, "poolwarden adopt a"),
            (
                Standing::Unknown,
                None,
                "keeps its process from being examined",
            ),
            (Standing::Foreign, None, "on its own machine"),
            (
                Standing::Foreign,
                Some("ledger: its process runs on machine 1, and this is machine 2"),
                "on its own machine",
            ),
            (
                Standing::Foreign,
                Some("its socket /s answers, but pid 10 does not hold it"),
                "who serves its socket",
            ),
        ] {
            let text = of(standing, evidence).expect("something can be done");
            assert!(text.contains(part), "{standing:?}: {text}");
        }
    }

    #[test]
    fn nothing_is_adopted_under_pid_1() {
        let (init, unproven) = (entry("a", 1), found(Standing::Unproven, None));
        assert_eq!(remedy(&init, &unproven), None);
        let text = remedy_of_stop(&init, &unproven).expect("it can be forgotten");
        assert!(text.contains("forget --even-if-alive a"), "{text}");
        assert_eq!(remedy_of_stop(&init, &found(Standing::Alive, None)), None);
    }

    #[test]
    fn a_sid_is_one_argument_whatever_it_is() {
        for (sid, shown) in [
            ("search-1", "search-1"),
            ("a b", "'a b'"),
            ("a; reboot", "'a; reboot'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("-v", "-- -v"),
        ] {
            assert_eq!(argument(sid), shown);
        }
    }
}
