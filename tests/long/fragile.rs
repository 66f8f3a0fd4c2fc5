//! A server that can be killed with requests under way.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::striker::{Moment, Striker};

/// A server, our child, and its two pipes.
pub(crate) struct Fragile {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    serial: u64,
}

/// What became of some calls.
pub(crate) struct Served {
    /// The results, in the order of the calls. None came of those that were under way when
    /// the server was killed.
    pub(crate) results: Vec<Option<Value>>,
    /// The server, unless it was killed.
    pub(crate) server: Option<Fragile>,
}

impl Fragile {
    /// Starts a server and opens the session.
    pub(crate) fn open(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let input = child.stdin.take().expect("its standard input");
        let output = BufReader::new(child.stdout.take().expect("its standard output"));
        let mut server = Self {
            child,
            input,
            output,
            serial: 0,
        };
        let open = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "striker", "version": "1"},
        }});
        let opened = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let lines = format!("{open}\n{opened}\n");
        server.input.write_all(lines.as_bytes()).expect("it reads");
        server.next().expect("it answers");
        server
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes all of these calls at once. The server may be killed meanwhile.
    pub(crate) fn serve(mut self, calls: &[Value], striker: &Striker, moment: Moment) -> Served {
        striker.expose(self.child.id(), moment);
        let first = self.serial + 1;
        let mut lines = String::new();
        for call in calls {
            self.serial += 1;
            let call = json!({"jsonrpc": "2.0", "id": self.serial, "method": "tools/call", "params": call});
            lines += &format!("{call}\n");
        }
        // Fails when it was killed.
        let _ = self.input.write_all(lines.as_bytes());
        if let Moment::After(_) = moment {
            // What it answers fits into the pipe.
            striker.watch_over(&mut self.child, moment);
        }
        let mut results = HashMap::new();
        while results.len() < calls.len()
            && let Some(mut message) = self.next()
        {
            let id = message["id"].as_u64().expect("the id of a call");
            results.insert(id, message["result"].take());
        }
        let killed = match moment {
            Moment::Never => false,
            Moment::After(_) => true,
            // It is not done for before it is dead.
            Moment::At(_) => striker.has_struck(self.child.id()),
        };
        if killed {
            let status = self.child.wait().expect("our child");
            assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
            striker.count(moment);
        } else {
            assert_eq!(results.len(), calls.len(), "the server has ended by itself");
        }
        Served {
            results: (first..=self.serial)
                .map(|id| results.remove(&id))
                .collect(),
            server: (!killed).then_some(self),
        }
    }

    /// The next message; none when the server was killed.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("our end of a pipe");
        // A killed server may have written a part of a line.
        (read > 0 && line.ends_with('\n')).then(|| serde_json::from_str(&line).expect("a message"))
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
