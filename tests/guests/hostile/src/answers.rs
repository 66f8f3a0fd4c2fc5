//! Answers and failures that are made up.

use crate::attacks::{begin, claim, open, setting, signal, zeroes};
use crate::bindings::exports::poolwarden::pool::pool::{Corruption, Failure};
use crate::bindings::poolwarden::pool::processes;
use crate::bindings::poolwarden::pool::types::Error;

/// The longest reason for a failure that is tried, in bytes.
const LONG: usize = 120 << 20;

/// Answers a verb as it is told, or fails.
pub(crate) fn run(name: &str, verb: &str) -> Result<String, Failure> {
    match name {
        "answer-blindly" => answer(verb),
        "answer" => {
            let _transaction = begin()?;
            let _ = processes::inspect(&[claim()]);
            answer(verb)
        }
        "signal-and-answer" => {
            let transaction = begin()?;
            let target = open(&transaction).map_err(Failure::Host)?;
            target.send(signal()).map_err(Failure::Host)?;
            drop(transaction);
            answer(verb)
        }
        "fail-corrupted" => Err(Failure::Corrupted(Corruption {
            line: u64::MAX,
            column: 1,
            detail: setting("with"),
        })),
        "fail-long" => Err(Failure::Host(Error::System(zeroes(LONG)))),
        "reject-long" => Err(Failure::Rejected(zeroes(LONG))),
        "fail-busy" => Err(Failure::Host(Error::Busy(setting("with")))),
        "fail-denied" => Err(Failure::Host(Error::Denied(setting("with")))),
        "fail-refused" => Err(Failure::Host(Error::Refused(setting("with")))),
        "fail-misuse" => Err(Failure::Host(Error::Misuse(setting("with")))),
        "fail-too-large" => Err(Failure::Host(Error::TooLarge(setting("with")))),
        "fail-ended" => Err(Failure::Host(Error::Ended(setting("with")))),
        "fail-system" => Err(Failure::Host(Error::System(setting("with")))),
        "fail-cancelled" => Err(Failure::Host(Error::Cancelled(setting("with")))),
        other => Err(Failure::Rejected(format!("there is no attack {other:?}"))),
    }
}

/// The setting `with` has a line for each verb: its name, a space, the answer.
fn answer(verb: &str) -> Result<String, Failure> {
    let with = setting("with");
    let mut lines = with.lines();
    let answer = lines.find_map(|line| line.strip_prefix(verb)?.strip_prefix(' '));
    match answer {
        Some(answer) => Ok(answer.to_owned()),
        None => Err(Failure::Rejected(format!("no answer to {verb} is set"))),
    }
}
