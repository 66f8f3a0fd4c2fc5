//! The attacks, by name.

use crate::bindings::exports::poolwarden::pool::pool::Failure;
use crate::bindings::poolwarden::pool::processes;
use crate::bindings::poolwarden::pool::registry::{self, Transaction};
use crate::bindings::poolwarden::pool::signals::{self, Target};
use crate::bindings::poolwarden::pool::types::{Claim, Error, Signal};
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::logging::logging::{Level, log};

/// Tries the attack and reports what the host said.
pub(crate) fn run(name: &str) -> Result<String, Failure> {
    let said = match name {
        "describe-only" => "nothing was tried".into(),
        "loop" => endless_loop(),
        "recursion" => recursion(1).to_string(),
        "memory" => memory(),
        "answer-large" => return Ok(format!("{{\"said\":\"{}\"}}", "x".repeat(4 << 20))),
        "answer-text" => return Ok("not JSON".into()),
        "answer-array" => return Ok("[]".into()),
        "answer-empty" => return Ok(String::new()),
        "trap" => std::process::abort(),
        "trap-after-signal" => {
            let transaction = begin()?;
            let said = term(&transaction);
            assert!(said == "sent", "{said}");
            std::process::abort()
        }
        "leak-transaction" => {
            std::mem::forget(begin()?);
            "leaked".into()
        }
        "begin-twice" => {
            let _first = begin()?;
            told(registry::begin().map(drop))
        }
        "replace-twice" => {
            let transaction = begin()?;
            let bytes = transaction
                .read()
                .map_err(Failure::Host)?
                .unwrap_or_default();
            transaction.replace(&bytes).map_err(Failure::Host)?;
            told(transaction.replace(&bytes))
        }
        "replace" => replace(&setting("with"))?,
        "signal" => {
            let transaction = begin()?;
            told(open(&transaction).and_then(|target| target.send(signal())))
        }
        "signal-group" => {
            let transaction = begin()?;
            told(open(&transaction).and_then(|target| target.send_group(signal())))
        }
        "signal-later" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            drop(transaction);
            told(target.send(signal()))
        }
        "signal-then-replace" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            target.send(signal()).map_err(Failure::Host)?;
            told(transaction.replace(setting("with").as_bytes()))
        }
        // The registry that was read decides, not the one that was written since.
        "replace-then-signal" => {
            let transaction = begin()?;
            transaction
                .replace(setting("with").as_bytes())
                .map_err(Failure::Host)?;
            told(open(&transaction).and_then(|target| target.send(signal())))
        }
        "wait-inside" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            told(signals::wait(&[&target], 10).map(drop))
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
            for _ in 0..1_000_000 {
                let _ = store::get("attack");
            }
            "a million calls".into()
        }
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
        other => return Err(Failure::Rejected(format!("there is no attack {other:?}"))),
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

fn begin() -> Result<Transaction, Failure> {
    registry::begin().map_err(Failure::Host)
}

fn replace(with: &str) -> Result<String, Failure> {
    let transaction = begin()?;
    // An honest look first: found dead is what may go.
    if !setting("sid").is_empty() {
        let _ = processes::inspect(&[claim()]);
    }
    Ok(told(transaction.replace(with.as_bytes())))
}

fn term(transaction: &Transaction) -> String {
    told(open(transaction).and_then(|target| target.send(Signal::Term))).replace("done", "sent")
}

fn open(transaction: &Transaction) -> Result<Target, Error> {
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

fn claim() -> Claim {
    Claim {
        sid: setting("sid"),
        pid: pid(),
        created_at: setting("created-at"),
        sock: setting("sock"),
    }
}

fn setting(name: &str) -> String {
    store::get(name).ok().flatten().unwrap_or_default()
}

fn pid() -> u32 {
    setting("pid").parse().unwrap_or_default()
}

fn signal() -> Signal {
    match setting("signal").as_str() {
        "KILL" => Signal::Kill,
        "STOP" => Signal::Stop,
        "CONT" => Signal::Cont,
        "USR1" => Signal::Usr1,
        _ => Signal::Term,
    }
}

fn told(result: Result<(), Error>) -> String {
    match result {
        Ok(()) => "done".into(),
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
    }
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

fn recursion(depth: u64) -> u64 {
    if std::hint::black_box(depth) == 0 {
        return 0;
    }
    let here = std::hint::black_box([depth; 64]);
    recursion(depth + 1) + here[0]
}

fn memory() -> String {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}
