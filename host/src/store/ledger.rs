//! The host's own record of who each registered process is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::SystemTime;

use crate::process::{Claim, Record, Signal};

/// What the host knows of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who the process is, and how that was proven.
    pub record: Record,
    /// The last signal sent to it.
    pub last_signal: Option<SentSignal>,
    /// Whether its entry was to go, and its process perhaps not. Where the entry stands all
    /// the same, the row still proves whose it is; nobody gets an entry for it.
    pub withdrawn: bool,
    /// Whether a kill was to follow the last signal, and was withdrawn with its request.
    pub kill_withdrawn: bool,
}

/// A signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentSignal {
    /// Which one.
    pub signal: Signal,
    /// When, by the host's clock.
    pub at: SystemTime,
}

/// The ledger in memory. Clones share their rows until one of them changes.
///
/// It holds what must not live in the registry, which other programs rewrite with their
/// own fields only, and which a policy could forge.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    rows: Arc<HashMap<Claim, Row>>,
    changed: bool,
    /// Whether there is a file that could not be read, and that has rows which this lacks.
    unread: bool,
    /// Claims whose rows there are to be withdrawn.
    unseen: Vec<Claim>,
}

impl Ledger {
    /// A ledger as it was read.
    pub(super) fn from_rows(rows: HashMap<Claim, Row>) -> Self {
        Self {
            rows: Arc::new(rows),
            ..Self::default()
        }
    }

    /// An empty one in place of one that could not be read.
    pub(super) fn unread() -> Self {
        Self {
            unread: true,
            ..Self::default()
        }
    }

    /// Whether it stands in place of one that could not be read.
    pub(super) fn is_unread(&self) -> bool {
        self.unread
    }

    /// Takes over the rows of the one that could not be read, now that it can be. They say
    /// more than what was learned without them.
    pub(super) fn catch_up(&mut self, file: &Self) {
        let rows = Arc::make_mut(&mut self.rows);
        for (claim, old) in file.rows() {
            let row = rows.entry(claim.clone()).or_insert_with(|| old.clone());
            row.record = old.record.clone();
            row.last_signal = row.last_signal.or(old.last_signal);
        }
        for claim in self.unseen.drain(..) {
            if let Some(row) = rows.get_mut(&claim) {
                row.withdrawn = true;
            }
        }
        self.unread = false;
    }

    /// What is known of a claim. The whole claim counts: another `created_at` is another
    /// worker.
    pub fn get(&self, claim: &Claim) -> Option<&Row> {
        self.rows.get(claim)
    }

