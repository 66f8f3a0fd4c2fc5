//! Which process groups are signalled.

use std::sync::Arc;

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::{FakeKernel, OWN_PID, OWN_UID, PARENT};
use crate::process::{Forbidden, Process, Processes, Strength};

/// A member of the worker's group.
const MEMBER: u32 = 4712;

/// A machine where the worker leads a group of two.
fn led() -> (Arc<FakeKernel>, Arc<dyn Process>) {
    let fake = machine();
    fake.run(MEMBER, START, PID);
    for pid in [PID, MEMBER] {
        fake.join(pid, PID);
    }
    let process = processes(&fake).identify(PID).expect("it runs").process;
    (fake, process)
}

#[test]
fn a_group_of_its_own_may_be_signalled() {
    let (_fake, process) = led();
    assert_eq!(process.forbidden_group(), None);
}

#[test]
fn who_leads_none_has_none() {
    let (fake, process) = led();
    fake.join(PID, MEMBER);
    let (pid, group) = (PID, MEMBER);
    let expected = Forbidden::NoGroupLeader { pid, group };
    assert_eq!(process.forbidden_group(), Some(expected));
}

#[test]
fn neither_this_program_nor_its_ancestors_are_in_it() {
    for member in [OWN_PID, PARENT, 1] {
        let (fake, process) = led();
        fake.join(member, PID);
        let expected = Forbidden::InGroup { pid: PID, member };
        assert_eq!(process.forbidden_group(), Some(expected));
    }
}

#[test]
fn an_ancestor_that_is_hidden_is_not_ruled_out() {
    let (fake, process) = led();
    fake.deny(&format!("/proc/{PARENT}/stat"), Errno::EACCES);
    let found = process.forbidden_group();
    assert!(
        matches!(found, Some(Forbidden::Unclear { .. })),
        "{found:?}"
    );
}

/// A session that began after the worker, below a process of root's that is hidden.
#[test]
fn a_hidden_ancestor_is_ruled_out_by_its_group_and_the_members_that_are_seen() {
    let (fake, process) = led();
    let (ours, theirs) = (PID.to_string(), MEMBER.to_string());
    fake.directory("/proc", &["self", &ours, &theirs]);
    fake.children(PID, &[MEMBER]);
    fake.children(MEMBER, &[]);
    for pid in [1, PARENT] {
        fake.hide_process(pid, Errno::ENOENT);
    }
    assert_eq!(process.forbidden_group(), None);
    // A member that started what is hidden.
    fake.children(MEMBER, &[PARENT]);
    let in_group = |member| Some(Forbidden::InGroup { pid: PID, member });
    assert_eq!(process.forbidden_group(), in_group(PID));
    // The one that is hidden.
    let (fake, process) = led();
    fake.join(PARENT, PID);
    fake.hide_process(PARENT, Errno::ENOENT);
    assert_eq!(process.forbidden_group(), in_group(PARENT));
}

#[test]
fn roots_worker_and_its_group_may_have_changed_their_user() {
    let (fake, _) = led();
    fake.become_root();
    let (ours, theirs) = (PID.to_string(), MEMBER.to_string());
    fake.directory("/proc", &["self", &ours, &theirs]);
    for pid in [PID, MEMBER] {
        fake.user(pid, 1001, 1001);
    }
    let found = || {
        let inspection = inspect(&fake, &claim(), Some(&record()), Strength::Any);
        inspection.process.expect("it is alive").forbidden_group()
    };
    assert_eq!(found(), None);
    fake.user(MEMBER, 1002, 1002);
    let stranger = matches!(found(), Some(Forbidden::OtherUser { pid: MEMBER, .. }));
    assert!(stranger, "{:?}", found());
}

#[test]
fn root_looks_for_other_users_in_it() {
    let (fake, process) = led();
    fake.become_root();
    fake.directory(
        "/proc",
        &["self", "1", &PID.to_string(), &MEMBER.to_string()],
    );
    for pid in [1, PID, MEMBER] {
        fake.user(pid, 0, 0);
    }
    assert_eq!(process.forbidden_group(), None);
    fake.user(MEMBER, OWN_UID, OWN_UID);
    let found = process.forbidden_group();
    let expected = matches!(found, Some(Forbidden::OtherUser { pid: MEMBER, .. }));
    assert!(expected, "{found:?}");
    // Elsewhere, another user's process is nobody's concern.
    fake.join(MEMBER, MEMBER);
    assert_eq!(process.forbidden_group(), None);
}

#[test]
fn a_leader_that_has_ended_is_not_held_against_its_group() {
    let (fake, process) = led();
    fake.end(PID);
    assert_eq!(process.forbidden_group(), None);
}
