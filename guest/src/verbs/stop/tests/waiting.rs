//! The grace period and the kill after it.

use super::*;

#[test]
fn a_worker_is_asked_to_end_waited_for_without_the_lock_and_dropped() {
    let host = one();
    assert_eq!(
        stop(&host, &all()).expect("an answer"),
        r#"{"stopped":["a"],"errors":[],"outcomes":[{"sid":"a","pid":101,"outcome":"exited"}]}"#
    );
    assert_eq!(
        host.calls(),
        [
            "begin",
            "read",
            "inspect 101",
            "open a 101",
            "send 101 Term",
            "send 101 Cont",
            "wait 101 700",
            "begin",
            "read",
            "inspect 101",
            "replace",
        ]
    );
    assert!(host.sids().is_empty());
    assert!(!host.is_locked());
}

#[test]
fn many_workers_are_one_wait_and_one_replace() {
    let host = FakeHost::with_sessions(&[
        ("a", 101, Standing::Alive),
        ("b", 102, Standing::Alive),
        ("c", 103, Standing::Alive),
    ]);
    assert_eq!(
        answer(stop(&host, &all()))["stopped"],
        json!(["a", "b", "c"])
    );
    let calls = host.calls();
    assert_eq!(
        calls
            .iter()
            .filter(|call| *call == "wait 101,102,103 700")
            .count(),
        1
    );
    assert_eq!(calls.iter().filter(|call| *call == "replace").count(), 1);
    assert!(host.sids().is_empty());
}

#[test]
fn without_a_grace_period_nobody_is_waited_for() {
    let host = one_that(Manners::Stays);
    let answer = answer(stop(&host, &unwaited()));
    assert_eq!(answer["stopped"], json!(["a"]));
    assert_eq!(answer["errors"], json!([]));
    assert_eq!(outcome(&answer), "signalled");
    assert_eq!(host.sids(), ["a"]);
    assert_eq!(
        host.calls(),
        [
            "begin",
            "read",
            "inspect 101",
            "open a 101",
            "send 101 Term",
            "send 101 Cont"
        ]
    );
}

#[test]
fn one_that_stays_is_an_error_and_keeps_its_entry() {
    let host = one_that(Manners::EndsOnKill);
    let answer = answer(stop(&host, &all()));
    assert_eq!(answer["stopped"], json!([]));
    assert_eq!(outcome(&answer), "still-running");
    assert_eq!(
        error(&answer),
        "sid=a: did not exit within 700 ms after SIGTERM; stop it again with a longer grace \
         period or with force; its entry is kept until it is found dead"
    );
    assert_eq!(host.sids(), ["a"]);
    assert_eq!(
        host.calls().last().map(String::as_str),
        Some("wait 101 700")
    );
}

#[test]
fn force_kills_those_that_stay_and_no_others() {
    let mut host =
        FakeHost::with_sessions(&[("a", 101, Standing::Alive), ("b", 102, Standing::Alive)]);
    host.change(101, |process| process.manners = Manners::EndsOnKill);
    let answer = answer(stop(&host, &forced()));
    assert_eq!(answer["stopped"], json!(["a", "b"]));
    assert_eq!(answer["errors"], json!([]));
    assert_eq!(answer["outcomes"][0]["outcome"], "killed");
    assert_eq!(answer["outcomes"][1]["outcome"], "exited");
    assert!(host.sids().is_empty());
    let calls = host.calls();
    let after: Vec<_> = calls
        .iter()
        .skip_while(|call| *call != "wait 101,102 700")
        .skip(1)
        .collect();
    assert_eq!(
        after,
        [
            "send 101 Kill",
            "wait 101 2000",
            "begin",
            "read",
            "inspect 101,102",
            "replace"
        ]
    );
}

#[test]
fn force_without_a_grace_period_kills_at_once_and_confirms() {
    let host = one_that(Manners::EndsOnKill);
    let options = StopOptions {
        force: true,
        ..unwaited()
    };
    assert_eq!(outcome(&answer(stop(&host, &options))), "killed");
    let calls = host.calls();
    let sent: Vec<_> = calls
        .iter()
        .filter(|c| c.starts_with("send") || c.starts_with("wait"))
        .collect();
    assert_eq!(
        sent,
        [
            "send 101 Term",
            "send 101 Cont",
            "send 101 Kill",
            "wait 101 2000"
        ]
    );
}

#[test]
fn one_that_survives_the_kill_keeps_its_entry() {
    let host = one_that(Manners::Stays);
    let answer = answer(stop(&host, &forced()));
    assert_eq!(outcome(&answer), "still-running");
    assert!(
        error(&answer).contains("is still there 2000 ms after SIGKILL"),
        "{answer}"
    );
    assert_eq!(host.sids(), ["a"]);
}

