//! The proofs over a fake kernel, way by way, and over the real one.

mod cache;
mod headless;
mod ledger;
mod pids;
mod processes;
mod properties;
mod real;
mod refusals;
mod requests;
#[cfg(feature = "privileged-suites")]
mod reuse;
mod socket;
mod standings;
mod support;
mod time;
mod waiting;
