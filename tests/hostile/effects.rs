//! Signals to whom they must not go.

use poolwarden::process::Signal;
use poolwarden::{Grants, Request, Stop};
use serde_json::json;

use crate::harness::{Attacked, Worker};

fn signal(pool: &Attacked, sid: &str, pid: u32, signal: &str) -> String {
    pool.said(
        "signal",
        &[("sid", sid), ("pid", &pid.to_string()), ("signal", signal)],
    )
}

fn assert_refused(said: &str) {
    assert!(said.starts_with("refused: "), "{said}");
}

#[test]
fn a_process_without_an_entry_is_not_signalled() {
    let pool = Attacked::with_workers(2);
    let stranger = Worker::start();
    for (sid, pid) in [
        ("stranger", stranger.pid()),
        ("w0", stranger.pid()),
        ("w0", pool.pid(1)),
    ] {
        assert_refused(&signal(&pool, sid, pid, "KILL"));
    }
    assert!(stranger.is_running());
    pool.assert_sound(&[0, 1]);
}

#[test]
fn an_entry_that_stands_twice_is_not_signalled() {
    let pool = Attacked::with_workers(2);
    let mut twin = pool.entry(1);
    twin["sid"] = json!("w0");
    pool.write(&json!({"sessions": [pool.entry(0), twin]}));
    for index in [0, 1] {
        assert_refused(&signal(&pool, "w0", pool.pid(index), "KILL"));
        assert!(pool.worker(index).is_running());
    }
}

#[test]
fn the_host_its_ancestors_and_init_are_not_signalled() {
    let pool = Attacked::with_workers(1);
    let parent = u32::try_from(nix::unistd::getppid().as_raw()).expect("a pid");
    for pid in [1, std::process::id(), parent] {
        let mut entry = pool.entry(0);
        entry["pid"] = json!(pid);
        pool.write(&json!({ "sessions": [entry] }));
        assert_refused(&signal(&pool, "w0", pid, "TERM"));
    }
    assert!(pool.worker(0).is_running());
}

#[test]
fn a_process_that_is_younger_than_its_entry_is_not_signalled() {
    let pool = Attacked::with_workers(1);
    let mut entry = pool.entry(0);
    let hour_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    entry["created_at"] = json!(hour_ago.to_string());
    pool.write(&json!({ "sessions": [entry] }));
    let said = signal(&pool, "w0", pool.pid(0), "KILL");
    assert_refused(&said);
    assert!(pool.worker(0).is_running());
}

#[test]
fn signals_take_grants() {
    let mut pool = Attacked::with_workers(1);
    pool.grants = Grants::none().with_registry_write().with_dismiss();
    for name in ["TERM", "KILL", "STOP", "CONT", "USR1"] {
        let said = signal(&pool, "w0", pool.pid(0), name);
        let grant = format!("--grant signal-{}", name.to_lowercase());
        assert!(
            said.starts_with("denied: ") && said.contains(&grant),
            "{said}"
        );
    }
    pool.assert_sound(&[0]);
}

#[test]
fn a_signal_that_does_not_end_frees_no_entry() {
    let pool = Attacked::with_workers(2);
    let (pid, rest) = (
        pool.pid(0).to_string(),
        json!({"sessions": [pool.entry(1)]}).to_string(),
    );
    let settings = [
        ("sid", "w0"),
        ("pid", &*pid),
        ("with", &*rest),
        ("signal", "CONT"),
    ];
    assert_refused(&pool.said("signal-then-replace", &settings));
    pool.assert_sound(&[0, 1]);
}

#[test]
fn what_a_policy_wrote_is_no_target() {
    let pool = Attacked::with_workers(2);
    // The request lets it drop w0's entry; naming a new process under that sid is refused.
    let forget = Request::Forget {
        sid: "w0".into(),
        even_if_alive: true,
        pid: None,
    };
    let pid = pool.pid(1).to_string();
    let rest = json!({"sessions": [pool.entry(1)]}).to_string();
    let settings = [("sid", "w0"), ("pid", &*pid), ("with", &*rest)];
    assert_refused(&pool.said_to("replace-then-signal", &settings, forget));
    assert!(pool.worker(0).is_running());
    pool.assert_sound(&[1]);
}

#[test]
fn a_dry_run_signals_nobody() {
    let pool = Attacked::with_workers(1);
    let pid = pool.pid(0).to_string();
    let request = Request::Stop(Stop {
        dry_run: true,
        ..Stop::default()
    });
    assert_refused(&pool.said_to("signal", &[("sid", "w0"), ("pid", &pid)], request));
    pool.assert_sound(&[0]);
}

#[test]
fn a_policy_learns_nothing_about_other_processes() {
    let pool = Attacked::with_workers(1);
    let own = std::process::id().to_string();
    for attack in ["inspect", "inspect-outside"] {
        let said = pool.said(
            attack,
            &[
                ("sid", "w0"),
                ("pid", &own),
                ("created-at", "2026-01-01T00:00:00Z"),
            ],
        );
        assert!(said.starts_with("Standing::Unknown: "), "{said}");
    }
}

#[test]
fn a_group_is_not_signalled_unless_the_client_asked_for_it() {
    let pool = Attacked::with_leaders(1);
    let pid = pool.pid(0).to_string();
    let settings = [("sid", "w0"), ("pid", &*pid), ("signal", "KILL")];
    for request in [
        Request::Ensure { dry_run: false },
        Request::Stop(Stop {
            signal: Signal::Kill,
            ..Stop::default()
        }),
    ] {
        assert_refused(&pool.said_to("signal-group", &settings, request));
    }
    pool.assert_sound(&[0]);
    let asked = Request::Stop(Stop {
        signal: Signal::Kill,
        group: true,
        ..Stop::default()
    });
    assert_eq!(pool.said_to("signal-group", &settings, asked), "done");
    pool.worker(0).ended();
}

#[test]
fn a_group_that_the_host_is_in_is_not_signalled() {
    // The workers are in the test's own group, and one that leads none may not even try.
    let pool = Attacked::with_workers(1);
    let pid = pool.pid(0).to_string();
    let settings = [("sid", "w0"), ("pid", &*pid), ("signal", "KILL")];
    let asked = Request::Stop(Stop {
        signal: Signal::Kill,
        group: true,
        ..Stop::default()
    });
    assert_refused(&pool.said_to("signal-group", &settings, asked));
    pool.assert_sound(&[0]);
}

#[test]
fn a_stop_of_one_process_signals_no_other_under_its_sid() {
    let pool = Attacked::with_workers(2);
    let stop = |pid| {
        Request::Stop(Stop {
            sid: Some("w0".into()),
            pid: Some(pid),
            ..Stop::default()
        })
    };
    let pid = pool.pid(0).to_string();
    let settings = [("sid", "w0"), ("pid", &*pid)];
    assert_refused(&pool.said_to("signal", &settings, stop(pool.pid(1))));
    pool.assert_sound(&[0, 1]);
    let said = pool.said_to("signal", &settings, stop(pool.pid(0)));
    assert_eq!(said, "done");
    pool.worker(0).ended();
}
