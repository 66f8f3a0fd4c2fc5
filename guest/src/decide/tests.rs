use super::*;
use crate::host::{Instant, SentSignal};

const STANDINGS: [Standing; 7] = [
    Standing::Alive,
    Standing::Unproven,
    Standing::Reused,
    Standing::Exited,
    Standing::Gone,
    Standing::Foreign,
    Standing::Unknown,
];

fn finding(standing: Standing) -> Finding {
    Finding {
        standing,
        evidence: None,
        started: None,
        last_signal: None,
    }
}

#[test]
fn only_the_proven_dead_are_dropped() {
    let statuses = STANDINGS.map(|standing| status(&finding(standing)));
    assert_eq!(
        statuses,
        [
            Some(Status::Running),
            Some(Status::Unproven),
            None,
            None,
            None,
            Some(Status::Foreign),
            Some(Status::Unknown),
        ]
    );
}

#[test]
fn a_worker_that_was_asked_to_end_is_stopping() {
    let at = Instant {
        seconds: 0,
        nanoseconds: 0,
    };
    let status_after = |signal| {
        let last_signal = Some(SentSignal { signal, at });
        status(&Finding {
            last_signal,
            ..finding(Standing::Alive)
        })
    };
    for signal in [
        Signal::Term,
        Signal::Kill,
        Signal::Int,
        Signal::Quit,
        Signal::Hup,
    ] {
        assert_eq!(status_after(signal), Some(Status::Stopping), "{signal:?}");
    }
    for signal in [Signal::Usr1, Signal::Usr2, Signal::Cont, Signal::Stop] {
        assert_eq!(status_after(signal), Some(Status::Running), "{signal:?}");
    }
}

#[test]
fn a_stop_signals_only_the_proven_alive() {
    let verdicts = STANDINGS.map(|standing| stop("a", 100, &finding(standing)));
    let refusal = |standing| StopVerdict::Refuse(reason(&finding(standing)).to_owned());
    assert_eq!(
        verdicts,
        [
            StopVerdict::Signal,
            refusal(Standing::Unproven),
            StopVerdict::AlreadyDead,
            StopVerdict::AlreadyDead,
            StopVerdict::AlreadyDead,
            refusal(Standing::Foreign),
            refusal(Standing::Unknown),
        ]
    );
}

#[test]
fn an_impossible_pid_is_never_signalled_whatever_was_found() {
    for standing in STANDINGS {
        for pid in [0, i32::MAX as u32 + 1, u32::MAX] {
            let verdict = stop("a", pid, &finding(standing));
            assert!(
                matches!(verdict, StopVerdict::ImpossiblePid(_)),
                "{pid}: {verdict:?}"
            );
        }
        let largest = stop("a", i32::MAX as u32, &finding(standing));
        assert!(
            !matches!(largest, StopVerdict::ImpossiblePid(_)),
            "{largest:?}"
        );
    }
}

#[test]
fn every_standing_has_a_reason_without_evidence() {
    for standing in STANDINGS {
        assert!(!reason(&finding(standing)).is_empty());
        let found = Finding {
            evidence: Some("seen".to_owned()),
            ..finding(standing)
        };
        assert_eq!(reason(&found), "seen");
    }
}

#[test]
fn standings_have_the_names_of_the_wit() {
    let names = STANDINGS.map(name);
    assert_eq!(
        names,
        [
            "alive", "unproven", "reused", "exited", "gone", "foreign", "unknown"
        ]
    );
}
