use serde_json::json;

use super::*;
use crate::host::Error;
use crate::policy::DefaultPolicy;
use crate::testing::{FakeHost, Process, answer, rejection};

fn register(host: &FakeHost, new: &NewEntry) -> Result<String, Failure> {
    super::register(&DefaultPolicy, host, new)
}

fn new(sid: &str, pid: u32) -> NewEntry {
    NewEntry {
        sid: sid.to_owned(),
        pid,
        sock: "/run/n.sock".to_owned(),
        version: "2".to_owned(),
    }
}

#[test]
fn a_running_process_is_added_with_the_hosts_time() {
    let mut host = FakeHost::absent();
    host.process(200, Process::new(Standing::Alive));
    let entry = r#"{"sid":"n","pid":200,"sock":"/run/n.sock","version":"2","created_at":"2026-01-02T03:04:05Z"}"#;
    assert_eq!(
        register(&host, &new("n", 200)).expect("an answer"),
        format!(
            r#"{{"registered":{entry},"pool_version":"{}"}}"#,
            env!("CARGO_PKG_VERSION")
        )
    );
    assert_eq!(host.text(), format!("{{\"sessions\":[{entry}]}}\n"));
    assert_eq!(host.calls(), ["begin", "read", "inspect 200", "replace"]);
    assert!(!host.is_locked());
}

#[test]
fn others_stay_as_they_are() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Gone), ("b", 102, Standing::Alive)]);
    host.process(200, Process::new(Standing::Alive));
    let before = host.text();
    answer(register(&host, &new("n", 200)));
    assert!(host.text().starts_with(before.trim_end_matches("]}")));
    assert_eq!(host.sids(), ["a", "b", "n"]);
}

#[test]
fn a_dead_holder_is_replaced() {
    for (standing, word) in [
        (Standing::Gone, "gone"),
        (Standing::Exited, "exited"),
        (Standing::Reused, "reused"),
    ] {
        let mut host =
            FakeHost::with_sessions(&[("n", 101, standing), ("b", 102, Standing::Alive)]);
        host.process(200, Process::new(Standing::Alive));
        let answer = answer(register(&host, &new("n", 200)));
        assert_eq!(
            answer["replaced"],
            json!({"sid":"n","pid":101,"standing":word,"evidence":format!("found {word}")})
        );
        assert_eq!(host.sids(), ["b", "n"]);
        assert_eq!(
            host.calls(),
            ["begin", "read", "inspect 101,200", "replace"]
        );
    }
}

#[test]
fn a_sid_that_somebody_may_serve_is_taken() {
    for (standing, word, remedy) in [
        (Standing::Alive, "alive", "stop it first"),
        (Standing::Unproven, "unproven", "--even-if-alive"),
        (Standing::Foreign, "foreign", "--even-if-alive"),
        (Standing::Unknown, "unknown", "--even-if-alive"),
    ] {
        let mut host = FakeHost::with_sessions(&[("n", 100, Standing::Gone), ("n", 101, standing)]);
        host.process(200, Process::new(Standing::Alive));
        let why = rejection(register(&host, &new("n", 200)));
        assert!(
            why.starts_with(&format!(
                "sid=n is taken: its entry names pid 101, which is {word} ("
            )),
            "{why}"
        );
        assert!(why.contains(remedy), "{why}");
        assert_eq!(host.sids(), ["n", "n"]);
        assert!(!host.is_locked());
    }
}

#[test]
fn a_process_that_is_not_running_here_is_not_registered() {
    for standing in [
        Standing::Unproven,
        Standing::Reused,
        Standing::Exited,
        Standing::Gone,
        Standing::Foreign,
        Standing::Unknown,
    ] {
        let mut host = FakeHost::absent();
        host.process(200, Process::new(standing));
        let why = rejection(register(&host, &new("n", 200)));
        let word = decide::name(standing);
        assert!(
            why.contains(&format!(
                "it is {word} and not a running worker (found {word})"
            )),
            "{why}"
        );
        assert_eq!(*host.registry.borrow(), None);
    }
}

#[test]
fn a_process_without_a_finding_is_not_registered() {
    let mut host = FakeHost::absent();
    host.process(200, Process::new(Standing::Alive));
    host.withheld = 1;
    assert!(rejection(register(&host, &new("n", 200))).contains("unknown"));
}

#[test]
fn an_empty_sid_is_rejected_before_any_call() {
    let host = FakeHost::absent();
    assert!(rejection(register(&host, &new("", 200))).contains("not empty"));
    assert!(host.calls().is_empty());
}

#[test]
fn odd_texts_are_written_as_json() {
    let mut host = FakeHost::with_text("{\"sessions\":[]}");
    host.process(200, Process::new(Standing::Alive));
    let sid = "\"],\n\u{0}ä";
    answer(register(&host, &new(sid, 200)));
    assert_eq!(host.sids(), [sid]);
}

#[test]
fn what_the_host_refuses_is_passed_on() {
    for call in ["begin", "read", "replace"] {
        let mut host = FakeHost::absent();
        host.process(200, Process::new(Standing::Alive));
        host.failures.insert((call, 0), Error::Denied("x".into()));
        let result = register(&host, &new("n", 200));
        assert!(
            matches!(result, Err(Failure::Host(Error::Denied(_)))),
            "{call}: {result:?}"
        );
        assert_eq!(*host.registry.borrow(), None);
        assert!(!host.is_locked());
    }
}

#[test]
fn a_corrupted_registry_changes_nothing() {
    let host = FakeHost::with_text("[]");
    assert!(matches!(
        register(&host, &new("n", 200)),
        Err(Failure::Corrupted(_))
    ));
    assert_eq!(host.text(), "[]");
}

#[test]
fn times_are_written_as_rfc_3339() {
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
    assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
}
