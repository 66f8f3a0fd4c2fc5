//! Signals to verified processes, and whom they never reach.

use std::sync::Arc;

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::{Call, FakeKernel, OWN_PID, OWN_UID, PARENT};
use crate::process::{Forbidden, Process, Processes, SendError, Signal};

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
    assert_eq!(forbidden(&*machine(), 1, 1), Some(Forbidden::Init));
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
