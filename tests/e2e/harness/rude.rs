//! An MCP client without manners: it decides what is sent, what is read, and when it
//! leaves.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use serde_json::{Value, json};

use super::{PATIENCE, await_that};

/// A server, our child, and its two pipes. Nothing is read that a test does not read.
pub(crate) struct Rude {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    /// What is not sent of a line that was begun.
    rest: Vec<u8>,
}

impl Rude {
    /// Starts a server and opens the session.
    pub(crate) fn open(mut command: Command) -> Self {
        let command = command
            .env("POOLWARDEN_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let output = child.stdout.take().map(BufReader::new);
        let input = child.stdin.take();
        // Our end has flags of its own: the server's is not touched.
        let nonblocking = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        fcntl(input.as_ref().expect("its input"), nonblocking).expect("a pipe");
        let mut client = Self {
            child,
            input,
            output,
            rest: Vec::new(),
        };
        let open = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "rude", "version": "1"},
        });
        client.send(request(&json!(0), "initialize", &open).as_bytes());
        client.await_answer(&json!(0));
        client.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        client
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn send(&mut self, mut bytes: &[u8]) {
        await_that("the server reads", || {
            bytes = self.send_part(bytes);
            bytes.is_empty()
        });
    }

    /// Sends as much as the pipe takes; what is left over.
    fn send_part<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        let input = self.input.as_mut().expect("the input is open");
        while !bytes.is_empty() {
            match input.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the server has closed its input: {error}"),
            }
        }
        bytes
    }

    /// Calls a tool.
    pub(crate) fn call(&mut self, id: &Value, tool: &str, arguments: &Value) {
        self.send(call(id, tool, arguments).as_bytes());
    }

    /// Sends lines until the server takes nothing more and `stuck` holds; how many were
    /// sent whole. A part of one more can be under way, which
    /// [`send_rest`](Self::send_rest) completes.
    ///
    /// # Panics
    /// When the server takes all of so many lines.
    #[track_caller]
    pub(crate) fn fill(
        &mut self,
        most: usize,
        line: impl Fn(usize) -> String,
        stuck: impl Fn(&Self) -> bool,
    ) -> usize {
        /// How often the pipe is found full in a row before it counts as stuck.
        const LOOKS: usize = 100;

        for sent in 0..most {
            let line = line(sent);
            let mut rest = line.as_bytes();
            let mut looks = 0;
            await_that("the server reads or is stuck", || {
                let before = rest.len();
                rest = self.send_part(rest);
                looks = if rest.len() < before { 0 } else { looks + 1 };
                rest.is_empty() || (looks >= LOOKS && stuck(self))
            });
            if !rest.is_empty() {
                self.rest = rest.to_vec();
                return sent;
            }
        }
        panic!("the server has taken {most} lines and would take more");
    }

    /// Sends what `fill` has not sent of its last line.
    pub(crate) fn send_rest(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.send(&rest);
    }

    /// The next message; none when there is no more.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let output = self.output.as_mut().expect("the output is open");
        if output.buffer().is_empty() {
            let timeout = Timespec::try_from(PATIENCE).expect("a short time");
            let mut pipe = [PollFd::new(output.get_ref(), PollFlags::IN)];
            let ready = poll(&mut pipe, Some(&timeout)).expect("poll(2)");
            assert!(ready > 0, "no message came within {PATIENCE:?}");
        }
        let read = output.read_line(&mut line).expect("our end of the pipe");
        (read > 0).then(|| serde_json::from_str(&line).expect("standard output carries MCP only"))
    }

    /// Reads up to the answer to this request.
    #[track_caller]
    pub(crate) fn await_answer(&mut self, id: &Value) -> Value {
        loop {
            let message = self.next().expect("the server ended before it answered");
            if message["id"] == *id {
                return message;
            }
        }
    }

    /// Whether next to no answer fits into the pipe to us any more.
    pub(crate) fn output_is_full(&self) -> bool {
        let output = self.output.as_ref().expect("the output is open").get_ref();
        let room = fcntl(output, FcntlArg::F_GETPIPE_SZ).expect("a pipe");
        let unread = ioctl_fionread(output).expect("a pipe");
        unread > u64::try_from(room).expect("a size") * 9 / 10
    }

    /// Closes our end of the server's input.
    pub(crate) fn leave(&mut self) {
        self.input = None;
    }

    /// Closes our end of the server's output.
    pub(crate) fn stop_listening(&mut self) {
        self.output = None;
    }

    /// Waits for the server's end, however it comes about.
    #[track_caller]
    pub(crate) fn await_end(&mut self) -> ExitStatus {
        let mut status = None;
        await_that("the server ends", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// Waits for the server's end, and sends it this line until then. One line may still find a
    /// reader: a child that another test starts at this moment has a copy of every descriptor
    /// until it executes its program.
    #[track_caller]
    pub(crate) fn await_end_under(&mut self, line: &str) -> ExitStatus {
        let mut status = None;
        await_that("the server ends", || {
            if let Some(input) = self.input.as_mut() {
                // It fails once the server is on its way out.
                let _ = input.write(line.as_bytes());
            }
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// How many threads the server has.
    pub(crate) fn threads(&self) -> usize {
        self.count("task")
    }

    /// How many descriptors the server has open.
    pub(crate) fn descriptors(&self) -> usize {
        self.count("fd")
    }

    fn count(&self, folder: &str) -> usize {
        let folder = format!("/proc/{}/{folder}", self.child.id());
        fs::read_dir(folder).expect("our child").count()
    }

    /// A line of what the kernel says about the server's memory, in KiB: `VmRSS` is what it
    /// has now, `VmHWM` the most that it had (proc_pid_status(5)).
    pub(crate) fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("our child");
        let mut fields = status.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(name, _)| *name == what).expect("a field");
        let number = value.trim().strip_suffix(" kB").expect("a unit");
        number.parse().expect("a number")
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request's line.
pub(crate) fn request(id: &Value, method: &str, params: &Value) -> String {
    let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    format!("{request}\n")
}

/// The line of a call.
pub(crate) fn call(id: &Value, tool: &str, arguments: &Value) -> String {
    request(
        id,
        "tools/call",
        &json!({"name": tool, "arguments": arguments}),
    )
}
