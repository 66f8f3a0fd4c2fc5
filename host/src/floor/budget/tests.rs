//! The table of the budget, cell by cell.

use super::*;

fn claim(sid: &str, pid: u32) -> Claim {
    Claim {
        sid: sid.into(),
        pid,
        created_at: "2026-01-01T00:00:00Z".into(),
        sock: format!("/run/{sid}"),
    }
}

fn reading(claims: &[Claim]) -> Reading {
    let entries: Vec<_> = claims
        .iter()
        .map(|Claim { sid, pid, created_at, sock }| {
            serde_json::json!({"sid": sid, "pid": pid, "sock": sock, "version": "1", "created_at": created_at})
        })
        .collect();
    let text = serde_json::json!({ "sessions": entries }).to_string();
    Reading::new(Some(text.into_bytes()))
}

fn now() -> SystemTime {
    let now: jiff::Timestamp = "2026-01-01T00:00:02Z".parse().expect("RFC 3339");
    SystemTime::from(now)
}

fn all_grants() -> Grants {
    Grants::named(&Grants::all_names()).expect("known grants")
}

fn check(
    old: &[Claim],
    new: &[Claim],
    request: &Request,
    dead: &[usize],
) -> Result<Change, OverBudget> {
    let proven = Proven {
        is_dead: &|index| dead.contains(&index),
        newcomer_runs: true,
        now: now(),
    };
    Budget::of(request, &all_grants()).check_replacement(&reading(old), &reading(new), &proven)
}

const ENSURE: Request = Request::Ensure { dry_run: false };
const STATUS: Request = Request::Status { sid: None };

fn stop(sid: Option<&str>) -> Stop {
    Stop {
        sid: sid.map(Into::into),
        ..Stop::default()
    }
}

fn register(sid: &str, pid: u32) -> Request {
    Request::Register(Register {
        sid: sid.into(),
        pid,
        sock: format!("/run/{sid}"),
        version: "1".into(),
    })
}

fn forget(sid: &str, even_if_alive: bool, pid: Option<u32>) -> Request {
    Request::Forget {
        sid: sid.into(),
        even_if_alive,
        pid,
    }
}

/// What becomes of a signal to `a` (pid 10), to which nothing was sent before.
fn first_signal(request: &Request, grants: &Grants, signal: Signal) -> Result<(), OverBudget> {
    Budget::of(request, grants).check_signal(&claim("a", 10), signal, false, &|_| false)
}

fn is_refused(checked: &Result<(), OverBudget>) -> bool {
    matches!(checked, Err(OverBudget::Refused(_)))
}

#[test]
fn status_register_and_forget_signal_nobody_whatever_is_granted() {
    for request in [
        STATUS,
        register("a", 10),
        forget("a", false, None),
        forget("a", true, None),
    ] {
        let budget = Budget::of(&request, &all_grants());
        assert_eq!(budget.signals(), [], "{request:?}");
        assert!(budget.check_target("a", 10).is_err(), "{request:?}");
        for signal in Signal::ALL {
            assert!(is_refused(&first_signal(&request, &all_grants(), signal)));
        }
    }
}

#[test]
fn ensure_signals_only_under_the_grant_dismiss_and_then_what_is_granted() {
    let without = Grants::shipped();
    let denied = first_signal(&ENSURE, &without, Signal::Term).expect_err("not granted");
    assert!(denied.to_string().contains("--grant dismiss"), "{denied}");
    assert_eq!(Budget::of(&ENSURE, &without).signals(), []);
    let with = without.with_dismiss();
    let term_cont_kill = [Signal::Term, Signal::Cont, Signal::Kill];
    assert_eq!(Budget::of(&ENSURE, &with).signals(), term_cont_kill);
    for signal in Signal::ALL {
        let checked = first_signal(&ENSURE, &with, signal);
        assert_eq!(
            checked.is_ok(),
            term_cont_kill.contains(&signal),
            "{signal}"
        );
    }
    let group = Budget::of(&ENSURE, &with);
    assert!(is_refused(&group.check_signal(
        &claim("a", 10),
        Signal::Term,
        true,
        &|_| false
    )));
}

#[test]
fn a_stop_of_one_session_reaches_no_other() {
    let one = Request::Stop(stop(Some("b")));
    assert!(is_refused(&first_signal(&one, &all_grants(), Signal::Term)));
    for sid in [None, Some("a")] {
        let request = Request::Stop(stop(sid));
        assert_eq!(first_signal(&request, &all_grants(), Signal::Term), Ok(()));
        let other_process = Request::Stop(Stop {
            pid: Some(11),
            ..stop(sid)
        });
        let checked = first_signal(&other_process, &all_grants(), Signal::Term);
        assert!(is_refused(&checked));
    }
}

