//! Reading and writing the ledger's file, which a long-lived process parses only when it
//! changed.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::directory::PoolDir;
use super::disk::Access;
use super::error::StoreError;
use super::exchange::exchange;
use super::facts::Facts;
use super::ledger::Ledger;
use super::ledger_file::{self, Contents};
use super::locked::LedgerWrite;
use super::set_aside::{DAMAGED, DRAFT};
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
    /// Whether that is all that the file has: nothing of it is damaged or of a newer format.
    whole: bool,
}

impl LedgerCache {
    /// The ledger that belongs to a file with these facts.
    fn get(&self, facts: &Facts) -> Option<Ledger> {
        self.find(|cached| cached.facts == *facts)
    }

    /// The same, where the file has nothing else.
    fn get_whole(&self, facts: &Facts) -> Option<Ledger> {
        self.find(|cached| cached.facts == *facts && cached.whole)
    }

    fn find(&self, is_it: impl FnOnce(&Cached) -> bool) -> Option<Ledger> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cached.as_ref().filter(|cached| is_it(cached));
        cached.map(|cached| cached.ledger.clone())
    }

    fn set(&self, file: File, facts: Facts, ledger: Ledger, whole: bool) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *cached = Some(Cached {
            facts,
            _file: file,
            ledger,
            whole,
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
    let mut whole = false;
    let ledger = match ledger_file::decode(&text) {
        Contents::Ledger { ledger, damaged } => {
            whole = damaged.is_none();
            let what = match &damaged {
                None => None,
                Some((0, error)) => {
                    let rows = ledger.rows().len();
                    Some((
                        format!("is damaged, and {rows} of its rows can be read"),
                        error,
                    ))
                }
                Some((count, error)) => Some((
                    format!("has {count} damaged rows, which are left out"),
                    error,
                )),
            };
            if let Some((what, error)) = what {
                warn(pool, &what, error);
            }
            ledger
        }
        Contents::Newer(version) => {
            warn_newer(pool, version);
            Ledger::unread()
        }
        Contents::Damaged(error) => {
            warn(pool, "is damaged and counts as empty", &error);
            Ledger::default()
        }
    };
    pool.ledger_cache().set(file, facts, ledger.clone(), whole);
    Ok(ledger)
}

/// Writes the ledger, but not over one of a newer format. A damaged one is put aside under a
/// name with the date: what is in it is in no other file.
pub(super) fn write(pool: &PoolDir, ledger: &mut Ledger) -> Result<LedgerWrite, StoreError> {
    let on_disk = match file::look_at(pool, LEDGER)? {
        None => OnDisk::Replaceable,
        Some(facts) => match pool.ledger_cache().get_whole(&facts) {
            Some(cached) if cached.has_rows_of(ledger) => OnDisk::Same,
            Some(_) => OnDisk::Replaceable,
            None => look_into(pool, ledger)?,
        },
    };
    let damaged = match on_disk {
        OnDisk::Same => {
            ledger.set_saved();
            return Ok(LedgerWrite::Unchanged);
        }
        OnDisk::Newer(version) => {
            warn_newer(pool, version);
            return Ok(LedgerWrite::KeptNewer { version });
        }
        OnDisk::Replaceable => None,
        OnDisk::Damaged(facts) => Some(facts),
    };
    let text = encode(pool, ledger)?;
    let file = match damaged {
        None => replace::replace(pool, LEDGER, &text)?,
        Some(facts) => put_aside(pool, &facts, &text)?,
    };
    ledger.set_saved();
    if let Ok(facts) = file::facts(pool, &file, LEDGER) {
        pool.ledger_cache().set(file, facts, ledger.clone(), true);
    }
    Ok(LedgerWrite::Written)
}

/// What is in the place of a ledger that is to be written.
enum OnDisk {
    /// The same already.
    Same,
    /// Nothing, or a ledger whose rows are all known.
    Replaceable,
    /// A ledger, or another file, that cannot be read as a whole.
    Damaged(Facts),
    /// A ledger of a newer format.
    Newer(u64),
}

/// Reads what this process has not read or written itself.
fn look_into(pool: &PoolDir, ledger: &mut Ledger) -> Result<OnDisk, StoreError> {
    let Some((file, facts)) = file::open_file(pool, LEDGER, Access::Read)? else {
        return Ok(OnDisk::Replaceable);
    };
    let text = match contents::read_all(pool, LEDGER, &file, &facts, MAX_LEDGER) {
        Err(StoreError::TooLarge { .. }) => return Ok(OnDisk::Damaged(facts)),
        text => text?,
    };
    Ok(match ledger_file::decode(&text) {
        Contents::Newer(version) => OnDisk::Newer(version),
        Contents::Damaged(_) => OnDisk::Damaged(facts),
        Contents::Ledger {
            ledger: read,
            damaged,
        } => {
            if ledger.is_unread() {
                // What kept it from being read has passed: nothing of it is to be lost.
                ledger.catch_up(&read);
            }
            match damaged {
                Some(_) => OnDisk::Damaged(facts),
                None if read.has_rows_of(ledger) => OnDisk::Same,
                None => OnDisk::Replaceable,
            }
        }
    })
}

/// Puts a ledger with this text in the place of a damaged one, which keeps its bytes.
fn put_aside(pool: &PoolDir, damaged: &Facts, text: &[u8]) -> Result<File, StoreError> {
    let now = SystemTime::now();
    let [draft, aside] = [DRAFT, DAMAGED].map(|kind| pool.free_name(LEDGER, kind, now));
    let file = exchange(pool, LEDGER, damaged, (&draft, &aside), text)?;
    let path = pool.path_of(LEDGER);
    tracing::warn!("{} was damaged, and is kept as {aside}", path.display());
    Ok(file)
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

    /// The files of the pool that a damaged ledger was put aside as.
    fn kept(pool: &TestPool) -> Vec<Vec<u8>> {
        let names = pool.dir.names().expect("names");
        let kept = names.iter().filter(|name| name.starts_with("ledger.json."));
        kept.map(|name| fs::read(pool.file(name)).expect("read"))
            .collect()
    }

    #[test]
    fn a_damaged_ledger_stays_until_it_is_written_and_is_kept_then() {
        let damaged = b"{\"version\":1,\"ro";
        let pool = pool();
        fs::write(pool.file(LEDGER), damaged).expect("write");
        let mut locked = pool.lock();
        let mut ledger = locked.read_ledger();
        assert_eq!((ledger.rows().len(), ledger.is_changed()), (0, false));
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Unchanged
        );
        assert_eq!(fs::read(pool.file(LEDGER)).expect("read"), damaged);
        ledger.insert(claim("b"), record(2));
        assert_eq!(
            locked.write_ledger(&mut ledger).expect("write"),
            LedgerWrite::Written
        );
        assert_eq!(read(&elsewhere(&pool)).rows().len(), 1);
        assert_eq!(kept(&pool), [damaged]);
    }

    #[test]
    fn a_stray_comma_costs_no_row_and_the_file_is_kept() {
        let pool = pool();
        let mut locked = pool.lock();
        let mut ledger = locked.read_ledger();
        ledger.insert(claim("b"), record(2));
        ledger.withdraw(&claim("b"));
        let _ = locked.write_ledger(&mut ledger).expect("write");
        let text = fs::read_to_string(pool.file(LEDGER)).expect("read");
        let damaged = text.replace("},{", "},,{");
        fs::write(pool.file(LEDGER), &damaged).expect("write");

        let mut ledger = locked.read_ledger();
        ledger.insert(claim("c"), record(3));
        let _ = locked.write_ledger(&mut ledger).expect("write");
        let ledger = read(&elsewhere(&pool));
        let row = |sid| ledger.get(&claim(sid)).expect("a row");
        assert_eq!(row("a").record, record(1));
        assert!(row("b").withdrawn && !row("c").withdrawn);
        assert_eq!(kept(&pool), [damaged.into_bytes()]);
        // The next one takes another name, at the same moment as well.
        fs::write(pool.file(LEDGER), "{").expect("write");
        let mut ledger = locked.read_ledger();
        ledger.insert(claim("d"), record(4));
        let _ = locked.write_ledger(&mut ledger).expect("write");
        assert_eq!(kept(&pool).len(), 2);
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
        // Nothing is known of what it has: a withdrawal is one all the same.
        let mut ledger = locked.read_ledger();
        ledger.withdraw(&claim("a"));
        assert_eq!(locked.write_ledger(&mut ledger).expect("no error"), kept);
    }
}
