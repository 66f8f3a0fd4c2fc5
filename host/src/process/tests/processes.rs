//! Signals to verified processes, and whom they never reach.

use std::sync::Arc;

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::{Call, FakeKernel, OWN_PID, OWN_UID, PARENT};
use crate::process::{
    Claim, Forbidden, Process, Processes, Proof, Record, SendError, Signal, Strength,
};

fn process(fake: &Arc<FakeKernel>, pid: u32) -> Arc<dyn Process> {
    processes(fake).identify(pid).expect("it runs").process
}

#[test]
fn a_signal_reaches_its_process() {
    let fake = machine();
    let process = process(&fake, PID);
    for signal in Signal::ALL {
        process.send(signal).expect("it runs");
    }
    let expected: Vec<_> = Signal::ALL
        .into_iter()
        .map(|signal| (PID, signal))
        .collect();
    assert_eq!(fake.sent(), expected);
}

#[test]
fn the_ended_get_no_signal_zombies_included() {
    for end in [FakeKernel::end, FakeKernel::reap] {
        let fake = machine();
        let process = process(&fake, PID);
        assert!(!process.has_ended().expect("poll"));
        end(&fake, PID);
        assert!(process.has_ended().expect("poll"));
        // The pid's next owner is none of this process's business.
        fake.run_with_inode(PID, START + 100, 1, 9);
        assert!(matches!(process.send(Signal::Term), Err(SendError::Ended)));
        assert_eq!(fake.calls(Call::SendSignal), 0);
    }
}

#[test]
fn a_process_that_ends_just_then_has_ended() {
    let fake = machine();
    let process = process(&fake, PID);
    fake.refuse(Call::SendSignal, Errno::ESRCH);
    assert!(matches!(process.send(Signal::Kill), Err(SendError::Ended)));
}

#[test]
fn a_refused_signal_is_an_error_and_not_an_end() {
    let fake = machine();
    let process = process(&fake, PID);
    for error in [Errno::EPERM, Errno::ENOSYS] {
        fake.refuse(Call::SendSignal, error);
        let Err(SendError::System(source)) = process.send(Signal::Term) else {
            panic!("a refused signal is an error");
        };
        assert_eq!(source.raw_os_error(), Some(error as i32));
    }
    fake.refuse(Call::Poll, Errno::ENOMEM);
    assert!(matches!(
        process.send(Signal::Term),
        Err(SendError::System(_))
    ));
    assert_eq!(fake.sent(), []);
}

#[test]
fn nothing_forbids_an_own_worker() {
    let fake = machine();
    assert_eq!(process(&fake, PID).forbidden(), None);
    // Nor one that is a child of this program, or its sibling.
    fake.run(200, 700_000, OWN_PID);
    assert_eq!(process(&fake, 200).forbidden(), None);
    fake.run(201, 6_000, PARENT);
    assert_eq!(process(&fake, 201).forbidden(), None);
}

#[test]
fn this_program_and_its_ancestors_are_forbidden() {
    let fake = machine();
    assert_eq!(
        process(&fake, OWN_PID).forbidden(),
        Some(Forbidden::Itself { pid: OWN_PID })
    );
    assert_eq!(
        process(&fake, PARENT).forbidden(),
        Some(Forbidden::Ancestor { pid: PARENT })
    );
    fake.run(40, 4_000, 1);
    fake.run(PARENT, 5_000, 40);
    assert_eq!(
        process(&fake, 40).forbidden(),
        Some(Forbidden::Ancestor { pid: 40 })
    );
}

/// It is never proven either, so that nobody can ask for it through a process.
#[test]
fn the_init_process_is_forbidden_by_its_pid_alone() {
    let forbidden = crate::process::forbidden::forbidden;
    let found = forbidden(&*machine(), 1, 1, true);
    assert_eq!(found, Some(Forbidden::Init));
}

