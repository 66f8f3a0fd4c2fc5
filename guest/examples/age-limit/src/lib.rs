//! A policy that stops workers which have run for too long.
//!
//! At each `ensure`, who has run for the setting `max-age` or longer is sent SIGTERM, once:
//! from then on the worker is `stopping`, and its entry stays until it is found dead. With
//! `kill-after`, one that is still there so long after the last signal is sent SIGKILL by
//! the next `ensure`. The rest is the shipped policy.
//!
//! It needs the grants `registry-write`, `dismiss`, `signal-term` and, for `kill-after`,
//! `signal-kill`.

use std::time::Duration;

use poolwarden_policy::{
    Description, Dismissal, Failure, Policy, Pool, Settings, Signal, description,
};

#[derive(Default)]
struct AgeLimit {
    max_age: Option<Duration>,
    kill_after: Option<Duration>,
}

impl Policy for AgeLimit {
    fn describe() -> Description {
        description(
            "age-limit",
            env!("CARGO_PKG_VERSION"),
            &[
                (
                    "max-age",
                    "how long a worker may run, such as 8h; without it, for ever",
                ),
                (
                    "kill-after",
                    "how long after SIGTERM it is killed, such as 30s; without it, never",
                ),
            ],
        )
    }

    fn configure(settings: &Settings<'_>) -> Result<Self, Failure> {
        Ok(Self {
            max_age: settings.duration("max-age")?,
            kill_after: settings.duration("kill-after")?,
        })
    }

    fn dismiss(&self, pool: &Pool<'_>) -> Vec<Dismissal> {
        let Some(max_age) = self.max_age else {
            return Vec::new();
        };
        let now = pool.now();
        // A worker whose start is unknown has no age, and none is less than any.
        let too_old = pool
            .running()
            .filter(|worker| worker.age(now) >= Some(max_age))
            .map(|worker| worker.dismiss(Signal::Term, "it has run for max-age or longer"));
        let too_slow = pool
            .stopping()
            .filter(|worker| worker.age(now) >= Some(max_age))
            .filter(|worker| {
                self.kill_after
                    .is_some_and(|patience| worker.since_signal(now) >= Some(patience))
            })
            .map(|worker| worker.dismiss(Signal::Kill, "it did not end within kill-after"));
        too_old.chain(too_slow).collect()
    }
}

poolwarden_policy::export!(AgeLimit);

#[cfg(test)]
mod tests;
