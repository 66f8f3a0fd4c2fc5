//! Forced reuse of pids against the real host and the shipped policy, at every point.
//!
//! The kernel's calls are counted; a request is made again and again, and each time the
//! worker's pid is given to a stranger right before one call later, until there is no
//! such call any more. So the pid changes hands in every gap between two looks at the
//! process: before it is opened, between the probe and the signal, between SIGTERM and
//! SIGKILL, during the wait, before the entry goes. The strangers count what they receive.
//!
//! It has to run alone in a pid namespace, where it may choose pids:
//! `tests/pid_reuse/run.sh`. Anywhere else it fails.

mod born;
mod checks;
mod elsewhere;
mod hooked;
mod last_pid;
mod nursery;
mod offspring;
mod round;
mod scenario;
mod tally;

use std::env;
use std::time::Instant;

use hooked::Point;
use last_pid::{last_pid, try_set_last_pid};
use nursery::{Nursery, Report};
use offspring::Manners;
use round::Suite;
use scenario::{Basis, Scenario, Taker, Verb};

/// How many reuses to force at least. Set by the driver, inside a namespace of its own.
const ROUNDS: &str = "POOLWARDEN_REUSE_ROUNDS";

/// Longer than any request.
const POINTS: usize = 500;

/// How many broken promises are enough.
const ENOUGH: usize = 20;

/// Fails where pids cannot be chosen without harm.
fn rounds() -> usize {
    let rounds = env::var(ROUNDS).unwrap_or_else(|_| {
        panic!("this needs a pid namespace of its own: run tests/pid_reuse/run.sh")
    });
    let allowed = last_pid().and_then(try_set_last_pid);
    if let Err(error) = allowed {
        panic!(
            "this needs the right to choose pids, CAP_SYS_ADMIN in the user namespace that owns \
             the pid namespace: /proc/sys/kernel/ns_last_pid: {error}"
        );
    }
    rounds.parse().expect("a number of rounds")
}

#[test]
fn no_stranger_is_signalled_and_no_worker_lost() {
    let rounds = rounds();
    let started = Instant::now();
    let mut suite = Suite::new(Nursery::open());
    let mut passes = 0;
    // Always all of them, so that each scenario is met at every point.
    while suite.tally.reuses() < rounds && suite.tally.broken.is_empty() {
        for scenario in Scenario::all() {
            sweep(&mut suite, scenario);
            if suite.tally.broken.len() >= ENOUGH {
                break;
            }
        }
        passes += 1;
    }
    let tally = &suite.tally;
    println!("{tally}");
    println!("{passes} passes over all points, {:.1?}", started.elapsed());
    assert!(tally.broken.is_empty(), "{:#?}", tally.broken);
    for scenario in Scenario::all() {
        let count = tally.of(scenario.verb, scenario.basis);
        assert!(count > 0, "never forced: {scenario:?}");
    }
    for point in ["during a wait", "send_signal TERM", "send_signal KILL"] {
        assert!(tally.at(point) > 0, "never forced: {point}");
    }
}

/// Gives the pid away at one point after the other, until the request is over before it
/// gets there.
fn sweep(suite: &mut Suite, scenario: Scenario) {
    let mut waited = false;
    for index in 0..POINTS {
        let Some(struck) = suite.round(scenario, Point::Before(index)).struck else {
            return;
        };
        // The wait goes on with further calls, which come when nothing ends it.
        if struck.waits && !waited {
            waited = true;
            suite.round(scenario, Point::During(index));
        }
        if suite.tally.broken.len() >= ENOUGH {
            return;
        }
    }
    panic!("{scenario:?}: a request with more than {POINTS} calls");
}

/// The suite is worth something only if what it waits for would be noticed.
#[test]
fn a_stranger_notices_every_signal() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    rounds();
    let mut nursery = Nursery::open();
    for taker in [Taker::Process, Taker::Thread] {
        for signal in Signal::iterator() {
            let worker = nursery.worker(Manners::Obedient, None);
            let stranger = nursery.replace(worker, taker, None).expect("its pid");
            assert_eq!(stranger == worker, taker == Taker::Process);
            assert_eq!(nursery.report(stranger), Report::UNTOUCHED);
            // To the number that was the worker's, whoever has it now.
            kill(Pid::from_raw(worker), signal).expect("somebody has it");
            let report = nursery.report(stranger);
            match signal {
                Signal::SIGKILL | Signal::SIGSTOP => {
                    assert!(matches!(report, Report::Hit(_)), "{signal}: {report:?}");
                }
                _ => {
                    let first = (signal as i32).unsigned_abs();
                    assert_eq!(report, Report::Runs { signals: 1, first });
                }
            }
            nursery.end(stranger);
        }
    }
}

#[test]
fn every_kind_of_proof_is_met_by_every_request() {
    let all: Vec<_> = Scenario::all().collect();
    for verb in [Verb::Ensure, Verb::Stop, Verb::StopForce] {
        for basis in [Basis::Row, Basis::Socket, Basis::Time, Basis::TimeSighted] {
            let takers = all
                .iter()
                .filter(|one| (one.verb, one.basis) == (verb, basis));
            assert_eq!(takers.count(), 6, "{verb:?} {basis:?}");
        }
    }
}
