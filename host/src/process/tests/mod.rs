//! The proofs over a fake kernel, way by way, and over the real one.

mod cache;
mod groups;
mod headless;
mod ledger;
mod parked;
mod pids;
mod processes;
mod properties;
mod real;
mod refusals;
mod requests;
#[cfg(feature = "privileged-suites")]
mod reuse;
mod serving;
mod socket;
mod standings;
mod support;
mod time;
mod waiting;
