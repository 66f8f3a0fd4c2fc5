//! Adopting, and everything that can change between the look and the word.

use std::fs;

use super::support::*;
use crate::error::Error;
use crate::life::{AdoptError, Adopted};
use crate::process::fake::{OWN_PID, PARENT};
use crate::process::{Claim, Forbidden, Proof, Standing};

fn examine_error(machine: &Machine, sid: &str) -> AdoptError {
    machine
        .pool
        .examine(sid, &cancel())
        .expect_err("it is refused")
}

/// Examines, lets something happen, and adopts.
fn adopt_after(machine: &Machine, happens: impl FnOnce(&Machine)) -> Result<Adopted, AdoptError> {
    let examination = machine
        .pool
        .examine("a", &cancel())
        .expect("it is unproven");
    happens(machine);
    machine.pool.adopt(&examination, &cancel())
}

/// Checks that after this nothing is adopted, and that the error says why.
#[track_caller]
fn refused_after(happens: impl FnOnce(&Machine), reason: &str) {
    let machine = Machine::with(&[unproven("a")]);
    let error = adopt_after(&machine, happens).expect_err("it is refused");
    let text = crate::error::chain(&error);
    assert!(text.contains(reason), "wanted {reason}: {text}");
    let row = machine.ledger().get(&unproven("a")).cloned();
    assert!(
        row.as_ref()
            .is_none_or(|row| row.record.proof != Proof::Adopted),
        "{row:?}"
    );
}

#[test]
fn what_was_examined_is_the_worker_from_now_on() {
    let machine = Machine::with(&[claim("b"), unproven("a")]);
    let registry = machine.registry();
    let examination = machine
        .pool
        .examine("a", &cancel())
        .expect("it is unproven");
    assert_eq!(*examination.claim(), unproven("a"));
    assert!(examination.evidence().contains("no RFC 3339 time"));
    assert_eq!(examination.command(), ["worker", "--pool"]);
    assert!(!examination.is_weak());
    assert!(machine.ledger().get(&unproven("a")).is_none(), "not yet");

    let adopted = machine
        .pool
        .adopt(&examination, &cancel())
        .expect("nothing changed");
    assert_eq!(adopted.standing, Standing::Alive);
    assert!(adopted.evidence.starts_with("ledger"), "{adopted:?}");
    let ledger = machine.ledger();
    let row = ledger.get(&unproven("a")).expect("a row");
    assert_eq!(row.record, adopted.record);
    assert_eq!(row.record.proof, Proof::Adopted);
    assert_eq!(machine.registry(), registry, "the registry is not touched");

    let again = examine_error(&machine, "a");
    assert!(
        matches!(
            &again,
            AdoptError::NotUnproven {
                standing: Standing::Alive,
                ..
            }
        ),
        "{again}"
    );
}

#[test]
fn every_other_standing_is_refused() {
    let entry = |sid: &str, pid| Claim {
        created_at: "some day".into(),
        ..of(sid, pid)
    };
    let machine = Machine::with(&[
        claim("alive"),
        entry("gone", 4712),
        entry("exited", 4713),
        Claim {
            created_at: "2026-11-23T10:59:00Z".into(),
            ..claim("reused")
        },
        entry("unknown", 4714),
    ]);
    machine.fake.run(4713, START, 1);
    machine.fake.end(4713);
    machine.fake.run(4714, START, 1);
    machine
        .fake
        .deny("/proc/4714/stat", nix::errno::Errno::EACCES);
    for (sid, standing, advice) in [
        ("alive", Standing::Alive, "nothing to adopt"),
        ("gone", Standing::Gone, "ensure collects"),
        ("exited", Standing::Exited, "ensure collects"),
        ("reused", Standing::Reused, "ensure collects"),
        ("unknown", Standing::Unknown, "not adopted"),
    ] {
        let error = examine_error(&machine, sid);
        let text = error.to_string();
        let AdoptError::NotUnproven {
            standing: found, ..
        } = error
        else {
            panic!("{sid}: {text}")
        };
        assert_eq!(found, standing, "{text}");
        assert!(text.contains(advice), "{text}");
    }
    assert!(matches!(
        examine_error(&machine, "nobody"),
        AdoptError::NoEntry { .. }
    ));
    machine.write(&[unproven("a"), claim("a")]);
    assert!(matches!(
        examine_error(&machine, "a"),
        AdoptError::Ambiguous { entries: 2, .. }
    ));
}

#[test]
fn what_could_never_be_signalled_is_never_adopted() {
    let machine = Machine::with(&[]);
    machine.fake.run(4712, START, 1);
    machine.fake.user(4712, 7, 7);
    for pid in [OWN_PID, PARENT, 4712] {
        machine.write(&[Claim {
            pid,
            ..unproven("a")
        }]);
        let error = examine_error(&machine, "a");
        assert!(matches!(error, AdoptError::Forbidden { .. }), "{error}");
    }
    machine.write(&[Claim {
        pid: 1,
        ..unproven("a")
    }]);
    let error = examine_error(&machine, "a");
    assert!(matches!(error, AdoptError::Unidentified { .. }), "{error}");
}

