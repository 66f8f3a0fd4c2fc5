//! What the host refuses, whatever a policy asks.
//!
//! These are the rules that keep a worker from being lost and a stranger from being hit.
//! They rest on the host's own reading of the registry and its own findings, never on
//! what a policy says. They are pure: no file, no process, no clock is touched here.
//!
//! [`Budget`] says what one request may do at most, and every effect is checked against it.

mod budget;
mod grants;
mod reading;
mod replace;
mod signal;

pub use budget::Budget;
pub(crate) use budget::{OverBudget, Proven};
pub use grants::{Grants, UnknownGrant};
pub(crate) use reading::{Reading, Unreadable};
pub(crate) use replace::Change;
use replace::Difference;
pub(crate) use signal::find_target;

/// A rule of the floor that an effect would have broken. Nothing was done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);
