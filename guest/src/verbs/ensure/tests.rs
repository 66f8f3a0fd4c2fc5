use serde_json::json;

use super::*;
use crate::host::{Error, Signal, Standing};
use crate::policy::DefaultPolicy;
use crate::testing::{FakeHost, answer};

fn ensure(host: &FakeHost, dry_run: bool) -> Result<String, Failure> {
    super::ensure(&DefaultPolicy, host, dry_run)
}

/// One session of each standing.
const ALL: [(&str, u32, Standing); 7] = [
    ("alive", 101, Standing::Alive),
    ("unproven", 102, Standing::Unproven),
    ("reused", 103, Standing::Reused),
    ("exited", 104, Standing::Exited),
    ("gone", 105, Standing::Gone),
    ("foreign", 106, Standing::Foreign),
    ("unknown", 107, Standing::Unknown),
];

#[test]
fn each_standing_is_listed_or_dropped_as_the_design_says() {
    let host = FakeHost::with_sessions(&ALL);
    let session = |sid: &str, pid: u32, status: &str| {
        let mut session = json!({"sid":sid,"pid":pid,"sock":format!("/run/{sid}.sock"),"version":"1.2.3","status":status});
        if status != "running" {
            session["evidence"] = json!(format!("found {status}"));
        }
        session
    };
    let removed = |standing: &str, pid: u32| json!({"sid":standing,"pid":pid,"standing":standing,"evidence":format!("found {standing}")});
    assert_eq!(
        answer(ensure(&host, false)),
        json!({
            "sessions": [
                session("alive", 101, "running"),
                session("unproven", 102, "unproven"),
                session("foreign", 106, "foreign"),
                session("unknown", 107, "unknown"),
            ],
            "pool_version": env!("CARGO_PKG_VERSION"),
            "removed": [removed("reused", 103), removed("exited", 104), removed("gone", 105)],
        })
    );
    assert_eq!(host.sids(), ["alive", "unproven", "foreign", "unknown"]);
    assert!(!host.is_locked());
}

#[test]
fn fields_come_in_the_order_of_the_design() {
    let host = FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Gone)]);
    assert_eq!(
        ensure(&host, true).expect("an answer"),
        format!(
            concat!(
                r#"{{"sessions":[{{"sid":"a","pid":101,"sock":"/run/a.sock","version":"1.2.3","#,
                r#""status":"running"}}],"pool_version":"{}","removed":[{{"sid":"b","pid":102,"#,
                r#""standing":"gone","evidence":"found gone"}}],"dry_run":true}}"#
            ),
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn a_signalled_worker_is_stopping() {
    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    host.change(101, |process| process.was_sent(Signal::Term, 0));
    let answer = answer(ensure(&host, false));
    assert_eq!(answer["sessions"][0]["status"], "stopping");
    assert_eq!(answer["sessions"][0].get("evidence"), None);
}

#[test]
fn the_whole_pool_is_one_inspect_and_one_replace() {
    let host = FakeHost::with_sessions(&ALL);
    answer(ensure(&host, false));
    assert_eq!(
        host.calls(),
        [
            "begin",
            "read",
            "inspect 101,102,103,104,105,106,107",
            "replace"
        ]
    );
}

#[test]
fn nothing_changed_means_nothing_written() {
    let host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    answer(ensure(&host, false));
    assert_eq!(host.calls(), ["begin", "read", "inspect 101"]);
}

#[test]
fn a_second_ensure_finds_nothing_left_to_do() {
    let host = FakeHost::with_sessions(&ALL);
    let first = answer(ensure(&host, false));
    let second = answer(ensure(&host, false));
    assert_eq!(first["sessions"], second["sessions"]);
    assert_eq!(second["removed"], json!([]));
    assert_eq!(
        host.calls()
            .iter()
            .filter(|call| *call == "replace")
            .count(),
        1
    );
}

#[test]
fn a_dry_run_answers_the_same_and_writes_nothing() {
    let host = FakeHost::with_sessions(&ALL);
    let before = host.text();
    let dry = answer(ensure(&host, true));
    assert_eq!(host.text(), before);
    assert_eq!(
        host.calls(),
        ["begin", "read", "inspect 101,102,103,104,105,106,107"]
    );
    let mut wet = answer(ensure(&host, false));
    wet["dry_run"] = json!(true);
    assert_eq!(dry, wet);
}

#[test]
fn an_absent_registry_and_an_empty_one_are_empty_pools() {
    for host in [FakeHost::absent(), FakeHost::with_text("{\"sessions\":[]}")] {
        let answer = answer(ensure(&host, false));
        assert_eq!(
            (&answer["sessions"], &answer["removed"]),
            (&json!([]), &json!([]))
        );
        assert_eq!(host.calls(), ["begin", "read"]);
    }
}

#[test]
fn a_duplicate_sid_is_two_sessions() {
    let host = FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("a", 102, Standing::Gone),
        ("a", 103, Standing::Alive),
    ]);
    let answer = answer(ensure(&host, false));
    assert_eq!(answer["sessions"].as_array().map(Vec::len), Some(2));
    assert_eq!(answer["removed"][0]["pid"], 102);
    assert_eq!(host.sids(), ["a", "a"]);
}

#[test]
fn an_impossible_pid_goes_when_it_is_found_gone() {
    let host =
        FakeHost::with_sessions(&[("a", 0, Standing::Gone), ("b", u32::MAX, Standing::Gone)]);
    assert_eq!(answer(ensure(&host, false))["removed"][1]["pid"], u32::MAX);
    assert!(host.sids().is_empty());
}

#[test]
fn an_entry_without_a_finding_is_kept_as_unknown() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Gone), ("b", 102, Standing::Gone)]);
    host.withheld = 1;
    let answer = answer(ensure(&host, false));
    assert_eq!(answer["sessions"][0]["sid"], "b");
    assert_eq!(answer["sessions"][0]["status"], "unknown");
    assert_eq!(host.sids(), ["b"]);
}

#[test]
fn a_corrupted_registry_changes_nothing() {
    let host = FakeHost::with_text("{\"sessions\":[\n{}]}");
    let result = ensure(&host, false);
    assert!(
        matches!(&result, Err(Failure::Corrupted(at)) if (at.line, at.column) == (2, 2)),
        "{result:?}"
    );
    assert_eq!(host.calls(), ["begin", "read"]);
    assert!(!host.is_locked());
}

#[test]
fn what_the_host_refuses_is_passed_on() {
    for call in ["begin", "read", "replace"] {
        for error in [
            Error::Busy("x".into()),
            Error::Denied("x".into()),
            Error::System("x".into()),
        ] {
            let mut host = FakeHost::with_sessions(&ALL);
            host.failures.insert((call, 0), error.clone());
            let result = ensure(&host, false);
            assert!(
                matches!(&result, Err(Failure::Host(got)) if format!("{got:?}") == format!("{error:?}")),
                "{call}: {result:?}"
            );
            assert_eq!(host.sids().len(), ALL.len());
            assert!(!host.is_locked());
        }
    }
}
