//! What an embedder can tell apart when a request fails.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use poolwarden::life::AdoptError;
use poolwarden::store::MemoryStore;
use poolwarden::{
    Ensure, Error, Fault, Forget, Grants, Limits, PoolBuilder, Request, SettingError, Stop,
};

use crate::parts::{HOSTILE, Rehearsal, SHIPPED, cancel, part, stop};

#[test]
fn an_answer_of_another_form_is_a_fault_that_keeps_the_text() {
    let rehearsal = Rehearsal::new();
    let builder = rehearsal.builder().setting("attack", "describe-only");
    let pool = builder.build(HOSTILE.clone());
    let said = r#"{"said":"nothing was tried"}"#;
    let forget = Forget {
        sid: "a".into(),
        ..Forget::default()
    };
    let errors = [
        ("ensure", pool.ensure(Ensure::default(), &cancel()).err()),
        ("status", pool.status(None, &cancel()).err()),
        ("stop", pool.stop(stop("a"), &cancel()).err()),
        ("register", pool.register(part("a", 2), &cancel()).err()),
        ("forget", pool.forget(forget, &cancel()).err()),
    ];
    for (asked, error) in errors {
        let text = error.as_ref().map(Error::to_string).unwrap_or_default();
        assert!(text.contains("missing field"), "{asked}: {text}");
        match error {
            Some(Error::Policy(Fault::UnexpectedAnswer { verb, answer, .. })) => {
                assert_eq!((verb, answer.text()), (asked, said));
            }
            other => panic!("{asked}: {other:?}"),
        }
    }
}

#[test]
fn each_kind_of_failure_is_a_variant_of_its_own() {
    let rehearsal = Rehearsal::new();
    let actor = rehearsal.with_worker("a", 77);
    let builder = || rehearsal.builder();

    let taken = rehearsal.pool().register(part("a", 77), &cancel());
    assert!(matches!(taken, Err(Error::Rejected(_))), "{taken:?}");

    let observer = builder().grants(Grants::none());
    let denied = observer.build(SHIPPED.clone()).stop(stop("a"), &cancel());
    assert!(
        matches!(&denied, Err(Error::Denied(why)) if why.contains("signal-term")),
        "{denied:?}"
    );

    let withdrawn = cancel();
    withdrawn.cancel();
    let cancelled = rehearsal.pool().stop(stop("a"), &withdrawn);
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");

    let greedy = builder()
        .setting("attack", "memory")
        .limits(Limits {
            guest_memory: 32 << 20,
            ..Limits::default()
        })
        .build(HOSTILE.clone());
    let fault = greedy.status(None, &cancel());
    assert!(
        matches!(fault, Err(Error::Policy(Fault::Memory(_)))),
        "{fault:?}"
    );
    assert!(actor.heard().is_empty());

    let damaged = PoolBuilder::new("a heap")
        .store(Arc::new(MemoryStore::with_registry("{\n\"sessions\":[{]}")))
        .build(SHIPPED.clone())
        .status(None, &cancel());
    match damaged {
        Err(Error::Corrupted { path, line, .. }) => {
            assert_eq!((path.to_str(), line), (Some("a heap/registry.json"), 2));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stop_that_would_wait_for_too_long_is_refused_before_anything_is_done() {
    let rehearsal = Rehearsal::new();
    let actor = rehearsal.with_worker("a", 77);
    let pool = rehearsal.pool();
    let trail = rehearsal.trail();
    for grace in [Stop::MAX_GRACE + Duration::from_nanos(1), Duration::MAX] {
        for force in [false, true] {
            let stop = Stop {
                grace,
                force,
                ..stop("a")
            };
            let typed = pool.stop(stop.clone(), &cancel()).err();
            let called = pool.call(Request::Stop(stop), &cancel()).err();
            for error in [typed, called] {
                match error {
                    Some(error @ Error::Grace { asked }) if asked == grace => {
                        assert!(error.to_string().contains("at most 3600 s"), "{error}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(actor.heard().is_empty());
    assert_eq!(rehearsal.trail(), trail);
    let longest = Stop {
        grace: Stop::MAX_GRACE,
        ..stop("nobody")
    };
    pool.stop(longest, &cancel()).expect("it is accepted");
}

#[test]
fn settings_that_mean_nothing_are_refused_by_whatever_is_asked() {
    let rehearsal = Rehearsal::new();
    rehearsal.with_worker("a", 77);
    let misspelt = || rehearsal.builder().setting("prof", "strong");
    let unknown = || rehearsal.builder().setting("proof", "strng");
    let unread = |error: &Error| match error {
        Error::Setting(SettingError::Unread { names, read, .. }) => {
            names == &["prof"] && read.is_empty()
        }
        _ => false,
    };
    let no_value = |error: &Error| matches!(error, Error::Setting(SettingError::Proof(_)));
    for (builder, is) in [
        (misspelt(), &unread as &dyn Fn(&Error) -> bool),
        (unknown(), &no_value),
    ] {
        let pool = builder.build(SHIPPED.clone());
        let errors = [
            pool.check_settings(&cancel()).err(),
            pool.status(None, &cancel()).err(),
            pool.stop(stop("a"), &cancel()).err(),
            pool.wait("a", Some(Duration::ZERO), &cancel()).err(),
            pool.watch(&cancel(), |_| ControlFlow::Break(())).err(),
            match pool.examine("a", &cancel()) {
                Err(AdoptError::Pool(error)) => Some(error),
                _ => None,
            },
        ];
        for error in errors {
            let error = error.expect("it is refused");
            assert!(is(&error), "{error:?}");
        }
        // Another mandate, another verdict.
        pool.swap(SHIPPED.clone().into(), &cancel())
            .expect("a mandate without settings");
        pool.status(None, &cancel()).expect("it answers");
    }
}
