//! The audit trail: who did what to which worker or entry, and what came of it.
//!
//! Every signal, every removal of an entry and every adoption has a line in the pool's
//! `audit.jsonl` before it happens and one after it. What cannot be recorded does not happen, and where
//! nothing happens nothing is recorded. The lines are JSON objects, so that any tool reads
//! them; [`History::read`] puts the two of an effect together.

mod asker;
mod history;
mod lines;
mod record;

pub use asker::{AskedBy, Asker, Via};
pub use history::{Action, History, Problem};
pub(crate) use record::{After, Before, Id};
pub use record::{DecidedBy, Event};
