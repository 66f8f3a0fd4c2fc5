//! Who is this process: facts about Linux processes, and proofs of a claim about one.
//!
#![doc = include_str!("standings.md")]

mod bound;
mod cache;
mod census;
mod claim;
mod decide;
pub mod environment;
mod finding;
mod forbidden;
mod group;
mod handle;
mod here;
mod hidden;
mod identify;
mod identity;
mod inquiry;
mod inspect;
mod kernel;
mod ladder;
mod ledger;
mod linux;
mod listeners;
mod parked;
mod paths;
mod portrait;
mod procfs;
mod quoted;
mod reach;
mod serving;
mod signal;
mod socket;
mod subject;
mod time;
mod verified;
mod wait;
mod watch;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub(crate) use bound::BoundSockets;
pub(crate) use census::{Elsewhere, Remaining, Server};
pub use claim::Claim;
pub(crate) use environment::{Marked, MarkedWorker};
pub use finding::{Finding, Inspection, Question, Standing, Strength, UnknownStrength};
pub use forbidden::Forbidden;
pub use identify::{Identified, IdentifyError};
pub use identity::{Identity, Place, Proof, Record};
pub use inquiry::{Inquiry, Interrupted};
pub use inspect::{LinuxProcesses, Processes};
pub use portrait::{Parent, Portrait};
pub(crate) use reach::Mounts;
pub use serving::Serving;
pub use signal::{Signal, UnknownSignal};
pub use verified::{Parked, Process, SendError};
pub use wait::WaitError;
