//! The attacks, by name.

use std::alloc::Layout;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::answers;
use crate::bindings::exports::poolwarden::pool::pool::Failure;
use crate::bindings::poolwarden::pool::processes;
use crate::bindings::poolwarden::pool::registry::{self, Transaction};
use crate::bindings::poolwarden::pool::signals::{self, Target};
use crate::bindings::poolwarden::pool::types::{Claim, Error, Signal};
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::logging::logging::{Level, log};

/// Every setting that an attack reads: the host refuses others.
pub(crate) const SETTINGS: [(&str, &str); 9] = [
    ("attack", "what to try; without it, nothing"),
    ("sid", "whom it is about"),
    ("pid", "the process that it is about"),
    ("created-at", "when that was registered"),
    ("sock", "where that listens"),
    (
        "signal",
        "what to send: KILL, STOP, CONT, USR1; without it, TERM",
    ),
    ("with", "what to write into the registry, or what to answer"),
    ("times", "how often to call; without it, a million times"),
    (
        "pass-on",
        "anything: fail with the host's error instead of telling it",
    ),
];

/// Tries the attack and reports what the host said.
pub(crate) fn run(name: &str, verb: &str) -> Result<String, Failure> {
    let said = match name {
        "" | "describe-only" => "nothing was tried".into(),
        "loop" => endless_loop(),
        "recursion" => recursion(1).to_string(),
        "recursion-in-memory" => recursion_in_memory(1).to_string(),
        "memory" => memory(),
        "grow-memory" => grow_memory(),
        "answer-large" => return Ok(format!("{{\"said\":\"{}\"}}", "x".repeat(4 << 20))),
        "answer-200-mib" => return Ok(zeroes(200 << 20)),
        "answer-1-gib" => return Ok(zeroes(1 << 30)),
        "answer-text" => return Ok("not JSON".into()),
        "answer-array" => return Ok("[]".into()),
        "answer-empty" => return Ok(String::new()),
        "trap" => std::process::abort(),
        "trap-after-signal" => {
            let transaction = begin()?;
            open(&transaction)
                .and_then(|target| target.send(Signal::Term))
                .map_err(Failure::Host)?;
            std::process::abort()
        }
        "leak-transaction" => {
            std::mem::forget(begin()?);
            "leaked".into()
        }
        "hold-for-ever" => {
            let _held = begin()?;
            endless_loop()
        }
        "begin-twice" => {
            let _first = begin()?;
            told(registry::begin().map(drop))?
        }
        "remember" => remember(),
        "replace-twice" => {
            let transaction = begin()?;
            let bytes = transaction
                .read()
                .map_err(Failure::Host)?
                .unwrap_or_default();
            transaction.replace(&bytes).map_err(Failure::Host)?;
            told(transaction.replace(&bytes))?
        }
        "replace" => replace(&setting("with"))?,
        "signal" => {
            let transaction = begin()?;
            told(open(&transaction).and_then(|target| target.send(signal())))?
        }
        "signal-group" => {
            let transaction = begin()?;
            told(open(&transaction).and_then(|target| target.send_group(signal())))?
        }
        "signal-later" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            drop(transaction);
            told(target.send(signal()))?
        }
        "signal-then-replace" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            target.send(signal()).map_err(Failure::Host)?;
            told(transaction.replace(setting("with").as_bytes()))?
        }
        // The registry that was read decides, not the one that was written since.
        "replace-then-signal" => {
            let transaction = begin()?;
            transaction
                .replace(setting("with").as_bytes())
                .map_err(Failure::Host)?;
            told(open(&transaction).and_then(|target| target.send(signal())))?
        }
        "wait-inside" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            told(signals::wait(&[&target], 10).map(drop))?
        }
        "wait-for-ever" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            drop(transaction);
            let mut waits = 0;
            while signals::wait(&[&target], u64::MAX).map_err(Failure::Host)? == [false]
                && waits < 10
            {
                waits += 1;
            }
            format!("{waits} waits")
        }
        "inspect-outside" => standing(),
        "inspect" => {
            let _transaction = begin()?;
            standing()
        }
        "many-calls" => {
            let times = setting("times").parse().unwrap_or(1_000_000);
            for _ in 0..times {
                let _ = store::get("attack");
            }
            format!("{times} calls")
        }
        "call-for-ever" => loop {
            let _ = store::get("attack");
        },
        "inspect-for-ever" => {
            let _transaction = begin()?;
            loop {
                let _ = standing();
            }
        }
        "begin-for-ever" => loop {
            drop(begin()?);
        },
        "many-targets" => {
            let transaction = begin()?;
            let mut targets = Vec::new();
            loop {
                targets.push(open(&transaction).map_err(Failure::Host)?);
            }
        }
        "flood-log" => {
            for line in 0..100_000 {
                log(
                    Level::Error,
                    "flood",
                    &format!("line {line} \u{1b}[31m\n second"),
                );
            }
            "logged".into()
        }
        other => return answers::run(other, verb),
    };
    Ok(format!("{{\"said\":{said:?}}}"))
}

