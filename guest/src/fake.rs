//! A host for tests: a registry in memory, processes that are a table, and a record of
//! every call in order.
//!
//! It holds the policy to the host's rules: a second `begin`, a `wait` while the lock is
//! held and a `replace` that changes nothing all fail the test.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::host::{Claim, Error, Failure, Finding, Host, Instant, SentSignal, Signal, Standing};

/// 2026-01-02T03:04:05Z, the time on every fake host's clock.
const NOW: u64 = 1_767_323_045;

/// What a fake process does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// Ends on SIGTERM.
    EndsOnTerm,
    /// Ends on SIGKILL only.
    EndsOnKill,
    /// Does not end: it hangs in the kernel.
    Stays,
}

/// What the host knows about one pid, and how it answers about it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) standing: Standing,
    pub(crate) evidence: String,
    pub(crate) last_signal: Option<Signal>,
    pub(crate) manners: Manners,
    /// What opening it answers.
    pub(crate) open: Result<(), Error>,
    /// What sending each signal answers.
    pub(crate) send: BTreeMap<Signal, Error>,
}

/// The fake host. Tests set its fields up and read what is left in them.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) registry: RefCell<Option<Vec<u8>>>,
    pub(crate) processes: RefCell<BTreeMap<u32, Process>>,
    /// What calls fail with, by the call's name and how often it was made before.
    pub(crate) failures: BTreeMap<(&'static str, usize), Error>,
    /// What somebody else makes of the registry while the policy waits.
    pub(crate) meanwhile: RefCell<Option<Vec<u8>>>,
    /// What is found about a process that ended, where that is not that it exited.
    pub(crate) after_the_end: Option<Standing>,
    /// How many findings are withheld from the end of each answer.
    pub(crate) withheld: usize,
    calls: RefCell<Vec<String>>,
    held: Rc<Cell<bool>>,
}

/// Releases the fake lock.
pub(crate) struct FakeTransaction(Rc<Cell<bool>>);

impl Drop for FakeTransaction {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Process {
    /// A process of this standing that ends when asked, with a word of evidence.
    pub(crate) fn new(standing: Standing) -> Self {
        let evidence = match standing {
            Standing::Alive => String::new(),
            _ => format!("found {}", crate::decide::name(standing)),
        };
        Self {
            standing,
            evidence,
            last_signal: None,
            manners: Manners::EndsOnTerm,
            open: Ok(()),
            send: BTreeMap::new(),
        }
    }
}

impl FakeHost {
    /// A pool without a registry.
    pub(crate) fn absent() -> Self {
        Self::default()
    }

    /// A pool with this registry.
    pub(crate) fn with_text(text: &str) -> Self {
        let host = Self::default();
        host.registry.replace(Some(text.as_bytes().to_vec()));
        host
    }

    /// A pool of these sessions, with a process of that standing each.
    pub(crate) fn with_sessions(sessions: &[(&str, u32, Standing)]) -> Self {
        let entries: Vec<_> = sessions
            .iter()
            .map(|(sid, pid, _)| entry(sid, *pid))
            .collect();
        let mut host = Self::with_text(&json!({ "sessions": entries }).to_string());
        for (_, pid, standing) in sessions {
            host.process(*pid, Process::new(*standing));
        }
        host
    }

    /// Puts a process in place.
    pub(crate) fn process(&mut self, pid: u32, process: Process) {
        self.processes.get_mut().insert(pid, process);
    }

    /// Changes a process that is in place.
    pub(crate) fn change(&mut self, pid: u32, change: impl FnOnce(&mut Process)) {
        change(
            self.processes
                .get_mut()
                .get_mut(&pid)
                .expect("the process is in place"),
        );
    }

    /// The calls so far, in order, without `inspect`'s and `open`'s results.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    /// The sids in the registry as it stands now.
    pub(crate) fn sids(&self) -> Vec<String> {
        let bytes = self.registry.borrow();
        let registry = crate::registry::Registry::parse(bytes.as_deref()).expect("a registry");
        registry
            .sessions
            .iter()
            .map(|entry| entry.sid.to_string())
            .collect()
    }

    /// The registry's text as it stands now.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.registry.borrow().clone().expect("a file")).expect("UTF-8")
    }

    /// Whether the lock is held.
    pub(crate) fn is_locked(&self) -> bool {
        self.held.get()
    }

    fn signal(&self, call: &'static str, target: u32, signal: Signal) -> Result<(), Error> {
        self.call(
            call,
            format!("{call} {target} {signal:?}").replace("Signal::", ""),
        )?;
        let mut processes = self.processes.borrow_mut();
        let process = processes.get_mut(&target).expect("an opened process");
        if let Some(error) = process.send.get(&signal) {
            return Err(error.clone());
        }
        let ends = match process.manners {
            Manners::EndsOnTerm => matches!(signal, Signal::Term | Signal::Kill),
            Manners::EndsOnKill => signal == Signal::Kill,
            Manners::Stays => false,
        };
        if ends {
            process.standing = Standing::Exited;
            process.evidence = "found exited".to_owned();
        }
        Ok(())
    }

