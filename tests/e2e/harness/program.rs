//! The program under test, run to its end or left running.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::await_that;

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: i32,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn of(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
            .into()
    }

    /// Runs a command to its end, which has to come. For one that may hang.
    #[track_caller]
    pub(crate) fn within_patience(command: Command) -> Self {
        let mut running = Running::start(command);
        await_that("the program ends", || !running.is_running());
        running.finish()
    }

    /// The answer, once the exit code is this one.
    #[track_caller]
    pub(crate) fn answer(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{self:#?}");
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("the answer is no JSON: {error}: {self:#?}"))
    }

    /// The error text, once the exit code is this one and there is no answer.
    #[track_caller]
    pub(crate) fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.stdout, "", "an error has no answer: {self:#?}");
        assert!(self.stderr.starts_with("error: "), "{self:#?}");
        &self.stderr
    }
}

impl Ran {
    /// What the hostile policy reports, which is an answer to no verb.
    #[track_caller]
    pub(crate) fn reported(&self) -> Value {
        assert_eq!((self.code, self.stdout.as_str()), (7, ""), "{self:#?}");
        reported(&self.stderr).unwrap_or_else(|| panic!("it reports nothing: {self:#?}"))
    }
}

/// What the hostile policy reports, `{"said": …}`: it is an answer to no verb, and the error
/// quotes it.
pub(super) fn reported(error: &str) -> Option<Value> {
    let quoted = error.get(error.find("{\"said\":")?..)?;
    let mut values = serde_json::Deserializer::from_str(quoted).into_iter();
    values.next()?.ok()
}

impl From<Output> for Ran {
    #[track_caller]
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        let code = output.status.code();
        Self {
            code: code.unwrap_or_else(|| panic!("ended by a signal: {output:?}")),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// The program, running. It is killed when the test ends before it.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Starts a command.
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(Some(command.spawn().expect("the program starts")))
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.0
            .as_mut()
            .is_some_and(|child| child.try_wait().expect("our child").is_none())
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.0.as_ref().expect("it was not finished before").id()
    }

    /// Sends it a signal. It is our child and not reaped, so the pid is its own.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("our child");
    }

    /// Waits for its end; the signal that ended it, if one did.
    pub(crate) fn ended_by(mut self) -> Option<i32> {
        let mut child = self.0.take().expect("it was not finished before");
        child.wait().expect("our child").signal()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ran {
        let child = self.0.take().expect("it was not finished before");
        child.wait_with_output().expect("its output").into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // The test has failed already, or is over; nothing more can be done.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
