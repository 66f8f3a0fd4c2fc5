//! Comparing answers, place by place.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::recording::Outcome;

use super::effects::without;

/// A place at which two answers differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Which place, as in `sessions[a].status`; the whole answer where it is empty.
    pub at: String,
    /// What the recorded policy said there; absent where it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Value>,
    /// What the policy that is tried says there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Value>,
}

/// A field of the whole answer that says who made it, and is no decision.
const MAKER: &str = "pool_version";

/// Where two outcomes differ. The version of who answered does not count.
pub(super) fn compare(recorded: &Outcome, replayed: &Outcome) -> Vec<Change> {
    if recorded == replayed {
        return Vec::new();
    }
    let mut changes = Vec::new();
    match (answer(recorded), answer(replayed)) {
        (Some(mut recorded), Some(mut replayed)) => {
            recorded.remove(MAKER);
            replayed.remove(MAKER);
            objects("", &recorded, &replayed, &mut changes);
        }
        _ => changes.push(Change {
            at: String::new(),
            recorded: Some(recorded.to_string().into()),
            replayed: Some(replayed.to_string().into()),
        }),
    }
    changes
}

/// The answer as a JSON object. None also for one that is nested too deeply to be compared
/// by its parts.
fn answer(outcome: &Outcome) -> Option<Map<String, Value>> {
    match outcome {
        Outcome::Answer(text) => serde_json::from_str(text).ok(),
        Outcome::Failure(_) => None,
    }
}

fn values(at: &str, recorded: &Value, replayed: &Value, changes: &mut Vec<Change>) {
    match (recorded, replayed) {
        _ if recorded == replayed => {}
        (Value::Object(recorded), Value::Object(replayed)) => {
            objects(at, recorded, replayed, changes);
        }
        (Value::Array(recorded), Value::Array(replayed)) => {
            arrays(at, recorded, replayed, changes);
        }
        _ => changes.push(change(at.to_owned(), Some(recorded), Some(replayed))),
    }
}

fn objects(
    at: &str,
    recorded: &Map<String, Value>,
    replayed: &Map<String, Value>,
    changes: &mut Vec<Change>,
) {
    let names: BTreeSet<_> = recorded.keys().chain(replayed.keys()).collect();
    for name in names {
        let at = match at {
            "" => name.clone(),
            at => format!("{at}.{name}"),
        };
        either(at, recorded.get(name), replayed.get(name), changes);
    }
}

/// Objects with a sid belong together wherever they stand, and so do equal texts.
fn arrays(at: &str, recorded: &[Value], replayed: &[Value], changes: &mut Vec<Change>) {
    let before = changes.len();
    if let (Some(old), Some(new)) = (by_sid(recorded), by_sid(replayed)) {
        for (sid, value) in &old {
            either(
                format!("{at}[{sid}]"),
                Some(value),
                new.get(sid).copied(),
                changes,
            );
        }
        for (sid, value) in new {
            if !old.contains_key(sid) {
                either(format!("{at}[{sid}]"), None, Some(value), changes);
            }
        }
        changes[before..].sort_by(|one, other| one.at.cmp(&other.at));
    } else if recorded.iter().chain(replayed).all(Value::is_string) {
        let removed = without(recorded, replayed);
        changes.extend(removed.map(|one| change(format!("{at}[]"), Some(one), None)));
        let added = without(replayed, recorded);
        changes.extend(added.map(|one| change(format!("{at}[]"), None, Some(one))));
    } else {
        for index in 0..recorded.len().max(replayed.len()) {
            let place = format!("{at}[{index}]");
            either(place, recorded.get(index), replayed.get(index), changes);
        }
    }
    if changes.len() == before {
        // The same, in another order.
        let all = |values: &[Value]| Value::Array(values.to_vec());
        changes.push(change(
            at.to_owned(),
            Some(&all(recorded)),
            Some(&all(replayed)),
        ));
    }
}

