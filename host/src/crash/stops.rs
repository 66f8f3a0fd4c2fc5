//! The process ends at every call in turn, and with it the power.

use std::collections::BTreeSet;

use crate::store::testing::{Call, Chance, Image, Step, Survives, Verdict};

use super::check::{Rule, Seen, Violation, check};
use super::run::{ENDED, HONEST, Lie, Outcome, Run};
use super::scenario::Scenario;
use super::world::directory;

/// How many images are left to chance, of each moment; those that are equal are one.
const CHANCES: usize = 16;

/// Lays out what a loss of power leaves, and checks it.
pub(super) fn look_at_image(run: &Run, image: &Image) -> Vec<Violation> {
    let root = directory();
    let pool = root.path().join("pool");
    image.lay_out(&pool);
    check(run, &pool, Seen::Durable)
}

/// Where and how a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Before this step.
    Before(usize),
    /// In the middle of this step, which writes.
    Within(usize),
    /// Not at all.
    Never,
}

impl End {
    /// All of them, for a request of these steps.
    fn all(scenario: Scenario, steps: &[Step]) -> Vec<Self> {
        let mut ends = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            if !scenario.is_about(step) {
                continue;
            }
            ends.push(Self::Before(number));
            if step.call == Call::Write {
                ends.push(Self::Within(number));
            }
        }
        ends.push(Self::Never);
        ends
    }

    fn verdict(self, number: usize) -> Verdict {
        match self {
            Self::Before(end) if number >= end => Verdict::Fail(ENDED),
            Self::Within(end) if number == end => Verdict::Half(ENDED),
            Self::Within(end) if number > end => Verdict::Fail(ENDED),
            _ => Verdict::Go,
        }
    }
}

/// What was looked at, and what was wrong with it.
#[derive(Default)]
pub(super) struct Report {
    pub(super) ends: usize,
    pub(super) images: usize,
    pub(super) wrong: Vec<String>,
    rules: BTreeSet<Rule>,
}

impl Report {
    pub(super) fn has_broken(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    fn add(&mut self, what: &str, violations: Vec<Violation>) {
        self.rules.extend(violations.iter().map(|found| found.rule));
        if !violations.is_empty() {
            self.wrong.push(format!("{what}: {violations:?}"));
        }
    }
}

/// Ends a request at every step, on a disk that does what `lie` says of each, and looks at
/// what is left with and without power, until `is_enough`.
pub(super) fn end_at_every_step(
    scenario: Scenario,
    seed: u64,
    lie: Lie,
    is_enough: impl Fn(&BTreeSet<Rule>) -> bool,
) -> Report {
    let run = |end: End| Run {
        lie,
        ..Run::with(scenario, move |number, step| match end.verdict(number) {
            Verdict::Go => lie(step),
            ended => ended,
        })
    };
    let steps = run(End::Never).disk.steps();
    let mut chance = Chance::new(seed);
    let mut report = Report::default();
    for end in End::all(scenario, &steps) {
        if is_enough(&report.rules) {
            break;
        }
        let run = run(end);
        let journal = run.journal();
        let step = match end {
            End::Before(number) | End::Within(number) => steps[number].to_string(),
            End::Never => String::new(),
        };
        report.ends += 1;
        let left = check(&run, &run.world.pool_path(), Seen::Live);
        report.add(&format!("{end:?} {step}"), left);
        let certain = [Survives::Nothing, Survives::Names, Survives::Contents];
        let chances = std::iter::repeat_with(|| Survives::Chance(chance.next())).take(CHANCES);
        let mut seen = vec![journal.image(Survives::Everything)];
        for survives in certain.into_iter().chain(chances) {
            let image = journal.image(survives);
            if seen.contains(&image) {
                continue;
            }
            report.images += 1;
            let left = look_at_image(&run, &image);
            seen.push(image);
            report.add(&format!("{end:?} {step}, {survives:?} survives"), left);
        }
    }
    report
}

fn leaves_old_or_new(scenario: Scenario) {
    let seed = Chance::seed();
    let report = end_at_every_step(scenario, seed, HONEST, |_| false);
    println!(
        "{}: the process ended at {} steps, the power at {} images of the disk; seed {seed}",
        scenario.name(),
        report.ends,
        report.images
    );
    assert!(
        report.wrong.is_empty(),
        "POOLWARDEN_CRASH_SEED={seed}\n{}",
        report.wrong.join("\n")
    );
    assert!(report.images >= 10, "only {} images", report.images);
}

macro_rules! ends_at_every_step {
    ($($name:ident: $scenario:expr;)*) => {$(
        #[test]
        fn $name() {
            leaves_old_or_new($scenario);
        }
    )*};
}

ends_at_every_step! {
    a_first_registration_is_there_or_not: Scenario::First;
    a_registration_is_there_or_not: Scenario::Register;
    collecting_is_done_or_not: Scenario::Ensure;
    a_status_changes_all_or_nothing: Scenario::Status;
    a_stop_is_done_or_not: Scenario::Stop;
    a_kill_is_done_or_not: Scenario::Kill;
    forgetting_is_done_or_not: Scenario::Forget;
    a_rotation_loses_nothing: Scenario::Rotate;
}

/// A process ends, and the machine goes on. Whoever makes the request again and is told that
/// it is done can rely on it, also on what the first one left half done.
#[test]
fn what_is_done_at_the_second_attempt_lasts() {
    let mut again = 0;
    for scenario in [Scenario::First, Scenario::Register, Scenario::Ensure] {
        let steps = Run::with(scenario, |_, _| Verdict::Go).disk.steps();
        for (end, step) in steps.iter().enumerate() {
            let first = Run::with(scenario, move |number, _| End::Before(end).verdict(number));
            let second = first.again();
            // The first one may have registered the worker already.
            if !matches!(second.outcome, Outcome::Done) {
                let text = second.outcome.text();
                assert!(
                    text.as_deref()
                        .is_some_and(|text| text.contains("is taken")),
                    "{step}: {text:?}"
                );
                continue;
            }
            // Or it has done all there was to do, and died before that was certain to last.
            // Should it be undone with the power, then so is what it was about: everybody.
            if second.disk.intended("registry.json.new").is_empty() {
                continue;
            }
            again += 1;
            let image = second.journal().image(Survives::Nothing);
            let broken = look_at_image(&second, &image);
            assert!(broken.is_empty(), "{step}: {broken:?}");
        }
    }
    println!("{again} requests were made again");
}

/// The calls of each request, in order. Whoever makes one more looks here at where it
/// stands, and at what the other tests say of it.
#[test]
fn the_steps_are_these() {
    let mut wrong = Vec::new();
    for scenario in Scenario::ALL {
        let run = Run::with(scenario, |_, _| Verdict::Go);
        assert!(matches!(run.outcome, Outcome::Done), "{:?}", run.outcome);
        let steps: String = run
            .disk
            .steps()
            .iter()
            .map(|step| format!("{step}\n"))
            .collect();
        if steps != scenario.steps() {
            wrong.push(format!("{} is now:\n{steps}", scenario.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