#[test]
fn another_users_process_is_forbidden() {
    let fake = machine();
    let process = process(&fake, PID);
    for (real, effective) in [(0, OWN_UID), (OWN_UID, 0), (1001, 1001)] {
        fake.user(PID, real, effective);
        let expected = Forbidden::OtherUser {
            pid: PID,
            real,
            effective,
            own: OWN_UID,
        };
        assert_eq!(process.forbidden(), Some(expected));
    }
}

#[test]
fn what_cannot_be_told_is_forbidden() {
    let fake = machine();
    let process = process(&fake, PID);
    fake.file("/proc/4711/status", "Name:\tworker\n");
    assert!(matches!(
        process.forbidden(),
        Some(Forbidden::Unclear { pid: PID, .. })
    ));
    fake.deny("/proc/4711/status", Errno::EACCES);
    assert!(matches!(
        process.forbidden(),
        Some(Forbidden::Unclear { pid: PID, .. })
    ));
    fake.user(PID, OWN_UID, OWN_UID);
    fake.deny("/proc/self/stat", Errno::EACCES);
    assert!(matches!(
        process.forbidden(),
        Some(Forbidden::Unclear { pid: PID, .. })
    ));
}

#[test]
fn a_hidden_ancestor_forbids_only_what_may_be_above_it() {
    let fake = machine();
    fake.run(40, 4_000, 1);
    let (younger, older) = (process(&fake, PID), process(&fake, 40));
    fake.deny("/proc/50/stat", Errno::ENOENT);
    assert!(matches!(
        older.forbidden(),
        Some(Forbidden::Unclear { pid: 40, .. })
    ));
    // This worker started at 360000, this program at 600000, its parent out of sight.
    assert!(matches!(
        younger.forbidden(),
        Some(Forbidden::Unclear { pid: PID, .. })
    ));
    fake.run(300, 700_000, 1);
    assert_eq!(process(&fake, 300).forbidden(), None);
    fake.deny("/proc/50/stat", Errno::EACCES);
    fake.file(
        "/proc/50/stat",
        "50 (sh) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5000 0\n",
    );
    fake.deny("/proc/1/stat", Errno::ENOENT);
    assert_eq!(younger.forbidden(), None);
}

/// The worker, and this program in a session that began later: a shell below a process of
/// root's, which is hidden as everything above it.
fn behind_hidepid(error: Errno) -> (Arc<FakeKernel>, Arc<dyn Process>) {
    let fake = machine();
    fake.run(60, 500_000, PARENT);
    fake.run(70, 550_000, 60);
    fake.file(
        "/proc/self/stat",
        "100 (worker) S 70 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 600000 0\n",
    );
    fake.children(PID, &[4712]);
    fake.run(4712, START + 1, PID);
    fake.children(4712, &[]);
    let process = process(&fake, PID);
    for pid in [1, PARENT, 60] {
        fake.hide_process(pid, error);
    }
    (fake, process)
}

#[test]
fn a_worker_may_be_signalled_whose_descendants_show_that_it_is_no_hidden_ancestor() {
    // `hidepid=invisible`, and `hidepid=noaccess`.
    for error in [Errno::ENOENT, Errno::EPERM] {
        let (_fake, process) = behind_hidepid(error);
        assert_eq!(process.forbidden(), None, "{error}");
    }
}

/// As a worker that runs `sudo -u` the same user, and that runs this program.
#[test]
fn an_ancestor_above_a_hidden_process_is_forbidden() {
    let (fake, process) = behind_hidepid(Errno::ENOENT);
    fake.children(4712, &[60]);
    let expected = Some(Forbidden::Ancestor { pid: PID });
    assert_eq!(process.forbidden(), expected);
    // The hidden one is the parent itself.
    fake.children(PID, &[4712, 60]);
    assert_eq!(process.forbidden(), expected);
}

