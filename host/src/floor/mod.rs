//! What the host refuses, whatever a policy asks.
//!
//! These are the rules that keep a worker from being lost and a stranger from being hit.
//! They rest on the host's own reading of the registry and its own findings, never on
//! what a policy says. They are pure: no file, no process, no clock is touched here.

mod grants;
mod reading;
mod replace;
mod signal;

pub(crate) use grants::Denied;
pub use grants::{Grants, UnknownGrant};
pub(crate) use reading::{Reading, Unreadable};
pub(crate) use replace::{Change, check_replace};
pub(crate) use signal::find_target;

/// A rule of the floor that an effect would have broken. Nothing was done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);
