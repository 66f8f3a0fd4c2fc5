//! Reading and writing the ledger's file, which a long-lived process parses only when it
//! changed.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::directory::PoolDir;
use super::disk::Access;
use super::error::StoreError;
use super::facts::Facts;
use super::ledger::Ledger;
use super::ledger_file::{self, Contents};
use super::locked::LedgerWrite;
use super::{contents, file, replace};

/// The ledger's name in the pool.
pub(crate) const LEDGER: &str = "ledger.json";

/// The largest ledger that is read or written, in bytes: a row is about four times as
/// long as its entry in the registry.
pub(crate) const MAX_LEDGER: u64 = 4 * super::locked::MAX_REGISTRY;

/// The ledger as this process last read or wrote it.
#[derive(Default)]
pub(super) struct LedgerCache(Mutex<Option<Cached>>);

struct Cached {
    /// What the file was then.
    facts: Facts,
    /// Kept open so that no other file gets its inode number: then the facts differ
    /// whenever somebody else replaced the file, however coarse the clock.
    _file: File,
    ledger: Ledger,
}

impl LedgerCache {
    /// The ledger that belongs to a file with these facts.
    fn get(&self, facts: &Facts) -> Option<Ledger> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached
            .as_ref()
            .filter(|cached| cached.facts == *facts)
            .map(|cached| cached.ledger.clone())
    }

    fn set(&self, file: File, facts: Facts, ledger: Ledger) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *cached = Some(Cached {
            facts,
            _file: file,
            ledger,
        });
    }
}

/// Reads the ledger; empty where that is not possible, which the log then says.
pub(super) fn read(pool: &PoolDir) -> Ledger {
    try_read(pool).unwrap_or_else(|error| {
        warn(pool, "cannot be read and counts as empty", &error);
        Ledger::unread()
    })
}

fn try_read(pool: &PoolDir) -> Result<Ledger, StoreError> {
    let Some(facts) = file::look_at(pool, LEDGER)? else {
        return Ok(Ledger::default());
    };
    if let Some(ledger) = pool.ledger_cache().get(&facts) {
        file::check(pool, LEDGER, &facts)?;
        return Ok(ledger);
    }
    let Some((file, facts)) = file::open_file(pool, LEDGER, Access::Read)? else {
        return Ok(Ledger::default());
    };
    let text = contents::read_all(pool, LEDGER, &file, &facts, MAX_LEDGER)?;
    let ledger = match ledger_file::decode(&text) {
        Contents::Ledger { ledger, damaged } => {
            if let Some((count, error)) = damaged {
                warn(
                    pool,
                    &format!("has {count} damaged rows, which are left out"),
                    &error,
                );
            }
            ledger
        }
        Contents::Newer(version) => {
            warn_newer(pool, version);
            Ledger::default()
        }
        Contents::Damaged(error) => {
            warn(pool, "is damaged and counts as empty", &error);
            Ledger::default()
        }
    };
    pool.ledger_cache().set(file, facts, ledger.clone());
    Ok(ledger)
}

