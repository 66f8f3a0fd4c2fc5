//! Answers to pools of which everything is known.

mod registered;
mod stopped;

use std::sync::Arc;
use std::time::Duration;

use nix::time::ClockId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::{Answered, Ensured, Facts, Honest, Listed, Stopped};
use crate::floor::Reading;
use crate::process::{Claim, Signal, Standing};
use crate::request::{Request, Stop};

fn claim(sid: &str, pid: u32) -> Claim {
    Claim {
        sid: sid.into(),
        pid,
        created_at: "2026-01-01T00:00:00Z".into(),
        sock: format!("/run/{sid}"),
    }
}

fn reading(claims: &[Claim]) -> Arc<Reading> {
    let entries: Vec<_> = claims.iter().map(entry).collect();
    let text = json!({ "sessions": entries }).to_string();
    Arc::new(Reading::new(Some(text.into_bytes())))
}

fn entry(claim: &Claim) -> Value {
    let mut entry = serde_json::to_value(claim).expect("JSON");
    entry["version"] = "1".into();
    entry
}

/// Facts of a request that found each entry as it is said.
fn facts(found: &[(&str, u32, Option<Standing>)]) -> Facts {
    let claims: Vec<_> = found.iter().map(|(sid, pid, _)| claim(sid, *pid)).collect();
    let mut facts = Facts::default();
    facts.begin(&reading(&claims));
    for (index, (_, _, standing)) in found.iter().enumerate() {
        if let Some(standing) = standing {
            facts.found(index, *standing, false);
        }
    }
    facts
}

/// A session as both verbs may list it.
fn session(sid: &str, pid: u32, status: &str) -> Value {
    let mut session = entry(&claim(sid, pid));
    session["status"] = status.into();
    session
}

fn removed(sid: &str, pid: u32, standing: &str) -> Value {
    json!({"sid": sid, "pid": pid, "standing": standing, "evidence": "words"})
}

fn outcome(sid: &str, pid: u32, outcome: &str) -> Value {
    json!({"sid": sid, "pid": pid, "outcome": outcome})
}

fn judge<T: Honest + DeserializeOwned>(
    answer: &Value,
    request: &Request,
    facts: &Facts,
) -> Result<(), String> {
    let answered = Answered::<T>::read(answer.to_string()).expect("it is of this form");
    let checked = answered.check(request, facts);
    checked.map_err(|untrue| format!("{}, but {}", untrue.said, untrue.so))
}

fn status(sessions: &[Value], sid: Option<&str>, facts: &Facts) -> Result<(), String> {
    let answer = json!({"sessions": sessions, "pool_version": "1"});
    let sid = sid.map(Into::into);
    judge::<Listed>(&answer, &Request::Status { sid }, facts)
}

fn ensure(answer: &Value, dry_run: bool, facts: &Facts) -> Result<(), String> {
    judge::<Ensured>(answer, &Request::Ensure { dry_run }, facts)
}

fn stop(answer: &Value, stop: Stop, facts: &Facts) -> Result<(), String> {
    judge::<Stopped>(answer, &Request::Stop(stop), facts)
}

#[track_caller]
fn assert_untrue(checked: Result<(), String>, words: &str) {
    let why = checked.expect_err("it is not true");
    assert!(why.contains(words), "{why}");
}

const ALIVE: Option<Standing> = Some(Standing::Alive);
const GONE: Option<Standing> = Some(Standing::Gone);

#[test]
fn a_list_that_is_true_is_accepted_in_any_order() {
    let facts = facts(&[
        ("a", 7, ALIVE),
        ("b", 8, GONE),
        ("c", 9, Some(Standing::Foreign)),
        ("d", 10, Some(Standing::Unproven)),
        ("e", 11, Some(Standing::Unknown)),
        ("f", 12, None),
    ]);
    let mut sessions = vec![
        session("a", 7, "running"),
        session("c", 9, "foreign"),
        session("d", 10, "unproven"),
        session("e", 11, "unknown"),
        session("f", 12, "unknown"),
    ];
    assert_eq!(status(&sessions, None, &facts), Ok(()));
    sessions.reverse();
    sessions[0]["more"] = json!({"free": true});
    assert_eq!(status(&sessions, None, &facts), Ok(()));
    let of_a = [session("a", 7, "idle")];
    assert_eq!(status(&of_a, Some("a"), &facts), Ok(()));
    assert_eq!(status(&[], Some("nobody"), &facts), Ok(()));
}

