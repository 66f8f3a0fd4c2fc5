//! What requests came to, and how long they took.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Outcomes by what was asked, from many threads.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, Verb>>);

#[derive(Default)]
struct Verb {
    outcomes: BTreeMap<&'static str, usize>,
    times: Vec<Duration>,
}

impl Tally {
    /// Notes one more request.
    pub(crate) fn note(&self, verb: &'static str, outcome: &'static str, took: Duration) {
        // Whoever panicked while he held it has not left it half changed.
        let mut verbs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let verb = verbs.entry(verb).or_default();
        *verb.outcomes.entry(outcome).or_default() += 1;
        verb.times.push(took);
    }

    /// How many requests came to this.
    pub(crate) fn count(&self, verb: &str, outcome: &str) -> usize {
        let verbs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = verbs.get(verb).and_then(|verb| verb.outcomes.get(outcome));
        count.copied().unwrap_or(0)
    }

    /// A line for each verb.
    pub(crate) fn lines(&self) -> Vec<String> {
        let verbs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(verb, noted): (&&str, &Verb)| {
            let mut times = noted.times.clone();
            times.sort();
            let outcomes: Vec<_> = noted
                .outcomes
                .iter()
                .map(|(outcome, count)| format!("{count} {outcome}"))
                .collect();
            format!(
                "  {verb}: {}; median {:.1?}, longest {:.1?}",
                outcomes.join(", "),
                times[times.len() / 2],
                times[times.len() - 1]
            )
        };
        verbs.iter().map(line).collect()
    }
}
