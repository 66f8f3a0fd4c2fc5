//! What ends all workers when the test ends, however that ends.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::TestPool;

/// A named pipe that nobody writes to. Whoever reads it waits until the test is no more.
pub(crate) struct Lifeline {
    path: PathBuf,
    _kept: File,
}

impl Lifeline {
    /// Makes one, in the temporary directory beside the pool.
    pub(crate) fn new(pool: &TestPool) -> Self {
        let path = pool.root().join("lifeline");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a named pipe");
        // Open for both, it does not wait for the other end (fifo(7)).
        let kept = OpenOptions::new().read(true).write(true).open(&path);
        Self {
            path,
            _kept: kept.expect("the pipe"),
        }
    }

    /// The command line of a worker that SIGTERM ends.
    pub(crate) fn obedient(&self) -> [String; 2] {
        ["/bin/cat".into(), self.text()]
    }

    /// The command line of a worker that takes no notice of SIGTERM.
    pub(crate) fn deaf(&self) -> [String; 4] {
        // A signal that is ignored stays so across execve(2).
        let script = "trap '' TERM; exec /bin/cat \"$0\"";
        ["/bin/sh".into(), "-c".into(), script.into(), self.text()]
    }

    fn text(&self) -> String {
        self.path.to_str().expect("a path that is text").into()
    }
}
