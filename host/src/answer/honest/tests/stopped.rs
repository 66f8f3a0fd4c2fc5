//! Answers to `stop`.

use super::*;

#[test]
fn an_outcome_that_was_not_seen_is_untrue() {
    const ALL: [&str; 8] = [
        "exited",
        "killed",
        "already-dead",
        "signalled",
        "still-running",
        "refused",
        "failed",
        "would-signal",
    ];
    let a = claim("a", 7);
    let alive = || facts(&[("a", 7, ALIVE)]);
    let with = |change: &dyn Fn(&mut Facts)| {
        let mut facts = alive();
        change(&mut facts);
        facts
    };
    let term = |facts: &mut Facts| facts.signalled(&a, Signal::Term);
    for (facts, allowed) in [
        (alive(), &["refused", "failed"][..]),
        (
            with(&|facts| facts.signalled(&a, Signal::Cont)),
            &["refused", "failed"],
        ),
        (with(&term), &["signalled", "still-running"]),
        (
            with(&|facts| {
                term(facts);
                facts.ended(&a);
            }),
            &["exited", "already-dead", "signalled"],
        ),
        (
            with(&|facts| {
                facts.signalled(&a, Signal::Kill);
                facts.ended(&a);
            }),
            &["exited", "killed", "already-dead", "signalled"],
        ),
        (
            facts(&[("a", 7, GONE)]),
            &["already-dead", "refused", "failed"],
        ),
    ] {
        for word in ALL {
            let answer = json!({
                "stopped": [], "errors": [], "outcomes": [outcome("a", 7, word)],
            });
            let checked = stop(&answer, Stop::default(), &facts);
            assert_eq!(
                checked.is_ok(),
                allowed.contains(&word),
                "{word}: {checked:?}"
            );
        }
    }
    let forecast = json!({
        "stopped": [], "errors": [], "outcomes": [outcome("a", 7, "would-signal")], "dry_run": true,
    });
    let dry_run = Stop {
        dry_run: true,
        ..Stop::default()
    };
    assert_eq!(stop(&forecast, dry_run, &alive()), Ok(()));
}

#[test]
fn a_policys_own_word_is_for_a_worker_that_something_has_become_of() {
    let answer = json!({
        "stopped": [], "errors": [], "outcomes": [outcome("a", 7, "terminated")],
    });
    let mut facts = facts(&[("a", 7, ALIVE)]);
    assert_untrue(stop(&answer, Stop::default(), &facts), "was not signalled");
    facts.signalled(&claim("a", 7), Signal::Term);
    assert_eq!(stop(&answer, Stop::default(), &facts), Ok(()));
}

#[test]
fn a_stop_tells_of_a_worker_that_it_signalled_though_its_entry_came_late() {
    let answer = json!({"stopped": [], "errors": [], "outcomes": []});
    let mut facts = facts(&[]);
    let late = claim("late", 8);
    facts.begin(&reading(std::slice::from_ref(&late)));
    assert_eq!(stop(&answer, Stop::default(), &facts), Ok(()));
    facts.signalled(&late, Signal::Term);
    assert_untrue(
        stop(&answer, Stop::default(), &facts),
        "was not to be stopped",
    );
}

#[test]
fn only_who_has_ended_is_stopped_or_who_was_signalled_without_a_wait() {
    let a = claim("a", 7);
    let answer = |stopped: &[&str], word: &str| json!({"stopped": stopped, "errors": [], "outcomes": [outcome("a", 7, word)]});
    let mut signalled = facts(&[("a", 7, ALIVE)]);
    signalled.signalled(&a, Signal::Term);
    let claimed = answer(&["a"], "signalled");
    assert_untrue(
        stop(&claimed, Stop::default(), &signalled),
        "was not seen to end",
    );
    let at_once = || Stop {
        grace: Duration::ZERO,
        ..Stop::default()
    };
    assert_eq!(stop(&claimed, at_once(), &signalled), Ok(()));
    let twice = answer(&["a", "a"], "signalled");
    assert_untrue(
        stop(&twice, at_once(), &signalled),
        "session \"a\" is stopped",
    );
    let other = answer(&["b"], "signalled");
    assert_untrue(stop(&other, at_once(), &signalled), "no entry");
    let untouched = facts(&[("a", 7, ALIVE)]);
    let claimed = answer(&["a"], "refused");
    assert_untrue(stop(&claimed, at_once(), &untouched), "was not signalled");
    signalled.ended(&a);
    assert_eq!(
        stop(&answer(&["a"], "exited"), Stop::default(), &signalled),
        Ok(())
    );
}

#[test]
fn a_stop_tells_of_everybody_that_it_was_about() {
    let nobody = json!({"stopped": [], "errors": [], "outcomes": []});
    let of = |sid: &str| Stop {
        sid: Some(sid.into()),
        ..Stop::default()
    };
    let mut facts = facts(&[("a", 7, ALIVE), ("b", 8, GONE)]);
    assert_untrue(
        stop(&nobody, Stop::default(), &facts),
        "\"a\" (pid 7) was not to be stopped",
    );
    assert_untrue(stop(&nobody, of("a"), &facts), "\"a\" (pid 7)");
    assert_eq!(stop(&nobody, of("b"), &facts), Ok(()));
    assert_eq!(stop(&nobody, of("c"), &facts), Ok(()));
    let of_a = json!({"stopped": [], "errors": [], "outcomes": [outcome("a", 7, "refused")]});
    assert_untrue(stop(&of_a, of("b"), &facts), "did not ask for it");
    facts.signalled(&claim("a", 7), Signal::Term);
    assert_untrue(stop(&nobody, of("b"), &facts), "it was signalled");
}

#[test]
fn a_possible_pid_is_not_called_impossible() {
    for (pid, is_true) in [
        (0, true),
        (7, false),
        (i32::MAX as u32, false),
        (1 << 31, true),
    ] {
        let facts = facts(&[("a", pid, GONE)]);
        let answer = json!({
            "stopped": [], "errors": ["words"], "outcomes": [outcome("a", pid, "invalid-pid")],
        });
        assert_eq!(
            stop(&answer, Stop::default(), &facts).is_ok(),
            is_true,
            "{pid}"
        );
    }
}
