//! What a sandbox refuses the program, the doctor says in the sandbox's own words.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc;
use serde_json::Value;

use crate::harness::{Ran, TestPool, Worker};

/// `BPF_*` of `linux/bpf_common.h`, and the answers of `linux/seccomp.h`.
const LOAD_NUMBER: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const ANSWER: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const FAIL: u32 = 0x0005_0000;

/// Lets the program start under a filter that refuses a system call with this error
/// (seccomp(2)).
fn refuse(command: &mut Command, call: libc::c_long, errno: i32) {
    let call = u32::try_from(call).expect("a number");
    let fail = FAIL | u32::try_from(errno).expect("a number");
    let install = move || {
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let mut steps = [
            step(LOAD_NUMBER, 0, 0, 0),
            step(JUMP_IF_EQUAL, 0, 1, call),
            step(ANSWER, 0, 0, fail),
            step(ANSWER, 0, 0, ALLOW),
        ];
        let filter = libc::sock_fprog {
            len: 4,
            filter: steps.as_mut_ptr(),
        };
        // SAFETY: the operation takes four numbers.
        let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        check(done)?;
        // SAFETY: the filter is read by the call, and lives until it returns.
        let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const filter) };
        check(done)
    };
    // SAFETY: between fork and exec it makes system calls and allocates nothing.
    unsafe { command.pre_exec(install) };
}

fn check(done: libc::c_int) -> io::Result<()> {
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[track_caller]
fn machine_problem(command: Command) -> String {
    let report = Ran::of(command).answer(1);
    let mut problems = report["problems"].as_array().expect("problems").iter();
    let found = problems.find(|problem| problem["about"] == "machine");
    found.map_or_else(|| panic!("{report:#}"), Value::to_string)
}

#[test]
fn a_filter_that_refuses_pidfds_is_named() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    for errno in [libc::ENOSYS, libc::EPERM] {
        let mut doctor = pool.command(&["doctor"]);
        refuse(&mut doctor, libc::SYS_pidfd_open, errno);
        let problem = machine_problem(doctor);
        assert!(problem.contains("seccomp filter"), "{problem}");
        assert!(problem.contains("pidfd_open"), "{problem}");
    }
    // A stop says it too.
    let mut stop = pool.command(&["stop", "a"]);
    refuse(&mut stop, libc::SYS_pidfd_open, libc::ENOSYS);
    let ran = Ran::of(stop);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("seccomp"), "{ran:?}");
    assert!(ran.stderr.contains(" doctor`"), "{ran:?}");
    assert!(worker.is_running());
}

/// As MemoryDenyWriteExecute= of a systemd unit does since version 254.
#[test]
fn a_denial_of_executable_memory_is_named() {
    const PR_SET_MDWE: libc::c_int = 65;
    let pool = TestPool::new();
    let mut doctor = pool.command(&["doctor"]);
    let deny = || {
        // SAFETY: the operation takes four numbers.
        let done = unsafe { libc::prctl(PR_SET_MDWE, 1_u64, 0_u64, 0_u64, 0_u64) };
        check(done)
    };
    // SAFETY: between fork and exec it makes one system call.
    unsafe { doctor.pre_exec(deny) };
    let problem = machine_problem(doctor);
    assert!(problem.contains("MemoryDenyWriteExecute="), "{problem}");
    assert!(problem.contains("systemctl edit"), "{problem}");
}
