//! A registry of odd entries takes time in proportion to their number: others wait for the
//! pool meanwhile.
//!
//! What is compared is processor time, which other work on the machine does not change much,
//! and the best of several runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::harness::{Entry, NO_PROCESS, TestPool, Worker};

const FEW: usize = 5_000;
const MANY: usize = 4 * FEW;
/// How much longer four times as many may take: twice as long for each would be eight times.
const MOST: u32 = 5;
const RUNS: usize = 3;

/// A kind of odd entries: makes so many of them in a pool, and whatever else it takes.
type Make<'a> = &'a dyn Fn(&TestPool, usize) -> (Vec<Entry>, Vec<UnixListener>);

/// Processor time of the program for one request about so many entries.
fn processor_time(make: Make<'_>, entries: usize, arguments: &[&str]) -> Duration {
    let run = || {
        let pool = TestPool::new();
        let (entries, _kept) = make(&pool, entries);
        pool.seed(&entries);
        let mut command = pool.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program");
        let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(pid), ended).expect("it is a child");
        // A zombie still has its clock, of all its threads together and in nanoseconds
        // (clock_getcpuclockid(3)).
        let clock = clock_getcpuclockid(pid).expect("it is a zombie");
        let spent = clock_gettime(clock).expect("it is a zombie");
        assert!(
            child.wait().expect("it is a child").success(),
            "{arguments:?}"
        );
        Duration::from(spent)
    };
    (0..RUNS).map(|_| run()).min().expect("there are runs")
}

#[track_caller]
fn assert_proportional(make: Make<'_>, arguments: &[&str]) {
    let few = processor_time(make, FEW, arguments);
    let many = processor_time(make, MANY, arguments);
    assert!(few > Duration::ZERO, "no time was measured");
    assert!(
        many <= MOST * few,
        "{few:?} for {FEW} entries and {many:?} for {MANY}"
    );
}

fn sid(index: usize) -> String {
    format!("w{index}")
}

#[test]
fn entries_that_differ_in_their_time_alone() {
    let worker = Worker::obedient();
    let make = |_: &TestPool, entries| {
        let now = Timestamp::now();
        let entries = (0..entries).map(|index: usize| {
            let later = SignedDuration::from_nanos(index.try_into().expect("few"));
            worker.entry("w").created_at((now + later).to_string())
        });
        (entries.collect(), Vec::new())
    };
    assert_proportional(&make, &["status"]);
}

#[test]
fn entries_whose_socket_another_process_serves() {
    let worker = Worker::obedient();
    let make = |pool: &TestPool, entries: usize| {
        let sockets = entries / 50;
        let path = |index: usize| pool.directory().join(format!("{}.sock", index % sockets));
        let bind = |index| UnixListener::bind(path(index)).expect("bind");
        let listeners = (0..sockets).map(bind).collect();
        let entries = (0..entries).map(|index| worker.entry(&sid(index)).sock(&path(index)));
        (entries.collect(), listeners)
    };
    assert_proportional(&make, &["status"]);
}

/// One name for all sockets, in directories that the registry spells in another way.
#[test]
fn sockets_in_directories_that_a_symlink_leads_to() {
    let worker = Worker::obedient();
    let make = |pool: &TestPool, entries: usize| {
        let sockets = entries / 50;
        let (real, alias) = (pool.root().join("real"), pool.root().join("alias"));
        symlink(&real, &alias).expect("symlink");
        let bind = |index: usize| {
            let directory = real.join(index.to_string());
            fs::create_dir_all(&directory).expect("mkdir");
            UnixListener::bind(directory.join("w.sock")).expect("bind")
        };
        let listeners = (0..sockets).map(bind).collect();
        let entries = (0..entries).map(|index| {
            let directory = alias.join((index % sockets).to_string());
            worker.entry(&sid(index)).sock(&directory.join("w.sock"))
        });
        (entries.collect(), listeners)
    };
    assert_proportional(&make, &["status"]);
}

fn dead(index: usize) -> u32 {
    NO_PROCESS - u32::try_from(index).expect("few")
}

#[test]
fn dead_entries() {
    let make = |_: &TestPool, entries| {
        let entries = (0..entries).map(|index| Entry::new(&sid(index), dead(index)));
        (entries.collect(), Vec::new())
    };
    assert_proportional(&make, &["ensure"]);
}

#[test]
fn dead_entries_with_sockets_that_they_left_behind() {
    let make = |pool: &TestPool, entries| {
        let entries = (0..entries).map(|index| {
            let path = pool.directory().join(format!("{index}.sock"));
            drop(UnixListener::bind(&path).expect("bind"));
            Entry::new(&sid(index), dead(index)).sock(&path)
        });
        (entries.collect(), Vec::new())
    };
    assert_proportional(&make, &["stop", "--all"]);
}

#[test]
fn dead_entries_of_one_sid() {
    let make = |_: &TestPool, entries| {
        let entries = (0..entries).map(|index| Entry::new("w", dead(index)));
        (entries.collect(), Vec::new())
    };
    assert_proportional(&make, &["ensure"]);
    assert_proportional(&make, &["stop", "w"]);
}