/// Writes the ledger, but not over one of a newer format.
pub(super) fn write(pool: &PoolDir, ledger: &mut Ledger) -> Result<LedgerWrite, StoreError> {
    let mut text = encode(pool, ledger)?;
    if let Some((file, facts)) = file::open_file(pool, LEDGER, Access::Read)? {
        // What cannot be read as a ledger is replaced.
        match contents::read_all(pool, LEDGER, &file, &facts, MAX_LEDGER) {
            Ok(on_disk) if on_disk == text => {
                ledger.set_saved();
                return Ok(LedgerWrite::Unchanged);
            }
            Ok(on_disk) => match ledger_file::decode(&on_disk) {
                Contents::Newer(version) => {
                    warn_newer(pool, version);
                    return Ok(LedgerWrite::KeptNewer { version });
                }
                // What kept it from being read has passed: nothing of it is to be lost.
                Contents::Ledger { ledger: rows, .. } if ledger.is_unread() => {
                    ledger.catch_up(&rows);
                    text = encode(pool, ledger)?;
                }
                Contents::Ledger { .. } | Contents::Damaged(_) => {}
            },
            Err(StoreError::TooLarge { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let file = replace::replace(pool, LEDGER, &text)?;
    ledger.set_saved();
    if let Ok(facts) = file::facts(pool, &file, LEDGER) {
        pool.ledger_cache().set(file, facts, ledger.clone());
    }
    Ok(LedgerWrite::Written)
}

fn encode(pool: &PoolDir, ledger: &Ledger) -> Result<Vec<u8>, StoreError> {
    let path = || pool.path_of(LEDGER);
    let text = ledger_file::encode(ledger)
        .map_err(|error| StoreError::step("write", &path(), io::Error::from(error)))?;
    let size = text.len() as u64;
    if size > MAX_LEDGER {
        return Err(StoreError::TooLarge {
            path: path(),
            size,
            limit: MAX_LEDGER,
        });
    }
    Ok(text)
}

fn warn(pool: &PoolDir, what: &str, error: &(dyn std::error::Error + 'static)) {
    let path = pool.path_of(LEDGER);
    tracing::warn!(
        error,
        "{} {what}; weaker proofs take its place",
        path.display()
    );
}

fn warn_newer(pool: &PoolDir, version: u64) {
    let path = pool.path_of(LEDGER);
    tracing::warn!(
        "{} has format {version}, which is newer than this program: it is neither used nor \
         changed; upgrade poolwarden",
        path.display()
    );
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::time::SystemTime;

    use super::super::testing::{TestPool, claim, record};
    use super::super::{PoolDir, SentSignal};
    use super::*;
    use crate::process::Signal;

    /// A pool with a ledger of one row, for the claim "a".
    fn pool() -> TestPool {
        let pool = TestPool::new();
        let mut locked = pool.lock();
        let mut ledger = locked.read_ledger();
        ledger.insert(claim("a"), record(1));
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Written
        );
        assert!(!ledger.is_changed());
        drop(locked);
        pool
    }

    /// The same pool as another process sees it.
    fn elsewhere(pool: &TestPool) -> PoolDir {
        PoolDir::open(pool.dir.path()).expect("pool")
    }

    fn stamp(pool: &TestPool) -> (u64, Option<SystemTime>) {
        let metadata = fs::metadata(pool.file(LEDGER)).expect("metadata");
        (metadata.ino(), metadata.modified().ok())
    }

    #[test]
    fn what_one_process_wrote_another_reads() {
        let pool = pool();
        let mut locked = pool.lock();
        let mut ledger = locked.read_ledger();
        let sent = SentSignal {
            signal: Signal::Term,
            at: SystemTime::now(),
        };
        assert!(ledger.note_signal(&claim("a"), sent));
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Written
        );
        let read = read(&elsewhere(&pool));
        let row = read.get(&claim("a")).expect("row");
        assert_eq!((&row.record, row.last_signal), (&record(1), Some(sent)));
        assert_eq!(
            fs::metadata(pool.file(LEDGER)).expect("metadata").mode() & 0o7777,
            0o600
        );
    }

    #[test]
    fn what_did_not_change_is_not_written() {
        let pool = pool();
        let before = stamp(&pool);
        let mut locked = pool.lock();
        let mut ledger = locked.read_ledger();
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Unchanged
        );
        // There and back again.
        ledger.insert(claim("b"), record(2));
        ledger.retain(|claim| claim.sid == "a");
        assert!(ledger.is_changed());
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Unchanged
        );
        assert!(!ledger.is_changed());
        assert_eq!(stamp(&pool), before);
    }

    #[test]
    fn a_change_by_another_process_is_seen() {
        let pool = pool();
        assert_eq!(pool.lock().read_ledger().rows().len(), 1);
        let other = elsewhere(&pool);
        for round in 0..50 {
            // The same size every time, and too quick for a coarse clock.
            let mut ledger = read(&other);
            ledger.insert(claim("a"), record(2 + round % 2));
            let _ = write(&other, &mut ledger).expect("write");
            let seen = pool.lock().read_ledger();
            assert_eq!(
                seen.get(&claim("a")).expect("row").record,
                record(2 + round % 2)
            );
        }
        fs::remove_file(pool.file(LEDGER)).expect("remove");
        assert_eq!(pool.lock().read_ledger().rows().len(), 0);
    }

    #[test]
    fn an_unchanged_file_is_parsed_once() {
        let pool = pool();
        let facts = || {
            file::look_at(&pool.dir, LEDGER)
                .expect("look")
                .expect("file")
        };
        assert!(pool.dir.ledger_cache().get(&facts()).is_some());
        let other = elsewhere(&pool);
        assert!(other.ledger_cache().get(&facts()).is_none());
        read(&other);
        assert!(other.ledger_cache().get(&facts()).is_some());
        fs::write(pool.file(LEDGER), "another size").expect("write");
        assert!(other.ledger_cache().get(&facts()).is_none());
    }

    #[test]
    fn a_damaged_ledger_is_empty_and_kept_until_it_is_written() {
        let pool = pool();
        fs::write(pool.file(LEDGER), "{\"version\":1,\"ro").expect("write");
        let mut locked = pool.lock();
        let mut ledger = locked.read_ledger();
        assert_eq!((ledger.rows().len(), ledger.is_changed()), (0, false));
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Unchanged
        );
        assert_eq!(
            fs::read(pool.file(LEDGER)).expect("read"),
            b"{\"version\":1,\"ro"
        );
        ledger.insert(claim("b"), record(2));
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Written
        );
        assert_eq!(read(&elsewhere(&pool)).rows().len(), 1);
    }

    #[test]
    fn a_ledger_of_a_newer_format_is_never_written_over() {
        let pool = pool();
        let newer = br#"{"version":3,"rows":[],"more":1}"#;
        fs::write(pool.file(LEDGER), newer).expect("write");
        let mut locked = pool.lock();
        let mut ledger = locked.read_ledger();
        assert_eq!(ledger.rows().len(), 0);
        ledger.insert(claim("b"), record(2));
        let kept = LedgerWrite::KeptNewer { version: 3 };
        assert_eq!(locked.write_ledger(&mut ledger).expect("no error"), kept);
        assert!(ledger.is_changed());
        assert_eq!(fs::read(pool.file(LEDGER)).expect("read"), newer);
    }
}
