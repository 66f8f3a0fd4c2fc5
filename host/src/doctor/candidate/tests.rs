use std::sync::Arc;

use crate::process::fake::{FakeKernel, MACHINE};
use crate::process::{Identity, Place};

use super::*;

const PID: u32 = 4711;
const TICKS: u64 = 360_000;

fn machine() -> Arc<FakeKernel> {
    let fake = Arc::new(FakeKernel::new());
    fake.run(PID, TICKS, 1);
    fake
}

fn claim(sid: &str) -> Claim {
    Claim {
        sid: sid.into(),
        pid: PID,
        created_at: "2026-11-23T11:30:00Z".into(),
        sock: String::new(),
    }
}

/// What the ledger says of the machine's worker.
fn record() -> Record {
    Record {
        identity: Identity {
            place: FakeKernel::place(),
            inode: Some(1000 + u64::from(PID)),
            start_ticks: TICKS,
        },
        proof: Proof::Registered,
    }
}

fn ledger(rows: &[(&str, Record)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (sid, record) in rows {
        ledger.insert(claim(sid), record.clone());
    }
    ledger
}

fn ledger_of_b() -> Ledger {
    ledger(&[("b", record())])
}

/// The candidates of a pool whose registry is lost, with the worker's environment naming "a".
fn found(fake: &Arc<FakeKernel>, ledger: &Ledger, is_marked: bool) -> Vec<Candidate> {
    let processes = LinuxProcesses::with_kernel(fake.clone(), 10);
    let worker = || MarkedWorker {
        identified: processes.identify(PID).expect("it runs"),
        sid: "a".into(),
        sock: String::new(),
        version: "7".into(),
    };
    let marked = Marked {
        workers: is_marked.then(worker).into_iter().collect(),
        hidden: 0,
    };
    candidates(&processes, Strength::Any, marked, ledger, true)
}

/// Sid, standing and version of each, and what stands against it.
fn shown(candidates: &[Candidate], ledger: &Ledger) -> Vec<String> {
    let shown = candidates.iter().map(|one| {
        let objection = one.objection(ledger).unwrap_or_default();
        let (sid, standing) = (&one.claim.sid, one.standing);
        format!(
            "{sid} {standing} {} {:?} {objection}",
            one.version, one.evidence
        )
    });
    shown.collect()
}

#[test]
fn the_rows_that_name_a_process_say_what_it_is() {
    let fake = machine();
    let ledger = ledger(&[("b", record()), ("a", record())]);
    assert_eq!(
        shown(&found(&fake, &ledger, true), &ledger),
        ["a alive 7 Both ", "b alive  Ledger "]
    );
    // Whatever it says of itself.
    let other = ledger_of_b();
    assert_eq!(
        shown(&found(&fake, &other, true), &other),
        ["b alive  Ledger "]
    );
    let unknown = Ledger::default();
    assert_eq!(
        shown(&found(&fake, &unknown, true), &unknown),
        ["a alive 7 Environment "]
    );
    assert_eq!(
        shown(&found(&fake, &ledger, false), &ledger),
        ["a alive  Ledger ", "b alive  Ledger "]
    );
}

#[test]
fn a_row_that_is_withdrawn_offers_nobody_and_forbids_itself() {
    let fake = machine();
    let mut ledger = ledger(&[("a", record())]);
    let offered = found(&fake, &ledger, false);
    ledger.withdraw(&claim("a"));
    assert_eq!(found(&fake, &ledger, false).len(), 0);
    for candidates in [offered, found(&fake, &ledger, true)] {
        let [candidate] = candidates.as_slice() else {
            panic!("{candidates:?}")
        };
        assert_eq!(candidate.objection(&ledger).as_deref(), Some(FORGOTTEN));
    }
    ledger.retain(|_| false);
    assert_eq!(
        shown(&found(&fake, &ledger, true), &ledger),
        ["a alive 7 Environment "]
    );
}

#[test]
fn a_row_about_another_process_outweighs_the_environment() {
    let fake = machine();
    let mut other = record();
    other.identity.inode = Some(3);
    let found = |sid: &str| {
        let ledger = ledger(&[(sid, other.clone())]);
        shown(&found(&fake, &ledger, true), &ledger)
    };
    let against = "the ledger knows another process of this sid and pid";
    assert_eq!(found("a"), [format!("a alive 7 Environment {against}")]);
    assert_eq!(found("b"), ["a alive 7 Environment "]);
}

#[test]
fn a_row_whose_process_is_not_proven_dead_is_kept() {
    let fake = machine();
    let place = FakeKernel::place();
    let elsewhere = Place {
        pid_namespace: 7,
        ..place.clone()
    };
    let unclear = Place {
        machine: String::new(),
        boot: "another".into(),
        ..place.clone()
    };
    let earlier = Place {
        machine: MACHINE.into(),
        boot: "earlier".into(),
        ..place
    };
    let standings = [elsewhere, unclear, earlier].map(|place| {
        let mut record = record();
        record.identity.place = place;
        let ledger = ledger(&[("a", record)]);
        let candidates = found(&fake, &ledger, false);
        // It is known by its row alone, and so is its end.
        assert!(candidates.iter().all(Candidate::is_running));
        assert!(candidates.iter().all(|one| one.record().is_none()));
        shown(&candidates, &ledger)
    });
    let [elsewhere, unclear, earlier] = standings;
    assert_eq!(elsewhere, ["a foreign  Ledger "]);
    assert_eq!(unclear, ["a unproven  Ledger "]);
    assert_eq!(earlier, [] as [&str; 0]);
    fake.reap(PID);
    let ledger = ledger(&[("a", record())]);
    assert_eq!(found(&fake, &ledger, false).len(), 0);
}

#[test]
fn a_row_that_contradicts_itself_is_shown_and_not_believed() {
    let fake = machine();
    let mut damaged = record();
    damaged.identity.start_ticks += 1;
    let ledger = ledger(&[("a", damaged)]);
    let found = shown(&found(&fake, &ledger, false), &ledger);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("a unproven  Ledger the ledger's row has"),
        "{found:?}"
    );
}

#[test]
fn a_row_that_is_gone_by_the_time_of_the_repair_offers_nobody() {
    let fake = machine();
    let candidates = found(&fake, &ledger(&[("a", record())]), false);
    let objection = candidates[0].objection(&Ledger::default());
    assert!(objection.expect("an objection").contains("any more"));
}

#[test]
fn without_pidfs_an_environment_proves_nothing() {
    let fake = machine();
    fake.without_pidfs();
    let ledger = Ledger::default();
    let candidates = found(&fake, &ledger, true);
    assert_eq!(candidates[0].objection(&ledger).as_deref(), Some(WEAK));
}