/// What is tried by a policy that is only asked what it is.
pub(crate) fn while_describing(name: &str) {
    match name {
        "describe-trap" => std::process::abort(),
        "describe-loop" => drop(endless_loop()),
        _ => {}
    }
}

pub(crate) fn begin() -> Result<Transaction, Failure> {
    registry::begin().map_err(Failure::Host)
}

fn replace(with: &str) -> Result<String, Failure> {
    let transaction = begin()?;
    // An honest look first: found dead is what may go.
    if !setting("sid").is_empty() {
        let _ = processes::inspect(&[claim()]);
    }
    told(transaction.replace(with.as_bytes()))
}

pub(crate) fn open(transaction: &Transaction) -> Result<Target, Error> {
    signals::open(transaction, &setting("sid"), pid())
}

fn standing() -> String {
    let findings = processes::inspect(&[claim()]);
    format!(
        "{:?}: {}",
        findings[0].standing,
        findings[0].evidence.as_deref().unwrap_or("")
    )
}

pub(crate) fn claim() -> Claim {
    Claim {
        sid: setting("sid"),
        pid: pid(),
        created_at: setting("created-at"),
        sock: setting("sock"),
    }
}

pub(crate) fn setting(name: &str) -> String {
    store::get(name).ok().flatten().unwrap_or_default()
}

fn pid() -> u32 {
    setting("pid").parse().unwrap_or_default()
}

pub(crate) fn signal() -> Signal {
    match setting("signal").as_str() {
        "KILL" => Signal::Kill,
        "STOP" => Signal::Stop,
        "CONT" => Signal::Cont,
        "USR1" => Signal::Usr1,
        _ => Signal::Term,
    }
}

/// What the host said, to be answered. With the setting `pass-on`, an error is passed on
/// instead, as a policy does that has no answer without what it asked for.
fn told(result: Result<(), Error>) -> Result<String, Failure> {
    Ok(match result {
        Ok(()) => "done".into(),
        Err(error) if !setting("pass-on").is_empty() => return Err(Failure::Host(error)),
        Err(error) => match error {
            Error::Busy(text) => format!("busy: {text}"),
            Error::Denied(text) => format!("denied: {text}"),
            Error::Refused(text) => format!("refused: {text}"),
            Error::Misuse(text) => format!("misuse: {text}"),
            Error::TooLarge(text) => format!("too large: {text}"),
            Error::Ended(text) => format!("ended: {text}"),
            Error::System(text) => format!("system: {text}"),
            Error::Cancelled(text) => format!("cancelled: {text}"),
        },
    })
}

fn endless_loop() -> String {
    let mut count = 0_u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
        if count == u64::MAX {
            return "the end".into();
        }
    }
}

/// Ends at the machine's stack: its frames have next to nothing in the guest's memory.
fn recursion(depth: u64) -> u64 {
    if std::hint::black_box(depth) == 0 {
        return 0;
    }
    std::hint::black_box(recursion(depth + 1)) + 1
}

/// Ends at the stack that the guest's compiler keeps in its memory.
fn recursion_in_memory(depth: u64) -> u64 {
    if std::hint::black_box(depth) == 0 {
        return 0;
    }
    let here = std::hint::black_box([depth; 512]);
    recursion_in_memory(depth + 1) + here[0]
}

fn memory() -> String {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

/// Takes memory and does not even use it.
fn grow_memory() -> String {
    loop {
        std::hint::black_box(zeroes(1 << 24)).leak();
    }
}

/// A text of so many bytes, for which no memory is touched.
pub(crate) fn zeroes(size: usize) -> String {
    let layout = Layout::array::<u8>(size).expect("a size that there can be");
    // SAFETY: the size is not zero. What is allocated of that size comes from newly grown
    // memory, which is all zero in WebAssembly, and so is UTF-8.
    unsafe {
        let memory = std::alloc::alloc(layout);
        if memory.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        String::from_utf8_unchecked(Vec::from_raw_parts(memory, size, size))
    }
}

/// How often this policy was asked, as far as it can know.
fn remember() -> String {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed) + 1;
    format!("asked {asked} times")
}