    fn call(&self, name: &'static str, line: String) -> Result<(), Error> {
        let mut calls = self.calls.borrow_mut();
        let before = calls
            .iter()
            .filter(|call| call.split(' ').next() == Some(name))
            .count();
        calls.push(line);
        self.failures
            .get(&(name, before))
            .cloned()
            .map_or(Ok(()), Err)
    }
}

impl Host for FakeHost {
    type Transaction = FakeTransaction;
    type Target = u32;

    fn begin(&self) -> Result<FakeTransaction, Error> {
        self.call("begin", "begin".to_owned())?;
        assert!(
            !self.held.replace(true),
            "begin while a transaction is held"
        );
        Ok(FakeTransaction(self.held.clone()))
    }

    fn read(&self, _: &FakeTransaction) -> Result<Option<Vec<u8>>, Error> {
        self.call("read", "read".to_owned())?;
        Ok(self.registry.borrow().clone())
    }

    fn replace(&self, _: &FakeTransaction, bytes: &[u8]) -> Result<(), Error> {
        self.call("replace", "replace".to_owned())?;
        let before = self.registry.replace(Some(bytes.to_vec()));
        assert_ne!(
            before.as_deref(),
            Some(bytes),
            "a replace that changes nothing"
        );
        Ok(())
    }

    fn inspect(&self, claims: &[Claim<'_>]) -> Vec<Finding> {
        assert!(
            self.held.get(),
            "inspect without a transaction proves nothing"
        );
        let pids: Vec<_> = claims.iter().map(|claim| claim.pid.to_string()).collect();
        self.calls
            .borrow_mut()
            .push(format!("inspect {}", pids.join(",")));
        let processes = self.processes.borrow();
        let gone = Process::new(Standing::Gone);
        claims[..claims.len().saturating_sub(self.withheld)]
            .iter()
            .map(|claim| {
                let process = processes.get(&claim.pid).unwrap_or(&gone);
                let at = Instant {
                    seconds: NOW,
                    nanoseconds: 0,
                };
                let standing = match process.standing {
                    Standing::Exited => self.after_the_end.unwrap_or(Standing::Exited),
                    other => other,
                };
                Finding {
                    standing,
                    evidence: Some(process.evidence.clone()).filter(|words| !words.is_empty()),
                    started: None,
                    last_signal: process.last_signal.map(|signal| SentSignal { signal, at }),
                }
            })
            .collect()
    }

    fn open(&self, _: &FakeTransaction, sid: &str, pid: u32) -> Result<u32, Error> {
        self.call("open", format!("open {sid} {pid}"))?;
        self.processes.borrow()[&pid].open.clone().map(|()| pid)
    }

    fn send(&self, target: &u32, signal: Signal) -> Result<(), Error> {
        self.signal("send", *target, signal)
    }

    fn send_group(&self, target: &u32, signal: Signal) -> Result<(), Error> {
        self.signal("send-group", *target, signal)
    }

    fn wait(&self, targets: &[&u32], timeout: u64) -> Result<Vec<bool>, Error> {
        assert!(!self.held.get(), "wait while the lock is held");
        assert!(!targets.is_empty(), "a wait for nobody");
        let pids: Vec<_> = targets.iter().map(ToString::to_string).collect();
        self.call("wait", format!("wait {} {timeout}", pids.join(",")))?;
        if let Some(bytes) = self.meanwhile.take() {
            self.registry.replace(Some(bytes));
        }
        let processes = self.processes.borrow();
        Ok(targets
            .iter()
            .map(|pid| processes[*pid].standing == Standing::Exited)
            .collect())
    }

    fn now(&self) -> u64 {
        NOW
    }

    fn warn(&self, message: &str) {
        self.calls.borrow_mut().push(format!("warn {message}"));
    }
}

/// An entry with all five fields, made a little before the fake's time.
pub(crate) fn entry(sid: &str, pid: u32) -> Value {
    json!({
        "sid": sid,
        "pid": pid,
        "sock": format!("/run/{sid}.sock"),
        "version": "1.2.3",
        "created_at": "2026-01-02T03:00:00Z",
    })
}

/// A verb's answer as JSON.
pub(crate) fn answer(result: Result<String, Failure>) -> Value {
    let text = result.expect("an answer");
    serde_json::from_str(&text).expect("an answer is JSON")
}

/// A verb's rejection.
pub(crate) fn rejection(result: Result<String, Failure>) -> String {
    match result {
        Err(Failure::Rejected(text)) => text,
        other => panic!("not a rejection: {other:?}"),
    }
}
