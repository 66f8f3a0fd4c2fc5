//! The same attacks again and again: each ends in its own error, the next request is
//! answered, and nothing piles up.

use std::env;
use std::process::Command;
use std::time::Duration;

use poolwarden::{Error, Fault, Limits, Request};

use crate::harness::Attacked;

/// How often each attack is tried.
const ROUNDS: &str = "POOLWARDEN_TEST_ROUNDS";
/// Makes the program of this file more than a test that does nothing.
const OWN_PROCESS: &str = "POOLWARDEN_TEST_ENDURANCE";
/// What the memory may grow by after the first rounds, in bytes: what the allocator keeps
/// or gives back by its own lights.
const SLACK: u64 = 4 << 20;

type Expected = fn(&Fault) -> bool;

const ATTACKS: [(&str, Expected); 10] = [
    ("loop", |fault| matches!(fault, Fault::Cpu(_))),
    ("recursion", |fault| {
        matches!(fault, Fault::Stack | Fault::Trap(_))
    }),
    ("memory", |fault| matches!(fault, Fault::Memory(_))),
    ("answer-large", |fault| {
        matches!(fault, Fault::AnswerTooLarge { .. })
    }),
    ("answer-text", |fault| matches!(fault, Fault::NotJson(_))),
    ("answer-array", |fault| matches!(fault, Fault::NotJson(_))),
    ("trap", |fault| matches!(fault, Fault::Trap(_))),
    ("many-targets", |fault| matches!(fault, Fault::HostCpu(_))),
    ("inspect-for-ever", |fault| {
        matches!(fault, Fault::HostCpu(_))
    }),
    ("begin-for-ever", |fault| {
        matches!(fault, Fault::Transactions(_))
    }),
];

/// Memory is a process's own: the rounds run in one where nothing else does.
#[test]
fn nothing_piles_up() {
    let program = env::current_exe().expect("this program's path");
    let name = "endurance::rounds_of_attacks";
    let ran = Command::new(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(OWN_PROCESS, "1")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{text}{ran:?}");
    let said = |what: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(what));
        line.and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("it does not say {what:?}: {text}"))
    };
    let (early, late) = (said("early: "), said("late: "));
    assert!(late <= early + SLACK, "from {early} to {late} bytes");
    assert_eq!(said("descriptors gained: "), 0);
}

/// In a run of the tests it does nothing.
#[test]
fn rounds_of_attacks() {
    if env::var_os(OWN_PROCESS).is_none() {
        return;
    }
    let rounds = env::var(ROUNDS).map_or(10, |text| text.parse().expect("a number"));
    let mut pool = Attacked::with_workers(2);
    pool.limits = Limits {
        guest_memory: 64 << 20,
        answer: 1 << 20,
        ..Limits::default()
    };
    let (mut early, mut descriptors) = (0, 0);
    // Ends the line on which the test runner named the test.
    println!();
    for round in 0..rounds {
        for (attack, expected) in ATTACKS {
            // What is not about time gets enough of it.
            let (enough, little) = (Duration::from_secs(60), Duration::from_millis(30));
            (pool.limits.guest_cpu, pool.limits.host_cpu) = match attack {
                "loop" => (little, enough),
                "many-targets" | "inspect-for-ever" => (enough, little),
                _ => (enough, enough),
            };
            let pid = pool.pid(0).to_string();
            let settings = [("sid", "w0"), ("pid", &*pid)];
            match pool.attack(attack, &settings, Request::Ensure { dry_run: false }) {
                Err(Error::Policy(fault)) if expected(&fault) => {}
                other => panic!("{attack} ended in {other:?}"),
            }
            pool.assert_sound(&[0, 1]);
        }
        if round == rounds / 10 {
            (early, descriptors) = (resident(), open_files());
        }
    }
    println!("early: {early}\nlate: {}", resident());
    println!("descriptors gained: {}", open_files() - descriptors);
}

/// Resident memory in bytes (proc_pid_statm(5)).
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("our own");
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number of pages");
    pages * page_size()
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).expect("a small number")
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("our own").count()
}
