//! Entries of a registry, as their authors write them.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// A pid that no process can have: Linux gives out at most 2²² of them
/// (proc_sys_kernel(5), `pid_max`).
pub(crate) const NO_PROCESS: u32 = i32::MAX as u32;

/// An entry with all five fields.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    sid: String,
    pid: u32,
    sock: String,
    version: String,
    created_at: String,
}

impl Entry {
    /// An entry made now, without a socket.
    pub(crate) fn new(sid: &str, pid: u32) -> Self {
        Self {
            sid: sid.into(),
            pid,
            sock: String::new(),
            version: "1.0".into(),
            created_at: now(),
        }
    }

    /// With a socket.
    pub(crate) fn sock(mut self, path: &Path) -> Self {
        self.sock = path.to_str().expect("a path that is text").into();
        self
    }

    /// Made at another time.
    pub(crate) fn created_at(mut self, text: impl Into<String>) -> Self {
        self.created_at = text.into();
        self
    }

    /// As it stands in the file.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("an entry is JSON")
    }
}

/// The time as algocline writes it: RFC 3339, in UTC, cut to the second.
pub(crate) fn now() -> String {
    ago(SignedDuration::ZERO)
}

/// The time that long ago; with a negative distance, a time to come.
pub(crate) fn ago(distance: SignedDuration) -> String {
    let second = (Timestamp::now() - distance).as_second();
    Timestamp::from_second(second)
        .expect("a time within the calendar")
        .to_string()
}
