use serde_json::json;

use super::*;
use crate::host::Error;
use crate::testing::{FakeHost, answer, rejection};

#[test]
fn a_dead_session_is_forgotten() {
    for standing in [Standing::Gone, Standing::Exited, Standing::Reused] {
        let host = FakeHost::with_sessions(&[("a", 101, standing), ("b", 102, Standing::Gone)]);
        let word = decide::name(standing);
        assert_eq!(
            answer(forget(&host, "a", false)),
            json!({
                "forgotten": [{"sid":"a","pid":101,"standing":word,"evidence":format!("found {word}")}],
                "pool_version": env!("CARGO_PKG_VERSION"),
            })
        );
        assert_eq!(host.sids(), ["b"]);
        assert_eq!(host.calls(), ["begin", "read", "inspect 101", "replace"]);
    }
}

#[test]
fn one_that_may_be_alive_is_forgotten_only_on_insistence() {
    for standing in [
        Standing::Alive,
        Standing::Unproven,
        Standing::Foreign,
        Standing::Unknown,
    ] {
        let host = FakeHost::with_sessions(&[("a", 101, standing)]);
        let why = rejection(forget(&host, "a", false));
        let word = decide::name(standing);
        assert!(
            why.contains(&format!("pid 101, which is {word} (")),
            "{why}"
        );
        assert!(why.contains("--even-if-alive"), "{why}");
        let next = match standing {
            Standing::Alive => "stop it instead, or forget it",
            Standing::Unproven => "it can be adopted; else forget it",
            Standing::Foreign => "where it runs",
            _ => "being examined",
        };
        assert!(why.contains(next), "{why}");
        assert_eq!(host.sids(), ["a"]);
        assert!(!host.is_locked());

        assert_eq!(
            answer(forget(&host, "a", true))["forgotten"][0]["standing"],
            word
        );
        assert!(host.sids().is_empty());
    }
}

#[test]
fn every_entry_of_the_sid_goes_or_none_does() {
    let sessions = [
        ("a", 101, Standing::Gone),
        ("b", 102, Standing::Alive),
        ("a", 103, Standing::Alive),
    ];
    let host = FakeHost::with_sessions(&sessions);
    assert!(rejection(forget(&host, "a", false)).contains("pid 103"));
    assert_eq!(host.sids(), ["a", "b", "a"]);
    assert_eq!(
        answer(forget(&host, "a", true))["forgotten"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(host.sids(), ["b"]);
}

#[test]
fn there_is_nothing_to_forget_about_an_unknown_sid() {
    for host in [
        FakeHost::absent(),
        FakeHost::with_sessions(&[("a", 101, Standing::Alive)]),
    ] {
        for even_if_alive in [false, true] {
            let why = rejection(forget(&host, "x", even_if_alive));
            assert!(
                why.starts_with("sid=x: the pool has no such session"),
                "{why}"
            );
        }
        assert_eq!(host.calls(), ["begin", "read", "begin", "read"]);
    }
}

#[test]
fn what_the_host_refuses_is_passed_on() {
    for call in ["begin", "read", "replace"] {
        let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Gone)]);
        host.failures.insert((call, 0), Error::Denied("x".into()));
        let result = forget(&host, "a", false);
        assert!(
            matches!(result, Err(Failure::Host(Error::Denied(_)))),
            "{call}: {result:?}"
        );
        assert_eq!(host.sids(), ["a"]);
        assert!(!host.is_locked());
    }
}

#[test]
fn a_corrupted_registry_changes_nothing() {
    let host = FakeHost::with_text("{\"sessions\":[1]}");
    assert!(matches!(
        forget(&host, "a", true),
        Err(Failure::Corrupted(_))
    ));
    assert_eq!(host.text(), "{\"sessions\":[1]}");
}
