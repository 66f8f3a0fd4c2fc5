//! The program under test while it says one line after another.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Lines, Ran, await_that};

/// A running program whose lines are read as they come. It is killed when the test ends
/// before it.
pub(crate) struct Stream {
    child: Child,
    output: Lines,
    errors: Lines,
}

impl Stream {
    /// Starts a command.
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let output = Lines::of(child.stdout.take().expect("its standard output"));
        let errors = Lines::of(child.stderr.take().expect("its standard error"));
        Self {
            child,
            output,
            errors,
        }
    }

    /// The next line of its output, which is JSON.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        let line = self.output.next().expect("it ended before it said more");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next line of its standard error.
    #[track_caller]
    pub(crate) fn next_error(&self) -> String {
        self.errors.next().expect("it ended before it said more")
    }

    /// Sends it a signal. It is our child and not reaped, so the pid is its own.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("our child");
    }

    /// Waits for its end; what it said that was not read yet.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ran {
        let rest = |lines: &Lines| {
            let lines = std::iter::from_fn(|| lines.next());
            lines.map(|line| line + "\n").collect()
        };
        let (stdout, stderr) = (rest(&self.output), rest(&self.errors));
        let mut code = None;
        await_that("the program ends", || {
            code = self.child.try_wait().expect("our child");
            code.is_some()
        });
        let status = code.expect("it ended");
        Ran {
            code: status
                .code()
                .unwrap_or_else(|| panic!("ended by a signal: {status}")),
            stdout,
            stderr,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
