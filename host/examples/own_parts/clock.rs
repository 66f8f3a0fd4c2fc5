//! A clock that stands.

use std::time::SystemTime;

use poolwarden::Clock;

/// It is always this time.
pub(crate) struct StandingClock(pub(crate) SystemTime);

impl Clock for StandingClock {
    fn now(&self) -> SystemTime {
        self.0
    }
}
