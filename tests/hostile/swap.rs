//! Another policy, put in place while requests are under way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use poolwarden::{Cancel, Error, Grants, Mandate, Policy, PoolBuilder, Request};
use serde_json::json;

use crate::harness::{Attacked, HOSTILE, SHIPPED, answer, call};

const CLIENTS: usize = 8;
const SWAPS: usize = 1000;

#[test]
fn every_answer_comes_wholly_from_one_policy() {
    let attacked = Attacked::with_workers(2);
    let talker = || {
        Mandate::new(HOSTILE.clone())
            .with_grants(Grants::none())
            .with_setting("attack", "describe-only")
    };
    // It drops an entry, which takes its grant: with the other's, it would be denied.
    let keeper = || Mandate::new(SHIPPED.clone());
    let pool = PoolBuilder::new(attacked.directory()).build(keeper());
    let done = AtomicBool::new(false);
    let (talked, kept) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (pool, done, talked, kept) = (&pool, &done, &talked, &kept);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let request = match client % 2 {
                        0 => Request::Ensure { dry_run: false },
                        _ => Request::Status { sid: None },
                    };
                    let outcome = call(pool, request);
                    let answer = answer(&outcome).expect("no request fails for a swap");
                    let answer = answer.value();
                    if answer == json!({"said": "nothing was tried"}) {
                        talked.fetch_add(1, Ordering::Relaxed);
                    } else {
                        let sessions = answer["sessions"].as_array().expect("sessions");
                        assert_eq!(sessions.len(), 2, "{answer}");
                        assert!(
                            sessions.iter().all(|s| s["status"] == "running"),
                            "{answer}"
                        );
                        kept.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let cancel = Cancel::new().expect("an eventfd");
        for swap in 0..SWAPS {
            let mandate = if swap % 2 == 0 { talker() } else { keeper() };
            let said = pool.swap(mandate, &cancel).expect("it describes itself");
            assert_eq!(said.name == "default", swap % 2 == 1, "{said:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(talked.into_inner() > 0 && kept.into_inner() > 0);
    attacked.assert_sound(&[0, 1]);
}

#[test]
fn one_that_cannot_be_used_is_not_put_in_place() {
    let attacked = Attacked::with_workers(1);
    let pool = PoolBuilder::new(attacked.directory()).build(SHIPPED.clone());
    let cancel = Cancel::new().expect("an eventfd");
    for attack in ["describe-trap", "describe-loop"] {
        let broken = Mandate::new(HOSTILE.clone()).with_setting("attack", attack);
        pool.swap(broken, &cancel).expect_err("it never says");
    }
    let misspelt = Mandate::new(SHIPPED.clone()).with_setting("prof", "strong");
    let refused = pool.swap(misspelt, &cancel);
    assert!(matches!(refused, Err(Error::Setting(_))), "{refused:?}");
    let answer = call(&pool, Request::Status { sid: None }).expect("the old one answers");
    assert_eq!(answer.value()["sessions"][0]["status"], "running");
}

#[test]
fn a_policy_from_elsewhere_gets_nothing_by_itself() {
    let bytes = include_bytes!("../../guest/policy.wasm");
    let same = Policy::from_component(bytes).expect("it fits the world");
    assert_eq!(*Mandate::new(same).grants(), Grants::none());
    assert_eq!(*Mandate::new(SHIPPED.clone()).grants(), Grants::shipped());
}