    /// Whether both have the very same rows in memory, as clones have until one changes.
    pub(crate) fn shares_rows(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows)
    }

    /// Whether both have equal rows.
    pub(super) fn has_rows_of(&self, other: &Self) -> bool {
        self.rows == other.rows
    }

    /// Every row, in no particular order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&Claim, &Row)> {
        self.rows.iter()
    }

    /// Records who the process of a claim is, which has an entry or is to get one. The last
    /// signal is kept unless it went to another process.
    pub fn insert(&mut self, claim: Claim, record: Record) {
        self.reinstate(&claim);
        if self.get(&claim).is_some_and(|row| row.record == record) {
            return;
        }
        self.changed = true;
        match Arc::make_mut(&mut self.rows).entry(claim) {
            Entry::Vacant(place) => {
                place.insert(Row {
                    record,
                    last_signal: None,
                    withdrawn: false,
                    kill_withdrawn: false,
                });
            }
            Entry::Occupied(mut place) => {
                let row = place.get_mut();
                if row.record.identity != record.identity {
                    row.last_signal = None;
                    row.kill_withdrawn = false;
                }
                row.record = record;
            }
        }
    }

    /// Records a signal that was sent to the process of a claim. Says whether there is a
    /// row for it.
    pub fn note_signal(&mut self, claim: &Claim, sent: SentSignal) -> bool {
        let Some(row) = self.get(claim) else {
            return false;
        };
        if row.last_signal != Some(sent)
            && let Some(row) = Arc::make_mut(&mut self.rows).get_mut(claim)
        {
            row.last_signal = Some(sent);
            row.kill_withdrawn = false;
            self.changed = true;
        }
        true
    }

    /// Records that a kill was to follow the last signal to the process of a claim, and was
    /// withdrawn. Where there is no row, nothing was known of a signal either.
    pub fn withdraw_kill(&mut self, claim: &Claim) {
        if self.get(claim).is_some_and(|row| !row.kill_withdrawn)
            && let Some(row) = Arc::make_mut(&mut self.rows).get_mut(claim)
        {
            row.kill_withdrawn = true;
            self.changed = true;
        }
    }

    /// Says that the entry of a claim goes, and its process perhaps not. That has to be
    /// written before the entry goes: until the row goes too, it would else bring back an
    /// entry that nobody wants.
    pub fn withdraw(&mut self, claim: &Claim) {
        if self.unread {
            self.unseen.push(claim.clone());
            self.changed = true;
        }
        self.set_withdrawn(claim, true);
    }

    /// Takes that back, where the entry stands.
    pub fn reinstate(&mut self, claim: &Claim) {
        self.unseen.retain(|unseen| unseen != claim);
        self.set_withdrawn(claim, false);
    }

    fn set_withdrawn(&mut self, claim: &Claim, withdrawn: bool) {
        if self
            .get(claim)
            .is_some_and(|row| row.withdrawn != withdrawn)
            && let Some(row) = Arc::make_mut(&mut self.rows).get_mut(claim)
        {
            row.withdrawn = withdrawn;
            self.changed = true;
        }
    }

    /// Drops the rows whose claim `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Claim) -> bool) {
        // Most often nothing goes, and then the rows stay shared.
        let gone: Vec<Claim> = self
            .rows
            .keys()
            .filter(|claim| !keep(claim))
            .cloned()
            .collect();
        if gone.is_empty() {
            return;
        }
        let rows = Arc::make_mut(&mut self.rows);
        for claim in &gone {
            rows.remove(claim);
        }
        self.changed = true;
    }

    /// Whether this differs from what was last read or written.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Says that what is here is on disk.
    pub(super) fn set_saved(&mut self) {
        self.changed = false;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{claim, record};
    use super::*;
    use crate::process::Proof;

    fn sent(seconds: u64) -> SentSignal {
        SentSignal {
            signal: Signal::Term,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    /// A ledger as read, with two rows.
    fn ledger() -> Ledger {
        let row = |inode| Row {
            record: record(inode),
            last_signal: None,
            withdrawn: false,
            kill_withdrawn: false,
        };
        Ledger::from_rows(HashMap::from([(claim("a"), row(1)), (claim("b"), row(2))]))
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let mut ledger = ledger();
        ledger.insert(claim("a"), record(1));
        ledger.retain(|_| true);
        assert!(!ledger.note_signal(&claim("c"), sent(1)));
        assert!(!ledger.is_changed());

        for change in [
            (|ledger| ledger.insert(claim("a"), record(3))) as fn(&mut Ledger),
            |ledger| ledger.insert(claim("c"), record(1)),
            |ledger| ledger.retain(|claim| claim.sid == "a"),
            |ledger| assert!(ledger.note_signal(&claim("a"), sent(1))),
            |ledger| ledger.withdraw(&claim("a")),
        ] {
            let mut changed = ledger.clone();
            change(&mut changed);
            assert!(changed.is_changed());
            assert!(!ledger.is_changed());
        }
    }

    #[test]
    fn a_claim_counts_whole() {
        let ledger = ledger();
        assert!(ledger.get(&claim("a")).is_some());
        for other in [
            Claim {
                pid: 1,
                ..claim("a")
            },
            Claim {
                created_at: "2026-01-01T00:00:01Z".to_owned(),
                ..claim("a")
            },
            Claim {
                sock: String::new(),
                ..claim("a")
            },
        ] {
            assert_eq!(ledger.get(&other), None);
        }
    }

    #[test]
    fn what_could_not_be_read_at_first_is_lost_no_more_than_what_was_learned() {
        let mut late = Ledger::unread();
        late.insert(
            claim("a"),
            Record {
                proof: Proof::Time,
                ..record(1)
            },
        );
        late.insert(claim("c"), record(3));
        assert!(late.note_signal(&claim("a"), sent(5)));
        late.catch_up(&ledger());
        let row = |sid| late.get(&claim(sid)).expect("a row").clone();
        assert_eq!(row("a").record, record(1));
        assert_eq!(row("a").last_signal, Some(sent(5)));
        assert_eq!((row("b").record, row("c").record), (record(2), record(3)));
        assert!(late.is_changed() && !late.is_unread());
    }

    #[test]
    fn a_row_is_withdrawn_until_its_claim_is_made_again() {
        let mut ledger = ledger();
        ledger.withdraw(&claim("c"));
        ledger.reinstate(&claim("a"));
        assert!(!ledger.is_changed());
        let withdrawn = |ledger: &Ledger| ledger.get(&claim("a")).map(|row| row.withdrawn);
        for again in [
            (|ledger| ledger.insert(claim("a"), record(1))) as fn(&mut Ledger),
            |ledger| ledger.insert(claim("a"), record(9)),
            |ledger| ledger.reinstate(&claim("a")),
        ] {
            ledger.withdraw(&claim("a"));
            assert_eq!(withdrawn(&ledger), Some(true));
            assert_eq!(
                ledger.get(&claim("a")).map(|row| &row.record),
                Some(&record(1))
            );
            let mut again_made = ledger.clone();
            again_made.set_saved();
            again(&mut again_made);
            assert_eq!(withdrawn(&again_made), Some(false));
            assert!(again_made.is_changed());
        }
    }

    #[test]
    fn a_row_that_could_not_be_read_is_withdrawn_when_it_can_be() {
        let mut late = Ledger::unread();
        late.withdraw(&claim("a"));
        late.withdraw(&claim("b"));
        late.insert(claim("b"), record(2));
        assert!(late.is_changed());
        late.catch_up(&ledger());
        let withdrawn = |sid| late.get(&claim(sid)).expect("a row").withdrawn;
        assert_eq!((withdrawn("a"), withdrawn("b")), (true, false));
    }

    #[test]
    fn a_signal_is_forgotten_with_the_process_it_went_to() {
        let mut ledger = ledger();
        assert!(ledger.note_signal(&claim("a"), sent(1)));
        assert!(ledger.note_signal(&claim("a"), sent(2)));
        let signal = |ledger: &Ledger| ledger.get(&claim("a")).and_then(|row| row.last_signal);
        ledger.insert(
            claim("a"),
            Record {
                proof: Proof::Adopted,
                ..record(1)
            },
        );
        assert_eq!(signal(&ledger), Some(sent(2)));
        ledger.insert(claim("a"), record(9));
        assert_eq!(signal(&ledger), None);
    }
}
