//! What cannot be recorded does not happen.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, SigHandler, Signal};
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool, Worker};

/// A way to make the trail unusable, and the words by which the error names it.
struct Obstacle {
    reason: &'static str,
    make: fn(&Path),
}

fn obstacles() -> Vec<Obstacle> {
    let mut obstacles = vec![
        Obstacle {
            reason: "it is a symbolic link",
            make: |trail| symlink("elsewhere", trail).expect("a link"),
        },
        Obstacle {
            reason: "it is a directory",
            make: |trail| fs::create_dir(trail).expect("a directory"),
        },
        Obstacle {
            reason: "it is a FIFO",
            make: |trail| mkfifo(trail, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO"),
        },
        Obstacle {
            reason: "Permission denied",
            make: |trail| {
                fs::write(trail, "").expect("a file");
                fs::set_permissions(trail, Permissions::from_mode(0o400)).expect("its mode");
            },
        },
    ];
    // Nobody else can give a file away.
    if geteuid().is_root() {
        obstacles.push(Obstacle {
            reason: "it belongs to user 65534",
            make: |trail| {
                fs::write(trail, "").expect("a file");
                // So that who may open it is not the question.
                fs::set_permissions(trail, Permissions::from_mode(0o666)).expect("its mode");
                chown(trail, Some(65534), None).expect("root gives it away");
            },
        });
    }
    obstacles
}

fn trail(pool: &TestPool) -> PathBuf {
    pool.directory().join("audit.jsonl")
}

/// Runs the program without root's power over permissions.
fn run(pool: &TestPool, arguments: &[&str]) -> Ran {
    let mut command = pool.command(arguments);
    if geteuid().is_root() {
        // SAFETY: it is one call of prctl(2), which may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                remove_capability_from_bounding_set(CapabilitySet::DAC_OVERRIDE)?;
                Ok(())
            });
        }
    }
    Ran::of(command)
}

/// Signals that a process has not acted on yet, of the process as a whole and of its
/// first thread, as bits (proc_pid_status(5)).
fn pending(worker: &Worker) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", worker.pid()));
    let status = status.expect("the worker's status");
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.expect(name).trim(), 16).expect("a set of signals")
    };
    set("ShdPnd:") | set("SigPnd:")
}

/// Checks that a suspended worker was not signalled: a signal would be pending, or would
/// have let it go on.
#[track_caller]
fn assert_not_signalled(worker: &Worker, why: &str) {
    assert!(worker.is_running(), "{why}");
    assert_eq!(pending(worker), 0, "{why}");
    let stat = fs::read_to_string(format!("/proc/{}/stat", worker.pid())).expect("its state");
    let (_, fields) = stat.rsplit_once(") ").expect("a state");
    assert!(fields.starts_with('T'), "{why}: {stat}");
}

/// Checks that the error of a run names the trail's file, the reason, and what was left.
#[track_caller]
fn assert_explained(ran: &Ran, pool: &TestPool, reason: &str, undone: &str) {
    assert_eq!(ran.code, 1, "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for part in [
        trail(pool).to_str().expect("a path that is text"),
        reason,
        undone,
        "could not be recorded first",
    ] {
        assert!(said.contains(part), "wanted {part:?} in {said}");
    }
}

#[test]
fn without_a_record_no_signal_is_sent() {
    for Obstacle { reason, make } in obstacles() {
        let worker = Worker::deaf();
        let pool = TestPool::with(&[worker.entry("a")]);
        make(&trail(&pool));
        worker.suspend();
        let (stamp, bytes) = (pool.stamp(), pool.bytes());
        for grace in ["0s", "10ms"] {
            let ran = run(&pool, &["stop", "a", "--force", "--grace", grace]);
            assert_explained(&ran, &pool, reason, "no signal was sent");
            assert_not_signalled(&worker, reason);
        }
        assert_eq!((pool.stamp(), pool.bytes()), (stamp, bytes), "{reason}");
        // What changes nothing needs no trail.
        assert_eq!(run(&pool, &["status", "a"]).code, 0, "{reason}");
        assert_eq!(run(&pool, &["ensure"]).code, 0, "{reason}");

        // The same stop, once the obstacle is gone, does signal.
        fs::remove_file(trail(&pool))
            .or_else(|_| fs::remove_dir(trail(&pool)))
            .expect("the obstacle goes");
        pool.ask(&["stop", "a", "--grace", "0s"]);
        worker.await_line("TERM");
    }
}

