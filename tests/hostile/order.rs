//! Calls in an order that the interface forbids, and handles that are kept too long.

use std::time::{Duration, Instant};

use poolwarden::{Request, Stop};

use crate::harness::Attacked;

#[test]
fn a_second_transaction_is_misuse() {
    let pool = Attacked::with_workers(1);
    assert!(pool.said("begin-twice", &[]).starts_with("misuse: "));
    pool.assert_sound(&[0]);
}

#[test]
fn a_transaction_that_is_never_dropped_ends_with_its_request() {
    let pool = Attacked::with_workers(1);
    assert_eq!(pool.said("leak-transaction", &[]), "leaked");
    pool.assert_sound(&[0]);
}

#[test]
fn a_registry_is_replaced_once_in_a_transaction() {
    let pool = Attacked::with_workers(1);
    assert!(pool.said("replace-twice", &[]).starts_with("misuse: "));
    pool.assert_sound(&[0]);
}

#[test]
fn waiting_inside_a_transaction_is_misuse() {
    let pool = Attacked::with_workers(1);
    let pid = pool.pid(0).to_string();
    let said = pool.said("wait-inside", &[("sid", "w0"), ("pid", &pid)]);
    assert!(said.starts_with("misuse: "), "{said}");
    pool.assert_sound(&[0]);
}

#[test]
fn all_waits_together_are_bounded_by_the_grace_period() {
    let pool = Attacked::with_workers(1);
    let pid = pool.pid(0).to_string();
    let grace = Duration::from_millis(100);
    let request = Request::Stop(Stop {
        grace,
        ..Stop::default()
    });
    let begun = Instant::now();
    let said = pool.said_to("wait-for-ever", &[("sid", "w0"), ("pid", &pid)], request);
    assert_eq!(said, "10 waits");
    // Ten waits of a whole grace period would be a second.
    assert!(begun.elapsed() >= grace);
    pool.assert_sound(&[0]);
}

#[test]
fn a_target_outlives_its_transaction_and_stays_the_same_process() {
    let pool = Attacked::with_workers(2);
    let pid = pool.pid(0).to_string();
    assert_eq!(
        pool.said("signal-later", &[("sid", "w0"), ("pid", &pid)]),
        "done"
    );
    pool.worker(0).ended();
    pool.assert_sound(&[1]);
}

#[test]
fn a_trap_after_a_signal_leaves_the_registry_as_it_was() {
    let pool = Attacked::with_workers(2);
    let pid = pool.pid(0).to_string();
    let before = pool.registry_file();
    let request = Request::Ensure { dry_run: false };
    assert!(
        pool.attack(
            "trap-after-signal",
            &[("sid", "w0"), ("pid", &pid)],
            request
        )
        .is_err()
    );
    assert_eq!(pool.registry_file(), before);
    pool.worker(0).ended();
    pool.assert_sound(&[1]);
}
