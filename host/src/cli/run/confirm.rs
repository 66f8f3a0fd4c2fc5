//! Whether a started worker does what it is to do.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use poolwarden::Pool;
use poolwarden::command::quoted_path;
use poolwarden::process::{LinuxProcesses, Process, Processes, Serving};

use super::failure::{Failure, Reason};
use super::socket::{self, Waited};
use super::undo;

/// A socket that a worker is waited for to serve.
pub(super) struct Awaited {
    path: PathBuf,
    timeout: Duration,
    /// Device and inode number of the socket that was there before the worker.
    before: Option<(u64, u64)>,
}

impl Awaited {
    /// Looks at what is there before the worker is started. What an entry keeps there was told
    /// of by then, and is not the user's to remove.
    pub(super) fn new(sock: &str, timeout: Duration, kept: bool) -> Self {
        let path = PathBuf::from(sock);
        Self {
            before: socket_at(&path).filter(|_| !kept),
            path,
            timeout,
        }
    }

    /// Returns once the worker listens. If it does not in time, or ends, nothing of it is
    /// left when this returns. Where it cannot be seen whether it listens, it is left running,
    /// and this says so: a worker can keep others from looking into it (PR_SET_DUMPABLE(2const),
    /// capabilities(7)).
    pub(super) fn confirm(
        &self,
        pool: &Pool,
        sid: &str,
        child: Child,
        worker: &Arc<dyn Process>,
    ) -> Result<Option<String>, Failure> {
        let sock = self.path.display().to_string();
        let too_long = match socket::wait(worker.as_ref(), &self.path, self.timeout) {
            Waited::Serving => return Ok(None),
            Waited::Unseen(error) => {
                return Ok(Some(format!(
                    "whether it listens on {sock} cannot be seen: {error}"
                )));
            }
            Waited::TooLong(seen) => Some(seen),
            Waited::Ended => None,
        };
        let status = undo::end(pool, sid, child, worker)?;
        let reason = match too_long {
            Some(seen) => Reason::Silent {
                sock,
                waited: self.timeout,
                seen,
                status,
            },
            None => Reason::Ended { sock, status },
        };
        let mut failure = Failure::from(reason);
        failure.notes.extend(self.obstacle());
        Err(failure)
    }

    /// Says so when the worker cannot have listened because of a socket that was there
    /// before it, and still is.
    fn obstacle(&self) -> Option<String> {
        let before = self.before?;
        if socket_at(&self.path) != Some(before) {
            return None;
        }
        let ourselves = LinuxProcesses::new().identify(std::process::id()).ok()?;
        let sock = self.path.display();
        match ourselves.process.serves(&self.path) {
            Serving::Nobody => Some(format!(
                "hint: the socket {sock} was there before the worker, and nobody listens on \
                 it: a process that is dead left it, and no other can bind it; remove it: \
                 `rm {}`",
                quoted_path(&self.path)
            )),
            Serving::Others => Some(format!(
                "hint: another process listens on {sock}, and did before; stop it, or give \
                 the worker another path"
            )),
            _ => None,
        }
    }
}

/// Which socket is at the path, if one is.
fn socket_at(path: &Path) -> Option<(u64, u64)> {
    let seen = std::fs::symlink_metadata(path).ok()?;
    seen.file_type()
        .is_socket()
        .then(|| (seen.dev(), seen.ino()))
}
