//! What a policy finds that acts otherwise than the recorded one did.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::history::Sending;
use super::past::Past;
use super::state::ReplayState;
use crate::capabilities::HostError;
use crate::capabilities::bindings::poolwarden::pool::types;
use crate::floor::Grants;
use crate::process::{Claim, Signal, Standing};
use crate::recording::Recording;
use crate::runtime::Limits;

fn claim(sid: &str, pid: u32) -> Claim {
    Claim {
        sid: sid.into(),
        pid,
        created_at: "2026-01-01T00:00:00Z".into(),
        sock: String::new(),
    }
}

/// A registry with these entries.
fn registry(claims: &[Claim]) -> String {
    let entries: Vec<_> = claims.iter().map(entry).collect();
    json!({ "sessions": entries }).to_string()
}

fn entry(claim: &Claim) -> Value {
    let mut entry = serde_json::to_value(claim).expect("JSON");
    entry["version"] = "".into();
    entry
}

fn begin(claims: &[Claim]) -> Value {
    json!({"begin": {"registry": {"text": registry(claims)}}})
}

fn replace(claims: &[Claim]) -> Value {
    json!({"replace": {"registry": {"text": registry(claims)}}})
}

fn inspect(claim: &Claim, standing: Standing) -> Value {
    let found = json!({"claim": claim, "finding": {"standing": standing}});
    json!({"inspect": {"found": [found]}})
}

/// A request of which these calls were recorded, to be replayed with every grant.
fn replay(request: &Value, calls: &[Value]) -> ReplayState {
    let recording: Recording = serde_json::from_value(json!({
        "version": 1,
        "at": "2026-01-01T00:00:01Z",
        "pool": "/pool",
        "asked_by": {"verb": "", "via": "library", "uid": 0, "pid": 2},
        "request": request,
        "policy": {"sha256": ""},
        "grants": [],
        "settings": {},
        "calls": calls,
    }))
    .expect("a recording");
    let grants = Grants::named(&Grants::all_names()).expect("grants");
    ReplayState::new(
        Past::new(&recording, std::time::Duration::ZERO),
        recording.request,
        grants,
        BTreeMap::new(),
        &Limits::default(),
    )
}

fn ensure() -> Value {
    json!({"ensure": {"dry_run": false}})
}

fn stop() -> Value {
    json!({"stop": {"sid": null, "signal": "term", "group": false, "grace_ms": 1,
                    "force": false, "dry_run": false}})
}

fn read(state: &mut ReplayState) -> String {
    let bytes = state.read().expect("a registry").unwrap_or_default();
    String::from_utf8(bytes).expect("text")
}

fn standing(state: &mut ReplayState, claim: &Claim) -> Standing {
    state.inspect(std::slice::from_ref(claim))[0].standing
}

