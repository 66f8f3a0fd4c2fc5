//! A clock of one's own.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use poolwarden::{Request, Stop};
use serde_json::json;

use crate::own_parts::clock::StandingClock;
use crate::parts::{HOSTILE, Rehearsal, SHIPPED, cancel, part, reported, stop};

#[test]
fn it_dates_entries_signals_and_the_trail() {
    let rehearsal = Rehearsal::new();
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let builder = rehearsal.builder().clock(Arc::new(StandingClock(now)));
    let pool = builder.build(SHIPPED.clone());
    let actor = rehearsal.stage.enter(77).expect("a pipe");
    let registered = pool.register(part("a", 77), &cancel());
    let registered = registered.expect("the host's rule goes by the same clock");
    assert_eq!(registered.registered.created_at, "2001-09-09T01:46:40Z");

    let unwaited = Stop {
        grace: Duration::ZERO,
        ..stop("a")
    };
    pool.stop(unwaited, &cancel()).expect("stopped");
    assert!(!actor.heard().is_empty());
    let trail = rehearsal.trail();
    assert!(!trail.is_empty());
    for line in trail {
        assert_eq!(line["at"], "2001-09-09T01:46:40.000Z", "{line}");
    }
    let ledger = rehearsal.store.ledger();
    let sent: Vec<_> = ledger
        .rows()
        .filter_map(|(_, row)| row.last_signal)
        .collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].at, now);
}

/// An entry that is forged as made today is not made now.
#[test]
fn a_new_entry_is_measured_against_it() {
    let rehearsal = Rehearsal::new();
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    rehearsal.stage.enter(77).expect("a pipe");
    let said = |created_at: &str| {
        let entry = json!({
            "sid": "a", "pid": 77, "sock": "", "version": "", "created_at": created_at,
        });
        let pool = rehearsal
            .builder()
            .clock(Arc::new(StandingClock(now)))
            .grants(poolwarden::Grants::shipped().with_dismiss())
            .setting("attack", "replace")
            .setting("with", json!({ "sessions": [entry] }).to_string())
            .build(HOSTILE.clone());
        let answer = pool.call(Request::Register(part("a", 77)), &cancel());
        reported(answer)["said"].to_string()
    };
    let today = said("2026-01-01T00:00:00Z");
    assert!(today.contains("refused: "), "{today}");
    // Dated well, it goes on to the next rule, that the process was seen to run.
    let then = said("2001-09-09T01:46:40Z");
    assert!(then.contains("was not found running"), "{then}");
    assert_eq!(rehearsal.store.registry(), None);
}
