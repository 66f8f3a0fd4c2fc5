//! The proofs over a fake kernel, way by way, and over the real one.

mod cache;
mod groups;
mod ledger;
mod parked;
mod pids;
mod processes;
mod properties;
mod real;
mod refusals;
mod serving;
mod socket;
mod support;
mod time;
mod waiting;