#[test]
fn a_list_that_invents_hides_or_repeats_a_session_is_untrue() {
    let facts = facts(&[("a", 7, ALIVE), ("b", 8, ALIVE), ("c", 9, None)]);
    let all = || {
        vec![
            session("a", 7, "running"),
            session("b", 8, "running"),
            session("c", 9, "unknown"),
        ]
    };
    for (field, value) in [
        ("sid", json!("x")),
        ("pid", json!(99)),
        ("sock", json!("/run/other")),
        ("created_at", json!("2025-01-01T00:00:00Z")),
    ] {
        let mut invented = all();
        invented[1][field] = value;
        assert_untrue(status(&invented, None, &facts), "no entry");
    }
    for missing in [0, 1, 2] {
        let mut hidden = all();
        hidden.remove(missing);
        assert_untrue(status(&hidden, None, &facts), "its entry is kept");
    }
    assert_untrue(status(&[], Some("b"), &facts), "its entry is kept");
    let mut repeated = all();
    repeated.push(session("a", 7, "running"));
    assert_untrue(status(&repeated, None, &facts), "one entry");
    let other = [session("a", 7, "running"), session("b", 8, "running")];
    assert_untrue(status(&other, Some("a"), &facts), "did not ask for it");
}

#[test]
fn a_status_that_was_not_found_is_untrue() {
    let words = ["running", "stopping", "unproven", "foreign", "unknown"];
    for (found, allowed) in [
        (ALIVE, &["running"][..]),
        (Some(Standing::Unproven), &["unproven"]),
        (Some(Standing::Foreign), &["foreign"]),
        (Some(Standing::Unknown), &["unknown"]),
        (None, &["unknown"]),
        (GONE, &[]),
        (Some(Standing::Reused), &[]),
    ] {
        let facts = facts(&[("a", 7, found)]);
        for word in words {
            let checked = status(&[session("a", 7, word)], None, &facts);
            assert_eq!(
                checked.is_ok(),
                allowed.contains(&word),
                "{found:?}: {word}"
            );
        }
    }
    let dead = facts(&[("a", 7, GONE)]);
    assert_eq!(status(&[session("a", 7, "gone")], None, &dead), Ok(()));
    assert_untrue(
        status(&[session("a", 7, "idle")], None, &dead),
        "found it gone",
    );
    let alive = facts(&[("a", 7, ALIVE)]);
    assert_untrue(
        status(&[session("a", 7, "gone")], None, &alive),
        "found it alive",
    );
}

#[test]
fn a_worker_is_stopping_once_it_was_asked_to_end() {
    let stopping = [session("a", 7, "stopping")];
    let mut before = Facts::default();
    before.begin(&reading(&[claim("a", 7)]));
    before.found(0, Standing::Alive, true);
    assert_eq!(status(&stopping, None, &before), Ok(()));
    let mut now = facts(&[("a", 7, ALIVE)]);
    now.signalled(&claim("a", 7), Signal::Usr1);
    assert_untrue(status(&stopping, None, &now), "found it alive");
    now.signalled(&claim("a", 7), Signal::Term);
    assert_eq!(status(&stopping, None, &now), Ok(()));
}

#[test]
fn a_policy_that_read_no_registry_may_not_say_who_is_in_it() {
    let none = Facts::default();
    assert_untrue(status(&[], None, &none), "did not look at the registry");
    let nobody = json!({"stopped": [], "errors": [], "outcomes": []});
    assert_untrue(stop(&nobody, Stop::default(), &none), "did not look");
    let mut broken = Facts::default();
    broken.begin(&Arc::new(Reading::new(Some(b"{".to_vec()))));
    assert_untrue(status(&[], None, &broken), "the registry cannot be read");
}

#[test]
fn what_came_or_went_by_others_need_not_be_listed() {
    let mut facts = facts(&[("a", 7, ALIVE), ("went", 8, ALIVE)]);
    facts.begin(&reading(&[claim("a", 7), claim("came", 9)]));
    facts.found(0, Standing::Alive, false);
    for more in [vec![], vec![session("went", 8, "running")]] {
        let mut sessions = vec![session("a", 7, "running")];
        sessions.extend(more);
        assert_eq!(status(&sessions, None, &facts), Ok(()));
    }
    assert_untrue(
        status(&[], None, &facts),
        "session \"a\" (pid 7) is not there",
    );
}

#[test]
fn an_entry_that_stands_twice_is_about_one_process() {
    let mut facts = Facts::default();
    facts.begin(&reading(&[claim("a", 7), claim("a", 7)]));
    facts.found(0, Standing::Gone, false);
    assert_eq!(status(&[], None, &facts), Ok(()));
    let outcomes = [
        outcome("a", 7, "already-dead"),
        outcome("a", 7, "already-dead"),
    ];
    let both = json!({"stopped": ["a", "a"], "errors": [], "outcomes": outcomes});
    assert_eq!(stop(&both, Stop::default(), &facts), Ok(()));
}

