//! What one reading of a pool after another is told as.

use std::sync::Arc;

use super::roster::{Roster, Seen};
use super::{Event, EventKind};
use crate::life::tests::support::*;
use crate::process::{Claim, Finding, Process, Standing};

/// A reading in which the process is the one that has the pid now.
fn alive(machine: &Machine, claim: Claim) -> Seen {
    let identified = machine.pool.context.processes.identify(claim.pid);
    let process = Some(identified.expect("it runs").process);
    Seen {
        process,
        ..found(claim, Standing::Alive)
    }
}

fn found(claim: Claim, standing: Standing) -> Seen {
    Seen {
        claim,
        finding: Finding {
            standing,
            evidence: "because".into(),
            started: None,
        },
        process: None,
    }
}

fn update(roster: &mut Roster, machine: &Machine, seen: Vec<Seen>) -> Vec<Event> {
    roster.update(seen, machine.pool.context.processes.as_ref(), 100)
}

fn short(events: &[Event]) -> Vec<(EventKind, &str, Standing)> {
    events
        .iter()
        .map(|event| (event.kind, event.claim.sid.as_str(), event.standing))
        .collect()
}

fn held(roster: &Roster) -> Vec<Arc<dyn Process>> {
    roster.held().map(|(_, process)| process.clone()).collect()
}

#[test]
fn who_ended_is_told_before_its_entry_goes() {
    let machine = Machine::with(&[]);
    machine.fake.run(4712, START, 1);
    machine.fake.run(4713, START, 1);
    let mut roster = Roster::default();
    let seen = vec![
        alive(&machine, claim("a")),
        alive(&machine, of("b", 4712)),
        alive(&machine, of("c", 4713)),
    ];
    update(&mut roster, &machine, seen);
    // Nobody has polled yet when the next reading is there.
    machine.fake.reap(PID);
    machine.fake.end(4712);
    machine.fake.run(4714, START, 1);
    let seen = vec![alive(&machine, of("b", 4714))];
    let events = update(&mut roster, &machine, seen);
    assert_eq!(
        short(&events),
        [
            (EventKind::Exited, "a", Standing::Gone),
            (EventKind::Removed, "a", Standing::Gone),
            (EventKind::Exited, "b", Standing::Exited),
            (EventKind::Removed, "c", Standing::Alive),
            (EventKind::Replaced, "b", Standing::Alive),
        ]
    );
    assert_eq!(held(&roster).len(), 1, "those that are gone are let go");
}

#[test]
fn an_end_is_told_once() {
    let machine = Machine::with(&[]);
    let processes = machine.pool.context.processes.as_ref();
    let mut roster = Roster::default();
    let first = alive(&machine, claim("a"));
    let late = alive(&machine, claim("a"));
    update(&mut roster, &machine, vec![first]);
    machine.fake.end(PID);
    // Found while it still ran.
    assert_eq!(update(&mut roster, &machine, vec![late]), []);
    let event = roster.end(0, processes).expect("it has ended");
    assert_eq!(
        short(&[event]),
        [(EventKind::Exited, "a", Standing::Exited)]
    );
    assert!(roster.end(0, processes).is_none());
    assert!(held(&roster).is_empty());
    for standing in [
        Standing::Alive,
        Standing::Exited,
        Standing::Gone,
        Standing::Reused,
    ] {
        let events = update(&mut roster, &machine, vec![found(claim("a"), standing)]);
        assert_eq!(events, [], "{standing}");
    }
    let events = update(&mut roster, &machine, Vec::new());
    assert_eq!(
        short(&events),
        [(EventKind::Removed, "a", Standing::Reused)]
    );
}

#[test]
fn a_standing_that_changes_is_told() {
    let machine = Machine::with(&[]);
    let mut roster = Roster::default();
    update(
        &mut roster,
        &machine,
        vec![found(claim("a"), Standing::Gone)],
    );
    for (standing, kind) in [
        (Standing::Foreign, EventKind::Changed),
        // It was dead before, and is so again.
        (Standing::Gone, EventKind::Changed),
    ] {
        let events = update(&mut roster, &machine, vec![found(claim("a"), standing)]);
        assert_eq!(short(&events), [(kind, "a", standing)]);
    }
    let mut roster = Roster::default();
    let seen = vec![found(claim("a"), Standing::Unknown)];
    update(&mut roster, &machine, seen);
    for (standing, kind) in [
        (Standing::Unproven, EventKind::Changed),
        (Standing::Foreign, EventKind::Changed),
        (Standing::Gone, EventKind::Exited),
    ] {
        let events = update(&mut roster, &machine, vec![found(claim("a"), standing)]);
        assert_eq!(short(&events), [(kind, "a", standing)]);
    }
}

