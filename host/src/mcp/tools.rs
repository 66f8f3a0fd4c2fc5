//! The tools: their definitions, and their arguments as requests.

use std::borrow::Cow;
use std::time::Duration;

use poolwarden::answer::{Ensured, Listed, Stopped};
use poolwarden::{Request, Stop};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema::{EnsureArguments, StatusArguments, StopArguments};

/// When to use which tool, for the model that reads it. The tools' names have this prefix.
pub(super) fn instructions(prefix: &str) -> String {
    let [ensure, status, stop] = PoolTool::ALL.map(|tool| tool.name_with(prefix));
    format!(
        "Keeps a pool of long-lived worker processes that agents and servers share. Use {status} \
         to see which workers are alive; it answers for one session when given a sid. Use \
         {ensure} before handing work to the pool: it collects the entries of dead workers and \
         says what it removed and why. Use {stop} with a sid to stop one worker; without a sid \
         it stops all of them, so pass one unless everything is to end. A sid that no session \
         has stops nobody. A worker that does not exit within grace_ms stays listed as \
         `stopping`; force kills it. No process is ever signalled that is not proven to be the \
         registered worker: `unproven` and `foreign` sessions are kept and left alone, and the \
         evidence says why. Where an `unproven` one is the worker after all, a person can say \
         so on the command line: `poolwarden adopt SID`."
    )
}

/// A tool of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PoolTool {
    Ensure,
    Status,
    Stop,
}

impl PoolTool {
    /// In the order of `tools/list`.
    pub(super) const ALL: [Self; 3] = [Self::Ensure, Self::Status, Self::Stop];

    /// The name without a prefix.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ensure => "pool_ensure",
            Self::Status => "pool_status",
            Self::Stop => "pool_stop",
        }
    }

    /// The name as clients call it.
    fn name_with(self, prefix: &str) -> String {
        format!("{prefix}{}", self.name())
    }

    /// The definition that clients list.
    pub(super) fn definition(self, prefix: &str) -> Tool {
        let name = self.name_with(prefix);
        match self {
            Self::Ensure => define::<EnsureArguments, Ensured>(
                name,
                "Collect dead workers",
                "Checks every registered worker, removes the entries of those that are proven \
                 dead, and lists the rest. Starts nothing and signals nobody. Calling it again \
                 changes nothing.",
                // It removes entries, but only of processes that are gone.
                ToolAnnotations::new()
                    .read_only(false)
                    .destructive(false)
                    .idempotent(true),
            ),
            Self::Status => define::<StatusArguments, Listed>(
                name,
                "List workers",
                "Lists the registered workers with what is proven about each: running, \
                 stopping, unproven, foreign or unknown. Entries of dead workers are collected \
                 on the way. With a sid, only that session; an unknown one gives an empty list.",
                ToolAnnotations::new()
                    .read_only(false)
                    .destructive(false)
                    .idempotent(true),
            ),
            Self::Stop => define::<StopArguments, Stopped>(
                name,
                "Stop workers",
                "Stops one worker (sid) or, WITHOUT a sid, ALL workers of the pool: sends \
                 SIGTERM, waits up to grace_ms for the exit, and with force kills what is left. \
                 Only processes proven to be the registered worker are signalled; the others are \
                 reported in errors and kept. A sid that no session has stops nobody: every list \
                 of the answer is empty then, and no worker was stopped.",
                ToolAnnotations::new()
                    .read_only(false)
                    .destructive(true)
                    .idempotent(true),
            ),
        }
    }

    /// The request that a call means.
    ///
    /// # Errors
    /// When the arguments do not fit the input schema: a text for the caller, which calls
    /// the tool by its name with this prefix.
    pub(super) fn request(
        self,
        prefix: &str,
        arguments: Option<JsonObject>,
    ) -> Result<Request, String> {
        self.meaning(arguments.unwrap_or_default())
            .map_err(|why| format!("{}: {why}", self.name_with(prefix)))
    }

    fn meaning(self, arguments: JsonObject) -> Result<Request, String> {
        Ok(match self {
            Self::Ensure => {
                let EnsureArguments { dry_run } = parse(arguments)?;
                Request::Ensure { dry_run }
            }
            Self::Status => {
                let StatusArguments { sid } = parse(arguments)?;
                Request::Status { sid }
            }
            Self::Stop => {
                let StopArguments {
                    sid,
                    grace_ms,
                    force,
                    dry_run,
                } = parse(arguments)?;
                let grace = grace_ms.map_or(Stop::GRACE, Duration::from_millis);
                if grace > Stop::MAX_GRACE {
                    return Err(format!(
                        "grace_ms is {}, the longest is {}; nothing was done",
                        grace.as_millis(),
                        Stop::MAX_GRACE.as_millis()
                    ));
                }
                Request::Stop(Stop {
                    sid,
                    grace,
                    force,
                    dry_run,
                    ..Stop::default()
                })
            }
        })
    }
}

fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    let arguments = Value::Object(arguments);
    T::deserialize(&arguments).map_err(|error| {
        let which = match misfit::<T>(&arguments) {
            Some(name) => format!("the argument `{name}` does not fit"),
            None => "the arguments do not fit".to_owned(),
        };
        format!(
            "{which}: {}; see the tool's inputSchema. Nothing was done",
            shortened(&error.to_string())
        )
    })
}

/// The known argument whose value is of a wrong type, which the error does not name. Every
/// argument may be absent, so that each can be tried by itself.
fn misfit<T: DeserializeOwned>(arguments: &Value) -> Option<&str> {
    let arguments = arguments.as_object()?;
    let wrong = arguments.iter().find_map(|(name, value)| {
        let alone = JsonObject::from_iter([(name.clone(), value.clone())]);
        let error = T::deserialize(Value::Object(alone)).err()?;
        Some((name, error.to_string()))
    });
    let (name, error) = wrong?;
    // That one names it.
    (!error.starts_with("unknown field")).then_some(name.as_str())
}

/// A text with only its beginning and its end, where it is long: errors repeat what was
/// sent, and a call can have megabytes of that.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 200;
    let begin = text.char_indices().nth(SHOWN).map(|(at, _)| at);
    let end = text.char_indices().nth_back(SHOWN - 1).map(|(at, _)| at);
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {
            Cow::Owned(format!("{}…{}", &text[..begin], &text[end..]))
        }
        _ => Cow::Borrowed(text),
    }
}

fn define<A, R>(
    name: String,
    title: &str,
    description: &'static str,
    hints: ToolAnnotations,
) -> Tool
where
    A: JsonSchema + 'static,
    R: JsonSchema + 'static,
{
    Tool::new(name, description, JsonObject::new())
        .with_title(title)
        .with_input_schema::<A>()
        .with_output_schema::<R>()
        // Nothing beyond this machine's processes is reached.
        .with_annotations(hints.open_world(false))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn request(tool: PoolTool, arguments: Value) -> Result<Request, String> {
        match arguments {
            Value::Object(object) => tool.request("alc_", Some(object)),
            _ => tool.request("alc_", None),
        }
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
        assert!(error.contains("ää`, expected `sid`"), "{error}");
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
        let text = instructions("alc_");
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
        assert!(instructions("").contains("Use pool_status to"), "{text}");
    }

    #[test]
    fn every_tool_has_object_schemas_and_all_hints() {
        for tool in PoolTool::ALL {
            let tool = tool.definition("alc_");
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
            serde_json::from_str(include_str!("output_schemas.json")).expect("schemas");
        for tool in PoolTool::ALL {
            let schema = tool.definition("").output_schema.expect("a schema");
            let schema = Value::Object(schema.as_ref().clone());
            assert_eq!(schema, published[tool.name()], "{}", tool.name());
        }
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
            Just(json!([])),
            Just(json!({"sid": "a"})),
        ];
        (name, value).prop_map(|(name, value)| {
            let fits = match name.as_str() {
                "sid" => value.is_null() || value.is_string(),
                "grace_ms" => value.is_null() || value.as_u64().is_some_and(|ms| ms <= 3_600_000),
                "force" | "dry_run" => value.is_boolean(),
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
            let grace = object.get("grace_ms").and_then(Value::as_u64);
            let expected = Request::Stop(Stop {
                sid: object.get("sid").and_then(Value::as_str).map(str::to_owned),
                grace: grace.map_or(Stop::GRACE, Duration::from_millis),
                force: flag("force"),
                dry_run: flag("dry_run"),
                ..Stop::default()
            });
            match PoolTool::Stop.request("", Some(object.clone())) {
                Ok(request) => {
                    prop_assert!(fits, "{object:?}");
                    prop_assert_eq!(request, expected);
                }
                Err(why) => prop_assert!(!fits, "{object:?}: {why}"),
            }
        }
    }
}
