//! Processes that are let go and found again.

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::Call;
use crate::process::{Processes, SendError, Signal};

#[test]
fn a_parked_process_is_found_again() {
    let fake = machine();
    let process = processes(&fake).identify(PID).expect("it runs").process;
    let parked = process.park().expect("a kernel with pidfs");
    drop(process);
    let process = parked.reopen().expect("it still runs");
    process.send(Signal::Term).expect("it is signalled");
    assert_eq!(fake.sent(), [(PID, Signal::Term)]);
}

#[test]
fn another_process_under_its_pid_is_not_it() {
    let fake = machine();
    let process = processes(&fake).identify(PID).expect("it runs").process;
    let parked = process.park().expect("a kernel with pidfs");
    fake.reap(PID);
    assert!(matches!(parked.reopen(), Err(SendError::Ended)));
    // Started in the same clock tick, even.
    fake.run_with_inode(PID, START, 1, 99);
    assert!(matches!(parked.reopen(), Err(SendError::Ended)));
}

#[test]
fn a_parked_process_that_is_a_zombie_has_ended() {
    let fake = machine();
    let process = processes(&fake).identify(PID).expect("it runs").process;
    let parked = process.park().expect("a kernel with pidfs");
    fake.end(PID);
    assert!(matches!(parked.reopen(), Err(SendError::Ended)));
}

#[test]
fn a_lack_of_descriptors_is_not_its_end() {
    let fake = machine();
    let process = processes(&fake).identify(PID).expect("it runs").process;
    let parked = process.park().expect("a kernel with pidfs");
    fake.refuse(Call::OpenPidfd, Errno::EMFILE);
    assert!(matches!(parked.reopen(), Err(SendError::System(_))));
}

#[test]
fn without_pidfs_nobody_is_parked() {
    let fake = machine();
    fake.without_pidfs();
    let process = processes(&fake).identify(PID).expect("it runs").process;
    assert!(process.park().is_none());
}
