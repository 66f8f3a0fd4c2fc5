//! A verified process that is not held, because descriptors are scarce.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::Identity;
use super::handle::{Process, SendError};
use super::kernel::{Kernel, has_ended};
use super::subject::{OpenError, Subject};

/// Who a verified process is, without the descriptor that holds it.
///
/// Only where the kernel has pidfs (Linux 6.9): an inode number there is used once in a
/// boot, so that whoever is found under the pid later is this process or is not.
#[derive(Clone)]
pub struct Parked {
    kernel: Arc<dyn Kernel>,
    pid: u32,
    inode: u64,
    identity: Identity,
}

impl Process {
    /// What it takes to find this process again. `None` without pidfs.
    pub fn park(&self) -> Option<Parked> {
        Some(Parked {
            kernel: self.kernel().clone(),
            pid: self.pid(),
            inode: self.identity().inode?,
            identity: self.identity().clone(),
        })
    }
}

impl Parked {
    /// Holds the process again.
    ///
    /// # Errors
    /// [`SendError::Ended`] when it is no more, whoever has its pid now;
    /// [`SendError::System`] when that cannot be found out.
    pub fn reopen(&self) -> Result<Process, SendError> {
        let kernel = self.kernel.as_ref();
        // A thread that has the pid now is another one, and so is no process at all.
        let subject = Subject::open(kernel, self.pid, true).map_err(|error| match error {
            OpenError::NoSuchProcess { .. } | OpenError::Thread { .. } => SendError::Ended,
            OpenError::Refused { source, .. } => SendError::System(source),
            OpenError::Unsupported { .. } => SendError::System(io::ErrorKind::Unsupported.into()),
        })?;
        if subject.inode != Some(self.inode) || has_ended(kernel, subject.pidfd.as_fd())? {
            return Err(SendError::Ended);
        }
        Ok(Process::new(&self.kernel, subject, self.identity.clone()))
    }
}

impl std::fmt::Debug for Parked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parked")
            .field("pid", &self.pid)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
