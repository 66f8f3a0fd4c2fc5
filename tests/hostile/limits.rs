//! Guests that do not return, grow without end or answer nonsense.

use std::time::Duration;

use poolwarden::{Cancel, Error, Fault, Limits, Policy, PoolBuilder, Request};

use crate::harness::Attacked;

const ENSURE: Request = Request::Ensure { dry_run: false };

/// The fault that an attack ends in.
fn fault(pool: &Attacked, attack: &str) -> Fault {
    match pool.attack(attack, &[], ENSURE) {
        Err(error) => policy_fault(error),
        Ok(answer) => panic!("{attack} is answered: {answer:?}"),
    }
}

fn policy_fault(error: Error) -> Fault {
    match error {
        Error::Policy(fault) => fault,
        other => panic!("no fault of the policy: {other:?}"),
    }
}

#[test]
fn an_endless_loop_ends_at_its_time_limit() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.guest_cpu = Duration::from_millis(50);
    assert_eq!(fault(&pool, "loop"), Fault::Cpu(Duration::from_millis(50)));
    pool.assert_sound(&[0]);
}

#[test]
fn an_endless_recursion_ends_at_the_stack() {
    let pool = Attacked::with_workers(1);
    assert_eq!(fault(&pool, "recursion"), Fault::Stack);
    // The guest's own stack, in its memory, is the first to end.
    assert_eq!(fault(&pool, "recursion-in-memory"), Fault::OutOfBounds);
    pool.assert_sound(&[0]);
}

#[test]
fn memory_ends_at_its_limit() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.guest_memory = 16 << 20;
    assert_eq!(fault(&pool, "memory"), Fault::Memory(16 << 20));
    pool.assert_sound(&[0]);
}

#[test]
fn an_answer_that_is_too_large_is_none() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.answer = 1 << 20;
    let fault = fault(&pool, "answer-large");
    assert!(
        matches!(
            fault,
            Fault::AnswerTooLarge {
                limit: 0x10_0000,
                ..
            }
        ),
        "{fault:?}"
    );
    pool.assert_sound(&[0]);
}

#[test]
fn what_is_passed_at_once_ends_at_its_limit() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.passed = 1 << 20;
    assert_eq!(fault(&pool, "answer-large"), Fault::Passed(1 << 20));
    // Not only an answer: this much was to be written.
    let much = "x".repeat(2 << 20);
    let outcome = pool.attack("replace", &[("with", &much)], ENSURE);
    let passed = Err(Fault::Passed(1 << 20));
    assert_eq!(outcome.map(drop).map_err(policy_fault), passed);
    pool.assert_sound(&[0]);
}

#[test]
fn a_loop_with_the_lock_held_ends_at_its_time_limit() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.guest_cpu = Duration::from_millis(50);
    let limit = Fault::Cpu(Duration::from_millis(50));
    assert_eq!(fault(&pool, "hold-for-ever"), limit);
    pool.assert_sound(&[0]);
    assert_eq!(fault(&pool, "call-for-ever"), limit);
}

#[test]
fn an_answer_that_is_no_json_object_is_none() {
    let pool = Attacked::with_workers(1);
    for attack in ["answer-text", "answer-array", "answer-empty"] {
        let fault = fault(&pool, attack);
        assert!(matches!(fault, Fault::NotJson(_)), "{attack}: {fault:?}");
    }
    pool.assert_sound(&[0]);
}

#[test]
fn a_trap_is_a_fault() {
    let pool = Attacked::with_workers(1);
    let fault = fault(&pool, "trap");
    assert!(matches!(fault, Fault::Trap(_)), "{fault:?}");
    pool.assert_sound(&[0]);
}

#[test]
fn a_million_calls_end_and_cost_only_time() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.guest_cpu = Duration::from_secs(60);
    assert_eq!(pool.said("many-calls", &[]), "1000000 calls");
    pool.assert_sound(&[0]);
}

#[test]
fn the_hosts_work_is_not_endless() {
    let mut pool = Attacked::with_workers(3);
    pool.limits.guest_cpu = Duration::from_secs(600);
    pool.limits.host_cpu = Duration::from_millis(50);
    pool.limits.transactions = usize::MAX;
    for attack in ["inspect-for-ever", "begin-for-ever"] {
        let fault = fault(&pool, attack);
        assert_eq!(fault, Fault::HostCpu(Duration::from_millis(50)), "{attack}");
        pool.assert_sound(&[0, 1, 2]);
    }
}

#[test]
fn transactions_are_not_endless() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.transactions = 20;
    assert_eq!(fault(&pool, "begin-for-ever"), Fault::Transactions(20));
    pool.assert_sound(&[0]);
}

#[test]
fn handles_are_not_endless() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.handles = 1000;
    let pid = pool.pid(0).to_string();
    let outcome = pool.attack("many-targets", &[("sid", "w0"), ("pid", &pid)], ENSURE);
    assert!(
        matches!(outcome, Err(Error::Policy(Fault::Handles(1000)))),
        "{outcome:?}"
    );
    pool.assert_sound(&[0]);
}

#[test]
fn a_flood_of_log_lines_is_cut() {
    let mut pool = Attacked::with_workers(1);
    pool.limits.log_lines = 3;
    assert_eq!(pool.said("flood-log", &[]), "logged");
    pool.assert_sound(&[0]);
}

#[test]
fn a_withdrawn_request_ends_a_guest_that_computes() {
    let pool = Attacked::with_workers(1);
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/hostile.wasm");
    let policy = Policy::from_component(&std::fs::read(component).expect("the guest"))
        .expect("the guest fits");
    let attacked = PoolBuilder::new(pool.directory())
        .limits(Limits {
            guest_cpu: Duration::from_secs(600),
            ..Limits::default()
        })
        .setting("attack", "loop")
        .build(policy);
    let cancel = Cancel::new().expect("an eventfd");
    let of_request = cancel.clone();
    let outcome = std::thread::scope(|scope| {
        let request = scope.spawn(|| attacked.call(ENSURE, &of_request));
        cancel.cancel();
        request.join().expect("the request returns")
    });
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    pool.assert_sound(&[0]);
}
