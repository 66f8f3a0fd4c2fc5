//! A policy's answer: what of it is accepted, and what a terminal is shown.

use poolwarden::answer::Stopped;
use poolwarden::{Register, Request, Stop, fuzzing};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::program::{assert_harmless, line, record, render};

/// What is accepted is one object on one line, which every reader can read; and no text in
/// it gets at a terminal.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    assert_harmless(&line(text));
    match fuzzing::answer(text.to_owned()) {
        Ok(answer) => {
            check_accepted(text, answer.text(), &answer.value());
            let again = fuzzing::answer(answer.text().to_owned()).expect("it is accepted again");
            assert_eq!(again, answer);
        }
        Err(why) => {
            assert!(!why.is_empty());
            let readable = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
            // A name that the parser keeps for itself: see `host/src/answer.rs`.
            let reserved = why.starts_with("no field may be called");
            assert!(!readable || reserved, "an object is refused: {why}");
        }
    }
}

fn check_accepted(given: &str, text: &str, value: &Value) {
    assert!(!text.contains(['\n', '\r']));
    assert!(value.is_object(), "it is read as {value}");
    let same: Value = serde_json::from_str(given).expect("JSON");
    assert_eq!(*value, same);
    // As recordings keep it.
    RawValue::from_string(text.to_owned()).expect("JSON");

    if let Ok(stopped) = serde_json::from_str::<Stopped>(text) {
        // Callers go by this, and people by the text.
        let said = value["stopped"].as_array().expect("it was read");
        assert_eq!(said.len(), stopped.stopped.len());
        assert!(said.iter().eq(stopped.stopped.iter().map(String::as_str)));
    }

    let dry_run = text.len().is_multiple_of(2);
    let sid = || "a".to_owned();
    for request in [
        Request::Ensure { dry_run },
        Request::Status { sid: None },
        Request::Stop(Stop::default()),
        Request::Register(Register {
            sid: sid(),
            pid: 2,
            sock: String::new(),
            version: String::new(),
        }),
        Request::Forget {
            sid: sid(),
            even_if_alive: true,
            pid: None,
        },
    ] {
        let shown = render(&request, value);
        assert_harmless(&shown);
        assert!(shown.is_empty() || shown.ends_with('\n'), "{shown:?}");
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let shown = record(&[("A", field), (&line(name), field)]);
        assert_harmless(&shown);
        assert!(shown.lines().count() <= 2, "{shown:?}");
    }
}
