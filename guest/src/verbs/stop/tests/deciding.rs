//! Who is signalled, who is not, and what is said about each.

use super::*;

#[test]
fn each_standing_gets_what_the_design_says() {
    let host = FakeHost::with_sessions(&[
        ("alive", 101, Standing::Alive),
        ("unproven", 102, Standing::Unproven),
        ("reused", 103, Standing::Reused),
        ("exited", 104, Standing::Exited),
        ("gone", 105, Standing::Gone),
        ("foreign", 106, Standing::Foreign),
        ("unknown", 107, Standing::Unknown),
    ]);
    assert_eq!(
        answer(stop(&host, &all())),
        json!({
            "stopped": ["alive", "reused", "exited", "gone"],
            "errors": [
                "sid=unproven: not signalled, its entry is kept: found unproven; if it is the \
                 worker, it can be adopted",
                "sid=foreign: not signalled, its entry is kept: found foreign; it can be \
                 stopped where it runs: on its own machine, in its own pid namespace, or where its \
                 socket is served",
                "sid=unknown: not signalled, its entry is kept: found unknown; remove what keeps \
                 its process from being examined, then try again",
            ],
            "outcomes": [
                {"sid":"alive","pid":101,"outcome":"exited"},
                {"sid":"unproven","pid":102,"outcome":"refused","evidence":"found unproven"},
                {"sid":"reused","pid":103,"outcome":"already-dead","evidence":"found reused"},
                {"sid":"exited","pid":104,"outcome":"already-dead","evidence":"found exited"},
                {"sid":"gone","pid":105,"outcome":"already-dead","evidence":"found gone"},
                {"sid":"foreign","pid":106,"outcome":"refused","evidence":"found foreign"},
                {"sid":"unknown","pid":107,"outcome":"refused","evidence":"found unknown"},
            ],
        })
    );
    assert_eq!(host.sids(), ["unproven", "foreign", "unknown"]);
    let sent: Vec<_> = host
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("send"))
        .collect();
    assert_eq!(sent, ["send 101 Term", "send 101 Cont"]);
}

#[test]
fn impossible_pids_get_algoclines_words_and_are_dropped() {
    let host = FakeHost::with_sessions(&[
        ("zero", 0, Standing::Gone),
        ("large", 2_147_483_648, Standing::Gone),
    ]);
    assert_eq!(
        answer(stop(&host, &all())),
        json!({
            "stopped": [],
            "errors": [
                "sid=zero: pid=0 is not a valid POSIX target pid (must be > 0); skipping SIGTERM",
                "sid=large: pid=2147483648 exceeds i32::MAX, cannot send SIGTERM (K-52)",
            ],
            "outcomes": [
                {"sid":"zero","pid":0,"outcome":"invalid-pid"},
                {"sid":"large","pid":2_147_483_648_u32,"outcome":"invalid-pid"},
            ],
        })
    );
    assert!(host.sids().is_empty());
    assert_eq!(
        host.calls(),
        ["begin", "read", "inspect 0,2147483648", "replace"]
    );
}

#[test]
fn one_session_is_stopped_and_the_others_are_not_even_looked_at() {
    let host = FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("b", 102, Standing::Alive),
        ("c", 103, Standing::Gone),
    ]);
    assert_eq!(answer(stop(&host, &only("b")))["stopped"], json!(["b"]));
    assert_eq!(host.sids(), ["a", "c"]);
    assert!(
        !host
            .calls()
            .iter()
            .any(|call| call.contains("101") || call.contains("103"))
    );
}

#[test]
fn nobody_to_stop_is_an_empty_answer() {
    for host in [FakeHost::absent(), one()] {
        let empty = json!({ "stopped": [], "errors": [], "outcomes": [] });
        assert_eq!(answer(stop(&host, &only("x"))), empty);
        assert_eq!(host.calls(), ["begin", "read"]);
    }
}

#[test]
fn one_that_ends_just_before_the_signal_was_dead_already() {
    let mut host = one();
    host.change(101, |process| {
        process
            .send
            .insert(Signal::Term, Error::Ended("it ended just now".into()));
    });
    assert_eq!(
        answer(stop(&host, &all())),
        json!({
            "stopped": ["a"],
            "errors": [],
            "outcomes": [
                {"sid":"a","pid":101,"outcome":"already-dead","evidence":"it ended just now"},
            ],
        })
    );
    assert_eq!(host.calls().last().map(String::as_str), Some("replace"));
    assert!(host.sids().is_empty());
}