#[test]
fn a_removal_that_was_not_made_is_untrue() {
    let answer = |removed: &[Value], dry_run: bool| {
        let mut answer = json!({"sessions": [], "pool_version": "1", "removed": removed});
        if dry_run {
            answer["dry_run"] = true.into();
        }
        answer
    };
    let mut facts = facts(&[("a", 7, GONE)]);
    let one = answer(&[removed("a", 7, "gone")], false);
    assert_untrue(ensure(&one, false, &facts), "it was not");
    let forecast = answer(&[removed("a", 7, "gone")], true);
    assert_eq!(ensure(&forecast, true, &facts), Ok(()));
    assert_untrue(ensure(&one, true, &facts), "asked for a dry run");
    facts.replaced(&[0], None);
    assert_eq!(ensure(&one, false, &facts), Ok(()));
    assert_untrue(ensure(&forecast, false, &facts), "did not ask for one");
    let twice = answer(&[removed("a", 7, "gone"), removed("a", 7, "gone")], false);
    assert_untrue(ensure(&twice, false, &facts), "it was not");
    let exited = answer(&[removed("a", 7, "exited")], false);
    assert_untrue(ensure(&exited, false, &facts), "found it gone");
    let invented = answer(&[removed("b", 7, "gone")], false);
    assert_untrue(ensure(&invented, false, &facts), "none of this name");
}

#[test]
fn a_dismissal_is_told_as_it_was_made() {
    let answer = |dismissed: Option<(&str, &str)>| {
        let sessions = [session("a", 7, "running")];
        let mut answer = json!({"sessions": sessions, "pool_version": "1", "removed": []});
        if let Some((signal, outcome)) = dismissed {
            answer["dismissed"] = json!([{
                "sid": "a", "pid": 7, "signal": signal, "reason": "words", "outcome": outcome,
            }]);
        }
        answer
    };
    let mut facts = facts(&[("a", 7, ALIVE)]);
    let signalled = answer(Some(("SIGTERM", "signalled")));
    assert_untrue(ensure(&signalled, false, &facts), "it was not signalled");
    let refused = answer(Some(("SIGTERM", "refused")));
    assert_eq!(ensure(&refused, false, &facts), Ok(()));
    facts.signalled(&claim("a", 7), Signal::Term);
    assert_eq!(ensure(&signalled, false, &facts), Ok(()));
    assert_untrue(ensure(&refused, false, &facts), "it was signalled");
    let killed = answer(Some(("SIGKILL", "signalled")));
    assert_untrue(ensure(&killed, false, &facts), "it was signalled");
    assert_untrue(ensure(&answer(None), false, &facts), "it was signalled");
}

#[test]
fn only_what_the_host_told_is_the_hosts() {
    use crate::recording::{CallError, ErrorKind};
    let error = |kind, text: &str| CallError {
        kind,
        text: text.into(),
    };
    let mut facts = Facts::default();
    facts.told(&error(ErrorKind::Busy, "the lock is held"));
    assert!(facts.has_told(&error(ErrorKind::Busy, "the lock is held")));
    assert!(!facts.has_told(&error(ErrorKind::Busy, "the lock is held by you")));
    assert!(!facts.has_told(&error(ErrorKind::Denied, "the lock is held")));
}

/// The processor time of this thread, which other work on the machine does not change much, and
/// the best of three.
fn time(work: impl Fn()) -> Duration {
    let now = || {
        let spent = ClockId::CLOCK_THREAD_CPUTIME_ID.now();
        Duration::from(spent.expect("a thread has a clock"))
    };
    let once = || {
        let begun = now();
        work();
        now() - begun
    };
    (0..3).map(|_| once()).min().unwrap_or_default()
}

#[test]
fn an_answer_four_times_as_long_takes_no_sixteen_times_as_long() {
    let checked = |count: u32, same: bool| {
        let sids: Vec<_> = (0..count)
            .map(|n| if same { "a".into() } else { format!("w{n}") })
            .collect();
        let pid = |n: u32| if same { 7 } else { n + 2 };
        let found: Vec<_> = (0..count)
            .zip(&sids)
            .map(|(n, sid)| (sid.as_str(), pid(n), ALIVE))
            .collect();
        let facts = facts(&found);
        let sessions: Vec<_> = (0..count)
            .zip(&sids)
            .map(|(n, sid)| session(sid, pid(n), "running"))
            .collect();
        let answer = json!({"sessions": sessions, "pool_version": "1"}).to_string();
        let answered = Answered::<Listed>::read(answer).expect("a list");
        let request = Request::Status { sid: None };
        time(|| answered.check(&request, &facts).expect("it is true"))
    };
    for same in [false, true] {
        let (few, many) = (checked(5_000, same), checked(20_000, same));
        assert!(many < few * 10, "same: {same}: from {few:?} to {many:?}");
    }
}
