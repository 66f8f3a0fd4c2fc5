//! What takes root to bring about, and leaves a user stuck: frozen workers, pid namespaces that
//! have ended, and workers of other users. From each the program's own advice leads out.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Detached, Ran, TestPool, Worker, advice, await_that, shell, walk};
use crate::pids::PidNamespace;
use nix::unistd::geteuid;

/// A user who is nobody here.
const NOBODY: u32 = 65534;

/// Says why the suite cannot run.
#[track_caller]
fn needs_root() {
    assert!(geteuid().is_root(), "run this suite as root");
}

/// A cgroup of its own, which goes with this.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one in the first of these hierarchies that can be written.
    fn of_kind(file: &str, roots: &[&str]) -> Option<Self> {
        let name = format!("poolwarden-test-{}-{}", std::process::id(), file.len());
        let path = roots.iter().map(|root| Path::new(root).join(&name));
        path.into_iter()
            .find(|path| fs::create_dir(path).is_ok() && path.join(file).exists())
            .map(Self)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("a file of the cgroup");
    }

    fn says(&self, file: &str, text: &str) -> bool {
        fs::read_to_string(self.0.join(file)).is_ok_and(|found| found.contains(text))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for (file, text) in [("cgroup.freeze", "0"), ("freezer.state", "THAWED")] {
            if self.0.join(file).exists() {
                let _ = fs::write(self.0.join(file), text);
            }
        }
        // It goes once its last process is reaped.
        await_that("the cgroup is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn a_frozen_worker_is_thawed_and_stopped() {
    needs_root();
    let second = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let kinds: [(&str, &[&str], &str, &str, &str); 2] = [
        ("cgroup.freeze", &second, "1", "cgroup.events", "frozen 1"),
        (
            "freezer.state",
            &["/sys/fs/cgroup/freezer"],
            "FROZEN",
            "freezer.state",
            "FROZEN",
        ),
    ];
    let mut tried = 0;
    for (file, roots, freeze, state, frozen) in kinds {
        let Some(cgroup) = Cgroup::of_kind(file, roots) else {
            continue;
        };
        tried += 1;
        let pool = TestPool::new();
        drop(pool.hold_lock());
        // Frozen, it cannot act on SIGTERM, which it has a handler for.
        let worker = Worker::orderly(pool.directory());
        pool.seed(&[worker.entry("a")]);
        cgroup.write("cgroup.procs", &worker.pid().to_string());
        cgroup.write(file, freeze);
        await_that("it is frozen", || cgroup.says(state, frozen));
        let report = pool.run(&["doctor"]).answer(1);
        let what = report["problems"][0]["what"].as_str().expect("words");
        assert!(what.contains("frozen by the cgroup"), "{report:#}");
        walk(&pool, &mut || pool.run(&["stop", "a", "--grace", "50ms"]));
        drop(worker);
    }
    assert!(tried > 0, "no cgroup can be made: run this suite as root");
}

/// Each command of an agent has a sandbox, which ends with it.
#[test]
fn an_entry_whose_pid_namespace_has_ended_is_dropped() {
    let pool = TestPool::new();
    for request in [
        &["run", "--sid", "a", "--", "sleep", "600"][..],
        &["stop", "a"],
    ] {
        let mut here = PidNamespace::on(&pool);
        here.ask("run --sid a -- sleep 600", 0);
        drop(here);
        await_that("its namespace has ended", || {
            pool.run(&["doctor"]).code == 1
        });
        let report = pool.run(&["doctor"]).answer(1);
        let what = report["problems"][0]["what"].as_str().expect("words");
        assert!(what.contains("pid namespace"), "{report:#}");
        walk(&pool, &mut || {
            let mut command = pool.command(request);
            command.env("PATH", "/usr/bin:/bin");
            let ran = Ran::of(command);
            if ran.code == 0 && request[0] == "run" {
                drop(Detached::of(&ran.answer(0)));
            }
            ran
        });
        pool.run(&["ensure"]);
    }
}

/// From outside of the namespace the worker has another pid, and that is the one to end.
#[test]
fn a_worker_of_a_namespace_that_lives_is_found_from_outside() {
    let pool = TestPool::new();
    let mut here = PidNamespace::on(&pool);
    let started = here.ask("run --sid a -- sleep 600", 0);
    let refused = pool.run(&["stop", "a"]);
    let commands = advice(&refused);
    assert!(commands[0].starts_with("kill "), "{refused:?}");
    assert_ne!(commands[0], format!("kill {}", started["started"]["pid"]));
    for command in &commands {
        assert_eq!(shell(&pool, command).code, 0, "{command}");
    }
    assert_eq!(pool.sids(), Vec::<String>::new());
    here.run("pw stop --all");
}

/// Where the kernel gave the namespace's number away again.
#[test]
fn a_number_of_a_namespace_that_was_given_away_again_is_explained() {
    let pool = TestPool::new();
    let mut here = PidNamespace::on(&pool);
    let started = here.ask("run --sid a -- sleep 600", 0);
    let pid = &started["started"]["pid"];
    // It ends, and others live there: as in a namespace that has got the number since.
    here.run(&format!(
        "kill -9 {pid}; while [ -d /proc/{pid} ]; do /bin/true; done"
    ));
    let report = pool.run(&["doctor"]).answer(1);
    let what = report["problems"][0]["what"].as_str().expect("words");
    assert!(what.contains("gave its number away again"), "{report:#}");
    walk(&pool, &mut || pool.run(&["stop", "a"]));
}

/// A command of the program for a user who is not root.
fn as_nobody(pool: &TestPool, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_poolwarden"))
        .arg("--state-dir")
        .arg(pool.directory())
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", pool.root());
    command
}

#[test]
fn a_worker_of_another_user_is_ended_by_root() {
    needs_root();
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    fs::set_permissions(pool.root(), fs::Permissions::from_mode(0o755)).expect("chmod");
    for path in [pool.directory(), &pool.registry()] {
        chown(path, Some(NOBODY), None).expect("chown");
    }
    let stop = || Ran::of(as_nobody(&pool, &["stop", "a"]));
    let report = Ran::of(as_nobody(&pool, &["doctor"])).answer(1);
    let what = report["problems"][0]["what"].as_str().expect("words");
    assert!(what.contains("belongs to another user"), "{report:#}");
    let commands = advice(&stop());
    let kill = format!("sudo kill {}", worker.pid());
    assert!(commands.contains(&kill), "{commands:?}");
    // Root has no need of sudo, which not every machine has.
    assert_eq!(shell(&pool, kill.trim_start_matches("sudo ")).code, 0);
    await_that("it ends", || !worker.is_running());
    assert_eq!(stop().code, 0);
}
