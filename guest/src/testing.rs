//! A host for tests of policies: a registry in memory, processes that are a table, a clock
//! that stands still, and a record of every call in order. Tests need no WebAssembly.
//!
//! ```ignore
//! let mut host = FakeHost::with_sessions(&[("a", 101, Standing::Alive)]);
//! host.change(101, |process| process.started = Some(FakeHost::NOW - 9 * 3600));
//! let host = host.with_setting("max-age", "8h");
//! let policy: AgeLimit = host.configured();
//! let answer = answer(policy.ensure(&host, false));
//! assert_eq!(answer["dismissed"][0]["outcome"], "signalled");
//! assert_eq!(host.sids(), ["a"], "kept until it is found dead");
//! ```
//!
//! It holds the policy to the host's rules of order: a second `begin`, a `wait` while the
//! lock is held and a `replace` that changes nothing all fail the test. What the real host
//! refuses or denies is up to the test ([`FakeHost::failures`], [`Process::open`],
//! [`Process::send`]).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::decide;
use crate::host::{
    Claim, Configuration, Error, Failure, Finding, Host, Instant, Observe, SentSignal, Signal,
    Standing,
};
use crate::policy::Policy;
use crate::settings::Settings;

/// What a fake process does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Ends on SIGTERM.
    EndsOnTerm,
    /// Ends on SIGKILL only.
    EndsOnKill,
    /// Does not end: it hangs in the kernel.
    Stays,
}

/// What the host knows about one pid, and how it answers about it.
#[derive(Clone, Debug)]
pub struct Process {
    /// What is found about it.
    pub standing: Standing,
    /// The words of that finding; empty for none.
    pub evidence: String,
    /// When it started, in seconds since 1970, where that is known.
    pub started: Option<u64>,
    /// The last signal that was sent to it. Sending one that asks to end changes it.
    pub last_signal: Option<SentSignal>,
    /// What it does about a signal.
    pub manners: Manners,
    /// What opening it answers.
    pub open: Result<(), Error>,
    /// What sending a signal answers, where it does not succeed.
    pub send: BTreeMap<Signal, Error>,
}

/// The fake host. Tests set it up, run verbs on it and read what is left in it.
#[derive(Default)]
pub struct FakeHost {
    /// The registry's bytes; none where there is no file.
    pub registry: RefCell<Option<Vec<u8>>>,
    /// The processes by their pid; what is not there is gone.
    pub processes: RefCell<BTreeMap<u32, Process>>,
    /// The policy's settings.
    pub settings: BTreeMap<String, String>,
    /// How far the clock has moved on from [`FakeHost::NOW`], in seconds.
    pub elapsed: Cell<u64>,
    /// What calls fail with, by the call's name (`begin`, `read`, `replace`, `open`, `send`,
    /// `send-group`, `wait`, `setting`) and how often it was made before.
    pub failures: BTreeMap<(&'static str, usize), Error>,
    /// What somebody else makes of the registry while the policy waits.
    pub meanwhile: RefCell<Option<Vec<u8>>>,
    /// What is found about a process that ended, where that is not that it exited.
    pub after_the_end: Option<Standing>,
    /// How many findings are withheld from the end of each answer.
    pub withheld: usize,
    calls: RefCell<Vec<String>>,
    held: Rc<Cell<bool>>,
}

/// The fake lock, held until this is dropped.
pub struct FakeTransaction(Rc<Cell<bool>>);

impl Drop for FakeTransaction {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Process {
    /// A process of this standing that ends when asked, with a word of evidence.
    pub fn new(standing: Standing) -> Self {
        let evidence = match standing {
            Standing::Alive => String::new(),
            _ => format!("found {}", decide::name(standing)),
        };
        Self {
            standing,
            evidence,
            started: None,
            last_signal: None,
            manners: Manners::EndsOnTerm,
            open: Ok(()),
            send: BTreeMap::new(),
        }
    }

    /// It was sent this signal, so many seconds before [`FakeHost::NOW`].
    pub fn was_sent(&mut self, signal: Signal, before: u64) {
        let at = instant(FakeHost::NOW - before);
        self.last_signal = Some(SentSignal { signal, at });
    }
}

impl FakeHost {
    /// 2026-01-02T03:04:05Z, the time on every fake host's clock, in seconds since 1970.
    pub const NOW: u64 = 1_767_323_045;