/// The ledger can say that the process is another one, by an inode or a boot that somebody
/// wrote into it: that process has not exited.
#[test]
fn who_is_found_dead_but_runs_has_not_exited() {
    let machine = Machine::with(&[]);
    let mut roster = Roster::default();
    let seen = vec![alive(&machine, claim("a"))];
    update(&mut roster, &machine, seen);
    let seen = vec![found(claim("a"), Standing::Reused)];
    let events = update(&mut roster, &machine, seen);
    assert_eq!(
        short(&events),
        [(EventKind::Changed, "a", Standing::Reused)]
    );
}

#[test]
fn entries_that_stand_twice_are_told_apart() {
    let machine = Machine::with(&[]);
    let twice = || {
        vec![
            found(claim("a"), Standing::Unproven),
            found(claim("a"), Standing::Unproven),
        ]
    };
    let mut roster = Roster::default();
    assert_eq!(update(&mut roster, &machine, twice()).len(), 2);
    assert_eq!(update(&mut roster, &machine, twice()), []);
    let mut one = twice();
    one.pop();
    let events = update(&mut roster, &machine, one);
    assert_eq!(
        short(&events),
        [(EventKind::Removed, "a", Standing::Unproven)]
    );
}

#[test]
fn no_more_are_held_than_may_be() {
    let machine = Machine::with(&[]);
    let processes = machine.pool.context.processes.as_ref();
    let mut roster = Roster::default();
    let pids = 4712..4720;
    pids.clone().for_each(|pid| machine.fake.run(pid, START, 1));
    let seen = || -> Vec<Seen> {
        let names = pids.clone().map(|pid| of(&pid.to_string(), pid));
        names.map(|claim| alive(&machine, claim)).collect()
    };
    let events = roster.update(seen(), processes, 3);
    assert_eq!(events.len(), 8);
    assert_eq!((held(&roster).len(), roster.unheld()), (3, 5));
    machine.fake.end(4712);
    let event = roster.end(0, processes).expect("it has ended");
    assert_eq!(event.kind, EventKind::Exited);
    // The next reading fills the place.
    let mut later = seen_dead_first(&pids, &machine);
    later.truncate(8);
    assert!(roster.update(later, processes, 3).is_empty());
    assert_eq!((held(&roster).len(), roster.unheld()), (3, 4));
}

fn seen_dead_first(pids: &std::ops::Range<u32>, machine: &Machine) -> Vec<Seen> {
    pids.clone()
        .map(|pid| {
            let claim = of(&pid.to_string(), pid);
            if pid == 4712 {
                found(claim, Standing::Exited)
            } else {
                alive(machine, claim)
            }
        })
        .collect()
}

#[test]
fn the_unproven_are_held_while_there_is_room() {
    let machine = Machine::with(&[]);
    let processes = machine.pool.context.processes.as_ref();
    let pids = 4712..4720;
    pids.clone().for_each(|pid| machine.fake.run(pid, START, 1));
    let mut claims: Vec<_> = pids.map(|pid| of(&pid.to_string(), pid)).collect();
    // Nothing can be held of these two.
    claims.insert(0, of("init", 1));
    claims.insert(0, of("nobody", 9999));
    let seen = || -> Vec<Seen> {
        let claims = claims.iter().cloned();
        claims.map(|it| found(it, Standing::Unproven)).collect()
    };
    let mut roster = Roster::default();
    roster.update(seen(), processes, 16);
    assert!(roster.hold_unproven(processes, 16), "to be looked at again");
    assert_eq!((held(&roster).len(), roster.unheld()), (4, 4));
    roster.update(seen(), processes, 16);
    assert!(!roster.hold_unproven(processes, 16), "nothing is new");
    // The end of one makes room and says nothing by itself.
    machine.fake.reap(4712);
    assert!(roster.end(2, processes).is_none());
    roster.update(seen(), processes, 16);
    assert!(roster.hold_unproven(processes, 16));
    assert_eq!((held(&roster).len(), roster.unheld()), (4, 3));
}
