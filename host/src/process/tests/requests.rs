//! Whole requests, through the shipped policy, over the fake kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::*;
use crate::error::Fault;
use crate::process::fake::FakeKernel;
use crate::process::kernel::{FileKind, Kernel};
use crate::process::{Claim, LinuxProcesses, Signal};
use crate::{Cancel, Error, Limits, Policy, PoolBuilder, Request, Stop};

/// The answer to a request on a pool with these entries, and the sids of those that are
/// still there.
fn ask_pool(
    fake: &Arc<FakeKernel>,
    capacity: usize,
    claims: &[Claim],
    request: Request,
) -> (Value, Value) {
    let directory = pool_of(claims);
    let registry = directory.path().join("registry.json");
    let kernel = fake.clone() as Arc<dyn Kernel>;
    let pool = PoolBuilder::new(directory.path())
        .processes(Arc::new(LinuxProcesses::with_kernel(kernel, capacity)))
        .build(Policy::shipped().expect("the shipped policy"));
    let answer = pool.call(request, &Cancel::new().expect("an eventfd"));
    let answer = answer.expect("an answer").value();
    let left: Value = serde_json::from_slice(&fs::read(&registry).expect("the registry"))
        .expect("the registry is whole");
    let left = left["sessions"].as_array().expect("sessions").iter();
    (answer, left.map(|entry| entry["sid"].clone()).collect())
}

/// A pool's directory, with a registry of these entries.
fn pool_of(claims: &[Claim]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = directory.path().join("registry.json");
    let entry = |claim: &Claim| {
        json!({
            "sid": claim.sid, "pid": claim.pid, "sock": claim.sock, "version": "",
            "created_at": claim.created_at,
        })
    };
    let entries: Vec<_> = claims.iter().map(entry).collect();
    fs::write(&registry, json!({ "sessions": entries }).to_string()).expect("the registry");
    fs::set_permissions(&registry, fs::Permissions::from_mode(0o600)).expect("its mode");
    directory
}

fn stop(group: bool) -> Request {
    Request::Stop(Stop {
        group,
        grace: Duration::ZERO,
        ..Stop::default()
    })
}

/// The file that is read between the proof and the signal.
const LAST_LOOK: &str = "/proc/4711/status";

#[test]
fn who_ends_between_proof_and_signal_gets_none_and_its_entry_goes() {
    for group in [false, true] {
        let fake = machine();
        fake.race(LAST_LOOK, PID);
        let (answer, left) = ask_pool(&fake, 100, &[claim_with_sock()], stop(group));
        assert_eq!(answer["stopped"], json!(["w"]), "{answer}");
        assert_eq!(answer["outcomes"][0]["outcome"], "already-dead");
        assert_eq!(left, json!([]));
        assert_eq!(fake.sent(), []);
    }
}

#[test]
fn who_ends_between_proof_and_signal_while_its_socket_answers_keeps_its_entry() {
    for group in [false, true] {
        let fake = machine();
        fake.listen(PID, SOCK);
        fake.socket(SOCK, FileKind::Socket, Ok(()));
        fake.race(LAST_LOOK, PID);
        let (answer, left) = ask_pool(&fake, 100, &[claim_with_sock()], stop(group));
        assert_eq!(answer["stopped"], json!([]), "{answer}");
        assert_eq!(answer["outcomes"][0]["outcome"], "refused");
        let error = answer["errors"][0].as_str().expect("an error");
        assert!(error.contains("still answers"), "{error}");
        assert_eq!(left, json!(["w"]));
        assert_eq!(fake.sent(), []);
    }
}

/// There are descriptors for one process, so the other is found again for its signal.
#[test]
fn who_ends_while_it_is_parked_gets_no_signal_and_its_entry_goes() {
    let first = Claim {
        sid: "v".into(),
        pid: PID - 1,
        ..claim()
    };
    let fake = machine();
    fake.run(first.pid, START, 1);
    fake.race("/proc/4710/status", PID);
    let (answer, left) = ask_pool(&fake, 2, &[first.clone(), claim()], stop(false));
    assert_eq!(answer["errors"], json!([]), "{answer}");
    assert_eq!(answer["outcomes"][1]["outcome"], "already-dead");
    assert_eq!(left, json!(["v"]));
    let signals = [Signal::Term, Signal::Cont].map(|signal| (first.pid, signal));
    assert_eq!(fake.sent(), signals);
}

/// A pool of odd entries of one kind, and the machine that they name.
type Odd = fn(&FakeKernel, u32) -> Claim;

/// Asks about 2,000 odd entries, and says how that ended and whether the lock is free.
fn ask_about_odd(odd: Odd, limits: Limits, cancel: &Cancel, after: usize) -> (Error, FakeKernel) {
    let fake = Arc::new(FakeKernel::new());
    fake.run(PID, START, 1);
    let claims: Vec<_> = (0..2000).map(|index| odd(&fake, index)).collect();
    let directory = pool_of(&claims);
    let kernel = fake.clone() as Arc<dyn Kernel>;
    let pool = PoolBuilder::new(directory.path())
        .processes(Arc::new(LinuxProcesses::with_kernel(kernel, 100)))
        .limits(limits)
        .build(Policy::shipped().expect("the shipped policy"));
    fake.withdraw_after(after, cancel);
    let error = pool.call(Request::Status { sid: None }, cancel);
    let error = error.expect_err("it is given up");
    let lock = fs::File::open(directory.path().join("registry.lock")).expect("the lock");
    fs2::FileExt::try_lock_exclusive(&lock).expect("nobody holds it");
    drop(pool);
    (error, Arc::into_inner(fake).expect("the pool is gone"))
}

const ODD: [Odd; 4] = [
    // Dead.
    |_, index| Claim {
        sid: index.to_string(),
        pid: 10_000 + index,
        ..claim()
    },
    // The same claim at another time.
    |_, index| claim_from(&format!("2026-11-23T11:00:00.{index:04}Z")),
    // Its socket is served by somebody else.
    |fake, index| {
        let sock = format!("/run/pool/{index}.sock");
        fake.socket(&sock, FileKind::Socket, Ok(()));
        Claim {
            sid: index.to_string(),
            sock,
            ..claim()
        }
    },
    // One sid for all.
    |_, index| Claim {
        pid: 10_000 + index,
        ..claim()
    },
];

#[test]
fn a_withdrawn_request_lets_go_in_the_middle_of_any_registry() {
    for odd in ODD {
        let cancel = Cancel::new().expect("an eventfd");
        let (error, fake) = ask_about_odd(odd, Limits::default(), &cancel, 1500);
        assert!(matches!(error, Error::Cancelled), "{error}");
        let since = fake.calls_since_withdrawal().expect("it was withdrawn");
        assert!(since < 30, "{since} system calls after it was withdrawn");
    }
}

#[test]
fn a_request_that_takes_too_long_lets_go_in_the_middle_of_any_registry() {
    for odd in ODD {
        let cancel = Cancel::new().expect("an eventfd");
        let limits = Limits {
            host_cpu: Duration::from_millis(1),
            ..Limits::default()
        };
        let (error, fake) = ask_about_odd(odd, limits, &cancel, usize::MAX);
        assert!(matches!(error, Error::Policy(Fault::HostCpu(_))), "{error}");
        assert!(fake.all_calls() < 2000, "{} system calls", fake.all_calls());
    }
}
