//! Workers that answer, so that a test knows at once who was told to end.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use crate::harness::Entry;

/// A worker that sends back what it is sent: cat(1) on two pipes, small enough that there
/// can be thousands. It ends with the test, however that ends: its input ends then.
pub(crate) struct Echo {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Echo {
    /// One that SIGTERM ends.
    pub(crate) fn obedient() -> Self {
        Self::start(&mut Command::new("/bin/cat"))
    }

    /// One that takes no notice of SIGTERM.
    pub(crate) fn deaf() -> Self {
        // A signal that is ignored stays so across execve(2).
        let script = "trap '' TERM; exec /bin/cat";
        let mut worker = Self::start(Command::new("/bin/sh").args(["-c", script]));
        // Only cat(1) answers.
        assert!(worker.answers(), "the worker ended at once");
        worker
    }

    fn start(command: &mut Command) -> Self {
        let command = command
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the worker starts");
        Self {
            input: child.stdin.take().expect("its input"),
            output: child.stdout.take().expect("its output"),
            child,
        }
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An entry for it, made now.
    pub(crate) fn entry(&self, sid: &str) -> Entry {
        Entry::new(sid, self.pid())
    }

    /// Whether it lives, and no signal that was sent before this call will end it: on its
    /// way back from the kernel, where it reads, it would have ended and not answered.
    pub(crate) fn answers(&mut self) -> bool {
        let mut answer = [0];
        // The first write fails, or the first read ends, when it has gone.
        self.input.write_all(b".").is_ok()
            && self.output.read(&mut answer).expect("our end of a pipe") == 1
    }

    /// Kills and reaps it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("our child");
        self.reap();
    }

    /// Waits for its end and reaps it.
    pub(crate) fn reap(&mut self) -> ExitStatus {
        self.child.wait().expect("our child")
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Fails when it was reaped before, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
