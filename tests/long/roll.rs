//! Which entries have to be in a registry, and which are.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde::Deserialize;

use crate::harness::TestPool;
use crate::striker::is_readable;

/// Sessions and their pids.
pub(crate) type Entries = BTreeMap<String, u32>;

/// The entries that were acknowledged, and that nobody has begun to take away.
#[derive(Default)]
pub(crate) struct Roll(Mutex<Entries>);

impl Roll {
    /// An entry was acknowledged, or seen to be there.
    pub(crate) fn add(&self, sid: &str, pid: u32) {
        let before = self.entries().insert(sid.to_owned(), pid);
        assert_eq!(before, None, "{sid} is ours alone");
    }

    /// From now on the entry may go.
    pub(crate) fn withdraw(&self, sid: &str) -> u32 {
        self.entries().remove(sid).expect("it was added")
    }

    /// What has to be there now.
    pub(crate) fn now(&self) -> Entries {
        self.entries().clone()
    }

    /// Checks that everything is there that had to be before something was seen, and still
    /// has to be now.
    #[track_caller]
    pub(crate) fn check(&self, before: &Entries, seen: &Entries) {
        let now = self.now();
        for (sid, pid) in before {
            if now.get(sid) == Some(pid) {
                assert_eq!(seen.get(sid), Some(pid), "{sid} is lost: {seen:?}");
            }
        }
    }

    /// Reads the registry whenever it was replaced, until `over` says so; how often.
    pub(crate) fn keep_reading(&self, pool: &TestPool, over: impl Fn() -> bool) -> usize {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC).expect("inotify(7)");
        let changes = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
        let watched = inotify.add_watch(pool.directory(), changes);
        watched.expect("the pool's directory");
        let mut times = 0;
        while !over() {
            if is_readable(&inotify) {
                drop(inotify.read_events().expect("inotify(7)"));
                let before = self.now();
                self.check(&before, &entries(pool));
                times += 1;
            }
        }
        times
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The registry's entries as they are on disk, each of them whole and each with a sid of
/// its own. No file is no entries.
#[track_caller]
pub(crate) fn entries(pool: &TestPool) -> Entries {
    let bytes = match fs::read(pool.registry()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Entries::new(),
        bytes => bytes.expect("the registry"),
    };
    let registry: Registry = serde_json::from_slice(&bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)));
    let mut entries = Entries::new();
    for entry in registry.sessions {
        assert!(entry.pid > 1 && !entry.created_at.is_empty(), "{entry:?}");
        let before = entries.insert(entry.sid, entry.pid);
        assert_eq!(before, None, "a sid stands there twice");
    }
    entries
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registry {
    sessions: Vec<Entry>,
}

/// An entry with all of its fields, as algocline insists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sid: String,
    pid: u32,
    #[expect(dead_code, reason = "it has to be there")]
    sock: String,
    #[expect(dead_code, reason = "it has to be there")]
    version: String,
    created_at: String,
}
