//! One suite at a time, and what it measured.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other suite of this program runs, and keeps others waiting until the
/// guard goes: they would disturb each other's measurements and children.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A suite that failed has left nothing behind that another one uses.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints a line also when the test succeeds: the runner keeps back what `println!` says,
/// and not what is written here.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error");
}
