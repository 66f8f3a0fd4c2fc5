//! algocline, running as an MCP server, and the workers that it starts.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::{Value, json};

use crate::harness::{Mcp, TestPool};

/// A server of algocline with a home of its own.
///
/// Its workers outlive it by design; they are killed when this is dropped.
pub(crate) struct Algocline {
    /// Its pool.
    pub(crate) pool: TestPool,
    /// Its server.
    pub(crate) mcp: Mcp,
}

impl Algocline {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::start_under(&[])
    }

    /// Starts one whose command line is put behind this one.
    pub(crate) fn start_under(wrapper: &[&str]) -> Self {
        let binary = std::env::var_os("ALC").expect("ALC names the binary of algocline 0.44.4");
        let pool = TestPool::absent_at("state/pool");
        let version = Command::new(&binary)
            .arg("--version")
            .output()
            .expect("it runs");
        // The server itself names the version of its SDK.
        assert_eq!(String::from_utf8_lossy(&version.stdout), "alc 0.44.4\n");
        let mut words: Vec<_> = wrapper.iter().map(OsStr::new).collect();
        words.push(&binary);
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("HOME", pool.root())
            .env("ALC_HOME", pool.root())
            // In seconds. Should this test be killed, its workers do not stay for ever.
            .env("ALC_POOL_IDLE_TIMEOUT", "300")
            .current_dir(pool.root())
            .stderr(Stdio::null());
        let mut mcp = Mcp::start(command);
        mcp.initialize();
        Self { pool, mcp }
    }

    /// Runs a program that asks something, which leaves a worker waiting in the pool; its
    /// session id.
    #[track_caller]
    pub(crate) fn start_worker(&mut self) -> String {
        Self::start_worker_of(&mut self.mcp)
    }

    /// The same, of a server that is borrowed alone.
    #[track_caller]
    pub(crate) fn start_worker_of(mcp: &mut Mcp) -> String {
        const ATTEMPTS: usize = 50;
        let mut attempts = std::iter::repeat_with(|| Self::try_to_start_worker(mcp));
        let started = attempts.by_ref().take(ATTEMPTS).flatten().next();
        started.expect("algocline connects to one of its workers")
    }

    /// Starts a worker, unless algocline is too quick for it: it connects as soon as the
    /// worker's socket exists, and gives up when the worker, which has only bound it, does
    /// not listen yet. That one never gets an entry.
    #[track_caller]
    pub(crate) fn try_to_start_worker(mcp: &mut Mcp) -> Option<String> {
        let question = json!({"code": "return alc.llm('hi')", "host_mode": true});
        let result = mcp.call("alc_run", question);
        let text = result["content"][0]["text"].as_str().expect("a text");
        if result["isError"] == true {
            assert!(text.contains("Connection refused"), "{text}");
            return None;
        }
        let answer: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(answer["status"], "needs_response", "{answer}");
        assert!(answer.get("pool_save_error").is_none(), "{answer}");
        let sid = answer["session_id"].as_str().expect("a session id");
        Some(sid.to_owned())
    }

    /// The pool's sessions as algocline lists them.
    #[track_caller]
    pub(crate) fn sessions(&mut self) -> Vec<Value> {
        let answer = self.mcp.answer("alc_pool_status", json!({}));
        answer["sessions"].as_array().expect("sessions").clone()
    }

    /// Their sids, in order.
    #[track_caller]
    pub(crate) fn sids(&mut self) -> Vec<String> {
        let sessions = self.sessions();
        sessions
            .iter()
            .map(|one| one["sid"].as_str().expect("a sid").to_owned())
            .collect()
    }
}

impl Drop for Algocline {
    fn drop(&mut self) {
        // First the server, so that it starts no more workers.
        self.mcp.end();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                self.kill_worker(pid);
            }
        }
    }
}

impl Algocline {
    /// Kills a process if it is a worker of this home, which its command line names.
    fn kill_worker(&self, pid: Pid) {
        // Held before it is looked at: what is killed is what was seen.
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        let root = self.pool.root().to_str().expect("a path that is text");
        if command.contains("pool-worker") && command.contains(root) {
            // Fails when it has just ended by itself.
            let _ = pidfd_send_signal(held, Signal::KILL);
        }
    }
}
