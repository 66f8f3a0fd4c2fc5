//! What a registry entry says about its process.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The claim that an entry makes: this session is served by this process, since then.
///
/// Two entries make the same claim only when all four agree; everything that the host
/// remembers about a process is kept under the whole claim and never under a bare pid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The session id.
    pub sid: String,
    /// The process id, as the registry writes it. It may be impossible.
    pub pid: u32,
    /// When the entry was made: RFC 3339 text as it stands in the registry.
    pub created_at: String,
    /// Path of the worker's Unix socket, empty when it has none.
    pub sock: String,
}

impl Claim {
    /// The file name of its socket; none where it has no socket. Two spellings of one path
    /// have the same one.
    pub(crate) fn socket_name(&self) -> Option<&OsStr> {
        Path::new(&self.sock).file_name()
    }
}