#[track_caller]
fn system_error<T>(done: Result<T, HostError>) -> String {
    match done {
        Err(HostError::Guest(types::Error::System(text))) => text,
        Err(other) => panic!("another error: {other:?}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn the_next_transaction_finds_what_this_policy_left() {
    let (a, b) = (claim("a", 10), claim("b", 11));
    let both = [a.clone(), b.clone()];
    let dead = [inspect(&a, Standing::Gone), inspect(&b, Standing::Gone)];
    let mut calls = vec![begin(&both)];
    calls.extend(dead.clone());
    calls.extend([replace(&[]), json!("end"), begin(&[]), json!("end")]);
    let mut state = replay(&ensure(), &calls);
    state.begin().expect("a transaction");
    for claim in &both {
        assert_eq!(standing(&mut state, claim), Standing::Gone);
    }
    // The recorded policy dropped both, this one drops one of them.
    let left = registry(std::slice::from_ref(&b));
    state.replace(left.clone().into()).expect("it is dead");
    state.end();
    for _ in 0..2 {
        state.begin().expect("a transaction, recorded or not");
        assert_eq!(read(&mut state), left);
        state.end();
    }
}

#[test]
fn what_somebody_else_wrote_in_between_is_there() {
    let (a, b) = (claim("a", 10), claim("b", 11));
    let calls = [
        begin(std::slice::from_ref(&a)),
        inspect(&a, Standing::Gone),
        json!("end"),
        begin(&[a.clone(), b.clone()]),
    ];
    let mut state = replay(&ensure(), &calls);
    state.begin().expect("a transaction");
    assert_eq!(standing(&mut state, &a), Standing::Gone);
    state.replace(registry(&[]).into()).expect("it is dead");
    state.end();
    state.begin().expect("a transaction");
    assert_eq!(read(&mut state), registry(&[a, b]));
}

#[test]
fn without_a_recorded_registry_there_is_none() {
    let mut state = replay(&ensure(), &[]);
    assert!(system_error(state.begin()).contains("did not look at the registry"));
}

#[test]
fn what_the_system_refused_it_refuses_again() {
    let a = claim("a", 10);
    let error = json!({"kind": "system", "text": "the disk is full"});
    let mut failed = replace(&[]);
    failed["replace"]["error"] = error.clone();
    let calls = [
        json!({"begin": {"registry": null, "error": error}}),
        begin(std::slice::from_ref(&a)),
        inspect(&a, Standing::Gone),
        failed,
    ];
    let mut state = replay(&ensure(), &calls);
    assert_eq!(system_error(state.begin()), "the disk is full");
    state.begin().expect("a transaction");
    assert_eq!(standing(&mut state, &a), Standing::Gone);
    let replaced = state.replace(registry(&[]).into());
    assert_eq!(system_error(replaced), "the disk is full");
    assert!(state.effects.removed.is_empty());
}

#[test]
fn a_worker_goes_once_this_policy_has_seen_it_end_and_not_before() {
    let a = claim("a", 10);
    let calls = [
        begin(std::slice::from_ref(&a)),
        inspect(&a, Standing::Alive),
    ];
    let mut state = replay(&stop(), &calls);
    state.begin().expect("a transaction");
    assert!(state.replace(registry(&[]).into()).is_err());
    let target = state.open_target("a", 10).expect("it is alive");
    let term = Sending {
        signal: Signal::Term,
        group: false,
    };
    state.send(target, term).expect("it counts as sent");
    let signalled = state.replace(registry(&[]).into());
    assert!(signalled.is_err(), "that it was signalled is no reason");
    state.end();
    assert_eq!(state.wait(&[target]).expect("a wait"), [true]);
    assert!(state.send(target, term).is_err(), "nobody is left");
    state.begin().expect("a transaction");
    state.replace(registry(&[]).into()).expect("it may go");
    assert_eq!(state.effects.signalled.len(), 1);
    assert_eq!(state.effects.removed.len(), 1);
}

#[test]
fn only_who_was_found_alive_is_opened() {
    let a = claim("a", 10);
    for (found, opens) in [
        (Some(Standing::Alive), true),
        (Some(Standing::Unproven), false),
        (Some(Standing::Gone), false),
        (None, false),
    ] {
        let mut calls = vec![begin(std::slice::from_ref(&a))];
        calls.extend(found.map(|found| inspect(&a, found)));
        let mut state = replay(&stop(), &calls);
        state.begin().expect("a transaction");
        assert_eq!(state.open_target("a", 10).is_ok(), opens, "{found:?}");
        assert!(state.open_target("a", 11).is_err());
        assert!(state.open_target("b", 10).is_err());
    }
}

#[test]
fn who_the_client_did_not_mean_is_not_opened() {
    let a = claim("a", 10);
    let calls = [
        begin(std::slice::from_ref(&a)),
        inspect(&a, Standing::Alive),
    ];
    for (pid, opens) in [(10, true), (11, false)] {
        let mut request = stop();
        request["stop"]["pid"] = json!(pid);
        let mut state = replay(&request, &calls);
        state.begin().expect("a transaction");
        assert_eq!(state.open_target("a", 10).is_ok(), opens, "{pid}");
    }
}

#[test]
fn the_clock_goes_as_it_went_and_then_stands_still() {
    let second = |second: u8| json!({"now": {"at": format!("2026-01-01T00:00:0{second}Z")}});
    let mut state = replay(&ensure(), &[second(5), second(7)]);
    let first = state.now();
    let later = state.now();
    assert_eq!(later.duration_since(first).expect("later").as_secs(), 2);
    assert_eq!(state.now(), later);
    // Nobody asked then: it is the time of the request.
    let mut state = replay(&ensure(), &[]);
    assert_eq!(
        first.duration_since(state.now()).expect("later").as_secs(),
        4
    );
}