#[test]
fn a_kill_that_fails_is_told() {
    for kill in [
        Error::Denied("grant kill".into()),
        Error::System("EPERM".into()),
    ] {
        let why = text(&kill).to_owned();
        let mut host = one_that(Manners::EndsOnKill);
        host.change(101, |process| {
            process.send.insert(Signal::Kill, kill);
        });
        let answer = answer(stop(&host, &forced()));
        assert_eq!(outcome(&answer), "still-running");
        assert!(
            error(&answer).contains(&format!("SIGKILL failed: {why};")),
            "{answer}"
        );
        assert_eq!(host.sids(), ["a"]);
    }
}

#[test]
fn one_that_ends_just_before_the_kill_has_exited() {
    let mut host = one_that(Manners::EndsOnKill);
    host.change(101, |process| {
        process
            .send
            .insert(Signal::Kill, Error::Ended("ended".into()));
    });
    assert_eq!(outcome(&answer(stop(&host, &forced()))), "exited");
}

#[test]
fn a_wait_that_fails_is_told_and_nobody_is_killed_for_it() {
    let mut host = one();
    host.failures
        .insert(("wait", 0), Error::System("EMFILE".into()));
    let answer = answer(stop(&host, &forced()));
    assert_eq!(outcome(&answer), "signalled");
    assert_eq!(answer["stopped"], json!([]));
    assert!(error(&answer).contains("waiting for it failed"), "{answer}");
    assert!(!host.calls().contains(&"send 101 Kill".to_owned()));
    assert_eq!(host.sids(), ["a"]);
}

#[test]
fn a_withdrawn_request_ends_at_once() {
    for call in ["begin", "open", "send", "wait"] {
        let mut host = one();
        host.failures
            .insert((call, 0), Error::Cancelled("withdrawn".into()));
        let result = stop(&host, &forced());
        assert!(
            matches!(result, Err(Failure::Host(Error::Cancelled(_)))),
            "{call}: {result:?}"
        );
        assert!(
            host.calls()
                .last()
                .is_some_and(|last| last.starts_with(call))
        );
        assert!(!host.is_locked());
    }
}

#[test]
fn another_signal_asks_and_is_named() {
    let host = one_that(Manners::EndsOnKill);
    let options = StopOptions {
        signal: Signal::Int,
        ..all()
    };
    let answer = answer(stop(&host, &options));
    assert!(
        error(&answer).contains("did not exit within 700 ms after SIGINT"),
        "{answer}"
    );
    assert!(host.calls().contains(&"send 101 Int".to_owned()));
    assert!(!host.calls().contains(&"send 101 Term".to_owned()));
}

#[test]
fn a_kill_is_not_followed_by_a_continue() {
    let host = one_that(Manners::EndsOnKill);
    let options = StopOptions {
        signal: Signal::Kill,
        ..all()
    };
    assert_eq!(outcome(&answer(stop(&host, &options))), "killed");
    assert!(!host.calls().contains(&"send 101 Cont".to_owned()));
}

#[test]
fn a_signal_that_ends_nobody_is_rejected_before_anything_is_done() {
    for (signal, name) in [(Signal::Cont, "SIGCONT"), (Signal::Stop, "SIGSTOP")] {
        let host = one();
        let options = StopOptions { signal, ..all() };
        let text = rejection(stop(&host, &options));
        assert!(text.contains(name), "{text}");
        assert!(host.calls().is_empty());
    }
}

#[test]
fn a_group_is_asked_and_what_it_leaves_behind_is_killed() {
    let host = one();
    let options = StopOptions {
        group: true,
        force: true,
        ..all()
    };
    assert_eq!(outcome(&answer(stop(&host, &options))), "exited");
    let sent: Vec<_> = host
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("send"))
        .collect();
    assert_eq!(
        sent,
        [
            "send-group 101 Term",
            "send-group 101 Cont",
            "send-group 101 Kill"
        ]
    );
    assert!(host.sids().is_empty());
}

#[test]
fn an_empty_group_is_nobody_left_behind() {
    let mut host = one();
    host.change(101, |process| {
        let none = Error::Ended("the group has no member".into());
        process.send.insert(Signal::Kill, none);
    });
    let options = StopOptions {
        group: true,
        force: true,
        ..all()
    };
    assert_eq!(outcome(&answer(stop(&host, &options))), "exited");
    assert!(!host.calls().iter().any(|call| call.starts_with("warn")));
}
