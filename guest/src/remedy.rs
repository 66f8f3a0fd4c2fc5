//! What can be done about a worker that nobody dares to signal. Pure functions, no host.
//!
//! No command stands here: a policy does not know how its host was started, or whether a person
//! asks at all. The host adds the commands for whoever asked it.

use crate::host::{Finding, Standing};
use crate::registry::Entry;

/// The pid that is never a worker's, so that nothing can be adopted under it.
const INIT: u32 = 1;

/// What there is to do about an entry whose process is neither proven to be its worker nor
/// proven to be no more; none where that is no matter of proof.
pub(crate) fn remedy(entry: &Entry<'_>, finding: &Finding) -> Option<&'static str> {
    Some(match finding.standing {
        Standing::Unproven if entry.pid == INIT => return None,
        Standing::Unproven => "if it is the worker, it can be adopted",
        Standing::Foreign => {
            "it can be stopped where it runs: on its own machine, in its own pid namespace, or \
             where its socket is served"
        }
        Standing::Unknown => "remove what keeps its process from being examined, then try again",
        Standing::Alive | Standing::Reused | Standing::Exited | Standing::Gone => return None,
    })
}

/// The same for a stop, which leaves the entry of pid 1 as well.
pub(crate) fn remedy_of_stop(entry: &Entry<'_>, finding: &Finding) -> Option<&'static str> {
    let of_init = || {
        (finding.standing == Standing::Unproven)
            .then_some("no worker has this pid, so its entry can be forgotten")
    };
    remedy(entry, finding).or_else(of_init)
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

    fn found(standing: Standing) -> Finding {
        Finding {
            standing,
            evidence: None,
            started: None,
            last_signal: None,
        }
    }

    #[test]
    fn each_standing_that_is_not_proven_has_one() {
        let of = |standing| remedy(&entry("a", 10), &found(standing));
        for proven in [
            Standing::Alive,
            Standing::Reused,
            Standing::Exited,
            Standing::Gone,
        ] {
            assert_eq!(of(proven), None);
        }
        for (standing, part) in [
            (Standing::Unproven, "it can be adopted"),
            (Standing::Unknown, "keeps its process from being examined"),
            (Standing::Foreign, "on its own machine"),
        ] {
            let text = of(standing).expect("something can be done");
            assert!(text.contains(part), "{standing:?}: {text}");
        }
    }

    #[test]
    fn nothing_is_adopted_under_pid_1() {
        let (init, unproven) = (entry("a", 1), found(Standing::Unproven));
        assert_eq!(remedy(&init, &unproven), None);
        let text = remedy_of_stop(&init, &unproven).expect("it can be forgotten");
        assert!(text.contains("its entry can be forgotten"), "{text}");
        assert_eq!(remedy_of_stop(&init, &found(Standing::Alive)), None);
    }

    #[test]
    fn no_remedy_is_a_command() {
        for standing in [Standing::Unproven, Standing::Foreign, Standing::Unknown] {
            for pid in [1, 10] {
                let text = remedy_of_stop(&entry("a", pid), &found(standing));
                let text = text.expect("something can be done");
                assert!(
                    !text.contains("poolwarden") && !text.contains("--"),
                    "{text}"
                );
            }
        }
    }
}