#[test]
fn a_stop_sends_what_the_client_asked_for_and_kill_only_with_force() {
    let of = |signal, force| {
        Request::Stop(Stop {
            signal,
            force,
            ..stop(Some("a"))
        })
    };
    for (asked, force, sent, is_allowed) in [
        (Signal::Term, false, Signal::Term, true),
        (Signal::Term, false, Signal::Kill, false),
        (Signal::Term, true, Signal::Kill, true),
        (Signal::Kill, false, Signal::Kill, true),
        (Signal::Kill, false, Signal::Term, false),
        (Signal::Term, true, Signal::Hup, false),
        (Signal::Hup, false, Signal::Hup, true),
        (Signal::Term, true, Signal::Stop, false),
        (Signal::Term, true, Signal::Usr1, false),
    ] {
        let checked = first_signal(&of(asked, force), &all_grants(), sent);
        assert_eq!(checked.is_ok(), is_allowed, "{asked} {force} {sent}");
    }
}

#[test]
fn cont_comes_after_the_signal_of_a_stop_and_not_before() {
    let budget = Budget::of(&Request::Stop(stop(None)), &Grants::shipped());
    let cont = |sent: Signal| {
        budget.check_signal(&claim("a", 10), Signal::Cont, false, &|signal| {
            signal == sent
        })
    };
    assert_eq!(cont(Signal::Term), Ok(()));
    assert!(is_refused(&cont(Signal::Kill)));
}

#[test]
fn a_group_is_signalled_only_where_the_client_asked_for_groups() {
    for group in [false, true] {
        let request = Request::Stop(Stop {
            group,
            ..stop(None)
        });
        let budget = Budget::of(&request, &all_grants());
        let checked = budget.check_signal(&claim("a", 10), Signal::Term, true, &|_| false);
        assert_eq!(checked.is_ok(), group);
    }
}

#[test]
fn a_dry_run_has_no_effect_and_may_look_who_it_would_reach() {
    let dry = Request::Stop(Stop {
        dry_run: true,
        ..stop(None)
    });
    let budget = Budget::of(&dry, &all_grants());
    assert_eq!(budget.signals(), []);
    assert!(!budget.may_remove());
    assert_eq!(budget.check_target("a", 10), Ok(()));
    assert!(is_refused(&first_signal(&dry, &all_grants(), Signal::Term)));
    let dry_ensure = Request::Ensure { dry_run: true };
    for request in [dry, dry_ensure] {
        assert!(check(&[claim("a", 10)], &[], &request, &[0]).is_err());
    }
}

#[test]
fn what_a_request_can_do_is_told_to_its_front_ends() {
    let forced = Request::Stop(Stop {
        force: true,
        ..Stop::default()
    });
    let shipped = Grants::shipped();
    let signals = Budget::of(&forced, &shipped).signals();
    assert_eq!(signals, [Signal::Term, Signal::Cont, Signal::Kill]);
    let unforced = Budget::of(&Request::Stop(stop(None)), &shipped).signals();
    assert_eq!(unforced, [Signal::Term, Signal::Cont]);
    assert!(Budget::of(&STATUS, &shipped).may_remove());
    assert!(!Budget::of(&STATUS, &Grants::none()).may_remove());
    assert!(!Budget::of(&STATUS, &shipped).may_add());
    assert!(Budget::of(&register("a", 10), &shipped).may_add());
}

#[test]
fn the_dead_may_go_and_the_others_may_not() {
    let (a, b) = (claim("a", 10), claim("b", 11));
    let old = [a.clone(), b.clone()];
    for request in [
        ENSURE,
        STATUS,
        Request::Stop(stop(None)),
        forget("a", false, None),
    ] {
        let change = check(&old, std::slice::from_ref(&b), &request, &[0]).expect("it is accepted");
        assert_eq!((change.dropped, change.added), (vec![0], None));
        let refusal = check(&old, std::slice::from_ref(&b), &request, &[1]).expect_err("it lives");
        assert!(refusal.to_string().contains("\"a\" (pid 10)"), "{refusal}");
        assert!(check(&old, std::slice::from_ref(&a), &request, &[]).is_err());
    }
}

#[test]
fn writing_takes_its_grant() {
    let budget = Budget::of(&ENSURE, &Grants::none());
    let proven = Proven {
        is_dead: &|_| true,
        newcomer_runs: true,
        now: now(),
    };
    let same = reading(&[claim("a", 10)]);
    let checked = budget.check_replacement(&same, &same, &proven);
    assert!(matches!(checked, Err(OverBudget::Denied(_))));
}

#[test]
fn order_may_change_and_entries_may_not() {
    let (a, b) = (claim("a", 10), claim("b", 11));
    let old = [a.clone(), b.clone()];
    assert!(check(&old, &[b.clone(), a.clone()], &ENSURE, &[]).is_ok());
    let with = |change: fn(&mut Claim)| {
        let mut forged = a.clone();
        change(&mut forged);
        forged
    };
    for forged in [
        with(|claim| claim.pid = 12),
        with(|claim| claim.sid = "c".into()),
        with(|claim| claim.sock = "/run/other".into()),
        with(|claim| claim.created_at = "2026-01-01T00:00:01Z".into()),
    ] {
        let new = [forged, b.clone()];
        assert!(check(&old, &new, &ENSURE, &[]).is_err(), "{new:?}");
        // Not even in the place of a dead one.
        assert!(check(&old, &new, &ENSURE, &[0]).is_err(), "{new:?}");
    }
}

