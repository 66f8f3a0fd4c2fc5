//! Pids that are impossible, belong to nobody, or to no worker.

use nix::errno::Errno;

use super::support::*;
use crate::process::fake::{Call, FakeKernel, OWN_PID};
use crate::process::kernel::FileKind;
use crate::process::{Claim, IdentifyError, Processes, Standing, Strength};

#[test]
fn impossible_pids_are_gone_and_never_reach_the_kernel() {
    let fake = machine();
    for pid in [0, 1 << 31, u32::MAX] {
        let finding = find(&fake, &Claim { pid, ..claim() });
        assert_finding(
            &finding,
            Standing::Gone,
            &format!("{pid} is an impossible pid"),
        );
        assert!(matches!(
            processes(&fake).identify(pid),
            Err(IdentifyError::Impossible { pid: named }) if named == pid
        ));
    }
    assert_eq!(fake.calls(Call::OpenPidfd), 0);
}

#[test]
fn an_impossible_pid_whose_socket_answers_is_foreign() {
    let fake = machine();
    fake.socket(SOCK, FileKind::Socket, Ok(()));
    let finding = find(
        &fake,
        &Claim {
            pid: 0,
            ..claim_with_sock()
        },
    );
    assert_finding(&finding, Standing::Foreign, "0 is an impossible pid");
    assert_finding(
        &finding,
        Standing::Foreign,
        "but the socket /run/pool/w.sock still answers",
    );
}

#[test]
fn pid_1_is_unproven_and_cannot_be_identified() {
    let fake = machine();
    let finding = find(&fake, &Claim { pid: 1, ..claim() });
    assert_finding(&finding, Standing::Unproven, "pid 1 is the init process");
    let error = processes(&fake).identify(1).expect_err("pid 1");
    assert_eq!(
        error.to_string(),
        "pid 1 can be no worker's: give a pid from 2 to 2147483647"
    );
    assert_eq!(fake.calls(Call::OpenPidfd), 0);
}

#[test]
fn nobody_has_the_pid() {
    let fake = machine();
    fake.reap(PID);
    assert_finding(
        &find(&fake, &claim()),
        Standing::Gone,
        "no process has pid 4711",
    );
    assert!(matches!(
        processes(&fake).identify(PID),
        Err(IdentifyError::NoSuchProcess { pid: PID })
    ));
}

#[test]
fn a_thread_is_no_process() {
    for error in [Errno::EINVAL, Errno::ENOENT] {
        let fake = machine();
        fake.refuse(Call::OpenPidfd, error);
        fake.file("/proc/4711/status", "Name:\tx\nTgid:\t4700\n");
        let finding = find(&fake, &claim());
        assert_finding(
            &finding,
            Standing::Gone,
            "pid 4711 is a thread of process 4700",
        );
        assert!(matches!(
            processes(&fake).identify(PID),
            Err(IdentifyError::Thread {
                pid: PID,
                process: 4700
            })
        ));
    }
}

#[test]
fn a_refusal_that_no_thread_explains_is_not_death() {
    for error in [Errno::EINVAL, Errno::ENOENT] {
        let fake = machine();
        fake.refuse(Call::OpenPidfd, error);
        assert_finding(&find(&fake, &claim()), Standing::Unknown, "pidfd_open(2)");
        fake.deny("/proc/4711/status", Errno::EACCES);
        assert_finding(&find(&fake, &claim()), Standing::Unknown, "pidfd_open(2)");
    }
}

#[test]
fn a_zombie_has_exited() {
    let fake = machine();
    fake.end(PID);
    let finding = find(&fake, &claim());
    assert_finding(
        &finding,
        Standing::Exited,
        "pid 4711 has terminated and waits for its parent, pid 77, to reap it",
    );
    assert!(matches!(
        processes(&fake).identify(PID),
        Err(IdentifyError::Exited { pid: PID })
    ));
}

#[test]
fn a_zombie_first_thread_is_not_death() {
    let fake = machine();
    let text = "4711 (worker) Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 360000 0\n";
    fake.file("/proc/4711/stat", text);
    assert_finding(&find(&fake, &claim()), Standing::Alive, "time");
}

#[test]
fn a_process_that_ends_while_it_is_read_is_gone() {
    for path in ["/proc/4711/stat", "/proc/4711/net/unix"] {
        let fake = machine();
        fake.listen(PID, SOCK);
        fake.socket(SOCK, FileKind::Socket, Err(Errno::ECONNREFUSED));
        fake.race(path, PID);
        let finding = find(&fake, &claim_with_sock());
        assert_finding(
            &finding,
            Standing::Gone,
            "the process with pid 4711 has ended",
        );
    }
    // Not even by a row that agrees with all that was read.
    let fake = machine();
    fake.race("/proc/4711/stat", PID);
    let finding = inspect(&fake, &claim(), Some(&record()), Strength::Strong).finding;
    assert_finding(
        &finding,
        Standing::Gone,
        "the process with pid 4711 has ended",
    );
    let fake = machine();
    fake.race("/proc/4711/stat", PID);
    assert!(matches!(
        processes(&fake).identify(PID),
        Err(IdentifyError::Exited { pid: PID })
    ));
}

#[test]
fn identify_tells_who_it_is() {
    let fake = machine();
    let identified = processes(&fake).identify(PID).expect("it runs");
    assert_eq!(identified.process.identity(), &record().identity);
    assert_eq!(identified.process.pid(), PID);
    assert_eq!(identified.command, ["worker", "--pool"]);
    assert_eq!(
        crate::process::time::text(identified.started),
        "2026-11-23T11:00:00Z"
    );
}

#[test]
fn the_program_itself_can_be_a_claim() {
    let fake = std::sync::Arc::new(FakeKernel::new());
    let claim = Claim {
        pid: OWN_PID,
        created_at: "2026-11-23T11:59:00Z".into(),
        ..claim()
    };
    assert_finding(&find(&fake, &claim), Standing::Alive, "time");
}
