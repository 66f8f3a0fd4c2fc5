//! The proof by the ledger.

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::Call;
use crate::process::kernel::FileKind;
use crate::process::{Claim, Place, Proof, Record, Standing, Strength};

fn at(change: impl FnOnce(&mut Place)) -> Record {
    let mut record = record();
    change(&mut record.identity.place);
    record
}

#[test]
fn the_same_process_is_alive_whatever_time_and_socket_say() {
    let fake = machine();
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    for created_at in [
        "2026-11-23T10:30:00Z",
        "2020-01-01T00:00:00Z",
        "2030-01-01T00:00:00Z",
        "",
    ] {
        let claim = Claim {
            created_at: created_at.into(),
            ..claim_with_sock()
        };
        for strength in [Strength::Any, Strength::Strong] {
            let inspection = inspect(&fake, &claim, Some(&record()), strength);
            assert_finding(&inspection.finding, Standing::Alive, "ledger");
            assert_eq!(inspection.learned, None);
        }
    }
}

#[test]
fn another_inode_is_another_process_even_in_the_same_tick() {
    let fake = machine();
    for ticks in [START, START - 1] {
        let mut record = record();
        record.identity.inode = Some(9);
        record.identity.start_ticks = ticks;
        let inspection = inspect(&fake, &claim(), Some(&record), Strength::Strong);
        assert_finding(&inspection.finding, Standing::Reused, "pidfs inode 5711");
        assert_finding(&inspection.finding, Standing::Reused, "had inode 9");
        assert_finding(
            &inspection.finding,
            Standing::Reused,
            "runs since 2026-11-23T11:00:00Z",
        );
        assert!(inspection.finding.started.is_some());
    }
}

#[test]
fn another_inode_is_told_even_of_a_process_that_is_hidden() {
    let fake = machine();
    fake.deny("/proc/4711/stat", Errno::ENOENT);
    let mut record = record();
    record.identity.inode = Some(9);
    let inspection = inspect(&fake, &claim(), Some(&record), Strength::Any);
    assert_finding(&inspection.finding, Standing::Reused, "pidfs inode 5711");
    assert_eq!(inspection.finding.started, None);
}

#[test]
fn an_earlier_boot_of_this_machine_is_gone_without_a_look_at_the_pid() {
    let fake = machine();
    let record = at(|place| place.boot = "earlier".into());
    let inspection = inspect(&fake, &claim(), Some(&record), Strength::Strong);
    assert_finding(
        &inspection.finding,
        Standing::Gone,
        "boot earlier of this machine",
    );
    assert_eq!(fake.calls(Call::OpenPidfd), 0);

    fake.socket(SOCK, FileKind::Socket, Ok(()));
    let inspection = inspect(&fake, &claim_with_sock(), Some(&record), Strength::Any);
    assert_finding(&inspection.finding, Standing::Foreign, "still answers");
}

#[test]
fn other_machines_and_namespaces_are_foreign_without_a_look_at_the_pid() {
    let fake = machine();
    fake.reap(PID);
    let machine = at(|place| place.machine = "f".repeat(32));
    let both = at(|place| {
        place.machine = "f".repeat(32);
        place.boot = "earlier".into();
    });
    let namespace = at(|place| place.pid_namespace = 7);
    for (record, evidence) in [
        (machine, "runs on machine ffff"),
        (both, "runs on machine ffff"),
        (
            namespace,
            "runs in pid namespace 7, and this is pid namespace 4026531836",
        ),
    ] {
        let inspection = inspect(&fake, &claim(), Some(&record), Strength::Any);
        assert_finding(&inspection.finding, Standing::Foreign, evidence);
    }
    assert_eq!(fake.calls(Call::OpenPidfd), 0);
}

#[test]
fn without_a_machine_id_another_boot_may_be_another_machine() {
    let fake = machine();
    fake.reap(PID);
    let record = at(|place| {
        place.machine = String::new();
        place.boot = "other".into();
    });
    let inspection = inspect(&fake, &claim(), Some(&record), Strength::Any);
    assert_finding(
        &inspection.finding,
        Standing::Unproven,
        "no /etc/machine-id",
    );

    for text in ["", "uninitialized\n"] {
        fake.file("/etc/machine-id", text);
        let record = at(|place| place.boot = "other".into());
        let inspection = inspect(&fake, &claim(), Some(&record), Strength::Any);
        assert_finding(
            &inspection.finding,
            Standing::Unproven,
            "no /etc/machine-id",
        );
    }
}

