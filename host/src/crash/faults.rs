//! Every call fails in turn, with every error that it can give.

use nix::errno::Errno;

use crate::store::testing::{Call, Step, Survives, Verdict};

use super::check::{Seen, Violation, check, check_error};
use super::run::{Outcome, Run};
use super::scenario::Scenario;
use super::stops::look_at_image;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It fails, and those after it do not.
    Once(Errno),
    /// It fails, and so does whatever comes after it and can fail for the same reason.
    FromThenOn(Errno),
    /// It fails, and has had its effect.
    Late(Errno),
    /// It writes half of what it is to write.
    Half,
    /// The same, and nothing more is written: the disk is full.
    HalfOfTheLast,
    /// The same, and what is written cannot be cut off again.
    HalfForGood,
}

impl Fault {
    /// What can happen to this step.
    fn of(step: &Step) -> Vec<Self> {
        let errors = step.call.errors().iter();
        let mut faults: Vec<_> = errors.clone().map(|errno| Self::Once(*errno)).collect();
        let lasting = errors.filter(|errno| **errno != Errno::EINTR);
        faults.extend(lasting.map(|errno| Self::FromThenOn(*errno)));
        if step.call.changes_names() {
            faults.push(Self::Late(Errno::EIO));
        }
        if step.call == Call::Write {
            faults.extend([Self::Half, Self::HalfOfTheLast, Self::HalfForGood]);
        }
        faults
    }

    /// What becomes of a step when it is due at another one.
    fn verdict(self, due: usize, number: usize, call: Call) -> Verdict {
        match (self, number == due) {
            (Self::Once(errno) | Self::FromThenOn(errno), true) => Verdict::Fail(errno),
            (Self::FromThenOn(errno), false) if number > due => {
                if call.errors().contains(&errno) {
                    Verdict::Fail(errno)
                } else {
                    Verdict::Go
                }
            }
            (Self::Late(errno), true) => Verdict::Late(errno),
            (Self::Half | Self::HalfOfTheLast | Self::HalfForGood, true) => Verdict::Short,
            (Self::HalfForGood, false) if number > due && call == Call::Cut => {
                Verdict::Fail(Errno::EIO)
            }
            (Self::HalfOfTheLast, false) if number > due && call == Call::Write => {
                Verdict::Fail(Errno::ENOSPC)
            }
            _ => Verdict::Go,
        }
    }

    /// The system's words for it, where it has some.
    fn reason(self) -> String {
        match self {
            Self::Once(errno) | Self::FromThenOn(errno) | Self::Late(errno) => {
                std::io::Error::from(errno).to_string()
            }
            Self::Half | Self::HalfForGood => "bytes were written".into(),
            Self::HalfOfTheLast => String::new(),
        }
    }
}

/// Runs a request with one fault, and checks what it leaves and what it says.
fn violations_with(
    scenario: Scenario,
    due: usize,
    step: &Step,
    fault: Fault,
) -> (Outcome, Vec<Violation>) {
    let run = Run::with(scenario, move |number, step| {
        fault.verdict(due, number, step.call)
    });
    let mut violations = Vec::new();
    if let Some(text) = run.outcome.text() {
        violations.extend(check_error(&text, run.world.root(), &fault.reason()));
    }
    let journal = run.journal();
    violations.extend(check(&run, &run.world.pool_path(), Seen::Live));
    // A directory that we may not read cannot be synced: that is for its owner to do.
    let parent_is_closed = step.is(Call::OpenParent, "pool")
        && matches!(
            fault,
            Fault::Once(Errno::EACCES) | Fault::FromThenOn(Errno::EACCES)
        );
    if !journal.is_durable() && !parent_is_closed {
        violations.extend(look_at_image(&run, &journal.image(Survives::Nothing)));
    }
    (run.outcome, violations)
}

/// Fails every step of a scenario in every way. Says how many pairs there were.
fn fail_every_step(scenario: Scenario) -> usize {
    let undisturbed = Run::with(scenario, |_, _| Verdict::Go);
    assert!(matches!(undisturbed.outcome, Outcome::Done));
    let (mut pairs, mut survived, mut wrong) = (0, 0, Vec::new());
    for (due, step) in undisturbed.disk.steps().iter().enumerate() {
        if !scenario.is_about(step) {
            continue;
        }
        for fault in Fault::of(step) {
            let (outcome, violations) = violations_with(scenario, due, step, fault);
            pairs += 1;
            survived += usize::from(matches!(outcome, Outcome::Done));
            if !violations.is_empty() {
                wrong.push(format!("{due} {step}, {fault:?}: {violations:?}"));
            }
            let interrupted = fault == Fault::Once(Errno::EINTR);
            if interrupted && !matches!(outcome, Outcome::Done) {
                wrong.push(format!("{due} {step}, interrupted: {outcome:?}"));
            }
        }
    }
    println!(
        "{}: {pairs} pairs of a step and a fault; {survived} requests were answered, {} were not",
        scenario.name(),
        pairs - survived
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    pairs
}

macro_rules! fails_at_every_step {
    ($($name:ident: $scenario:expr, at least $least:literal;)*) => {$(
        #[test]
        fn $name() {
            let pairs = fail_every_step($scenario);
            assert!(pairs >= $least, "only {pairs} pairs");
        }
    )*};
}

fails_at_every_step! {
    a_first_registration_fails_whole: Scenario::First, at least 100;
    a_registration_fails_whole: Scenario::Register, at least 100;
    collecting_fails_whole: Scenario::Ensure, at least 100;
    a_status_fails_whole: Scenario::Status, at least 100;
    a_stop_fails_whole: Scenario::Stop, at least 100;
    a_kill_fails_whole: Scenario::Kill, at least 100;
    forgetting_fails_whole: Scenario::Forget, at least 100;
    a_rotation_fails_whole: Scenario::Rotate, at least 100;
}
