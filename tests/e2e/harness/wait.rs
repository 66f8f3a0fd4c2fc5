//! Waiting for conditions, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take before the test fails. Far longer than anything does take,
/// because machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Returns once `condition` holds.
#[track_caller]
pub(crate) fn await_that(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain until {what}"
        );
        // What is waited for tells nobody: an answer that changes, a line in /proc. The pause
        // is between two looks, and leaves the machine to what is to happen.
        std::thread::sleep(Duration::from_millis(2));
    }
}
