//! The trail, as `log` reads it.

use poolwarden::audit::History;
use serde_json::Value;

use crate::directory::{empty_pool, write};
use crate::program::{assert_harmless, line, record};

/// Every line that says something is an effect, part of one, or named as a problem; nothing
/// of it gets at a terminal.
pub fn check(data: &[u8]) {
    let pool = empty_pool("trail");
    // Two files, as after a rotation, where the input has a line that says so.
    const CUT: &[u8] = b"\n----\n";
    match data.windows(CUT.len()).position(|window| window == CUT) {
        Some(at) => {
            write(&pool, "audit.jsonl.1", &data[..=at]);
            write(&pool, "audit.jsonl", &data[at + CUT.len()..]);
        }
        None => {
            write(&pool, "audit.jsonl", data);
        }
    }
    let History { actions, problems } = History::read(&pool).expect("the trail is read");
    let lines = data.split(|&byte| byte == b'\n').count();
    assert!(actions.len() + problems.len() <= lines);
    let empty = data.iter().all(u8::is_ascii_whitespace);
    assert!(empty || actions.len() + problems.len() > 0);

    for problem in problems {
        let text = line(&problem.to_string());
        assert!(text.starts_with("line "), "{text}");
        assert_harmless(&text);
    }
    for action in actions {
        let text = serde_json::to_string(&action).expect("JSON");
        assert!(!text.contains('\n'));
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        for (name, field) in value.as_object().into_iter().flatten() {
            assert_harmless(&record(&[(name, field)]));
        }
    }
}