    /// A pool without a registry.
    pub fn absent() -> Self {
        Self::default()
    }

    /// A pool with this registry.
    pub fn with_text(text: &str) -> Self {
        let host = Self::default();
        host.registry.replace(Some(text.as_bytes().to_vec()));
        host
    }

    /// A pool of these sessions, with a process of that standing each.
    pub fn with_sessions(sessions: &[(&str, u32, Standing)]) -> Self {
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

    /// With this setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A policy with this host's settings.
    ///
    /// # Panics
    /// When the policy rejects them.
    pub fn configured<P: Policy>(&self) -> P {
        let policy = P::configure(&Settings::of(self));
        policy.unwrap_or_else(|failure| panic!("the settings are rejected: {failure:?}"))
    }

    /// Puts a process in place.
    pub fn process(&mut self, pid: u32, process: Process) {
        self.processes.get_mut().insert(pid, process);
    }

    /// Changes a process that is in place.
    ///
    /// # Panics
    /// When there is none.
    pub fn change(&mut self, pid: u32, change: impl FnOnce(&mut Process)) {
        change(
            self.processes
                .get_mut()
                .get_mut(&pid)
                .expect("the process is in place"),
        );
    }

    /// The calls so far, in order, each as its name and what it was about: `inspect 101,102`,
    /// `open a 101`, `send 101 Term`, `wait 101 2000`, `warn …`.
    pub fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    /// The sids in the registry as it stands now.
    ///
    /// # Panics
    /// When it is no registry.
    pub fn sids(&self) -> Vec<String> {
        let bytes = self.registry.borrow();
        let registry = crate::registry::Registry::parse(bytes.as_deref()).expect("a registry");
        registry
            .sessions
            .iter()
            .map(|entry| entry.sid.to_string())
            .collect()
    }

    /// The registry's text as it stands now.
    ///
    /// # Panics
    /// When there is no file, or it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8(self.registry.borrow().clone().expect("a file")).expect("UTF-8")
    }

    /// Whether the lock is held.
    pub fn is_locked(&self) -> bool {
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
        if decide::asks_to_end(signal) {
            let at = instant(self.now());
            process.last_signal = Some(SentSignal { signal, at });
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

impl Observe for FakeHost {
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
                let standing = match process.standing {
                    Standing::Exited => self.after_the_end.unwrap_or(Standing::Exited),
                    other => other,
                };
                Finding {
                    standing,
                    evidence: Some(process.evidence.clone()).filter(|words| !words.is_empty()),
                    started: process.started.map(instant),
                    last_signal: process.last_signal,
                }
            })
            .collect()
    }

    fn now(&self) -> u64 {
        Self::NOW + self.elapsed.get()
    }

    fn warn(&self, message: &str) {
        self.calls.borrow_mut().push(format!("warn {message}"));
    }
}

impl Configuration for FakeHost {
    fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        self.call("setting", format!("setting {name}"))?;
        Ok(self.settings.get(name).cloned())
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
}

fn instant(seconds: u64) -> Instant {
    Instant {
        seconds,
        nanoseconds: 0,
    }
}

/// An entry with all five fields, made a little before the fake's time.
pub fn entry(sid: &str, pid: u32) -> Value {
    json!({
        "sid": sid,
        "pid": pid,
        "sock": format!("/run/{sid}.sock"),
        "version": "1.2.3",
        "created_at": "2026-01-02T03:00:00Z",
    })
}

/// A verb's answer as JSON.
///
/// # Panics
/// When there is none.
pub fn answer(result: Result<String, Failure>) -> Value {
    let text = result.expect("an answer");
    serde_json::from_str(&text).expect("an answer is JSON")
}

/// A verb's rejection.
///
/// # Panics
/// When it was not rejected.
pub fn rejection(result: Result<String, Failure>) -> String {
    match result {
        Err(Failure::Rejected(text)) => text,
        other => panic!("not a rejection: {other:?}"),
    }
}
