//! The audit trail under a policy that would rather not stand in it.

use poolwarden::audit::{Action, Event, History, Via};
use poolwarden::process::Signal;
use poolwarden::{Grants, Request, Stop};
use serde_json::json;

use crate::harness::{Attacked, Worker};

fn actions(pool: &Attacked) -> Vec<Action> {
    let History {
        actions, problems, ..
    } = History::read(&pool.directory()).expect("a history");
    assert!(problems.is_empty(), "{problems:?}");
    actions
}

#[test]
fn what_is_refused_or_denied_is_not_recorded() {
    let mut pool = Attacked::with_workers(1);
    let stranger = Worker::start().pid().to_string();
    let own = pool.pid(0).to_string();
    let without = json!({"sessions": []}).to_string();
    pool.said("signal", &[("sid", "w0"), ("pid", &stranger)]);
    pool.said("replace", &[("with", &without)]);
    pool.grants = Grants::none();
    pool.said("signal", &[("sid", "w0"), ("pid", &own)]);
    pool.said("replace", &[("with", &without)]);
    assert!(actions(&pool).is_empty());
    assert!(!pool.directory().join("audit.jsonl").exists());
    pool.assert_sound(&[0]);
}

#[test]
fn an_effect_is_recorded_whatever_the_policy_does_next() {
    let pool = Attacked::with_workers(2);
    let pid = pool.pid(0).to_string();
    let request = Request::Ensure { dry_run: false };
    let settings = [("sid", "w0"), ("pid", &*pid)];
    pool.attack("trap-after-signal", &settings, request)
        .expect_err("it traps");
    let actions = actions(&pool);
    let [action] = actions.as_slice() else {
        panic!("one signal: {actions:?}")
    };
    assert_eq!(
        (action.event, action.signal),
        (Event::Signal, Some(Signal::Term))
    );
    assert_eq!((action.sid.as_str(), action.pid), ("w0", pool.pid(0)));
    assert_eq!(action.result, "sent");
    let asked = action.asked_by.as_ref().expect("who asked");
    assert_eq!((asked.via, asked.verb.as_str()), (Via::Library, "ensure"));
    let policy = action.policy.as_ref().expect("who decided");
    assert_eq!(policy.name.as_deref(), Some("hostile"));
    pool.worker(0).ended();
    pool.assert_sound(&[1]);
}

#[test]
fn a_removal_that_is_refused_leaves_only_the_signal_in_the_trail() {
    let pool = Attacked::with_stubborn_workers(2);
    let pid = pool.pid(0).to_string();
    let rest = json!({"sessions": [pool.entry(1)]}).to_string();
    let settings = [
        ("sid", "w0"),
        ("pid", &*pid),
        ("with", &*rest),
        ("signal", "TERM"),
    ];
    let stop = Request::Stop(Stop::default());
    let said = pool.said_to("signal-then-replace", &settings, stop);
    assert!(said.contains("not proven dead"), "{said}");
    let actions = actions(&pool);
    let events: Vec<_> = actions
        .iter()
        .map(|action| (action.event, action.result.as_str()))
        .collect();
    assert_eq!(events, [(Event::Signal, "sent")]);
    assert!(pool.worker(0).is_running());
}
