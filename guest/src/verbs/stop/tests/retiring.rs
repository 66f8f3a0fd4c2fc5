//! What becomes of the entries of those that ended, and of failures after a signal.

use super::*;

#[test]
fn a_sid_that_was_registered_anew_while_waiting_survives() {
    let mut host = FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("b", 102, Standing::Alive),
        ("c", 103, Standing::Alive),
    ]);
    host.process(201, crate::testing::Process::new(Standing::Alive));
    let mut later = entry("b", 102);
    later["created_at"] = json!("2026-01-02T03:04:06Z");
    let registry =
        json!({ "sessions": [entry("a", 201), later, entry("c", 103), entry("d", 201)] });
    host.meanwhile
        .replace(Some(registry.to_string().into_bytes()));
    let answer = answer(stop(&host, &all()));
    assert_eq!(answer["stopped"], json!(["a", "b", "c"]));
    assert_eq!(answer["errors"], json!([]));
    assert_eq!(host.sids(), ["a", "b", "d"]);
    assert_eq!(host.calls()[host.calls().len() - 2], "inspect 103");
}

#[test]
fn entries_that_somebody_else_dropped_are_no_concern() {
    let host = one();
    host.meanwhile.replace(Some(b"{\"sessions\":[]}".to_vec()));
    assert_eq!(answer(stop(&host, &all()))["stopped"], json!(["a"]));
    assert_eq!(host.text(), "{\"sessions\":[]}");
    assert_eq!(host.calls().last().map(String::as_str), Some("read"));
}

#[test]
fn an_entry_that_is_not_found_dead_is_kept_though_its_worker_ended() {
    let mut host = one();
    host.after_the_end = Some(Standing::Unknown);
    let answer = answer(stop(&host, &all()));
    assert_eq!(outcome(&answer), "exited");
    assert!(
        error(&answer).starts_with("sid=a: it ended, but its entry is kept: "),
        "{answer}"
    );
}

#[test]
fn the_answer_stands_when_the_registry_cannot_be_updated_afterwards() {
    for call in ["begin", "read", "replace"] {
        let mut host = one();
        let second = usize::from(call != "replace");
        host.failures
            .insert((call, second), Error::Busy("held by pid 9".into()));
        let answer = answer(stop(&host, &all()));
        assert_eq!(answer["stopped"], json!(["a"]), "{call}");
        assert_eq!(
            error(&answer),
            "the registry was not updated: held by pid 9; the entries of workers that are no \
             more are dropped by the next ensure"
        );
        assert_eq!(host.sids(), ["a"]);
        assert!(!host.is_locked());
    }
}

#[test]
fn the_answer_stands_when_the_registry_was_damaged_meanwhile() {
    let host = one();
    host.meanwhile.replace(Some(b"{}".to_vec()));
    let answer = answer(stop(&host, &all()));
    assert_eq!(answer["stopped"], json!(["a"]));
    assert!(
        error(&answer).contains("corrupted at line 1, column 2: missing field"),
        "{answer}"
    );
    assert_eq!(host.text(), "{}");
}

#[test]
fn a_refused_replace_hides_no_signal_that_went_out() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Gone)]);
    host.failures
        .insert(("replace", 0), Error::Denied("grant registry-write".into()));
    let answer = answer(stop(&host, &all()));
    assert_eq!(answer["stopped"], json!(["a", "b"]));
    assert!(
        error(&answer).contains("not updated: grant registry-write"),
        "{answer}"
    );
    assert_eq!(
        host.calls().last().map(String::as_str),
        Some("wait 101 700")
    );
}

#[test]
fn a_refused_replace_fails_the_request_when_nobody_was_signalled() {
    let mut host = FakeHost::with_sessions(&[("b", 102, Standing::Gone)]);
    host.failures
        .insert(("replace", 0), Error::Denied("grant registry-write".into()));
    let result = stop(&host, &all());
    assert!(
        matches!(result, Err(Failure::Host(Error::Denied(_)))),
        "{result:?}"
    );
}
