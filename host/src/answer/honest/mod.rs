//! Holding an answer against what the host found and did in the same request.
//!
//! [`Facts`] is filled by the host calls of a request. When the policy has answered,
//! [`Honest::check`] compares the answer's fields with it: pure functions, linear in the
//! registry and in the answer. What an answer says beyond its fields is free.
//!
//! - `facts`: what was read, found, signalled, removed and added;
//! - `workers`: the same, for each worker;
//! - `sessions`, `removals`, `stopped`, `entries`: one kind of claim each.

mod entries;
mod facts;
mod removals;
mod sessions;
mod stopped;
#[cfg(test)]
mod tests;
mod workers;

use serde::de::DeserializeOwned;

use crate::request::Request;
use crate::visible;

pub(crate) use facts::Facts;

/// How much of a text an error quotes, in characters.
const QUOTED: usize = 100;

/// The fields of an answer, which can be held against the facts of its request.
pub(crate) trait Honest: DeserializeOwned {
    /// # Errors
    /// The first claim that the facts contradict.
    fn check(&self, request: &Request, facts: &Facts) -> Result<(), Untrue>;
}

/// A claim of an answer, and what is so. Both continue a sentence: "the policy said that …,
/// but …".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Untrue {
    pub(crate) said: String,
    pub(crate) so: String,
}

impl Untrue {
    fn new(said: impl Into<String>, so: impl Into<String>) -> Self {
        Self {
            said: said.into(),
            so: so.into(),
        }
    }
}

/// A session and its process, in the middle of a sentence.
fn named(sid: &str, pid: u32) -> String {
    format!("session {} (pid {pid})", quoted(sid))
}

/// A text of the policy, in the middle of a sentence.
fn quoted(text: &str) -> String {
    format!("\"{}\"", visible::bounded_line(text, QUOTED))
}

/// # Errors
/// When an answer says of another request that it was, or was not, a dry run.
fn check_dry_run(said: bool, request: &Request) -> Result<(), Untrue> {
    match (said, request.is_dry_run()) {
        (false, true) => Err(Untrue::new(
            "it did what it lists",
            "the client asked for a dry run, and nothing was done",
        )),
        (true, false) => Err(Untrue::new(
            "it was a dry run",
            "the client did not ask for one",
        )),
        _ => Ok(()),
    }
}
