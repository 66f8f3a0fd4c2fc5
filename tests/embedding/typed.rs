//! Typed answers: the shipped policy over real processes.

use std::time::Duration;

use poolwarden::answer::{Found, Outcome, SessionStatus};
use poolwarden::{Ensure, Error, Forget, Pool, PoolBuilder, Register, Request, Stop};
use serde::Deserialize;
use tempfile::TempDir;

use crate::parts::{SHIPPED, Worker, cancel, part, stop};

/// A pool in a directory of its own.
fn pool() -> (Pool, TempDir) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let pool = PoolBuilder::new(root.path().join("pool")).build(SHIPPED.clone());
    (pool, root)
}

#[test]
fn a_worker_is_registered_listed_and_stopped() {
    let (pool, root) = pool();
    let mut worker = Worker::start();
    let register = Register {
        version: "1.2".into(),
        sock: "/nowhere/a.sock".into(),
        ..part("a", worker.pid())
    };
    let registered = pool.register(register, &cancel()).expect("registered");
    let entry = &registered.registered;
    assert_eq!((entry.sid.as_str(), entry.pid), ("a", worker.pid()));
    assert_eq!(entry.version, "1.2");
    assert!(entry.created_at.ends_with('Z'), "{}", entry.created_at);
    assert_eq!(registered.replaced, None);

    let listed = pool.status(Some("a"), &cancel()).expect("listed");
    let session = &listed.sessions[0];
    assert_eq!(session.status, SessionStatus::Running);
    assert_eq!(session.sock, "/nowhere/a.sock");
    assert_eq!(session.created_at, entry.created_at);
    assert_eq!(session.evidence, None);
    assert_eq!(listed.pool_version, env!("CARGO_PKG_VERSION"));
    let none = pool.status(Some("b"), &cancel()).expect("listed");
    assert!(none.sessions.is_empty());

    let forecast = Stop {
        dry_run: true,
        ..stop("a")
    };
    let forecast = pool.stop(forecast, &cancel()).expect("a forecast");
    assert!(forecast.dry_run && worker.is_running());
    assert_eq!(forecast.outcomes[0].outcome, Outcome::WouldSignal);

    let stopped = pool.stop(stop("a"), &cancel()).expect("stopped");
    assert_eq!(stopped.stopped, ["a"]);
    assert_eq!(stopped.outcomes[0].outcome, Outcome::Exited);
    assert!(stopped.errors.is_empty() && !stopped.dry_run);
    assert!(!worker.is_running());
    drop(root);
}

#[test]
fn the_dead_are_removed_with_what_was_found() {
    let (pool, _root) = pool();
    let (mut dead, living) = (Worker::start(), Worker::start());
    for (sid, worker) in [("dead", &dead), ("living", &living)] {
        let registered = pool.register(part(sid, worker.pid()), &cancel());
        registered.expect("registered");
    }
    dead.end();
    let ended = pool.wait("dead", Some(Duration::from_secs(60)), &cancel());
    ended.expect("it ends");

    let forecast = pool.ensure(Ensure { dry_run: true }, &cancel());
    let forecast = forecast.expect("a forecast");
    assert!(forecast.dry_run);
    let ensured = pool.ensure(Ensure::default(), &cancel()).expect("ensured");
    assert!(!ensured.dry_run && ensured.dismissed.is_empty());
    for answer in [&forecast, &ensured] {
        let [removed] = answer.removed.as_slice() else {
            panic!("{answer:?}");
        };
        assert_eq!((removed.sid.as_str(), removed.pid), ("dead", dead.pid()));
        assert_eq!(removed.standing, Found::Exited);
        assert!(removed.evidence.contains("terminated"), "{removed:?}");
    }
    assert_eq!(ensured.sessions[0].sid, "living");
    assert_eq!(ensured.sessions[0].status, SessionStatus::Running);
    assert_eq!(ensured.sessions.len(), 1);
}

#[test]
fn an_entry_is_forgotten_only_as_it_was_asked() {
    let (pool, _root) = pool();
    let mut worker = Worker::start();
    let registered = pool.register(part("a", worker.pid()), &cancel());
    registered.expect("registered");
    let forget = Forget {
        sid: "a".into(),
        ..Forget::default()
    };
    let kept = pool.forget(forget.clone(), &cancel());
    assert!(matches!(kept, Err(Error::Rejected(_))), "{kept:?}");
    let forget = Forget {
        even_if_alive: true,
        ..forget
    };
    let other = Forget {
        pid: Some(worker.pid() + 1),
        ..forget.clone()
    };
    let kept = pool.forget(other, &cancel());
    assert!(matches!(kept, Err(Error::Refused(_))), "{kept:?}");
    let forgotten = pool.forget(forget, &cancel()).expect("forgotten");
    assert_eq!(forgotten.forgotten[0].sid, "a");
    assert_eq!(forgotten.forgotten[0].standing, Found::Alive);
    assert!(worker.is_running());
}

#[test]
fn the_policys_own_text_stands_beside_the_fields() {
    #[derive(Deserialize)]
    struct Sids {
        sessions: Vec<Sid>,
    }
    #[derive(Deserialize)]
    struct Sid {
        sid: String,
    }

    let (pool, _root) = pool();
    let worker = Worker::start();
    let registered = pool.register(part("a", worker.pid()), &cancel());
    registered.expect("registered");
    let typed = pool.status(None, &cancel()).expect("listed");
    let request = Request::Status { sid: None };
    let untyped = pool.call(request, &cancel()).expect("listed");
    assert_eq!(typed.answer(), &untyped);
    let sids: Sids = untyped.read().expect("the fields of one's own");
    assert_eq!(sids.sessions[0].sid, "a");
    assert_eq!(typed.into_fields().sessions.len(), 1);
}