#[test]
fn what_is_known_of_an_entry_holds_for_its_twin() {
    let (a, b) = (claim("a", 10), claim("b", 11));
    let old = [a.clone(), b.clone(), a.clone()];
    for dead in [0, 2] {
        let change = check(&old, std::slice::from_ref(&b), &ENSURE, &[dead]);
        assert_eq!(change.expect("it is accepted").dropped, [0, 2]);
    }
    assert!(check(&old, &[a.clone(), a], &ENSURE, &[0]).is_err());
}

#[test]
fn an_entry_that_stands_twice_may_not_lose_one() {
    let a = claim("a", 10);
    let (one, two) = ([a.clone()], [a.clone(), a]);
    assert!(check(&two, &one, &ENSURE, &[]).is_err());
    assert!(check(&one, &two, &ENSURE, &[]).is_err());
}

#[test]
fn only_a_register_request_adds_and_only_its_own_entry() {
    let a = claim("a", 10);
    let request = register("a", 10);
    let change = check(&[], std::slice::from_ref(&a), &request, &[]).expect("it is accepted");
    assert_eq!(change.added, Some(a.clone()));
    assert!(check(&[], std::slice::from_ref(&a), &ENSURE, &[]).is_err());
    assert!(check(&[], &[a.clone(), a.clone()], &request, &[]).is_err());
    let with = |change: fn(&mut Claim)| {
        let mut forged = a.clone();
        change(&mut forged);
        forged
    };
    for forged in [
        with(|claim| claim.pid = 11),
        with(|claim| claim.created_at = "2025-01-01T00:00:00Z".into()),
        with(|claim| claim.created_at = "2027-01-01T00:00:00Z".into()),
        with(|claim| claim.created_at = "soon".into()),
    ] {
        let new = std::slice::from_ref(&forged);
        assert!(check(&[], new, &request, &[]).is_err(), "{forged:?}");
    }
}

#[test]
fn an_entry_comes_with_the_version_that_was_registered() {
    let mut request = register("a", 10);
    if let Request::Register(register) = &mut request {
        register.version = "2".into();
    }
    assert!(check(&[], &[claim("a", 10)], &request, &[]).is_err());
}

#[test]
fn an_entry_comes_only_once_its_process_was_found_running() {
    let budget = Budget::of(&register("a", 10), &all_grants());
    let proven = Proven {
        is_dead: &|_| false,
        newcomer_runs: false,
        now: now(),
    };
    let checked = budget.check_replacement(&reading(&[]), &reading(&[claim("a", 10)]), &proven);
    assert!(matches!(checked, Err(OverBudget::Refused(_))));
}

#[test]
fn a_sid_that_is_taken_is_not_registered_again() {
    let taken = claim("a", 10);
    let anew = Claim {
        created_at: "2026-01-01T00:00:01Z".into(),
        ..taken.clone()
    };
    let request = register("a", 10);
    let old = std::slice::from_ref(&taken);
    assert!(check(old, &[taken.clone(), anew.clone()], &request, &[0]).is_err());
    let change = check(old, std::slice::from_ref(&anew), &request, &[0]).expect("it is accepted");
    assert_eq!((change.dropped, change.added), (vec![0], Some(anew)));
}

#[test]
fn forget_drops_the_living_only_when_it_says_so() {
    let (a, b) = (claim("a", 10), claim("b", 11));
    let old = [a.clone(), b.clone()];
    let without_a = std::slice::from_ref(&b);
    assert!(check(&old, without_a, &forget("a", true, None), &[]).is_ok());
    assert!(check(&old, without_a, &forget("a", false, None), &[]).is_err());
    let without_b = std::slice::from_ref(&a);
    assert!(check(&old, without_b, &forget("a", true, None), &[]).is_err());
}

#[test]
fn forget_can_mean_one_process_only() {
    let old = [claim("a", 10)];
    assert!(check(&old, &[], &forget("a", true, Some(10)), &[]).is_ok());
    assert!(check(&old, &[], &forget("a", true, Some(11)), &[]).is_err());
    // The dead may go whoever is meant.
    assert!(check(&old, &[], &forget("a", true, Some(11)), &[0]).is_ok());
}

#[test]
fn stop_drops_an_impossible_pid_of_its_own_sessions() {
    let (zero, huge) = (claim("zero", 0), claim("huge", u32::MAX));
    let old = [zero.clone(), huge.clone()];
    let stop = |sid| Request::Stop(stop(sid));
    assert!(check(&old, &[], &stop(None), &[]).is_ok());
    assert!(check(&old, &[huge], &stop(Some("zero")), &[]).is_ok());
    assert!(check(&old, &[zero], &stop(Some("zero")), &[]).is_err());
    assert!(check(&old, &[], &ENSURE, &[]).is_err());
}
