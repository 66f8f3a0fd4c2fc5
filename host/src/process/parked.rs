//! Letting the descriptor of a verified process go, and finding the process again.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::handle::LinuxProcess;
use super::kernel::{Kernel, has_ended};
use super::subject::{OpenError, Subject};
use super::{Identity, Parked, Process, SendError};

/// Who a verified process is, without the descriptor that holds it.
///
/// Only where the kernel has pidfs (Linux 6.9): an inode number there is used once in a
/// boot, so that whoever is found under the pid later is this process or is not.
pub(super) struct LinuxParked {
    kernel: Arc<dyn Kernel>,
    pid: u32,
    inode: u64,
    identity: Identity,
    named: bool,
}

impl LinuxParked {
    /// What it takes to find this process again. `None` without pidfs.
    pub(super) fn of(process: &LinuxProcess) -> Option<Self> {
        Some(Self {
            kernel: process.kernel().clone(),
            pid: process.pid(),
            inode: process.identity().inode?,
            identity: process.identity().clone(),
            named: process.is_named(),
        })
    }
}

impl LinuxParked {
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Holds the process again: opens its pid, and makes sure that it is the same process
    /// and still runs.
    pub(super) fn find(&self) -> Result<Arc<LinuxProcess>, SendError> {
        let kernel = self.kernel.as_ref();
        // A thread that has the pid now is another one, and so is no process at all.
        let subject = Subject::open(kernel, self.pid, true).map_err(|error| match error {
            OpenError::NoSuchProcess { .. } | OpenError::Thread { .. } => SendError::Ended,
            OpenError::Refused { error, .. } => SendError::System(error),
            OpenError::Unsupported { .. } => SendError::System(io::ErrorKind::Unsupported.into()),
        })?;
        if subject.inode != Some(self.inode) || has_ended(kernel, subject.pidfd.as_fd())? {
            return Err(SendError::Ended);
        }
        let identity = self.identity.clone();
        let process = LinuxProcess::new(&self.kernel, subject, identity);
        Ok(Arc::new(process.named(self.named)))
    }
}

impl Parked for LinuxParked {
    fn reopen(&self) -> Result<Arc<dyn Process>, SendError> {
        Ok(self.find()?)
    }
}

impl std::fmt::Debug for LinuxParked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinuxParked")
            .field("pid", &self.pid)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
