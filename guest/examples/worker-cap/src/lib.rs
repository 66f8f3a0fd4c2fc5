//! A policy that lets no more than so many workers into a pool.
//!
//! `register` is rejected while the pool has `max-workers` of them. Only the proven dead do
//! not count, and when a newcomer is admitted their entries go. The rest is the shipped
//! policy.
//!
//! It needs the grants `registry-write`, `signal-term` and `signal-kill`.

use poolwarden_policy::{Description, Failure, NewEntry, Policy, Pool, Settings, description};

#[derive(Default)]
struct WorkerCap {
    max_workers: Option<usize>,
}

impl Policy for WorkerCap {
    fn describe() -> Description {
        let limit = "how many workers a pool may have, such as 10; without it, any number";
        description(
            "worker-cap",
            env!("CARGO_PKG_VERSION"),
            &[("max-workers", limit)],
        )
    }

    fn configure(settings: &Settings<'_>) -> Result<Self, Failure> {
        let max_workers = settings.parse("max-workers", "a number such as 10")?;
        Ok(Self { max_workers })
    }

    fn admit(&self, pool: &Pool<'_>, new: &NewEntry) -> Result<(), String> {
        let Some(most) = self.max_workers else {
            return Ok(());
        };
        let count = pool.kept().count();
        if count < most {
            return Ok(());
        }
        Err(format!(
            "sid={}: the pool has {count} workers, and max-workers is {most}; stop one first",
            new.sid
        ))
    }
}

poolwarden_policy::export!(WorkerCap);

#[cfg(test)]
mod tests {
    use poolwarden_policy::Standing;
    use poolwarden_policy::testing::{FakeHost, Process, answer, rejection};

    use super::*;

    /// A pool with two workers and a dead entry, and pid 200 to register.
    fn pool(max_workers: &str) -> FakeHost {
        let mut host = FakeHost::with_sessions(&[
            ("a", 101, Standing::Alive),
            ("dead", 102, Standing::Gone),
            ("b", 103, Standing::Unproven),
        ]);
        host.process(200, Process::new(Standing::Alive));
        host.with_setting("max-workers", max_workers)
    }

    fn register(host: &FakeHost) -> Result<String, Failure> {
        let new = NewEntry {
            sid: "new".to_owned(),
            pid: 200,
            sock: String::new(),
            version: String::new(),
        };
        host.configured::<WorkerCap>().register(host, &new)
    }

    #[test]
    fn a_full_pool_takes_nobody_and_stays_as_it_is() {
        let host = pool("2");
        let before = host.text();
        let why = rejection(register(&host));
        assert!(why.contains("the pool has 2 workers"), "{why}");
        assert_eq!(host.text(), before);
    }

    #[test]
    fn the_dead_do_not_count_and_go() {
        let host = pool("3");
        assert_eq!(answer(register(&host))["removed"][0]["sid"], "dead");
        assert_eq!(host.sids(), ["a", "b", "new"]);
    }

    #[test]
    fn without_its_setting_it_is_the_shipped_policy() {
        let mut host = pool("0");
        host.settings.clear();
        answer(register(&host));
        assert_eq!(host.sids(), ["a", "dead", "b", "new"]);
    }

    #[test]
    fn it_says_what_it_reads() {
        assert_eq!(WorkerCap::describe().settings[0].name, "max-workers");
    }
}
