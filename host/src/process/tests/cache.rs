//! What is remembered between requests.

use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::support::*;
use crate::cancel::Cancel;
use crate::process::fake::{Call, FakeKernel};
use crate::process::kernel::{FileKind, Kernel};
use crate::process::{
    Claim, Inquiry, Inspection, Interrupted, LinuxProcesses, Process, Processes, Proof, Question,
    Record, Standing, Strength,
};

/// As many workers as asked for, with claims.
fn pool(size: u32) -> (Arc<FakeKernel>, Vec<Claim>) {
    let fake = FakeKernel::new();
    let claims = (0..size).map(|index| {
        fake.run(1000 + index, START, 1);
        Claim {
            sid: format!("w{index}"),
            pid: 1000 + index,
            ..claim()
        }
    });
    let claims = claims.collect();
    (Arc::new(fake), claims)
}

fn questions(claims: &[Claim]) -> Vec<Question<'_>> {
    claims
        .iter()
        .map(|claim| Question {
            claim,
            record: None,
        })
        .collect()
}

fn inspect_all(processes: &LinuxProcesses, claims: &[Claim]) -> Vec<Inspection> {
    let inspected = processes.inspect(&questions(claims), &Inquiry::new(Strength::Any));
    inspected.expect("nobody gives up")
}

#[test]
fn a_pool_that_is_remembered_costs_one_poll() {
    let (fake, claims) = pool(50);
    let processes = processes(&fake);
    let first = inspect_all(&processes, &claims);
    let (opens, polls) = (fake.calls(Call::OpenPidfd), fake.calls(Call::Poll));
    fake.deny("/proc/self", Errno::EACCES);
    let second = inspect_all(&processes, &claims);
    assert_eq!(fake.calls(Call::OpenPidfd), opens);
    assert_eq!(fake.calls(Call::Poll), polls + 1);
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(second.finding, first.finding);
        assert_eq!(second.finding.standing, Standing::Alive);
        // The caller may have failed to write it.
        assert_eq!(second.learned, first.learned);
        assert!(second.process.is_some());
    }
}

#[test]
fn the_ended_are_judged_anew_and_the_others_are_not() {
    let (fake, claims) = pool(5);
    let processes = processes(&fake);
    inspect_all(&processes, &claims);
    fake.reap(1001);
    fake.end(1003);
    let opens = fake.calls(Call::OpenPidfd);
    let standings: Vec<_> = inspect_all(&processes, &claims)
        .iter()
        .map(|inspection| inspection.finding.standing)
        .collect();
    use Standing::{Alive, Exited, Gone};
    assert_eq!(standings, [Alive, Gone, Alive, Exited, Alive]);
    assert_eq!(fake.calls(Call::OpenPidfd), opens + 2);
}

#[test]
fn a_pid_given_away_is_not_taken_for_the_remembered_process() {
    let fake = machine();
    let processes = processes(&fake);
    let row = ask(&processes, &claim(), None, Strength::Any)
        .learned
        .expect("a row");
    fake.reap(PID);
    fake.run_with_inode(PID, START, 1, 9);
    let finding = ask(&processes, &claim(), Some(&row), Strength::Any).finding;
    assert_finding(&finding, Standing::Reused, "pidfs inode 9");
}

#[test]
fn a_row_that_names_another_process_is_heard() {
    let fake = machine();
    let processes = processes(&fake);
    ask(&processes, &claim(), Some(&record()), Strength::Any);
    let mut other = record();
    other.identity.inode = Some(9);
    let finding = ask(&processes, &claim(), Some(&other), Strength::Any).finding;
    assert_finding(&finding, Standing::Reused, "had inode 9");

    let mut elsewhere = record();
    elsewhere.identity.place.pid_namespace = 7;
    let finding = ask(&processes, &claim(), Some(&elsewhere), Strength::Any).finding;
    assert_finding(&finding, Standing::Foreign, "pid namespace 7");
}

#[test]
fn a_row_without_a_machine_id_still_agrees() {
    let fake = machine();
    let processes = processes(&fake);
    let mut unnamed = record();
    unnamed.identity.place.machine.clear();
    ask(&processes, &claim(), Some(&unnamed), Strength::Any);
    let opens = fake.calls(Call::OpenPidfd);
    let inspection = ask(&processes, &claim(), Some(&unnamed), Strength::Any);
    assert_finding(&inspection.finding, Standing::Alive, "ledger");
    assert_eq!(fake.calls(Call::OpenPidfd), opens);
}

