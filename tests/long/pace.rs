//! How long requests take as things are, so that somebody can interrupt them in the middle.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Taken for a request that nobody has made yet.
const GUESS: Duration = Duration::from_millis(20);

/// The usual times of requests that were not interrupted.
#[derive(Default)]
pub(crate) struct Pace(Mutex<HashMap<&'static str, Duration>>);

impl Pace {
    /// Notes how long one took. What is usual follows slowly.
    pub(crate) fn note(&self, verb: &'static str, took: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let usual = times.entry(verb).or_insert(took);
        *usual = (*usual * 7 + took) / 8;
    }

    /// How long one usually takes.
    pub(crate) fn of(&self, verb: &str) -> Duration {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.get(verb).copied().unwrap_or(GUESS)
    }
}