#[test]
fn another_process_under_the_pid_is_not_adopted() {
    // Also one that started in the same clock tick.
    for ticks in [START, START + 100] {
        refused_after(
            |machine| {
                machine.fake.reap(PID);
                machine.fake.run_with_inode(PID, ticks, 1, 9999);
            },
            "has ended",
        );
    }
    // A pidfd that does not tell of the end.
    refused_after(
        |machine| machine.fake.run_with_inode(PID, START, 1, 9999),
        "another process has its pid",
    );
    refused_after(|machine| machine.fake.end(PID), "exited");
    refused_after(|machine| machine.fake.reap(PID), "gone");
}

#[test]
fn a_process_that_became_another_program_is_not_adopted() {
    refused_after(
        |machine| {
            machine
                .fake
                .link(&format!("/proc/{PID}/exe"), "/usr/bin/other");
        },
        "runs another program",
    );
    refused_after(|machine| machine.fake.user(PID, 7, 7), "another user");
}

#[test]
fn another_entry_is_not_adopted() {
    for changed in [
        claim("a"),
        Claim {
            created_at: "some other day".into(),
            ..claim("a")
        },
        Claim {
            sock: "/run/a.sock".into(),
            ..unproven("a")
        },
        Claim {
            pid: 4712,
            ..unproven("a")
        },
    ] {
        refused_after(
            |machine| {
                machine.fake.run(4712, START, 1);
                machine.write(&[changed]);
            },
            "its entry is another one",
        );
    }
    refused_after(|machine| machine.write(&[]), "no entry has the sid");
    refused_after(
        |machine| machine.write(&[unproven("a"), of("a", 4712)]),
        "2 entries have the sid",
    );
}

#[test]
fn what_was_proven_meanwhile_is_not_adopted() {
    refused_after(
        |machine| {
            let record = crate::process::Record {
                identity: adopted_identity(machine),
                proof: Proof::Registered,
            };
            let mut locked = machine.lock();
            let mut ledger = locked.read_ledger();
            ledger.insert(unproven("a"), record);
            let _ = locked.write_ledger(&mut ledger).expect("it is written");
        },
        "alive",
    );
}

fn adopted_identity(machine: &Machine) -> crate::process::Identity {
    let found = machine.pool.context.processes.identify(PID);
    found.expect("it runs").process.identity().clone()
}

/// The pidfd alone tells, since neither inode nor tick does.
#[test]
fn without_pidfs_the_process_is_held_all_the_same() {
    let machine = Machine::with(&[unproven("a")]);
    machine.fake.without_pidfs();
    let error = adopt_after(&machine, |machine| {
        machine.fake.reap(PID);
        machine.fake.run(PID, START, 1);
        machine
            .fake
            .link(&format!("/proc/{PID}/exe"), "/usr/bin/worker");
    })
    .expect_err("it is another process");
    assert!(error.to_string().contains("has ended"), "{error}");

    let machine = Machine::with(&[unproven("a")]);
    machine.fake.without_pidfs();
    let adopted = adopt_after(&machine, |_| {}).expect("nothing changed");
    assert_eq!(adopted.standing, Standing::Unproven);
    assert!(adopted.evidence.contains("Linux 6.9"), "{adopted:?}");
    let ledger = machine.ledger();
    let row = ledger.get(&unproven("a")).expect("a row");
    assert_eq!(row.record.proof, Proof::Adopted);
}

/// It would be lost with this program, and until then be taken for proven.
#[test]
fn an_adoption_that_cannot_be_written_is_none() {
    let newer = "{\"version\":99,\"rows\":[]}";
    let machine = Machine::with(&[unproven("a")]);
    fs::write(machine.file("ledger.json"), newer).expect("it is written");
    let error = adopt_after(&machine, |_| {}).expect_err("a newer ledger");
    assert!(
        matches!(error, AdoptError::NewerLedger { version: 99 }),
        "{error}"
    );
    let left = fs::read_to_string(machine.file("ledger.json")).expect("the ledger");
    assert_eq!(left, newer);

    let machine = Machine::with(&[unproven("a")]);
    // In the way of the file that is to become the ledger.
    fs::create_dir(machine.file("ledger.json.new")).expect("a directory");
    let error = adopt_after(&machine, |_| {}).expect_err("it cannot be written");
    assert!(
        matches!(error, AdoptError::Pool(Error::System(_))),
        "{error}"
    );
    assert!(
        machine.pool.examine("a", &cancel()).is_ok(),
        "it is as unproven as before"
    );
}

#[test]
fn the_refusals_of_a_process_are_told() {
    let machine = Machine::with(&[unproven("a")]);
    machine.fake.user(PID, 7, 7);
    let error = examine_error(&machine, "a");
    let AdoptError::Forbidden { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(source, Forbidden::OtherUser { pid: PID, .. }));
}
