use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn request(tool: PoolTool, arguments: Value) -> Result<Request, String> {
    match arguments {
        Value::Object(object) => tool.call("alc_", Some(object)),
        _ => tool.call("alc_", None),
    }
    .map(|call| call.request)
}

#[test]
fn a_stop_without_arguments_stops_all_with_the_default_grace() {
    assert_eq!(
        request(PoolTool::Stop, Value::Null),
        Ok(Request::Stop(Stop {
            sid: None,
            ..Stop::default()
        }))
    );
}

#[test]
fn an_error_repeats_little_of_what_was_sent() {
    let field = "ä".repeat(10_000);
    let error = request(PoolTool::Status, json!({field: 1})).expect_err("it is refused");
    assert!(error.len() < 2_000, "{} bytes", error.len());
    assert!(error.contains("unknown field `ää"), "{error}");
    assert!(error.contains("…ää"), "{error}");
    assert!(error.contains("ää`, expected one of `sid`"), "{error}");
    assert_eq!(shortened("short"), "short");
}

#[test]
fn misspelt_arguments_never_widen_a_stop() {
    let error = request(PoolTool::Stop, json!({"session": "a"})).expect_err("it is refused");
    assert!(error.contains("unknown field `session`"), "{error}");
    for wrong in [
        json!({"sid": 1}),
        json!({"grace_ms": -1}),
        json!({"grace_ms": 4_000_000}),
    ] {
        assert!(request(PoolTool::Stop, wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn an_argument_of_a_wrong_type_is_named() {
    for (tool, arguments, part) in [
        (
            PoolTool::Status,
            json!({"sid": 5}),
            "alc_pool_status: the argument `sid` does not fit: invalid type",
        ),
        (
            PoolTool::Stop,
            json!({"sid": "a", "force": "yes"}),
            "alc_pool_stop: the argument `force` does not fit: invalid type",
        ),
        (
            PoolTool::Stop,
            json!({"grace_ms": -1, "sid": "a"}),
            "alc_pool_stop: the argument `grace_ms` does not fit: invalid value",
        ),
        (
            PoolTool::Ensure,
            json!({"dry-run": true}),
            "alc_pool_ensure: the arguments do not fit: unknown field `dry-run`",
        ),
    ] {
        let error = request(tool, arguments).expect_err("it is refused");
        assert!(error.starts_with(part), "{error}");
        assert!(error.ends_with("Nothing was done"), "{error}");
    }
}

#[test]
fn the_instructions_call_the_tools_by_their_names() {
    let text = instructions("alc_", Some(Path::new("/p")));
    for tool in PoolTool::ALL {
        let name = tool.name();
        let named = text.matches(name).count();
        assert!(named > 0, "{name}: {text}");
        assert_eq!(
            text.matches(&tool.name_with("alc_")).count(),
            named,
            "{text}"
        );
    }
    assert!(
        text.contains("`poolwarden --state-dir /p adopt SID`"),
        "{text}"
    );
    assert!(
        instructions("", None).contains("Use pool_list to see"),
        "{text}"
    );
}

#[test]
fn every_tool_has_object_schemas_and_all_hints() {
    for tool in PoolTool::ALL {
        let tool = tool.definition("alc_", Some(&Grants::shipped()));
        assert!(tool.name.starts_with("alc_pool_"));
        assert_eq!(tool.input_schema["type"], "object");
        assert_eq!(
            tool.output_schema.as_ref().expect("a schema")["type"],
            "object"
        );
        let hints = tool.annotations.expect("hints");
        assert!(hints.read_only_hint.is_some() && hints.destructive_hint.is_some());
        assert!(hints.idempotent_hint.is_some() && hints.open_world_hint.is_some());
    }
}

/// Clients may have kept what was listed: the answers' types change it only on purpose,
/// and then this file with them.
#[test]
fn the_output_schemas_are_the_published_ones() {
    let published: Value =
        serde_json::from_str(include_str!("../output_schemas.json")).expect("schemas");
    for tool in PoolTool::ALL {
        let schema = tool.definition("", None).output_schema.expect("a schema");
        let schema = Value::Object(schema.as_ref().clone());
        assert_eq!(schema, published[tool.name()], "{}", tool.name());
    }
}

/// The whole number that a value is.
fn whole(value: &Value) -> Option<u64> {
    let float = value
        .as_f64()
        .filter(|float| float.fract() == 0.0 && *float >= 0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "larger ones do not fit in any case"
    )]
    value.as_u64().or(float.map(|float| float as u64))
}

/// An argument of a stop, and whether it fits: the name is known, and the value of its type.
fn any_argument() -> impl Strategy<Value = (String, Value, bool)> {
    let name = prop_oneof![
        4 => prop::sample::select(vec!["sid", "grace_ms", "force", "dry_run"])
            .prop_map(str::to_owned),
        1 => "[a-z_]{1,8}",
    ];
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        (0..=3_600_000_u64).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..4_000_000_u32).prop_map(|ms| Value::from(f64::from(ms))),
        Just(json!([])),
        Just(json!({"sid": "a"})),
    ];
    (name, value).prop_map(|(name, value)| {
        let fits = match name.as_str() {
            // It could be meant for one worker or for all.
            "sid" => value.is_string(),
            "grace_ms" => value.is_null() || whole(&value).is_some_and(|ms| ms <= 3_600_000),
            "force" | "dry_run" => value.is_null() || value.is_boolean(),
            _ => false,
        };
        (name, value, fits)
    })
}

proptest! {
    #[test]
    fn a_stop_does_what_its_arguments_say_or_nothing(
        arguments in prop::collection::vec(any_argument(), 0..4),
    ) {
        let object: JsonObject = arguments
            .iter()
            .map(|(name, value, _)| (name.clone(), value.clone()))
            .collect();
        // Of two with one name the last one counts.
        let fits = object.iter().all(|(name, _)| {
            let last = arguments.iter().rfind(|(known, _, _)| known == name);
            last.is_some_and(|(_, _, fits)| *fits)
        });
        let flag = |name: &str| object.get(name) == Some(&Value::Bool(true));
        let grace = object.get("grace_ms").and_then(whole);
        let expected = Request::Stop(Stop {
            sid: object.get("sid").and_then(Value::as_str).map(str::to_owned),
            grace: grace.map_or(Stop::GRACE, Duration::from_millis),
            force: flag("force"),
            dry_run: flag("dry_run"),
            ..Stop::default()
        });
        match PoolTool::Stop.call("", Some(object.clone())) {
            Ok(Call { request, .. }) => {
                prop_assert!(fits, "{object:?}");
                prop_assert_eq!(request, expected);
            }
            Err(why) => prop_assert!(!fits, "{object:?}: {why}"),
        }
    }
}

#[test]
fn a_null_is_as_if_it_were_left_out_but_for_the_sid_of_a_stop() {
    let nothing = |tool| request(tool, Value::Null).expect("it fits");
    for (tool, arguments) in [
        (
            PoolTool::Status,
            json!({"sid": null, "limit": null, "status": null, "prefix": null}),
        ),
        (PoolTool::Ensure, json!({"dry_run": null})),
        (
            PoolTool::Stop,
            json!({"grace_ms": null, "force": null, "dry_run": null}),
        ),
    ] {
        assert_eq!(request(tool, arguments), Ok(nothing(tool)));
    }
    let error = request(PoolTool::Stop, json!({"sid": null})).expect_err("it is refused");
    assert!(error.contains("leave `sid` out to stop ALL"), "{error}");
    assert!(request(PoolTool::Status, json!({"nothing": null})).is_err());
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
    let grace = |value: Value| match request(PoolTool::Stop, json!({"grace_ms": value})) {
        Ok(Request::Stop(stop)) => Some(stop.grace),
        _ => None,
    };
    assert_eq!(grace(json!(2000.0)), Some(Duration::from_millis(2000)));
    for wrong in [
        json!(1.5),
        json!(-1.0),
        json!(1e12),
        json!(1e300),
        json!("2000"),
    ] {
        assert_eq!(grace(wrong.clone()), None, "{wrong}");
    }
}

#[test]
fn hints_and_texts_say_what_the_grants_let_a_tool_do() {
    let read_only_and_destructive = |grants: Option<&Grants>| {
        PoolTool::ALL.map(|tool| {
            let tool = tool.definition("", grants);
            let hints = tool.annotations.expect("hints");
            let text = tool.description.expect("a text");
            (
                hints.read_only_hint.expect("a hint"),
                hints.destructive_hint.expect("a hint"),
                text.contains("may also end") || text.contains("sends SIGTERM"),
            )
        })
    };
    let (writes, ends, looks) = (
        (false, false, false),
        (false, true, true),
        (true, false, false),
    );
    let of = |names: &[&str]| Grants::named(names).expect("grants");
    for (grants, expected) in [
        (Some(Grants::shipped()), [writes, writes, ends, looks]),
        (Some(Grants::none()), [looks, looks, looks, looks]),
        (
            Some(of(&["registry-write"])),
            [writes, writes, writes, looks],
        ),
        (Some(of(&["dismiss"])), [looks, looks, looks, looks]),
        (
            Some(of(&["dismiss", "signal-term"])),
            [ends, looks, ends, looks],
        ),
        (Some(of(&["signal-kill"])), [looks, looks, ends, looks]),
        // Nothing is known: everything is possible.
        (None, [ends, writes, ends, looks]),
    ] {
        assert_eq!(
            read_only_and_destructive(grants.as_ref()),
            expected,
            "{grants:?}"
        );
    }
}

#[test]
fn the_list_of_tools_is_small_and_has_the_words_that_users_search_for() {
    let tools = PoolTool::ALL.map(|tool| tool.definition("", Some(&Grants::shipped())));
    let text = serde_json::to_string(&tools).expect("JSON");
    assert!(text.len() < 12_000, "{} bytes", text.len());
    let described: String = tools
        .iter()
        .map(|tool| tool.description.as_deref().expect("a text"))
        .collect();
    for word in [
        "process",
        "alive",
        "background",
        "server",
        "log",
        "orphan",
        "memory",
    ] {
        assert!(described.contains(word), "{word}: {described}");
    }
}