fn either(
    at: String,
    recorded: Option<&Value>,
    replayed: Option<&Value>,
    changes: &mut Vec<Change>,
) {
    match (recorded, replayed) {
        (Some(recorded), Some(replayed)) => values(&at, recorded, replayed, changes),
        _ => changes.push(change(at, recorded, replayed)),
    }
}

fn change(at: String, recorded: Option<&Value>, replayed: Option<&Value>) -> Change {
    Change {
        at,
        recorded: recorded.cloned(),
        replayed: replayed.cloned(),
    }
}

/// The elements by their sids, where each has one and no two have the same.
fn by_sid(values: &[Value]) -> Option<HashMap<&str, &Value>> {
    let mut by_sid = HashMap::with_capacity(values.len());
    for value in values {
        if by_sid.insert(value["sid"].as_str()?, value).is_some() {
            return None;
        }
    }
    Some(by_sid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Failure, FailureKind};

    fn between(recorded: &str, replayed: &str) -> String {
        let answer = |text: &str| Outcome::Answer(text.to_owned());
        let changes = compare(&answer(recorded), &answer(replayed));
        serde_json::to_string(&changes).expect("JSON")
    }

    #[test]
    fn the_same_in_other_words_is_the_same() {
        assert_eq!(between(r#"{"a": [1]}"#, r#"{"a":[1]}"#), "[]");
        assert_eq!(
            between(r#"{"pool_version":"1","a":{}}"#, r#"{"a":{}}"#),
            "[]"
        );
        // Only at the top.
        assert_ne!(between(r#"{"a":{"pool_version":1}}"#, r#"{"a":{}}"#), "[]");
    }

    #[test]
    fn sessions_belong_together_by_their_sids() {
        let recorded = r#"{"s":[{"sid":"a","x":1},{"sid":"b","x":2},{"sid":"c"}]}"#;
        let replayed = r#"{"s":[{"sid":"c"},{"sid":"b","x":3},{"sid":"d"}]}"#;
        insta::assert_snapshot!(between(recorded, replayed), @r#"[{"at":"s[a]","recorded":{"sid":"a","x":1}},{"at":"s[b].x","recorded":2,"replayed":3},{"at":"s[d]","replayed":{"sid":"d"}}]"#);
    }

    #[test]
    fn texts_belong_together_by_what_they_say() {
        insta::assert_snapshot!(between(r#"{"s":["a","b"]}"#, r#"{"s":["b","c"]}"#), @r#"[{"at":"s[]","recorded":"a"},{"at":"s[]","replayed":"c"}]"#);
    }

    #[test]
    fn another_order_is_another_answer() {
        for (recorded, replayed) in [
            (r#"{"s":["a","b"]}"#, r#"{"s":["b","a"]}"#),
            (
                r#"{"s":[{"sid":"a"},{"sid":"b"}]}"#,
                r#"{"s":[{"sid":"b"},{"sid":"a"}]}"#,
            ),
            (r#"{"s":[1,2]}"#, r#"{"s":[2,1]}"#),
        ] {
            assert_ne!(between(recorded, replayed), "[]", "{recorded}");
        }
    }

    #[test]
    fn a_failure_is_a_whole_answer() {
        let failure = |text: &str| {
            Outcome::Failure(Failure {
                kind: FailureKind::Rejected,
                text: text.into(),
            })
        };
        assert_eq!(compare(&failure("x"), &failure("x")), []);
        assert_eq!(compare(&failure("x"), &failure("y")).len(), 1);
        let changes = compare(&failure("x"), &Outcome::Answer("{}".into()));
        assert_eq!(changes[0].recorded, Some("failed: x".into()));
        assert_eq!(changes[0].at, "");
    }

    #[test]
    fn deep_answers_are_compared_whole() {
        let deep = |inner: &str| format!("{{\"a\":{}{inner}{}}}", "[".repeat(300), "]".repeat(300));
        assert_eq!(between(&deep("1"), &deep("1")), "[]");
        assert!(between(&deep("1"), &deep("2")).starts_with(r#"[{"at":"","recorded":"{"#));
    }
}
