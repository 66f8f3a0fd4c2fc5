//! What an answer has to look like.

use serde_json::Value;

use crate::scene::Scene;

/// Compares a value with a pattern, and says where they differ.
///
/// A pattern is JSON. An object has to have the pattern's fields and may have more, because
/// policies may add fields; a list has to have just the pattern's elements, in order. A text
/// that begins with `$` stands for values:
///
/// - `$pid(NAME)` the pid of that process
/// - `$text` any text that is not empty
/// - `$says(WORDS)` a text with these words in it
/// - `$now` the time, within a minute, as RFC 3339 in UTC
/// - `$list` any list
/// - `$absent` no such field
pub(crate) fn fits(pattern: &Value, value: Option<&Value>, scene: &Scene) -> Result<(), String> {
    compare(pattern, value, scene, "the answer")
}

fn compare(
    pattern: &Value,
    value: Option<&Value>,
    scene: &Scene,
    place: &str,
) -> Result<(), String> {
    let differs = |wanted: &str| match value {
        Some(value) => Err(format!("{place} should be {wanted}, and is {value}")),
        None => Err(format!("{place} should be {wanted}, and is missing")),
    };
    match (pattern, value) {
        (Value::String(text), _) if text.starts_with('$') => {
            if stands_for(text, value, scene) {
                Ok(())
            } else {
                differs(text)
            }
        }
        (Value::Object(fields), Some(Value::Object(found))) => {
            fields.iter().try_for_each(|(name, pattern)| {
                compare(pattern, found.get(name), scene, &format!("{place}.{name}"))
            })
        }
        (Value::Array(wanted), Some(Value::Array(found))) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .try_for_each(|(index, (pattern, value))| {
                compare(pattern, Some(value), scene, &format!("{place}[{index}]"))
            }),
        (pattern, Some(value)) if pattern == value => Ok(()),
        _ => differs(&pattern.to_string()),
    }
}

fn stands_for(placeholder: &str, value: Option<&Value>, scene: &Scene) -> bool {
    let (name, argument) = match placeholder.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')').expect("a closing bracket")),
        None => (placeholder, ""),
    };
    let text = value.and_then(Value::as_str);
    match name {
        "$pid" => value.and_then(Value::as_u64) == Some(scene.pid(argument).into()),
        "$text" => text.is_some_and(|text| !text.is_empty()),
        "$says" => text.is_some_and(|text| text.contains(argument)),
        "$now" => text.is_some_and(is_now),
        "$list" => value.is_some_and(Value::is_array),
        "$absent" => value.is_none(),
        _ => panic!("there is no placeholder {placeholder}"),
    }
}

fn is_now(text: &str) -> bool {
    let Ok(time) = text.parse::<jiff::Timestamp>() else {
        return false;
    };
    let distance = jiff::Timestamp::now().duration_since(time).abs();
    text.ends_with('Z') && distance < jiff::SignedDuration::from_mins(1)
}

#[test]
fn a_pattern_allows_more_fields_and_no_other_values() {
    let scene = Scene::empty();
    let fits = |pattern: Value, value: Value| super::pattern::fits(&pattern, Some(&value), &scene);
    let value = || serde_json::json!({"a": [{"b": 1, "c": "text"}], "d": null});
    for pattern in [
        r#"{}"#,
        r#"{"a": [{"b": 1}]}"#,
        r#"{"a": "$list", "d": null, "e": "$absent"}"#,
        r#"{"a": [{"c": "$text"}]}"#,
        r#"{"a": [{"c": "$says(ex)"}]}"#,
    ] {
        let pattern = serde_json::from_str(pattern).expect("JSON");
        fits(pattern, value()).expect("it fits");
    }
    for pattern in [
        r#"[]"#,
        r#"{"a": []}"#,
        r#"{"a": [{"b": 2}]}"#,
        r#"{"a": [{"b": "1"}]}"#,
        r#"{"a": [{"b": 1}, {}]}"#,
        r#"{"a": "$absent"}"#,
        r#"{"d": "$text"}"#,
        r#"{"e": null}"#,
        r#"{"a": [{"c": "$says(tex t)"}]}"#,
        r#"{"a": [{"c": "$now"}]}"#,
    ] {
        let parsed = serde_json::from_str(pattern).expect("JSON");
        fits(parsed, value()).expect_err(pattern);
    }
}
