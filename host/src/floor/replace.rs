//! What a policy may make of a registry.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use crate::process::Claim;
use crate::request::{Register, Request, Stop};

use super::{Reading, Refusal};

/// How far the `created_at` of a new entry may be from now. The seconds of its text are
/// truncated, and its writing takes a moment.
const CREATION_SLACK: Duration = Duration::from_secs(5);

/// What a replacement changes, beyond what the host does not know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Indices of the entries that go, in the reading before.
    pub(crate) dropped: Vec<usize>,
    /// The entry that comes.
    pub(crate) added: Option<Claim>,
}

/// Measures a replacement against the registry as it was read, what was found out about
/// its entries, and what the client asked for.
///
/// `may_drop` says of an entry (by its index) that its process was found dead in this
/// transaction or signalled in this request.
///
/// # Errors
/// When an entry would be lost, forged or changed, or the new bytes are no registry.
pub(crate) fn check_replace(
    before: &Reading,
    after: &Reading,
    request: &Request,
    now: SystemTime,
    may_drop: impl Fn(usize) -> bool,
) -> Result<Change, Refusal> {
    let old = before.claims().map_err(|error| {
        Refusal(format!(
            "the registry on disk cannot be read, so nothing may replace it: {error}"
        ))
    })?;
    let new = after
        .claims()
        .map_err(|error| Refusal(format!("the replacement is not a registry: {error}")))?;

    let mut kept: HashMap<&Claim, usize> = HashMap::with_capacity(new.len());
    for claim in new {
        *kept.entry(claim).or_default() += 1;
    }
    // An entry that stands twice is about one process: what was found out about it holds for
    // both, whichever of them the policy asked about.
    let twins = LazyCell::new(|| -> HashSet<&Claim> {
        let known = old.iter().enumerate().filter(|(index, _)| may_drop(*index));
        known.map(|(_, claim)| claim).collect()
    });
    let mut dropped = Vec::new();
    for (index, claim) in old.iter().enumerate() {
        if let Some(count) = kept.get_mut(claim).filter(|count| **count > 0) {
            *count -= 1;
        } else if may_drop(index) || request_drops(request, claim) || twins.contains(claim) {
            dropped.push(index);
        } else {
            return Err(Refusal(format!(
                "the replacement loses or changes the entry of {:?} (pid {}), whose process is not proven dead",
                claim.sid, claim.pid
            )));
        }
    }

    let mut added = None;
    for (claim, count) in kept {
        if count == 0 {
            continue;
        }
        if count > 1 || added.is_some() || !request_adds(request, claim, now) {
            return Err(Refusal(format!(
                "the replacement adds an entry of {:?} (pid {}) that nobody registered",
                claim.sid, claim.pid
            )));
        }
        if after.with_sid(&claim.sid).len() > 1 {
            return Err(Refusal(format!(
                "the replacement would have two entries of {:?}, and then neither can be signalled",
                claim.sid
            )));
        }
        added = Some(claim.clone());
    }
    Ok(Change { dropped, added })
}

/// Whether the request itself says that this entry goes, whatever its process does.
fn request_drops(request: &Request, claim: &Claim) -> bool {
    match request {
        Request::Forget {
            sid,
            even_if_alive: true,
            pid,
        } => *sid == claim.sid && pid.is_none_or(|pid| pid == claim.pid),
        Request::Stop(Stop { sid, .. }) => {
            is_impossible(claim.pid) && sid.as_ref().is_none_or(|sid| *sid == claim.sid)
        }
        _ => false,
    }
}

/// Whether the request registers just this entry, dated now.
fn request_adds(request: &Request, claim: &Claim, now: SystemTime) -> bool {
    let Request::Register(Register { sid, pid, sock, .. }) = request else {
        return false;
    };
    let dated_now = claim.created_at.parse::<jiff::Timestamp>().is_ok_and(|at| {
        let at = SystemTime::from(at);
        let distance = now
            .duration_since(at)
            .unwrap_or_else(|early| early.duration());
        distance <= CREATION_SLACK
    });
    *sid == claim.sid && *pid == claim.pid && *sock == claim.sock && dated_now
}

