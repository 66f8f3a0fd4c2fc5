use serde_json::json;

use super::*;
use crate::host::{Signal, Standing};
use crate::testing::{FakeHost, answer};

fn pool() -> FakeHost {
    FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("b", 102, Standing::Gone),
        ("c", 103, Standing::Foreign),
    ])
}

#[test]
fn a_running_session_is_listed_whole_and_a_doubtful_one_with_the_evidence() {
    let host = pool();
    assert_eq!(
        status(&host, None).expect("an answer"),
        format!(
            concat!(
                r#"{{"sessions":[{{"sid":"a","pid":101,"sock":"/run/a.sock","version":"1.2.3","#,
                r#""created_at":"2026-01-02T03:00:00Z","status":"running"}},"#,
                r#"{{"sid":"c","pid":103,"sock":"/run/c.sock","version":"1.2.3","#,
                r#""created_at":"2026-01-02T03:00:00Z","status":"foreign","#,
                r#""evidence":"found foreign"}}],"pool_version":"{}","#,
                r#""removed":[{{"sid":"b","pid":102,"standing":"gone","#,
                r#""evidence":"found gone"}}]}}"#
            ),
            env!("CARGO_PKG_VERSION")
        )
    );
    assert_eq!(host.sids(), ["a", "c"]);
}

#[test]
fn a_sid_filters_what_is_listed_and_not_what_is_collected() {
    let host = pool();
    let answer = answer(status(&host, Some("a")));
    assert_eq!(answer["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["sessions"][0]["sid"], "a");
    assert_eq!(answer["removed"][0]["sid"], "b");
    assert_eq!(
        host.calls(),
        ["begin", "read", "inspect 101,102,103", "replace"]
    );
}

#[test]
fn an_unknown_sid_gives_an_empty_list() {
    let host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    assert_eq!(
        answer(status(&host, Some("x"))),
        json!({ "sessions": [], "pool_version": env!("CARGO_PKG_VERSION") })
    );
    assert_eq!(host.calls(), ["begin", "read", "inspect 101"]);
}

#[test]
fn a_dead_sid_is_collected_and_the_list_is_empty() {
    let host = pool();
    assert_eq!(answer(status(&host, Some("b")))["sessions"], json!([]));
    assert_eq!(host.sids(), ["a", "c"]);
}

#[test]
fn a_signalled_worker_is_stopping_until_it_is_dead() {
    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    host.change(101, |process| process.was_sent(Signal::Term, 0));
    assert_eq!(
        answer(status(&host, None))["sessions"][0]["status"],
        "stopping"
    );
    host.change(101, |process| process.standing = Standing::Exited);
    assert_eq!(answer(status(&host, None))["sessions"], json!([]));
}

#[test]
fn what_the_host_says_of_a_worker_that_runs_is_passed_on() {
    let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
    host.change(101, |process| {
        process.was_sent(Signal::Term, 0);
        process.evidence = "the kill that was to follow was withdrawn".into();
    });
    let answer = answer(status(&host, None));
    assert_eq!(answer["sessions"][0]["status"], "stopping");
    assert_eq!(
        answer["sessions"][0]["evidence"],
        "the kill that was to follow was withdrawn"
    );
}

#[test]
fn without_the_write_grant_it_answers_and_the_log_says_what_is_left_undone() {
    let mut host = pool();
    host.failures
        .insert(("replace", 0), Error::Denied("grant registry-write".into()));
    let answer = answer(status(&host, None));
    let sids: Vec<_> = answer["sessions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| &s["sid"])
        .collect();
    assert_eq!(sids, ["a", "c"]);
    assert_eq!(answer.get("removed"), None);
    assert_eq!(host.sids(), ["a", "b", "c"]);
    assert_eq!(
        host.calls().last().map(String::as_str),
        Some("warn status: 1 dead entries stay in the registry: grant registry-write")
    );
}

#[test]
fn any_other_failure_is_passed_on() {
    for call in ["begin", "read", "replace"] {
        let mut host = pool();
        host.failures
            .insert((call, 0), Error::System("disk full".into()));
        let result = status(&host, None);
        assert!(
            matches!(&result, Err(Failure::Host(Error::System(_)))),
            "{call}: {result:?}"
        );
        assert_eq!(host.sids(), ["a", "b", "c"]);
        assert!(!host.is_locked());
    }
}

#[test]
fn a_corrupted_registry_changes_nothing() {
    let host = FakeHost::with_text("{}");
    assert!(matches!(status(&host, None), Err(Failure::Corrupted(_))));
    assert_eq!(host.text(), "{}");
}
