//! The arguments of MCP tools: what is accepted is what the published schema admits, and it
//! means what it says.

use std::time::Duration;

use poolwarden::{Request, Stop};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonObject, JsonRpcMessage};
use serde_json::Value;

use crate::program::{assert_harmless, line, request, tools};

/// The input is the arguments, or a whole message that calls a tool with them.
pub fn check(data: &[u8]) {
    if let Ok(arguments) = serde_json::from_slice::<JsonObject>(data) {
        check_arguments(&arguments);
    }
    if let Ok(JsonRpcMessage::Request(message)) =
        serde_json::from_slice::<ClientJsonRpcMessage>(data)
        && let ClientRequest::CallToolRequest(call) = message.request
    {
        check_arguments(&call.params.arguments.unwrap_or_default());
    }
}

fn check_arguments(arguments: &JsonObject) {
    for (tool, schema) in tools() {
        let admitted = admits(&schema, arguments);
        match request(tool, Some(arguments.clone())) {
            Ok(request) => {
                assert!(admitted, "{tool} accepts {arguments:?}");
                check_meaning(tool, &request, arguments);
            }
            Err(why) => {
                assert!(!admitted, "{tool} refuses {arguments:?}: {why}");
                assert!(why.starts_with(tool), "{why}");
                assert!(why.to_lowercase().contains("nothing was done"), "{why}");
                assert_harmless(&line(&why));
            }
        }
    }
}

/// The request does no more than the arguments say.
fn check_meaning(tool: &str, request: &Request, arguments: &JsonObject) {
    let flag = |name: &str| arguments.get(name).and_then(Value::as_bool) == Some(true);
    let said = arguments
        .get("sid")
        .and_then(Value::as_str)
        .map(str::to_owned);
    match request {
        // A list collects nobody.
        Request::Ensure { dry_run } => {
            assert_eq!(*dry_run, tool == "pool_list" || flag("dry_run"));
        }
        Request::Status { sid } => assert_eq!(*sid, said),
        Request::Stop(stop) => {
            let grace = arguments.get("grace_ms").and_then(whole);
            let expected = Stop {
                sid: said,
                grace: grace.map_or(Stop::GRACE, Duration::from_millis),
                force: flag("force"),
                dry_run: flag("dry_run"),
                ..Stop::default()
            };
            assert_eq!(*stop, expected);
            assert!(stop.grace <= Stop::MAX_GRACE);
        }
        other => panic!("no tool asks for {other:?}"),
    }
}

/// Whether a schema admits an object: the part of JSON Schema that these schemas use, which
/// [`assert_understood`] sees to.
fn admits(schema: &JsonObject, arguments: &JsonObject) -> bool {
    assert_understood(
        schema,
        &["type", "properties", "additionalProperties", "required"],
    );
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_there = |name: &Value| {
        name.as_str()
            .is_some_and(|name| arguments.contains_key(name))
    };
    required.into_iter().flatten().all(is_there)
        && arguments.iter().all(|(name, value)| {
            // A null is as if absent, but for the one that would widen a stop.
            if value.is_null() && properties.is_some_and(|known| known.contains_key(name)) {
                return name != "sid" || !schema_is_of_stop(schema);
            }
            let property = properties.and_then(|properties| properties.get(name));
            property.is_some_and(|property| admits_value(property, value))
        })
}

/// Whether these are the arguments of `pool_stop`, which alone knows a grace period.
fn schema_is_of_stop(schema: &JsonObject) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|known| known.contains_key("grace_ms"))
}

fn admits_value(schema: &Value, value: &Value) -> bool {
    let schema = schema.as_object().expect("an object's schema");
    assert_understood(
        schema,
        &["type", "minimum", "maximum", "default", "enum", "minLength"],
    );
    let is_of = |name: &Value| match name.as_str().expect("a type's name") {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || whole(value).is_some(),
        other => panic!("a type of the schema that is not known here: {other}"),
    };
    let of_type = match &schema["type"] {
        Value::Array(types) => types.iter().any(is_of),
        one => is_of(one),
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let number = value.as_f64();
    let named = schema.get("enum").and_then(Value::as_array);
    of_type
        && named.is_none_or(|named| named.contains(value))
        && number.is_none_or(|number| {
            bound("minimum").is_none_or(|least| number >= least)
                && bound("maximum").is_none_or(|most| number <= most)
        })
}

/// A whole number: one whose fraction is zero counts, as in JSON Schema.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value
            .as_f64()
            .filter(|number| *number >= 0.0 && number.fract() == 0.0)?;
        // Minus zero is zero.
        format!("{:.0}", number.abs()).parse().ok()
    })
}

fn assert_understood(schema: &JsonObject, known: &[&str]) {
    for name in schema.keys() {
        let annotates = matches!(name.as_str(), "$schema" | "title" | "description");
        assert!(
            annotates || known.contains(&name.as_str()),
            "a part of the schema that is not known here: {name}"
        );
    }
}