#[test]
fn the_same_boot_is_the_same_machine_though_one_side_has_no_machine_id() {
    let fake = machine();
    fake.deny("/etc/machine-id", Errno::ENOENT);
    let inspection = inspect(&fake, &claim(), Some(&record()), Strength::Strong);
    assert_finding(&inspection.finding, Standing::Alive, "ledger");
}

#[test]
fn one_inode_with_two_start_times_proves_nothing() {
    let fake = machine();
    fake.listen(PID, SOCK);
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    let mut record = record();
    record.identity.start_ticks += 1;
    let inspection = inspect(&fake, &claim_with_sock(), Some(&record), Strength::Any);
    assert_finding(
        &inspection.finding,
        Standing::Unproven,
        "another start time",
    );
}

#[test]
fn a_row_by_time_is_not_enough_for_strong() {
    let fake = machine();
    let by_time = Record {
        proof: Proof::Time,
        ..record()
    };
    let inspection = inspect(&fake, &claim(), Some(&by_time), Strength::Any);
    assert_finding(&inspection.finding, Standing::Alive, "ledger");
    let inspection = inspect(&fake, &claim(), Some(&by_time), Strength::Strong);
    assert_finding(&inspection.finding, Standing::Unproven, "proof = strong");

    // The socket makes it strong, and the ledger learns that.
    fake.listen(PID, SOCK);
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    let inspection = inspect(&fake, &claim_with_sock(), Some(&by_time), Strength::Strong);
    assert_finding(&inspection.finding, Standing::Alive, "socket");
    assert_eq!(
        inspection.learned.as_deref(),
        Some(&Record {
            proof: Proof::Socket,
            ..record()
        })
    );

    // That another process has the pid now does not rest on how the row was made.
    let mut other = by_time;
    other.identity.inode = Some(9);
    let inspection = inspect(&fake, &claim(), Some(&other), Strength::Strong);
    assert_finding(&inspection.finding, Standing::Reused, "had inode 9");
}

#[test]
fn without_pidfs_the_same_tick_leaves_it_to_the_weaker_proofs() {
    let fake = machine();
    fake.without_pidfs();
    let mut without = record();
    without.identity.inode = None;
    let inspection = inspect(&fake, &claim(), Some(&without), Strength::Any);
    assert_finding(&inspection.finding, Standing::Alive, "time");
    assert_eq!(inspection.learned, None, "the row says as much already");

    let inspection = inspect(&fake, &claim(), Some(&record()), Strength::Any);
    assert_finding(&inspection.finding, Standing::Alive, "time");
    let inspection = inspect(&fake, &claim(), Some(&without), Strength::Strong);
    assert_finding(&inspection.finding, Standing::Unproven, "proof = strong");

    // A row that agrees keeps a stepped clock from collecting a living worker.
    let earlier = claim_from("2026-11-23T10:30:00Z");
    let inspection = inspect(&fake, &earlier, Some(&without), Strength::Any);
    assert_finding(
        &inspection.finding,
        Standing::Unproven,
        "the clock was stepped",
    );
}

#[test]
fn without_pidfs_another_tick_is_not_alive_by_time() {
    let fake = machine();
    fake.without_pidfs();
    let mut record = record();
    record.identity.inode = None;
    record.identity.start_ticks = START - 200;
    let inspection = inspect(&fake, &claim(), Some(&record), Strength::Any);
    assert_finding(
        &inspection.finding,
        Standing::Unproven,
        "not when the process of its row",
    );

    let later = claim_from("2026-11-23T10:59:00Z");
    let inspection = inspect(&fake, &later, Some(&record), Strength::Any);
    assert_finding(&inspection.finding, Standing::Reused, "time");

    fake.listen(PID, SOCK);
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    let inspection = inspect(&fake, &claim_with_sock(), Some(&record), Strength::Any);
    assert_finding(&inspection.finding, Standing::Alive, "socket");
    let learned = inspection.learned.expect("a better row");
    assert_eq!(
        (learned.proof, learned.identity.start_ticks),
        (Proof::Socket, START)
    );
}
