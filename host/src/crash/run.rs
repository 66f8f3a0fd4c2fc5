//! One request on a disk that follows a plan.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::process::Signal;
use crate::store::testing::{Journal, StagedDisk, Step, Verdict};

use super::check::trail_lines;
use super::scenario::Scenario;
use super::world::World;

/// What a disk makes of each step: [`Verdict::Go`], or something that a mistake in the store
/// would come to.
pub(super) type Lie = fn(&Step) -> Verdict;

/// No lie.
pub(super) const HONEST: Lie = |_| Verdict::Go;

/// What every call fails with once the process has ended.
pub(super) const ENDED: Errno = Errno::EOWNERDEAD;

/// A request that is over.
pub(super) struct Run {
    pub(super) scenario: Scenario,
    pub(super) world: World,
    pub(super) disk: StagedDisk,
    pub(super) outcome: Outcome,
    /// The files as they were before.
    pub(super) before: Files,
    /// What was to be the registry, and the ledger.
    pub(super) written: Written,
    /// What the disk makes of the next request.
    pub(super) lie: Lie,
    /// Signals that were not in the trail when they were sent.
    pub(super) unrecorded: Vec<(u32, Signal)>,
    /// Whether a call was told to fail.
    pub(super) is_disturbed: bool,
}

/// What was to be in files.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) registry: Vec<Vec<u8>>,
    pub(super) ledger: Vec<Vec<u8>>,
}

/// The files that are replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) registry: Option<Vec<u8>>,
    pub(super) ledger: Option<Vec<u8>>,
    /// The numbers of the effects in the trail.
    pub(super) effects: BTreeSet<String>,
}

/// What the client was told.
#[derive(Debug)]
pub(super) enum Outcome {
    /// That all is done.
    Done,
    /// That it was not, and why.
    Failed(Error),
    /// That a part of it was not, and why.
    Partly(String),
    /// Nothing: the process ended.
    Ended,
}

impl Outcome {
    /// What it says.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Done | Self::Ended => None,
            Self::Failed(error) => Some(error.to_string()),
            Self::Partly(text) => Some(text.clone()),
        }
    }
}

impl Run {
    /// Carries out the request of a scenario on a disk that follows this plan.
    pub(super) fn with(
        scenario: Scenario,
        plan: impl FnMut(usize, &Step) -> Verdict + Send + 'static,
    ) -> Self {
        Self::of(scenario, scenario.world(), plan)
    }

    /// The same in a world that was made before.
    pub(super) fn of(
        scenario: Scenario,
        world: World,
        plan: impl FnMut(usize, &Step) -> Verdict + Send + 'static,
    ) -> Self {
        Self::waiting(scenario, world, World::patience(), plan)
    }

    /// The same, waiting this long for a lock.
    pub(super) fn waiting(
        scenario: Scenario,
        world: World,
        lock_wait: Duration,
        plan: impl FnMut(usize, &Step) -> Verdict + Send + 'static,
    ) -> Self {
        let path = world.pool_path();
        let last = Arc::new(Mutex::new(None));
        let disk = StagedDisk::new(&path, noting(&last, plan));
        let before = Files::in_directory(&path);
        let mut run = Self::on(disk, scenario, world, lock_wait, before);
        run.note(*last.lock().expect("noted"));
        run
    }

    /// Makes the request again, in a process to which nothing happens.
    pub(super) fn again(self) -> Self {
        let path = self.world.pool_path();
        let disk = StagedDisk::continuing(self.journal(), &path, |_, _| Verdict::Go);
        let again = Self::on(
            disk,
            self.scenario,
            self.world,
            World::patience(),
            self.before,
        );
        let mut written = self.written;
        written.registry.extend(again.written.registry);
        written.ledger.extend(again.written.ledger);
        Self { written, ..again }
    }

    fn on(
        disk: StagedDisk,
        scenario: Scenario,
        world: World,
        lock_wait: Duration,
        before: Files,
    ) -> Self {
        let path = world.pool_path();
        let unrecorded = watch_signals(&world);
        let pool = world.pool_at(&path, Arc::new(disk.clone()), lock_wait);
        let cancel = Cancel::new().expect("an eventfd");
        let answer = pool.call(scenario.request(), &cancel);
        drop(pool);

        let outcome = match answer {
            Err(error) => Outcome::Failed(error),
            Ok(answer) => match &answer.value()["errors"] {
                serde_json::Value::Array(errors) if !errors.is_empty() => {
                    Outcome::Partly(answer.text().to_owned())
                }
                _ => Outcome::Done,
            },
        };
        let unrecorded = std::mem::take(&mut *unrecorded.lock().expect("noted"));
        let written = Written {
            registry: disk.intended("registry.json.new"),
            ledger: disk.intended("ledger.json.new"),
        };
        Self {
            scenario,
            world,
            disk,
            outcome,
            before,
            written,
            lie: HONEST,
            unrecorded,
            is_disturbed: false,
        }
    }

    /// Notes what became last of a step that was not simply done.
    fn note(&mut self, last: Option<Verdict>) {
        self.is_disturbed = last.is_some();
        if matches!(last, Some(Verdict::Fail(ENDED) | Verdict::Half(ENDED))) {
            self.outcome = Outcome::Ended;
        }
    }

    /// A request of another process.
    pub(super) fn over(
        scenario: Scenario,
        world: World,
        before: Files,
        written: Written,
        outcome: Outcome,
    ) -> Self {
        Self {
            disk: StagedDisk::new(&world.pool_path(), |_, _| Verdict::Go),
            scenario,
            world,
            outcome,
            before,
            written,
            lie: HONEST,
            unrecorded: Vec::new(),
            is_disturbed: true,
        }
    }

    /// What the disk was asked to do, and what is left of it without power.
    pub(super) fn journal(&self) -> Journal {
        self.disk.journal()
    }
}

/// The plan, noting what became last of a step that was not simply done.
fn noting(
    last: &Arc<Mutex<Option<Verdict>>>,
    mut plan: impl FnMut(usize, &Step) -> Verdict + Send + 'static,
) -> impl FnMut(usize, &Step) -> Verdict + Send + 'static {
    let last = last.clone();
    move |number, step| {
        let verdict = plan(number, step);
        if verdict != Verdict::Go {
            *last.lock().expect("noted") = Some(verdict);
        }
        verdict
    }
}

impl Files {
    pub(super) fn in_directory(pool: &std::path::Path) -> Self {
        Self {
            registry: std::fs::read(pool.join("registry.json")).ok(),
            ledger: std::fs::read(pool.join("ledger.json")).ok(),
            effects: trail_lines(pool)
                .iter()
                .filter_map(|line| line["id"].as_str().map(Into::into))
                .collect(),
        }
    }
}

/// Looks for every signal in the trail when it is about to be sent.
fn watch_signals(world: &World) -> Arc<Mutex<Vec<(u32, Signal)>>> {
    let unrecorded = Arc::new(Mutex::new(Vec::new()));
    let (path, noted): (PathBuf, _) = (world.pool_path(), unrecorded.clone());
    world.fake.witness(move |pid, signal| {
        let name = serde_json::to_value(signal).expect("a name");
        let recorded = trail_lines(&path).iter().any(|line| {
            line["event"] == "signal"
                && line["phase"] == "before"
                && line["pid"] == pid
                && line["signal"] == name
        });
        if !recorded {
            noted.lock().expect("noted").push((pid, signal));
        }
    });
    unrecorded
}