#[test]
fn claims_are_remembered_whole() {
    let fake = machine();
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    let processes = processes(&fake);
    ask(&processes, &claim(), None, Strength::Any);
    let opens = fake.calls(Call::OpenPidfd);
    for other in [
        Claim {
            sid: "x".into(),
            ..claim()
        },
        claim_from("2026-11-23T11:00:01Z"),
        claim_with_sock(),
    ] {
        ask(&processes, &other, None, Strength::Any);
    }
    assert_eq!(fake.calls(Call::OpenPidfd), opens + 3);
    let finding = ask(
        &processes,
        &claim_from("2026-11-23T10:00:00Z"),
        None,
        Strength::Any,
    )
    .finding;
    assert_finding(&finding, Standing::Reused, "time");
}

#[test]
fn strong_does_not_take_what_was_remembered_by_time() {
    let fake = machine();
    let processes = processes(&fake);
    ask(&processes, &claim(), None, Strength::Any);
    let finding = ask(&processes, &claim(), None, Strength::Strong).finding;
    assert_finding(&finding, Standing::Unproven, "proof = strong");
    let by_time = Record {
        proof: Proof::Time,
        ..record()
    };
    let finding = ask(&processes, &claim(), Some(&by_time), Strength::Strong).finding;
    assert_finding(&finding, Standing::Unproven, "proof = strong");
    // Meanwhile the operator adopted it.
    let adopted = Record {
        proof: Proof::Adopted,
        ..record()
    };
    let finding = ask(&processes, &claim(), Some(&adopted), Strength::Strong).finding;
    assert_eq!(finding.standing, Standing::Alive);
}

#[test]
fn a_poll_that_fails_forgets_instead_of_trusting() {
    let fake = machine();
    let processes = processes(&fake);
    ask(&processes, &claim(), None, Strength::Any);
    fake.refuse(Call::Poll, Errno::ENOMEM);
    let finding = ask(&processes, &claim(), None, Strength::Any).finding;
    assert_finding(&finding, Standing::Unknown, "poll(2)");
}

#[test]
fn a_pool_larger_than_the_cache_is_alive_but_not_all_held() {
    let (fake, claims) = pool(10);
    let processes = LinuxProcesses::with_kernel(fake.clone() as Arc<dyn Kernel>, 4);
    let mut held: Vec<Arc<dyn Process>> = Vec::new();
    for opens in [10, 16, 22] {
        let inspections = inspect_all(&processes, &claims);
        assert!(
            inspections
                .iter()
                .all(|one| one.finding.standing == Standing::Alive)
        );
        let handed: Vec<_> = inspections
            .into_iter()
            .filter_map(|one| one.process)
            .collect();
        assert_eq!(handed.len(), 4);
        // Four are remembered, and stay: they do not wash each other out.
        assert_eq!(fake.calls(Call::OpenPidfd), opens);
        assert!(
            held.iter()
                .zip(&handed)
                .all(|(old, new)| Arc::ptr_eq(old, new))
        );
        held = handed;
    }
    // Asked alone, each gets its process.
    for claim in &claims {
        ask(&processes, claim, None, Strength::Any);
    }
}

/// The calls that one more request makes for each worker of a pool, on average.
fn calls_per_worker(size: u32, capacity: usize) -> f64 {
    let (fake, claims) = pool(size);
    let processes = LinuxProcesses::with_kernel(fake.clone() as Arc<dyn Kernel>, capacity);
    inspect_all(&processes, &claims);
    let before = fake.all_calls();
    let inspections = inspect_all(&processes, &claims);
    let alive = |one: &Inspection| one.finding.standing == Standing::Alive;
    assert!(inspections.iter().all(alive));
    let calls = fake.all_calls() - before;
    f64::from(u32::try_from(calls).expect("few")) / f64::from(size)
}

