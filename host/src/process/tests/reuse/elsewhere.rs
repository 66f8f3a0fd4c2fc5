//! A worker in another pid namespace that shares the pool's directory, as in a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::born::birth;
use super::nursery::{Nursery, Report};
use super::offspring::Manners;
use crate::process::tests::support::{ask, assert_finding};
use crate::process::time::text;
use crate::process::{Claim, LinuxProcesses, Processes, Proof, Record, Standing, Strength};
use crate::{Cancel, Policy, PoolBuilder, Request, Stop};

/// A pid that nobody has here: the suite is far from having started so many processes.
const NOBODY: i32 = 32_000;

/// What a program over there claims: nothing in it tells that it is from there.
fn claim(pid: i32, sock: &Path) -> Claim {
    Claim {
        sid: "w".into(),
        pid: pid.try_into().expect("positive"),
        created_at: text(SystemTime::now()),
        sock: sock.to_str().expect("UTF-8").into(),
    }
}

fn request(directory: &Path, request: Request) -> Value {
    let pool = PoolBuilder::new(directory).build(Policy::shipped().expect("the shipped policy"));
    let answer = pool.call(request, &Cancel::new().expect("an eventfd"));
    answer.expect("an answer").value()
}

#[test]
fn a_worker_in_another_pid_namespace_is_kept_while_its_socket_answers() {
    super::rounds();
    let root = tempfile::tempdir().expect("a directory");
    let sock = root.path().join("w.sock");
    let mut nursery = Nursery::open();
    let namesake = birth(&mut nursery, Manners::Counting, None).pid;

    for pid in [NOBODY, namesake] {
        let keeper = nursery.worker_elsewhere(pid, &sock);
        let claim = claim(pid, &sock);
        let finding = ask(&LinuxProcesses::new(), &claim, None, Strength::Any).finding;
        let evidence = if pid == NOBODY {
            "still answers: another process serves it"
        } else {
            "answers, but pid"
        };
        assert_finding(&finding, Standing::Foreign, evidence);

        let directory = root.path().join(pid.to_string());
        fs::create_dir(&directory).expect("a directory");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("its mode");
        let entry = json!({
            "sid": "w", "pid": pid, "sock": claim.sock, "version": "",
            "created_at": claim.created_at,
        });
        let registry = directory.join("registry.json");
        let bytes = json!({ "sessions": [entry] }).to_string();
        fs::write(&registry, &bytes).expect("the registry");
        let answer = request(&directory, Request::Ensure { dry_run: false });
        assert_eq!(answer["removed"], json!([]), "{answer}");
        let stop = Stop {
            force: true,
            ..Stop::default()
        };
        let answer = request(&directory, Request::Stop(stop));
        assert_eq!(answer["outcomes"][0]["outcome"], "refused", "{answer}");
        assert_eq!(fs::read_to_string(&registry).expect("the registry"), bytes);
        assert_eq!(nursery.report(namesake), Report::UNTOUCHED);
        nursery.release(keeper);
    }
}

/// Without a row nothing tells that the entry is from elsewhere: the documented limit.
#[test]
fn a_worker_in_another_pid_namespace_with_a_stale_socket_is_kept_by_its_row() {
    super::rounds();
    let root = tempfile::tempdir().expect("a directory");
    let sock = root.path().join("w.sock");
    let mut nursery = Nursery::open();
    let namesake = birth(&mut nursery, Manners::Counting, None).pid;
    let keeper = nursery.worker_elsewhere(NOBODY, &sock);
    nursery.release(keeper);

    let processes = LinuxProcesses::new();
    let identified = processes.identify(namesake.try_into().expect("positive"));
    let mut identity = identified.expect("it runs").process.identity().clone();
    identity.place.pid_namespace += 1;
    let row = Record {
        identity,
        proof: Proof::Registered,
    };
    for pid in [NOBODY, namesake] {
        let claim = claim(pid, &sock);
        let finding = ask(&processes, &claim, Some(&row), Strength::Any).finding;
        assert_finding(&finding, Standing::Foreign, "runs in pid namespace");
        let finding = ask(&processes, &claim, None, Strength::Any).finding;
        let standing = if pid == NOBODY {
            Standing::Gone
        } else {
            Standing::Unproven
        };
        assert_eq!(finding.standing, standing, "{finding:?}");
    }
    assert_eq!(nursery.report(namesake), Report::UNTOUCHED);
}
