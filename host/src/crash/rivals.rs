//! Between two calls of a request, another program does something to the pool.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fs2::FileExt;

use crate::store::testing::{Call, Step};

use super::check::{Seen, check};
use super::run::{Files, HONEST, Lie, Run};
use super::scenario::Scenario;

/// Too short for a lock that somebody keeps.
const SHORT: Duration = Duration::from_millis(30);
/// What a link leads to that somebody put in the way.
const VICTIM: &str = "victim";

/// Another program, which does one thing to a pool and keeps what it has locked.
#[derive(Clone, Default)]
pub(super) struct Rival {
    locked: Arc<Mutex<Option<File>>>,
    acted: bool,
}

impl Rival {
    /// Registers a worker, slowly enough for the rival to act before a step.
    fn during(
        &self,
        lie: Lie,
        is_due: fn(&Step) -> bool,
        act: impl Fn(&Self, &Path) + Send + 'static,
    ) -> Run {
        let mut rival = self.clone();
        let world = Scenario::Register.world();
        fs::write(world.root().join(VICTIM), "untouched").expect("write");
        let pool = world.pool_path();
        Run::waiting(Scenario::Register, world, SHORT, move |_, step| {
            if is_due(step) && !rival.acted {
                rival.acted = true;
                act(&rival, &pool);
            }
            lie(step)
        })
    }

    /// Locks the lock file that is there.
    fn lock(&self, pool: &Path) {
        self.keep(File::open(pool.join("registry.lock")).expect("open"));
    }

    /// Puts another lock file, which it has locked, in place of the one that is there.
    fn replace_lock(&self, pool: &Path) {
        let new = pool.join("other");
        self.keep(File::create(&new).expect("create"));
        fs::rename(new, pool.join("registry.lock")).expect("rename");
    }

    fn keep(&self, file: File) {
        FileExt::lock_exclusive(&file).expect("lock");
        *self.locked.lock().expect("file") = Some(file);
    }

    /// Gives its lock back.
    fn leave(self) {
        let file = self.locked.lock().expect("file").take();
        FileExt::unlock(&file.expect("a lock")).expect("unlock");
    }
}

/// Puts a link in place of the temporary file.
fn put_link_in_the_way(_: &Rival, pool: &Path) {
    symlink(pool.with_file_name(VICTIM), temporary(pool)).expect("symlink");
}

fn temporary(pool: &Path) -> PathBuf {
    pool.join("registry.json.new")
}

/// What is wrong with a request that had no right to write.
pub(super) fn intrusion(run: &Run) -> Option<String> {
    let files = Files::in_directory(&run.world.pool_path());
    if files.registry != run.before.registry || files.ledger != run.before.ledger {
        return Some("the files are not what they were".into());
    }
    let victim = fs::read(run.world.root().join(VICTIM)).expect("read");
    (victim != b"untouched").then(|| "a file of somebody else was written".into())
}

/// Somebody has the lock before it is tried.
pub(super) fn locked_by_another(rival: &Rival, lie: Lie) -> Run {
    rival.during(
        lie,
        |step| step.is(Call::TryLock, "registry.lock"),
        Rival::lock,
    )
}

/// The lock file is replaced when it is open, and not locked yet.
pub(super) fn replaced_before_it_is_locked(rival: &Rival, lie: Lie) -> Run {
    let is_due = |step: &Step| step.is(Call::TryLock, "registry.lock");
    rival.during(lie, is_due, Rival::replace_lock)
}

/// The lock file is replaced when it is locked.
pub(super) fn replaced_while_it_is_locked(rival: &Rival, lie: Lie) -> Run {
    let is_due = |step: &Step| step.is(Call::Open, "registry.json");
    rival.during(lie, is_due, Rival::replace_lock)
}

/// Something comes to be where the temporary file is about to be.
pub(super) fn link_in_the_way(rival: &Rival, lie: Lie) -> Run {
    let is_due = |step: &Step| step.is(Call::Create, "registry.json.new");
    rival.during(lie, is_due, put_link_in_the_way)
}

/// Asserts that a request failed for this reason and wrote nothing, and that the next one
/// is answered.
#[track_caller]
fn assert_kept_out(run: &Run, because: &str) {
    assert_eq!(intrusion(run), None);
    let text = run.outcome.text().expect("an error");
    assert!(text.contains(because), "{text}");
}

#[track_caller]
fn assert_nothing_broken(run: &Run) {
    let broken = check(run, &run.world.pool_path(), Seen::Live);
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn whoever_comes_later_waits_and_writes_nothing() {
    for scene in [locked_by_another, replaced_before_it_is_locked] {
        let rival = Rival::default();
        let run = scene(&rival, HONEST);
        assert_kept_out(&run, "the pool is busy");
        rival.leave();
        assert_nothing_broken(&run);
    }
}

#[test]
fn whoever_loses_the_lock_file_writes_nothing_more() {
    let rival = Rival::default();
    let run = replaced_while_it_is_locked(&rival, HONEST);
    assert_kept_out(&run, "was removed or replaced while it was locked");
    rival.leave();
    assert_nothing_broken(&run);
}

#[test]
fn what_is_in_the_way_of_a_new_file_is_not_written_through() {
    let run = link_in_the_way(&Rival::default(), HONEST);
    let text = run.outcome.text().expect("an error");
    assert!(text.contains("cannot create"), "{text}");
    let victim = fs::read(run.world.root().join(VICTIM)).expect("read");
    assert_eq!(victim, b"untouched");
    assert_nothing_broken(&run);
}