#[test]
fn a_large_pool_costs_no_more_for_each_worker_than_a_small_one() {
    let small = calls_per_worker(100, 50);
    let large = calls_per_worker(1000, 50);
    // Half of the small pool is held; of the large one, next to nobody.
    assert!(large <= 2.0 * small, "{small} and {large} calls");
    // Opened, told apart by its inode, and found running.
    assert!(large <= 3.0, "{large} calls");
    assert!(calls_per_worker(1000, 1000) < 0.1);
}

/// The file is not even read: an inode is used once in a boot.
#[test]
fn a_worker_without_a_descriptor_is_found_by_its_inode() {
    let (fake, claims) = pool(3);
    let processes = LinuxProcesses::with_kernel(fake.clone() as Arc<dyn Kernel>, 1);
    inspect_all(&processes, &claims);
    fake.deny("/proc/1001/stat", Errno::EACCES);
    fake.reap(1002);
    fake.run_with_inode(1002, START, 1, 9);
    let inspections = inspect_all(&processes, &claims);
    assert_finding(&inspections[1].finding, Standing::Alive, "time");
    assert!(inspections[1].process.is_none());
    // Another process has its pid by now, and is judged for itself.
    assert_eq!(fake.calls(Call::OpenPidfd), 3 + 2 + 1);
}

/// Each is asked about alone, as by a stop of all, while the others have ended or go on.
#[test]
fn one_question_costs_the_same_whatever_else_is_remembered() {
    let (fake, claims) = pool(500);
    let processes = processes_for(&fake, 1000);
    inspect_all(&processes, &claims);
    for pid in 1000..1400 {
        fake.end(pid);
    }
    ask(&processes, &claims[450], None, Strength::Any);
    let before = fake.all_calls();
    for claim in &claims[400..] {
        ask(&processes, claim, None, Strength::Any);
    }
    assert!(
        fake.all_calls() - before <= 2 * 100,
        "{}",
        fake.all_calls() - before
    );
}

/// A registry that was written by a program that goes wrong.
#[test]
fn claims_that_differ_in_their_time_alone_are_remembered_apart() {
    let fake = machine();
    let processes = processes_for(&fake, 10);
    let claims: Vec<_> = (0..60)
        .map(|second| claim_from(&format!("2026-11-23T11:00:{second:02}Z")))
        .collect();
    inspect_all(&processes, &claims);
    let opens = fake.calls(Call::OpenPidfd);
    inspect_all(&processes, &claims);
    assert_eq!(fake.calls(Call::OpenPidfd), opens + 50, "ten are held");
}

fn processes_for(fake: &Arc<FakeKernel>, capacity: usize) -> LinuxProcesses {
    LinuxProcesses::with_kernel(fake.clone() as Arc<dyn Kernel>, capacity)
}

#[test]
fn an_inspection_is_given_up_when_the_request_is() {
    let (fake, claims) = pool(3);
    let processes = processes(&fake);
    let cancel = Cancel::new().expect("an eventfd");
    cancel.cancel();
    let inquiry = Inquiry::new(Strength::Any).until_cancelled(&cancel);
    let given_up = processes.inspect(&questions(&claims), &inquiry);
    assert_eq!(given_up.map(drop), Err(Interrupted::Cancelled));
    let inquiry = Inquiry::new(Strength::Any).within(Duration::ZERO);
    let given_up = processes.inspect(&questions(&claims), &inquiry);
    assert_eq!(given_up.map(drop), Err(Interrupted::Overdue));
    assert_eq!(fake.calls(Call::OpenPidfd), 0);
}

#[test]
fn what_was_not_asked_for_longest_makes_room() {
    let (fake, claims) = pool(4);
    let processes = LinuxProcesses::with_kernel(fake.clone() as Arc<dyn Kernel>, 3);
    for index in [0, 1, 2, 0, 3] {
        ask(&processes, &claims[index], None, Strength::Any);
    }
    let opens = fake.calls(Call::OpenPidfd);
    for index in [0, 2, 3] {
        ask(&processes, &claims[index], None, Strength::Any);
    }
    assert_eq!(
        fake.calls(Call::OpenPidfd),
        opens,
        "these three are remembered"
    );
    ask(&processes, &claims[1], None, Strength::Any);
    assert_eq!(fake.calls(Call::OpenPidfd), opens + 1, "this one made room");
}