#[test]
fn what_hidden_children_start_is_not_ruled_out() {
    let (fake, process) = behind_hidepid(Errno::ENOENT);
    for path in [
        // A hidden child of the worker, which may be above the hidden parent.
        "/proc/4712/task",
        // A kernel that does not list children.
        "/proc/4712/task/4712/children",
        "/proc/4711/task",
    ] {
        fake.children(4712, &[]);
        fake.children(PID, &[4712]);
        fake.deny(path, Errno::ENOENT);
        let found = process.forbidden();
        let unclear = matches!(found, Some(Forbidden::Unclear { pid: PID, .. }));
        assert!(unclear, "{path}: {found:?}");
    }
}

#[test]
fn nothing_is_above_the_init_process() {
    let fake = machine();
    let process = process(&fake, PID);
    fake.hide_process(1, Errno::ENOENT);
    fake.file(
        "/proc/self/stat",
        "100 (worker) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 600000 0\n",
    );
    assert_eq!(process.forbidden(), None);
}

/// What the ledger's row makes of the worker, where root asks.
fn judged_by_root(fake: &Arc<FakeKernel>, record: &Record) -> Option<Forbidden> {
    fake.become_root();
    let inspection = inspect(fake, &claim(), Some(record), Strength::Any);
    inspection.process.expect("it is alive").forbidden()
}

#[test]
fn roots_own_worker_may_have_changed_its_user() {
    for proof in [Proof::Registered, Proof::Adopted] {
        let fake = machine();
        fake.user(PID, 1001, 1001);
        let record = Record { proof, ..record() };
        assert_eq!(judged_by_root(&fake, &record), None, "{proof:?}");
    }
}

#[test]
fn another_users_process_that_nobody_named_is_forbidden_to_root_too() {
    let refused = |fake: &Arc<FakeKernel>, record: &Record| {
        let found = judged_by_root(fake, record);
        let is_other = matches!(
            found,
            Some(Forbidden::OtherUser {
                pid: PID,
                own: 0,
                ..
            })
        );
        assert!(is_other, "{record:?}: {found:?}");
    };
    let fake = machine();
    fake.user(PID, 1001, 1001);
    // These rows were learned from what the registry says.
    for proof in [Proof::Time, Proof::Socket] {
        refused(&fake, &Record { proof, ..record() });
    }
    // Without pidfs the row may be another process's of the same tick.
    fake.without_pidfs();
    let mut record = record();
    record.identity.inode = None;
    refused(&fake, &record);
}

#[test]
fn an_ordinary_users_worker_that_changed_its_user_is_forbidden() {
    let fake = machine();
    fake.user(PID, 0, 0);
    let inspection = inspect(&fake, &claim(), Some(&record()), Strength::Any);
    let found = inspection.process.expect("it is alive").forbidden();
    assert!(
        matches!(found, Some(Forbidden::OtherUser { .. })),
        "{found:?}"
    );
}

#[test]
fn an_ancestor_of_roots_is_forbidden_though_somebody_named_it() {
    let fake = machine();
    fake.run(40, 4_000, 1);
    fake.run(PARENT, 5_000, 40);
    fake.user(40, 1001, 1001);
    fake.become_root();
    let claim = Claim { pid: 40, ..claim() };
    let mut record = record();
    record.identity.inode = Some(1040);
    record.identity.start_ticks = 4_000;
    let inspection = inspect(&fake, &claim, Some(&record), Strength::Any);
    let found = inspection.process.expect("it is alive").forbidden();
    assert_eq!(found, Some(Forbidden::Ancestor { pid: 40 }));
}

#[test]
fn an_ended_process_is_not_judged_by_its_pids_next_owner() {
    let fake = machine();
    let process = process(&fake, PID);
    fake.reap(PID);
    fake.user(PID, 0, 0);
    assert_eq!(process.forbidden(), None);
    assert!(matches!(process.send(Signal::Term), Err(SendError::Ended)));
}

#[test]
fn reasons_are_told_in_words() {
    let forbidden = Forbidden::OtherUser {
        pid: 7,
        real: 1,
        effective: 2,
        own: 0,
    };
    assert_eq!(
        forbidden.to_string(),
        "pid 7 belongs to another user: its real and effective user ids are 1 and 2, and this \
         program's is 0"
    );
}
