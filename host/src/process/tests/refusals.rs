//! A system that does not answer: nothing is alive, and nothing is dead.

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::Call;
use crate::process::{IdentifyError, Processes, Standing, Strength};

#[test]
fn without_pidfds_nothing_is_known() {
    let fake = machine();
    fake.refuse(Call::OpenPidfd, Errno::ENOSYS);
    let inspection = inspect(&fake, &claim(), Some(&record()), Strength::Any);
    assert_finding(
        &inspection.finding,
        Standing::Unknown,
        "pidfd_open(2) is refused",
    );
    assert_finding(
        &inspection.finding,
        Standing::Unknown,
        "no signal can be sent",
    );
    assert!(matches!(
        processes(&fake).identify(PID),
        Err(IdentifyError::Unsupported { pid: PID })
    ));
}

#[test]
fn a_lack_of_anything_is_not_death() {
    for error in [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOMEM,
        Errno::EPERM,
        Errno::ENODEV,
    ] {
        for call in [Call::OpenPidfd, Call::PidfsInode, Call::Poll] {
            let fake = machine();
            fake.refuse(call, error);
            for record in [None, Some(record())] {
                let inspection = inspect(&fake, &claim(), record.as_ref(), Strength::Any);
                let number = format!("(os error {})", error as i32);
                assert_finding(&inspection.finding, Standing::Unknown, &number);
            }
            assert!(matches!(
                processes(&fake).identify(PID),
                Err(IdentifyError::Unobservable {
                    pid: PID,
                    source: Some(_),
                    ..
                })
            ));
        }
    }
}

#[test]
fn a_hidden_process_is_unknown() {
    // `hidepid=invisible` gives ENOENT, `hidepid=noaccess` gives EACCES.
    for error in [Errno::ENOENT, Errno::EACCES] {
        let fake = machine();
        fake.deny("/proc/4711/stat", error);
        for record in [None, Some(record())] {
            let inspection = inspect(&fake, &claim(), record.as_ref(), Strength::Any);
            let evidence = "pid 4711 runs, but /proc/4711/stat cannot be read";
            assert_finding(&inspection.finding, Standing::Unknown, evidence);
        }
        let error = processes(&fake).identify(PID).expect_err("hidden");
        let text = "the process with pid 4711 cannot be observed: /proc/4711/stat";
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_stat_that_makes_no_sense_is_unknown() {
    let fake = machine();
    fake.file("/proc/4711/stat", "4711 worker");
    assert_finding(&find(&fake, &claim()), Standing::Unknown, "not understood");
}

#[test]
fn a_proc_of_another_namespace_says_nothing() {
    let fake = machine();
    fake.link("/proc/self", "31337");
    let evidence = "/proc belongs to another pid namespace: /proc/self is \"31337\" there, and \
                    this process is 100";
    assert_finding(&find(&fake, &claim()), Standing::Unknown, evidence);
    assert!(matches!(
        processes(&fake).identify(PID),
        Err(IdentifyError::Unobservable {
            pid: PID,
            source: None,
            ..
        })
    ));

    // A thread there need not be one here.
    fake.refuse(Call::OpenPidfd, Errno::EINVAL);
    fake.file("/proc/4711/status", "Tgid:\t4700\n");
    assert_finding(&find(&fake, &claim()), Standing::Unknown, "pidfd_open(2)");

    // What needs no /proc is still told.
    fake.refuse(Call::OpenPidfd, Errno::ESRCH);
    assert_finding(
        &find(&fake, &claim()),
        Standing::Gone,
        "no process has pid 4711",
    );
}

#[test]
fn without_proc_nothing_is_known() {
    for path in [
        "/proc/self",
        "/proc/self/ns/pid",
        "/proc/sys/kernel/random/boot_id",
    ] {
        let fake = machine();
        fake.deny(path, Errno::ENOENT);
        for record in [None, Some(record())] {
            let inspection = inspect(&fake, &claim(), record.as_ref(), Strength::Any);
            assert_finding(&inspection.finding, Standing::Unknown, path);
        }
        assert!(processes(&fake).identify(PID).is_err());
    }
    let fake = machine();
    fake.file("/proc/sys/kernel/random/boot_id", "\n");
    assert_finding(
        &find(&fake, &claim()),
        Standing::Unknown,
        "not what it should hold",
    );
    fake.file("/proc/sys/kernel/random/boot_id", "b\n");
    fake.link("/proc/self/ns/pid", "net:[1]");
    assert_finding(
        &find(&fake, &claim()),
        Standing::Unknown,
        "not what it should hold",
    );
}