/// Whether no process can have this pid: 0 addresses a group, and pid_t is a positive
/// 32-bit integer (kill(2)).
fn is_impossible(pid: u32) -> bool {
    pid == 0 || i32::try_from(pid).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(sid: &str, pid: u32) -> Claim {
        Claim {
            sid: sid.into(),
            pid,
            created_at: "2026-01-01T00:00:00Z".into(),
            sock: format!("/run/{sid}"),
        }
    }

    fn reading(claims: &[Claim]) -> Reading {
        let entries: Vec<_> = claims
            .iter()
            .map(|Claim { sid, pid, created_at, sock }| {
                serde_json::json!({"sid": sid, "pid": pid, "sock": sock, "version": "", "created_at": created_at})
            })
            .collect();
        Reading::new(Some(
            serde_json::json!({ "sessions": entries })
                .to_string()
                .into_bytes(),
        ))
    }

    fn now() -> SystemTime {
        SystemTime::from(
            "2026-01-01T00:00:02Z"
                .parse::<jiff::Timestamp>()
                .expect("RFC 3339"),
        )
    }

    fn check(
        old: &[Claim],
        new: &[Claim],
        request: &Request,
        dead: &[usize],
    ) -> Result<Change, Refusal> {
        check_replace(&reading(old), &reading(new), request, now(), |index| {
            dead.contains(&index)
        })
    }

    const ENSURE: Request = Request::Ensure { dry_run: false };

    #[test]
    fn the_dead_may_go_and_the_others_may_not() {
        let (a, b) = (claim("a", 10), claim("b", 11));
        let old = [a.clone(), b.clone()];
        let change = check(&old, std::slice::from_ref(&b), &ENSURE, &[0]).expect("it is accepted");
        assert_eq!(
            change,
            Change {
                dropped: vec![0],
                added: None
            }
        );
        let refusal = check(&old, &[b], &ENSURE, &[1]).expect_err("it is refused");
        assert!(refusal.0.contains("\"a\" (pid 10)"), "{refusal}");
        assert!(check(&old, &[a], &ENSURE, &[]).is_err());
    }

    #[test]
    fn order_may_change_and_entries_may_not() {
        let (a, b) = (claim("a", 10), claim("b", 11));
        let old = [a.clone(), b.clone()];
        assert!(check(&old, &[b.clone(), a.clone()], &ENSURE, &[]).is_ok());
        for forged in [
            Claim {
                pid: 12,
                ..a.clone()
            },
            Claim {
                sid: "c".into(),
                ..a.clone()
            },
            Claim {
                sock: "/run/other".into(),
                ..a.clone()
            },
            Claim {
                created_at: "2026-01-01T00:00:01Z".into(),
                ..a.clone()
            },
        ] {
            assert!(
                check(&old, &[forged.clone(), b.clone()], &ENSURE, &[]).is_err(),
                "{forged:?}"
            );
            // Not even in the place of a dead one.
            assert!(check(&old, &[forged.clone(), b.clone()], &ENSURE, &[0]).is_err());
        }
    }

    #[test]
    fn what_is_known_of_an_entry_holds_for_its_twin() {
        let (a, b) = (claim("a", 10), claim("b", 11));
        let old = [a.clone(), b.clone(), a.clone()];
        for dead in [0, 2] {
            let change = check(&old, std::slice::from_ref(&b), &ENSURE, &[dead]);
            assert_eq!(change.expect("it is accepted").dropped, [0, 2]);
        }
        assert!(
            check(&old, &[a.clone(), a], &ENSURE, &[0]).is_err(),
            "{b:?}"
        );
    }

    #[test]
    fn an_entry_that_stands_twice_may_not_lose_one() {
        let a = claim("a", 10);
        assert!(
            check(
                &[a.clone(), a.clone()],
                std::slice::from_ref(&a),
                &ENSURE,
                &[]
            )
            .is_err()
        );
        assert!(
            check(
                std::slice::from_ref(&a),
                &[a.clone(), a.clone()],
                &ENSURE,
                &[]
            )
            .is_err()
        );
    }

    #[test]
    fn only_a_register_request_adds_and_only_its_own_entry() {
        let a = claim("a", 10);
        let request = Request::Register(Register {
            sid: "a".into(),
            pid: 10,
            sock: "/run/a".into(),
            version: String::new(),
        });
        assert_eq!(
            check(&[], std::slice::from_ref(&a), &request, &[])
                .expect("it is accepted")
                .added,
            Some(a.clone())
        );
        assert!(check(&[], std::slice::from_ref(&a), &ENSURE, &[]).is_err());
        assert!(check(&[], &[a.clone(), a.clone()], &request, &[]).is_err());
        for forged in [
            Claim {
                pid: 11,
                ..a.clone()
            },
            Claim {
                created_at: "2025-01-01T00:00:00Z".into(),
                ..a.clone()
            },
            Claim {
                created_at: "2027-01-01T00:00:00Z".into(),
                ..a.clone()
            },
            Claim {
                created_at: "soon".into(),
                ..a.clone()
            },
        ] {
            assert!(
                check(&[], std::slice::from_ref(&forged), &request, &[]).is_err(),
                "{forged:?}"
            );
        }
    }

    #[test]
    fn a_sid_that_is_taken_is_not_registered_again() {
        let taken = claim("a", 10);
        let anew = Claim {
            created_at: "2026-01-01T00:00:01Z".into(),
            ..taken.clone()
        };
        let request = Request::Register(Register {
            sid: "a".into(),
            pid: 10,
            sock: "/run/a".into(),
            version: String::new(),
        });
        let old = std::slice::from_ref(&taken);
        assert!(check(old, &[taken.clone(), anew.clone()], &request, &[0]).is_err());
        let change =
            check(old, std::slice::from_ref(&anew), &request, &[0]).expect("it is accepted");
        assert_eq!((change.dropped, change.added), (vec![0], Some(anew)));
    }

    #[test]
    fn forget_drops_the_living_only_when_it_says_so() {
        let (a, b) = (claim("a", 10), claim("b", 11));
        let old = [a.clone(), b.clone()];
        let forget = |even_if_alive| Request::Forget {
            sid: "a".into(),
            even_if_alive,
            pid: None,
        };
        assert!(check(&old, std::slice::from_ref(&b), &forget(true), &[]).is_ok());
        assert!(check(&old, std::slice::from_ref(&b), &forget(false), &[]).is_err());
        assert!(check(&old, std::slice::from_ref(&a), &forget(true), &[]).is_err());
    }

    #[test]
    fn forget_can_mean_one_process_only() {
        let old = [claim("a", 10)];
        let forget = |pid| Request::Forget {
            sid: "a".into(),
            even_if_alive: true,
            pid: Some(pid),
        };
        assert!(check(&old, &[], &forget(10), &[]).is_ok());
        assert!(check(&old, &[], &forget(11), &[]).is_err());
        // The dead may go whoever is meant.
        assert!(check(&old, &[], &forget(11), &[0]).is_ok());
    }

    #[test]
    fn stop_drops_an_impossible_pid_of_its_own_sessions() {
        let (zero, huge) = (claim("zero", 0), claim("huge", u32::MAX));
        let old = [zero.clone(), huge.clone()];
        let stop = |sid: Option<&str>| {
            Request::Stop(Stop {
                sid: sid.map(Into::into),
                ..Stop::default()
            })
        };
        assert!(check(&old, &[], &stop(None), &[]).is_ok());
        assert!(check(&old, &[huge], &stop(Some("zero")), &[]).is_ok());
        assert!(check(&old, &[zero], &stop(Some("zero")), &[]).is_err());
        assert!(check(&old, &[], &ENSURE, &[]).is_err());
    }

    #[test]
    fn nothing_replaces_what_cannot_be_read() {
        let broken = Reading::new(Some(b"{".to_vec()));
        let empty = reading(&[]);
        assert!(check_replace(&broken, &empty, &ENSURE, now(), |_| true).is_err());
        assert!(check_replace(&empty, &broken, &ENSURE, now(), |_| true).is_err());
    }
}