#[test]
fn a_continue_that_comes_too_late_is_fine_and_one_that_fails_is_logged() {
    for (error, logged) in [
        (Error::Ended("e".into()), false),
        (Error::System("EPERM".into()), true),
    ] {
        let mut host = one();
        host.change(101, |process| {
            process.send.insert(Signal::Cont, error);
        });
        assert_eq!(outcome(&answer(stop(&host, &all()))), "exited");
        let warned = host
            .calls()
            .contains(&"warn sid=a: SIGCONT failed: EPERM".to_owned());
        assert_eq!(warned, logged);
    }
}

#[test]
fn what_the_host_refuses_to_open_is_not_signalled() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Alive)]);
    host.change(101, |process| {
        process.open = Err(Error::Refused("it is this host".into()));
    });
    let answer = answer(stop(&host, &all()));
    assert_eq!(answer["stopped"], json!(["b"]));
    assert_eq!(
        error(&answer),
        "sid=a: not signalled, its entry is kept: it is this host"
    );
    assert_eq!(answer["outcomes"][0]["outcome"], "refused");
    assert_eq!(host.sids(), ["a"]);
}

#[test]
fn a_signal_that_fails_gets_algoclines_words() {
    let mut by_open = one();
    by_open.change(101, |process| {
        process.open = Err(Error::System("EMFILE".into()));
    });
    let mut by_send = one();
    by_send.change(101, |process| {
        process
            .send
            .insert(Signal::Term, Error::System("EMFILE".into()));
    });
    for host in [by_open, by_send] {
        let answer = answer(stop(&host, &all()));
        assert_eq!(error(&answer), "sid=a: SIGTERM failed: EMFILE");
        assert_eq!(outcome(&answer), "failed");
        assert_eq!(answer["stopped"], json!([]));
        assert_eq!(host.sids(), ["a"]);
        assert!(!host.calls().iter().any(|call| call.starts_with("wait")));
    }
}

#[test]
fn a_denial_that_meets_everybody_is_the_requests_failure() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Alive)]);
    for pid in [101, 102] {
        host.change(pid, |process| {
            process
                .send
                .insert(Signal::Term, Error::Denied("grant term".into()));
        });
    }
    let result = stop(&host, &all());
    assert!(
        matches!(&result, Err(Failure::Host(Error::Denied(text))) if text == "grant term"),
        "{result:?}"
    );
    assert_eq!(host.sids(), ["a", "b"]);
    assert!(!host.is_locked());
}

#[test]
fn a_denial_that_meets_some_is_told_for_each() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Gone)]);
    host.change(101, |process| {
        process
            .send
            .insert(Signal::Term, Error::Denied("grant term".into()));
    });
    let answer = answer(stop(&host, &all()));
    assert_eq!(
        error(&answer),
        "sid=a: not signalled, its entry is kept: grant term"
    );
    assert_eq!(answer["stopped"], json!(["b"]));
    assert_eq!(host.sids(), ["a"]);
}

#[test]
fn a_dry_run_signals_nobody_and_writes_nothing() {
    let mut host = FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("b", 102, Standing::Gone),
        ("c", 103, Standing::Foreign),
        ("d", 0, Standing::Gone),
        ("e", 105, Standing::Alive),
    ]);
    host.change(105, |process| {
        process.open = Err(Error::Refused("two entries have this sid".into()));
    });
    let before = host.text();
    let answer = answer(stop(
        &host,
        &StopOptions {
            dry_run: true,
            ..forced()
        },
    ));
    let outcomes: Vec<_> = answer["outcomes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["outcome"])
        .collect();
    assert_eq!(
        outcomes,
        [
            "would-signal",
            "already-dead",
            "refused",
            "invalid-pid",
            "refused"
        ]
    );
    assert_eq!(answer["stopped"], json!(["b"]));
    assert_eq!(answer["dry_run"], json!(true));
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(3));
    assert_eq!(host.text(), before);
    assert_eq!(
        host.calls(),
        [
            "begin",
            "read",
            "inspect 101,102,103,0,105",
            "open a 101",
            "open e 105"
        ]
    );
}

#[test]
fn a_corrupted_registry_stops_nobody() {
    let host = FakeHost::with_text("{\"sessions\":");
    assert!(matches!(stop(&host, &all()), Err(Failure::Corrupted(_))));
    assert_eq!(host.calls(), ["begin", "read"]);
}
