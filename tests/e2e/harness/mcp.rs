//! A bare MCP client: lines of JSON on pipes, so that a test decides what is sent when.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use super::program::reported;
use super::{Lines, await_that};

/// A server, our child, and its two pipes.
pub(crate) struct Mcp {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines,
    serial: u64,
}

impl Mcp {
    /// Starts a server and says nothing to it.
    pub(crate) fn start(command: Command) -> Self {
        // Tests provoke warnings; they need not be read.
        Self::start_with(command, "error")
    }

    fn start_with(mut command: Command, log: &str) -> Self {
        command
            .env("POOLWARDEN_LOG", log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let input = child.stdin.take();
        let output = Lines::of(child.stdout.take().expect("its standard output"));
        Self {
            child,
            input,
            output,
            serial: 0,
        }
    }

    /// Opens a session with a server whose log, from `info` on, is read as well.
    pub(crate) fn open_with_log(mut command: Command) -> (Self, Lines) {
        command.stderr(Stdio::piped());
        let mut mcp = Self::start_with(command, "info");
        let log = mcp.child.stderr.take().expect("its standard error");
        mcp.initialize();
        (mcp, Lines::of(log))
    }

    /// Starts a server and opens the session.
    pub(crate) fn open(command: Command) -> Self {
        let mut mcp = Self::start(command);
        mcp.initialize();
        mcp
    }

    /// Opens the session; the server's answer.
    pub(crate) fn initialize(&mut self) -> Value {
        let answer = self.request(
            "initialize",
            json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            }),
        );
        self.notify("notifications/initialized", json!({}));
        answer["result"].clone()
    }

    /// Sends a line as it is.
    pub(crate) fn send_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}")
            .and_then(|()| input.flush())
            .expect("the server reads");
    }

    /// Sends a notification.
    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.send_line(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Sends a request; its id.
    pub(crate) fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.serial += 1;
        let id = self.serial;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send_line(&request.to_string());
        id
    }

    /// Waits for the next message.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        let line = self
            .output
            .next()
            .expect("the server ended before it answered");
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("standard output carries MCP only: {error}: {line}"))
    }

    /// Sends a request and waits for its answer, error or result.
    #[track_caller]
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        loop {
            let message = self.next();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool; the result, which may be a tool's error.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        assert!(
            answer["result"].is_object(),
            "{tool} has no result: {answer}"
        );
        answer["result"].clone()
    }

    /// Calls a tool that answers; the answer, as the JSON text of its content.
    #[track_caller]
    pub(crate) fn answer(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{result}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Calls a tool with a token for its progress; the request's id.
    pub(crate) fn begin_with_token(&mut self, token: &str, tool: &str, arguments: Value) -> u64 {
        let params = json!({
            "name": tool, "arguments": arguments, "_meta": {"progressToken": token},
        });
        self.begin("tools/call", params)
    }

    /// Waits until the server ends by itself, with its input open.
    #[track_caller]
    pub(crate) fn await_end(&mut self) -> ExitStatus {
        let mut status = None;
        await_that("the server ends", || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// What the policy says when it is asked for the status: its answer, or what it reports that
    /// has none. See [`reported`].
    #[track_caller]
    pub(crate) fn said(&mut self) -> Value {
        let result = self.call("pool_status", json!({}));
        said(&result).unwrap_or_else(|| panic!("the policy says nothing: {result}"))
    }

    /// The server's pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes the server's input and waits until it ends.
    #[track_caller]
    pub(crate) fn close(&mut self) -> ExitStatus {
        drop(self.input.take());
        self.await_end()
    }
}

impl Mcp {
    /// Kills the server where it has not ended.
    pub(crate) fn end(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Mcp {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the policy says in a tool's result. See [`Mcp::said`].
pub(crate) fn said(result: &Value) -> Option<Value> {
    let text = result["content"][0]["text"].as_str()?;
    match result["isError"] == true {
        true => reported(text),
        false => serde_json::from_str(text).ok(),
    }
}
