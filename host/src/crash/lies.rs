//! A disk that leaves out a step, or does it at another time: what a mistake in the store
//! would come to. The other tests have to notice each of them.

use crate::store::testing::{Call, Step, Verdict};

use super::check::Rule;
use super::rivals::{self, Rival, intrusion};
use super::run::{Lie, Run};
use super::scenario::Scenario;
use super::stops::end_at_every_step;

/// Asserts that this rule is found broken on such a disk.
#[track_caller]
fn is_noticed(scenario: Scenario, broken: Rule, lie: Lie) {
    let report = end_at_every_step(scenario, 0, lie, |rules| rules.contains(&broken));
    assert!(
        report.has_broken(broken),
        "nobody noticed; but:\n{}",
        report.wrong.join("\n")
    );
}

/// The step is left out where `left_out` says so.
fn without(left_out: bool) -> Verdict {
    if left_out {
        Verdict::Pretend
    } else {
        Verdict::Go
    }
}

fn is_sync_of_pool(step: &Step) -> bool {
    step.is(Call::SyncDirectory, "pool")
}

#[test]
fn a_registry_that_is_not_synced_is_noticed() {
    is_noticed(Scenario::Ensure, Rule::Registry, |step| {
        without(step.is(Call::Sync, "registry.json.new"))
    });
}

#[test]
fn a_ledger_that_is_not_synced_is_noticed() {
    is_noticed(Scenario::Ensure, Rule::Ledger, |step| {
        without(step.is(Call::Sync, "ledger.json.new"))
    });
}

#[test]
fn a_registry_that_is_not_renamed_is_noticed() {
    is_noticed(Scenario::Register, Rule::Durability, |step| {
        without(step.is(Call::Rename, "registry.json.new"))
    });
}

#[test]
fn a_registry_that_is_written_in_place_is_noticed() {
    is_noticed(Scenario::Register, Rule::Registry, |step| {
        if step.is(Call::Rename, "registry.json.new") {
            Verdict::Copy
        } else {
            Verdict::Go
        }
    });
}

#[test]
fn a_directory_that_is_not_synced_is_noticed() {
    is_noticed(Scenario::Register, Rule::Durability, |step| {
        without(is_sync_of_pool(step))
    });
}

#[test]
fn a_directory_whose_name_is_not_synced_is_noticed() {
    is_noticed(Scenario::First, Rule::Durability, |step| {
        without(step.is(Call::SyncDirectory, "1 above pool"))
    });
}

#[test]
fn a_ledger_behind_the_registry_is_noticed() {
    is_noticed(Scenario::Register, Rule::Ledger, |step| {
        if step.is(Call::Rename, "ledger.json.new") {
            Verdict::Postpone
        } else {
            Verdict::Go
        }
    });
}

#[test]
fn a_withdrawal_behind_the_registry_is_noticed() {
    is_noticed(Scenario::Forget, Rule::Withdrawal, |step| {
        if step.is(Call::Rename, "ledger.json.new") {
            Verdict::Postpone
        } else {
            Verdict::Go
        }
    });
}

#[test]
fn a_signal_without_its_line_is_noticed() {
    is_noticed(Scenario::Kill, Rule::Signal, |step| {
        without(step.is(Call::Write, "audit.jsonl"))
    });
}

#[test]
fn a_removal_without_its_line_is_noticed() {
    is_noticed(Scenario::Ensure, Rule::Removal, |step| {
        without(step.is(Call::Write, "audit.jsonl"))
    });
}

#[test]
fn a_removal_whose_line_is_not_synced_is_noticed() {
    is_noticed(Scenario::Ensure, Rule::Removal, |step| {
        without(step.is(Call::SyncData, "audit.jsonl"))
    });
}

#[test]
fn a_line_behind_a_torn_one_is_noticed() {
    // As if what is there always ended in a line break.
    is_noticed(Scenario::Ensure, Rule::Trail, |step| {
        without(step.is(Call::Read, "audit.jsonl"))
    });
}

#[test]
fn files_of_the_trail_that_overtake_each_other_are_noticed() {
    is_noticed(Scenario::Rotate, Rule::Trail, |step| {
        without(is_sync_of_pool(step))
    });
}

#[test]
fn temporary_files_that_stay_are_noticed() {
    is_noticed(Scenario::Ensure, Rule::Leftover, |step| {
        without(step.call == Call::Remove && step.name.ends_with(".new"))
    });
}

#[test]
fn a_temporary_file_that_is_in_the_way_is_noticed() {
    is_noticed(Scenario::Register, Rule::NextRequest, |step| {
        without(step.is(Call::Remove, "registry.json.new"))
    });
}

/// Asserts that a request goes wrong beside a rival, on such a disk.
#[track_caller]
fn is_noticed_beside(scene: fn(&Rival, Lie) -> Run, lie: Lie) {
    let run = scene(&Rival::default(), lie);
    assert!(
        intrusion(&run).is_some(),
        "nobody noticed: {:?}",
        run.outcome
    );
}

#[test]
fn a_lock_that_is_not_taken_is_noticed() {
    is_noticed_beside(rivals::locked_by_another, |step| {
        without(step.is(Call::TryLock, "registry.lock"))
    });
}

/// The look at the name says that it leads to the file that is locked.
fn blind_to_another_lock_file(step: &Step) -> Verdict {
    without(step.is(Call::Look, "registry.lock"))
}

#[test]
fn a_lock_file_that_is_not_looked_at_once_locked_is_noticed() {
    is_noticed_beside(
        rivals::replaced_before_it_is_locked,
        blind_to_another_lock_file,
    );
}

#[test]
fn a_lock_file_that_is_not_looked_at_before_writing_is_noticed() {
    is_noticed_beside(
        rivals::replaced_while_it_is_locked,
        blind_to_another_lock_file,
    );
}

#[test]
fn a_temporary_file_that_may_exist_is_noticed() {
    is_noticed_beside(rivals::link_in_the_way, |step| {
        without(step.is(Call::Create, "registry.json.new"))
    });
}
