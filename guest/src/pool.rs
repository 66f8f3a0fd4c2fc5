//! The pool as a decision sees it.

use std::cell::OnceCell;

use crate::decide::Status;
use crate::host::Observe;
use crate::registry::{Entry, Registry};
use crate::sweep::{Surveyed, Sweep};

/// The pool in the request's transaction.
///
/// Processes are looked at once, all in one call, when a decision first asks about them;
/// one that never asks costs nothing.
pub struct Pool<'a> {
    host: &'a dyn Observe,
    registry: &'a Registry<'a>,
    sweep: OnceCell<Sweep<'a>>,
}

impl<'a> Pool<'a> {
    /// The pool of this registry. Needs an open transaction when it is asked.
    pub fn new(host: &'a impl Observe, registry: &'a Registry<'a>) -> Self {
        Self {
            host,
            registry,
            sweep: OnceCell::new(),
        }
    }

    /// Every entry, in the order of the registry, with nothing found out about it.
    pub fn entries(&self) -> &'a [Entry<'a>] {
        &self.registry.sessions
    }

    /// Who is not proven dead, and how each is doing, in the order of the registry.
    pub fn kept(&self) -> impl Iterator<Item = (&Surveyed<'a>, Status)> {
        self.sweep().kept.iter().map(|(one, status)| (one, *status))
    }

    /// Who is proven to run and was not asked to end.
    pub fn running(&self) -> impl Iterator<Item = &Surveyed<'a>> {
        self.with(Status::Running)
    }

    /// Who is proven to run and was asked to end, by any poolwarden on this pool.
    pub fn stopping(&self) -> impl Iterator<Item = &Surveyed<'a>> {
        self.with(Status::Stopping)
    }

    /// Whose process is proven to be no more.
    pub fn dead(&self) -> &[Surveyed<'a>] {
        &self.sweep().dead
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, by a clock that can be stepped.
    pub fn now(&self) -> u64 {
        self.host.now()
    }

    /// Writes a warning into the host's log.
    pub fn warn(&self, message: &str) {
        self.host.warn(message);
    }

    /// The pool, sorted.
    pub fn sweep(&self) -> &Sweep<'a> {
        self.sweep
            .get_or_init(|| Sweep::of(self.host, self.registry))
    }

    /// The pool, sorted, where a decision has asked about it.
    pub(crate) fn swept(&self) -> Option<&Sweep<'a>> {
        self.sweep.get()
    }

    fn with(&self, wanted: Status) -> impl Iterator<Item = &Surveyed<'a>> {
        let fits = move |(one, status)| (status == wanted).then_some(one);
        self.kept().filter_map(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, Signal, Standing};
    use crate::testing::FakeHost;

    #[test]
    fn a_decision_sees_who_runs_who_is_on_the_way_out_and_who_is_dead() {
        let mut host = FakeHost::with_sessions(&[
            ("a", 101, Standing::Alive),
            ("b", 102, Standing::Gone),
            ("c", 103, Standing::Alive),
            ("d", 104, Standing::Foreign),
        ]);
        host.change(103, |process| process.was_sent(Signal::Term, 0));
        let transaction = host.begin().expect("a transaction");
        let bytes = host.read(&transaction).expect("a read");
        let registry = Registry::parse(bytes.as_deref()).expect("a registry");
        let pool = Pool::new(&host, &registry);
        let sids = |workers: Vec<&Surveyed<'_>>| -> Vec<String> {
            workers
                .iter()
                .map(|one| one.entry.sid.to_string())
                .collect()
        };

        assert_eq!(pool.entries().len(), 4);
        assert!(pool.swept().is_none());
        assert_eq!(host.calls(), ["begin", "read"], "nobody asked yet");
        assert_eq!(sids(pool.running().collect()), ["a"]);
        assert_eq!(sids(pool.stopping().collect()), ["c"]);
        assert_eq!(sids(pool.dead().iter().collect()), ["b"]);
        assert_eq!(
            sids(pool.kept().map(|(one, _)| one).collect()),
            ["a", "c", "d"]
        );
        assert_eq!(pool.now(), FakeHost::NOW);
        pool.warn("x");
        let looked = "inspect 101,102,103,104";
        assert_eq!(host.calls(), ["begin", "read", looked, "warn x"], "once");
    }
}
