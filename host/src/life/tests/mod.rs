//! Tests against a kernel that can be made to do anything, and a real pool.

mod adopt;
mod strong;
pub(super) mod support;
mod wait;
mod watch;
mod watch_trouble;
mod watching;
