//! The proof by time.

use std::time::Duration;

use super::support::*;
use crate::process::{Proof, Record, Standing, Strength};

#[test]
fn a_process_that_had_started_is_alive_and_learned() {
    let fake = machine();
    for created_at in [
        "2026-11-23T11:00:00Z",
        "2026-11-23T11:59:00Z",
        "2026-11-23T10:59:57Z",
    ] {
        let inspection = inspect(&fake, &claim_from(created_at), None, Strength::Any);
        assert_finding(&inspection.finding, Standing::Alive, "time");
        assert_eq!(
            inspection.learned.as_deref(),
            Some(&Record {
                proof: Proof::Time,
                ..record()
            })
        );
        let started = inspection.finding.started.map(crate::process::time::text);
        assert_eq!(started.as_deref(), Some("2026-11-23T11:00:00Z"));
    }
}

#[test]
fn a_process_that_started_later_has_reused_the_pid() {
    let finding = find(&machine(), &claim_from("2026-11-23T10:59:56Z"));
    assert_eq!(finding.standing, Standing::Reused);
    assert_eq!(
        finding.evidence,
        "time: pid 4711 runs since 2026-11-23T11:00:00Z, the entry is from \
         2026-11-23T10:59:56Z (assuming one pid namespace and a clock that was not stepped)"
    );
}

#[test]
fn an_entry_from_before_the_boot_is_gone() {
    let finding = find(&machine(), &claim_from("2026-11-22T08:00:00+01:00"));
    assert_eq!(finding.standing, Standing::Gone);
    assert_eq!(
        finding.evidence,
        "time: the entry is from 2026-11-22T07:00:00Z, this machine booted at \
         2026-11-23T10:00:00Z (assuming one pid namespace and a clock that was not stepped)"
    );
}

#[test]
fn no_time_or_one_to_come_proves_nothing() {
    let fake = machine();
    for created_at in ["", "now", "2026-11-23 11:00"] {
        let finding = find(&fake, &claim_from(created_at));
        assert_finding(&finding, Standing::Unproven, "is no RFC 3339 time");
    }
    let finding = find(&fake, &claim_from("2026-11-23T12:00:04Z"));
    assert_finding(&finding, Standing::Unproven, "still to come");
    let finding = find(&fake, &claim_from("2026-11-23T12:00:03Z"));
    assert_finding(&finding, Standing::Alive, "time");
}

#[test]
fn strong_takes_no_time_for_a_proof() {
    let fake = machine();
    for created_at in [
        "2026-11-23T11:00:00Z",
        "2026-11-23T10:30:00Z",
        "2020-01-01T00:00:00Z",
        "",
    ] {
        let finding = inspect(&fake, &claim_from(created_at), None, Strength::Strong).finding;
        assert_finding(&finding, Standing::Unproven, "proof = strong");
    }
}

#[test]
fn a_stepped_clock_shows_in_the_evidence_and_not_where_the_ledger_knows() {
    // The clock was an hour slow when the entry was made, and was set right since.
    let fake = machine();
    fake.set_clock("2026-11-23T13:00:00Z", Duration::from_secs(7200));
    let finding = find(&fake, &claim());
    assert_finding(&finding, Standing::Reused, "a clock that was not stepped");
    let inspection = inspect(&fake, &claim(), Some(&record()), Strength::Any);
    assert_finding(&inspection.finding, Standing::Alive, "ledger");

    // Set back, it makes the entry one from the future.
    fake.set_clock("2026-11-23T10:10:00Z", Duration::from_secs(7200));
    assert_finding(&find(&fake, &claim()), Standing::Unproven, "still to come");

    // A clock from before boot could be counted is no panic.
    fake.set_clock("1970-01-01T00:00:00Z", Duration::from_secs(u64::MAX));
    assert_finding(&find(&fake, &claim()), Standing::Unproven, "still to come");
}
