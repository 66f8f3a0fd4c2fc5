//! Watching a pool: what happens to its workers, told at once and without polling.

mod directory;
mod report;
mod roster;
mod surveyor;
mod watcher;

#[cfg(test)]
mod tests;

pub use report::{Event, EventKind, Report, Trouble};