#[test]
fn without_a_record_no_entry_goes() {
    for Obstacle { reason, make } in obstacles() {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
        make(&trail(&pool));
        let (stamp, bytes) = (pool.stamp(), pool.bytes());
        for verb in [
            &["ensure"][..],
            &["status"],
            &["forget", "a", "--even-if-alive"],
            &["stop", "dead"],
        ] {
            let ran = run(&pool, verb);
            assert_explained(&ran, &pool, reason, "the registry was not changed");
        }
        assert_eq!((pool.stamp(), pool.bytes()), (stamp, bytes), "{reason}");
        assert!(!pool.directory().join("elsewhere").exists());
    }
}

/// The trail can be lost while a stop waits for its worker.
#[test]
fn without_a_record_nobody_is_killed_after_the_grace_period() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stop = pool.start(&["stop", "a", "--force", "--grace", "3s"]);
    worker.await_line("TERM");
    fs::rename(trail(&pool), pool.root().join("aside")).expect("it is moved away");
    fs::create_dir(trail(&pool)).expect("a directory");
    let ran = stop.finish();
    assert_explained(&ran, &pool, "it is a directory", "no signal was sent");
    assert!(worker.is_running());
    assert_eq!(pool.sids(), ["a"]);
}

/// Where the disk is full for a command of [`on_full_disk`]: the sandbox, whose memory is
/// a file to the kernel, has room below.
const FULL: u64 = 2 << 20;

/// Lets no file of a command grow beyond [`FULL`] bytes: writes end short there, and then
/// with EFBIG (setrlimit(2), RLIMIT_FSIZE), which by default ends the command.
fn on_full_disk(mut command: Command) -> Command {
    let limit = Rlimit {
        current: Some(FULL),
        maximum: Some(FULL),
    };
    // SAFETY: both are one system call each, which may be made between fork and exec; the
    // disposition is the default of whatever is executed, and no handler.
    unsafe {
        command.pre_exec(move || {
            signal::signal(Signal::SIGXFSZ, SigHandler::SigDfl)?;
            setrlimit(Resource::Fsize, limit)?;
            Ok(())
        });
    }
    command
}

#[test]
fn a_full_disk_leaves_no_half_line_and_no_effect() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    worker.suspend();
    let bytes = pool.bytes();
    for (arguments, undone) in [
        (&["stop", "a"][..], "no signal was sent"),
        (&["ensure"], "the registry was not changed"),
    ] {
        for (room, reason) in [(0, "File too large"), (100, "only 100 of")] {
            let size = usize::try_from(FULL - room).expect("a size");
            let full = "x".repeat(size - 1) + "\n";
            fs::write(trail(&pool), &full).expect("a trail");
            let ran = Ran::of(on_full_disk(pool.command(arguments)));
            assert_explained(&ran, &pool, reason, undone);
            assert_not_signalled(&worker, reason);
            assert!(fs::read(trail(&pool)).expect("the trail") == full.as_bytes());
            assert_eq!(pool.bytes(), bytes);
        }
    }
}

/// As a writer does that is suspended in the middle of an append.
#[test]
fn who_holds_the_trail_holds_up_a_request_once() {
    let workers: Vec<_> = (0..10).map(|_| Worker::obedient()).collect();
    let entries = workers.iter().zip('a'..);
    let entries: Vec<_> = entries
        .map(|(worker, sid)| worker.entry(&sid.to_string()))
        .collect();
    let pool = TestPool::with(&entries);
    fs::write(trail(&pool), "").expect("a trail");
    let held = File::open(trail(&pool)).expect("the trail");
    held.lock().expect("the lock");

    let wait = Duration::from_secs(2);
    let begun = Instant::now();
    let ran = pool.run(&["stop", "--all", "--grace", "0s", "--lock-wait", "2s"]);
    assert!(begun.elapsed() >= wait);
    assert!(begun.elapsed() < wait * 5, "{:?}", begun.elapsed());
    let holder = format!("process {}", std::process::id());
    assert_explained(&ran, &pool, &holder, "no signal was sent");
    assert!(workers.iter().all(Worker::is_running));
    pool.ask(&["status"]);

    drop(held);
    pool.ask(&["stop", "--all"]);
}
