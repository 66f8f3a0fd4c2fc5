//! Real processes end themselves, with SIGKILL, at calls of their requests.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use nix::sys::signal::{Signal, raise};

use crate::store::testing::{Call, Step, Verdict, own_process, spawn_test};

use super::check::{Seen, check};
use super::run::{Files, Outcome, Run, Written};
use super::scenario::Scenario;
use super::world::World;

/// How many processes run at a time.
const AT_ONCE: usize = 4;

/// What a process is to do: which request, of which world, and at which step to end.
const TASK: &str = "task";

/// In a run of the tests it does nothing: the test below starts it.
#[test]
fn ends_at_a_step() {
    let Some(root) = own_process() else { return };
    let task = fs::read_to_string(root.join(TASK)).expect("a task");
    let mut words = task.split(' ');
    let mut word = || words.next().expect("three words");
    let name = word();
    let mut all = Scenario::ALL.into_iter();
    let scenario = all.find(|scenario| scenario.name() == name);
    let began = word().parse().expect("a time");
    let end: usize = word().parse().expect("a number");
    let world = World::seen_from_elsewhere(&root, began);
    let pool = world.pool_path();
    Run::of(scenario.expect("a scenario"), world, move |number, step| {
        if number == end {
            raise(Signal::SIGKILL).expect("a signal");
        }
        keep_what_is_renamed(&root, &pool, step);
        Verdict::Go
    });
}

/// Copies what is about to be a file of the pool, for whoever has to know it afterwards.
fn keep_what_is_renamed(root: &Path, pool: &Path, step: &Step) {
    if step.call == Call::Rename {
        fs::copy(pool.join(&step.name), root.join(&step.name)).expect("copy");
    }
}

/// What such a process left, with what it was to write.
fn left_by(scenario: Scenario, world: World, before: Files) -> Run {
    let read = |name: &str| fs::read(world.root().join(name)).into_iter().collect();
    let written = Written {
        registry: read("registry.json.new"),
        ledger: read("ledger.json.new"),
    };
    Run::over(scenario, world, before, written, Outcome::Ended)
}

fn end_real_processes(scenario: Scenario) {
    let steps = Run::with(scenario, |_, _| Verdict::Go).disk.steps();
    let ends: Vec<_> = (0..steps.len())
        .filter(|end| steps[*end].call.changes())
        .collect();
    for ends in ends.chunks(AT_ONCE) {
        let started: Vec<_> = ends
            .iter()
            .map(|end| {
                let world = scenario.world();
                let task = format!("{} {} {end}", scenario.name(), World::began());
                fs::write(world.root().join(TASK), task).expect("write");
                let before = Files::in_directory(&world.pool_path());
                let child = spawn_test(module_path!(), "ends_at_a_step", world.root());
                (end, world, before, child)
            })
            .collect();
        for (end, world, before, child) in started {
            let output = child.wait_with_output().expect("wait");
            let step = &steps[*end];
            assert_eq!(output.status.signal(), Some(9), "{step}: {output:?}");
            let run = left_by(scenario, world, before);
            let broken = check(&run, &run.world.pool_path(), Seen::Live);
            assert!(broken.is_empty(), "{step}: {broken:?}");
        }
    }
    println!("{}: {} processes ended", scenario.name(), ends.len());
}

#[test]
fn a_registration_that_is_killed_is_there_or_not() {
    end_real_processes(Scenario::First);
}

#[test]
fn collecting_that_is_killed_is_done_or_not() {
    end_real_processes(Scenario::Ensure);
}

#[test]
fn a_stop_that_is_killed_is_done_or_not() {
    end_real_processes(Scenario::Stop);
}

#[test]
fn forgetting_that_is_killed_is_done_or_not() {
    end_real_processes(Scenario::Forget);
}
