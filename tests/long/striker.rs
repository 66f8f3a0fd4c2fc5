//! Killing programs in the middle of their work: after a time, or when a file of the pool
//! changes.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::harness::{PATIENCE, TestPool};
use crate::strike::End;

/// What happens to a program that holds its pool's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It holds the lock while somebody opens the lock's file.
    IsAwaited,
    /// It appends to the trail.
    Records,
    /// It makes the ledger's next file.
    MakesLedger,
    /// It puts the ledger's next file in place.
    ReplacesLedger,
    /// It makes the registry's next file.
    MakesRegistry,
    /// It writes to that file.
    WritesRegistry,
    /// It puts that file in place.
    ReplacesRegistry,
}

impl Sight {
    pub(crate) const ALL: [Self; 7] = [
        Self::IsAwaited,
        Self::Records,
        Self::MakesLedger,
        Self::ReplacesLedger,
        Self::MakesRegistry,
        Self::WritesRegistry,
        Self::ReplacesRegistry,
    ];

    /// What an event in the pool's directory shows (inotify(7)).
    fn of(event: &InotifyEvent) -> Option<Self> {
        let is = |mask| event.mask.contains(mask);
        Some(match event.name.as_ref()?.to_str()? {
            "registry.lock" if is(AddWatchFlags::IN_OPEN) => Self::IsAwaited,
            "audit.jsonl" if is(AddWatchFlags::IN_MODIFY) => Self::Records,
            "ledger.json.new" if is(AddWatchFlags::IN_CREATE) => Self::MakesLedger,
            "ledger.json" if is(AddWatchFlags::IN_MOVED_TO) => Self::ReplacesLedger,
            "registry.json.new" if is(AddWatchFlags::IN_CREATE) => Self::MakesRegistry,
            "registry.json.new" if is(AddWatchFlags::IN_MODIFY) => Self::WritesRegistry,
            "registry.json" if is(AddWatchFlags::IN_MOVED_TO) => Self::ReplacesRegistry,
            _ => return None,
        })
    }
}

/// When a program is to be killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    Never,
    /// So long after its start, wherever it is then.
    After(Duration),
    /// When it is seen to do this.
    At(Sight),
}

/// Programs that run, and what each is to be killed at.
#[derive(Default)]
pub(crate) struct Striker {
    targets: Mutex<HashMap<u32, Sight>>,
    /// How many were killed after a time, and how many at each sight.
    after: AtomicUsize,
    at: [AtomicUsize; Sight::ALL.len()],
}

impl Striker {
    /// Runs a command, which may be killed. It is reaped when this returns: whatever it did
    /// was done before.
    pub(crate) fn run(&self, mut command: Command, moment: Moment) -> End {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        self.watch_over(&mut child, moment);
        let output = child.wait_with_output().expect("our child");
        match output.status.code() {
            Some(_) => End::ByItself(output),
            None => {
                self.count(moment);
                End::Killed
            }
        }
    }

    /// Waits until a program has ended or was killed.
    pub(crate) fn watch_over(&self, child: &mut Child, moment: Moment) {
        self.expose(child.id(), moment);
        let pid = rustix::process::Pid::from_child(child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("our child");
        let patience = match moment {
            Moment::After(time) => time,
            Moment::Never | Moment::At(_) => PATIENCE,
        };
        let timeout = Timespec::try_from(patience).expect("a short time");
        let mut end = [PollFd::new(&pidfd, PollFlags::IN)];
        let ended = poll(&mut end, Some(&timeout)).expect("poll(2)") > 0;
        self.has_struck(child.id());
        if !ended {
            assert!(
                matches!(moment, Moment::After(_)),
                "it runs for {PATIENCE:?}"
            );
            // It may end just now; not reaped, it is still the one with this pid.
            child.kill().expect("our child");
        }
    }

    /// From now on this process can be killed at its sight.
    pub(crate) fn expose(&self, pid: u32, moment: Moment) {
        if let Moment::At(sight) = moment {
            self.targets().insert(pid, sight);
        }
    }

    /// Leaves this process alone from now on, which is called before it is reaped; whether
    /// it is too late for that.
    pub(crate) fn has_struck(&self, pid: u32) -> bool {
        self.targets().remove(&pid).is_none()
    }

    /// Counts one that was killed.
    pub(crate) fn count(&self, moment: Moment) {
        let counter = match moment {
            Moment::At(sight) => &self.at[sight as usize],
            Moment::After(_) | Moment::Never => &self.after,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were killed.
    pub(crate) fn killed(&self) -> usize {
        let counters = self.at.iter().chain([&self.after]);
        counters.map(|one| one.load(Ordering::Relaxed)).sum()
    }

    /// The same by what they were killed at.
    pub(crate) fn line(&self) -> String {
        let at = Sight::ALL.map(|sight| {
            let count = self.at[sight as usize].load(Ordering::Relaxed);
            format!("{count} {sight:?}")
        });
        let after = self.after.load(Ordering::Relaxed);
        format!("{after} after some time, {}", at.join(", "))
    }

    /// Watches a pool's files, and kills whoever holds its lock when a sight comes that he
    /// is to be killed at; until `over` says so.
    pub(crate) fn strike_at_sights(&self, pool: &TestPool, over: impl Fn() -> bool) {
        let changes = AddWatchFlags::IN_OPEN
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_MOVED_TO;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC).expect("inotify(7)");
        let watched = inotify.add_watch(pool.directory(), changes);
        watched.expect("the pool's directory");
        let lock = pool.directory().join("registry.lock");
        let lock = fs::metadata(lock).expect("the lock's file").ino();
        while !over() {
            if !is_readable(&inotify) {
                continue;
            }
            let events = inotify.read_events().expect("inotify(7)");
            for sight in events.iter().filter_map(Sight::of) {
                if let Some(holder) = holder(lock) {
                    self.strike(holder, sight);
                }
            }
        }
    }

    fn strike(&self, pid: u32, sight: Sight) {
        let mut targets = self.targets();
        if targets.get(&pid) == Some(&sight) {
            targets.remove(&pid);
            let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
            // Not spared yet, it is not reaped either, and still has this pid.
            kill(pid, Signal::SIGKILL).expect("our child");
        }
    }

    fn targets(&self) -> MutexGuard<'_, HashMap<u32, Sight>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether events come within the time after which somebody wants to know whether it is
/// over.
pub(crate) fn is_readable(inotify: &Inotify) -> bool {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    let mut events = [PollFd::new(inotify, PollFlags::IN)];
    poll(&mut events, Some(&timeout)).expect("poll(2)") > 0
}

/// Who holds the lock on the file with this inode (proc_locks(5)).
fn holder(inode: u64) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").expect("the locks");
    let file = format!(":{inode} ");
    let line = locks
        .lines()
        .find(|line| line.contains(&file) && !line.contains("->"))?;
    line.split_whitespace().nth(4)?.parse().ok()
}
