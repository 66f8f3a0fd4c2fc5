//! Processes of one's own.

use std::sync::Arc;
use std::time::Duration;

use poolwarden::answer::{Found, Outcome, SessionStatus};
use poolwarden::life::Waited;
use poolwarden::process::{
    Finding, Forbidden, Identified, IdentifyError, Inquiry, Inspection, Interrupted, Process,
    Processes, Question, Signal, Standing,
};
use poolwarden::{Ensure, Grants, Request, Stop};

use crate::own_parts::processes::Stage;
use crate::parts::{HOSTILE, Rehearsal, SHIPPED, cancel, part, reported, stop};

#[test]
fn a_whole_life_without_a_process() {
    let rehearsal = Rehearsal::new();
    let pool = rehearsal.pool();
    let (first, second) = (
        rehearsal.with_worker("first", 77),
        rehearsal.with_worker("second", 78),
    );
    first.leave().expect("a pipe");
    let ended = pool.wait("first", Some(Duration::from_secs(60)), &cancel());
    assert!(
        matches!(ended, Ok(Waited::Ended { pid: 77, .. })),
        "{ended:?}"
    );
    // Its pid is somebody else's by now, who is left alone.
    let heir = rehearsal.stage.enter(77).expect("a pipe");
    let stopped = pool.stop(Stop::default(), &cancel()).expect("stopped");
    let outcomes: Vec<_> = stopped.outcomes.iter().map(|one| &one.outcome).collect();
    assert_eq!(outcomes, [&Outcome::AlreadyDead, &Outcome::Exited]);
    assert_eq!(second.heard(), [Signal::Term]);
    assert!(heir.heard().is_empty());
    let ensured = pool.ensure(Ensure::default(), &cancel()).expect("ensured");
    assert!(ensured.sessions.is_empty() && ensured.removed.is_empty());
}

/// The stage, by somebody who is careless or lies in one way.
struct Unreliable {
    stage: Arc<Stage>,
    lie: Lie,
}

#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Hands out the process of another pid.
    OtherPid(u32),
    /// Hands out a process with another standing than alive.
    Standing(Standing),
    /// Answers fewer questions than were asked.
    Silence,
    /// Has a rule of its own against signals.
    Reserved,
}

/// A process that may not be signalled.
#[derive(Debug)]
struct Reserved(Arc<dyn Process>);

impl std::os::fd::AsFd for Reserved {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Process for Reserved {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn identity(&self) -> &poolwarden::process::Identity {
        self.0.identity()
    }

    fn send(&self, signal: Signal) -> Result<(), poolwarden::process::SendError> {
        self.0.send(signal)
    }

    fn forbidden(&self) -> Option<Forbidden> {
        let (pid, reason) = (self.pid(), "it is the director".into());
        Some(Forbidden::Reserved { pid, reason })
    }
}

impl Processes for Unreliable {
    fn inspect(
        &self,
        questions: &[Question<'_>],
        inquiry: &Inquiry<'_>,
    ) -> Result<Vec<Inspection>, Interrupted> {
        let mut inspected = self.stage.inspect(questions, inquiry)?;
        for inspection in &mut inspected {
            match self.lie {
                Lie::OtherPid(pid) => {
                    let other = self.stage.identify(pid).expect("it runs");
                    inspection.process = Some(other.process);
                }
                Lie::Standing(standing) => {
                    inspection.finding = Finding::new(standing, "so it is said");
                }
                Lie::Silence => {}
                Lie::Reserved => {
                    let process = inspection.process.take();
                    inspection.process = process.map(|process| Arc::new(Reserved(process)) as _);
                }
            }
        }
        if matches!(self.lie, Lie::Silence) {
            inspected.clear();
        }
        Ok(inspected)
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        self.stage.identify(pid)
    }
}

/// Whatever they say, nobody is signalled who is not proven to be the entry's process.
#[test]
fn what_does_not_hold_together_gets_no_signal() {
    let lies = [
        Lie::OtherPid(78),
        Lie::Standing(Standing::Unproven),
        Lie::Standing(Standing::Unknown),
        Lie::Silence,
        Lie::Reserved,
    ];
    for lie in lies {
        let rehearsal = Rehearsal::new();
        let actor = rehearsal.with_worker("a", 77);
        let bystander = rehearsal.stage.enter(78).expect("a pipe");
        let before = rehearsal.store.registry();
        let unreliable = Arc::new(Unreliable {
            stage: rehearsal.stage.clone(),
            lie,
        });
        let builder = || rehearsal.builder().processes(unreliable.clone());
        // A policy that goes by no finding is refused by the host.
        let blind = builder()
            .grants(Grants::shipped().with_dismiss())
            .setting("attack", "signal")
            .setting("sid", "a")
            .setting("pid", "77")
            .build(HOSTILE.clone());
        let answer = blind.call(Request::Ensure { dry_run: false }, &cancel());
        let value = reported(answer);
        let said = value["said"].as_str().expect("what the host said");
        assert!(said.starts_with("refused: "), "{lie:?}: {said}");
        let pool = builder().build(SHIPPED.clone());
        let stopped = pool.stop(stop("a"), &cancel()).expect("an answer");
        assert_eq!(stopped.outcomes[0].outcome, Outcome::Refused, "{lie:?}");
        if matches!(lie, Lie::Reserved) {
            assert!(
                stopped.errors[0].contains("it is the director"),
                "{stopped:?}"
            );
        }
        assert!(actor.heard().is_empty(), "{lie:?}");
        assert!(bystander.heard().is_empty(), "{lie:?}");
        assert_eq!(rehearsal.store.registry(), before, "{lie:?}");
        assert!(rehearsal.trail().is_empty(), "{lie:?}");
    }
}

#[test]
fn a_group_is_not_signalled_where_nothing_is_known_of_groups() {
    let rehearsal = Rehearsal::new();
    let actor = rehearsal.with_worker("a", 77);
    let group = Stop {
        group: true,
        ..stop("a")
    };
    let stopped = rehearsal.pool().stop(group, &cancel()).expect("an answer");
    assert_eq!(stopped.outcomes[0].outcome, Outcome::Refused);
    assert!(stopped.errors[0].contains("process groups"), "{stopped:?}");
    assert!(actor.heard().is_empty());
}

#[test]
fn who_is_not_there_is_not_registered_and_whoever_comes_is() {
    let rehearsal = Rehearsal::new();
    let pool = rehearsal.pool();
    pool.register(part("a", 77), &cancel())
        .expect_err("nobody has this pid");
    let first = rehearsal.with_worker("a", 77);
    first.leave().expect("a pipe");
    rehearsal.stage.enter(78).expect("a pipe");
    let registered = pool.register(part("a", 78), &cancel()).expect("it is free");
    let replaced = registered.replaced.as_ref().expect("who had it before");
    assert_eq!((replaced.pid, &replaced.standing), (77, &Found::Exited));
    let listed = pool.status(Some("a"), &cancel()).expect("listed");
    assert_eq!(listed.sessions[0].status, SessionStatus::Running);
    assert_eq!(listed.sessions[0].pid, 78);
}
