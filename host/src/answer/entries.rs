//! What `register` and `forget` answer, and entries that are no more.

use super::Found;
use super::object::read_from_object;
use schemars::JsonSchema;

/// What was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// The entry as it was written.
    pub registered: Entry,
    /// Version of poolwarden.
    pub pool_version: String,
    /// The dead entry that had the sid before; the last one when there were several.
    pub replaced: Option<RemovedSession>,
    /// The entries of other sessions that were found dead and removed on the way.
    pub removed: Vec<RemovedSession>,
}

/// An entry of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Session id.
    pub sid: String,
    /// Process id.
    pub pid: u32,
    /// Path of the worker's Unix socket; empty when it has none.
    pub sock: String,
    /// Version of the worker.
    pub version: String,
    /// When the entry was made, RFC 3339.
    pub created_at: String,
}

/// What was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forgotten {
    /// The entries that were dropped.
    pub forgotten: Vec<RemovedSession>,
    /// Version of poolwarden.
    pub pool_version: String,
}

/// An entry that was removed, and what was found about its process.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(description = "")]
#[non_exhaustive]
pub struct RemovedSession {
    /// Session id.
    pub sid: String,
    /// Process id that the entry named.
    pub pid: u32,
    /// What was proven: reused, exited or gone.
    pub standing: Found,
    /// The evidence in words.
    pub evidence: String,
}

read_from_object!(Registered {
    registered,
    pool_version,
    replaced or None,
    removed or Vec::new(),
});
read_from_object!(Entry {
    sid,
    pid,
    sock,
    version,
    created_at
});
read_from_object!(Forgotten {
    forgotten,
    pool_version
});
read_from_object!(RemovedSession {
    sid,
    pid,
    standing,
    evidence
});
