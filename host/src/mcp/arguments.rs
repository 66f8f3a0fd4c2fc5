//! What the tools take: their arguments as the caller sends them.

use poolwarden::Stop;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

use super::tools::shortened;

/// Arguments of `pool_ensure`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnsureArguments {
    /// Only say what would be removed; write nothing.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// Arguments of `pool_status`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusArguments {
    /// Only this session. An unknown sid gives an empty list and a note with close ones.
    #[serde(default)]
    pub(super) sid: Option<String>,
    /// At most so many sessions, exceptions first; all when left out.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(max = 1_000_000))]
    pub(super) limit: Option<u64>,
    /// Only sessions with this status.
    #[serde(default)]
    pub(super) status: Option<StatusFilter>,
    /// Only sessions whose sid begins so.
    #[serde(default)]
    pub(super) prefix: Option<String>,
}

/// Arguments of `pool_list`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListArguments {
    /// At most so many sessions, exceptions first (default 100).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(max = 1_000_000))]
    pub(super) limit: Option<u64>,
    /// Only sessions with this status.
    #[serde(default)]
    pub(super) status: Option<StatusFilter>,
    /// Only sessions whose sid begins so.
    #[serde(default)]
    pub(super) prefix: Option<String>,
}

/// A status to filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub(super) enum StatusFilter {
    Running,
    Stopping,
    Unproven,
    Foreign,
    Unknown,
}

impl StatusFilter {
    /// The word as answers have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Unproven => "unproven",
            Self::Foreign => "foreign",
            Self::Unknown => "unknown",
        }
    }
}

/// Arguments of `pool_stop`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopArguments {
    /// Only this session. Leave it out to stop EVERY worker of the pool.
    #[serde(default)]
    pub(super) sid: Option<String>,
    /// How long to wait for the workers to exit, in milliseconds (default 2000). 0 does not
    /// wait: they are signalled only.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(max = 3_600_000))]
    pub(super) grace_ms: Option<u64>,
    /// Kill (SIGKILL) the workers that are still there after grace_ms.
    #[serde(default)]
    pub(super) force: bool,
    /// Only say what would be signalled and removed; do neither.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// A whole number: JSON Schema counts 2000.0 as an integer too (2020-12, section 6.1.1 of the
/// validation vocabulary).
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    /// The largest number up to which every whole one is a 64-bit float.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    let number = Number::deserialize(from)?;
    let float = || {
        number
            .as_f64()
            .filter(|float| float.fract() == 0.0 && (0.0..=EXACT).contains(float))
    };
    if let Some(whole) = number.as_u64() {
        return Ok(Some(whole));
    }
    match float() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and within the range"
        )]
        Some(float) => Ok(Some(float as u64)),
        None => Err(D::Error::custom(format!(
            "invalid value: {number}, expected a whole number from 0 on"
        ))),
    }
}

/// Reads the arguments of a tool. A null is as if its argument were left out.
///
/// # Errors
/// When they do not fit the tool's input schema: a text that says which one does not.
pub(super) fn parse<T: DeserializeOwned + JsonSchema>(
    mut arguments: JsonObject,
) -> Result<T, String> {
    arguments.retain(|name, value| !value.is_null() || !is_argument_of::<T>(name));
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

/// Whether a tool takes an argument of this name.
fn is_argument_of<T: JsonSchema>(name: &str) -> bool {
    super::schema::of_input::<T>()["properties"]
        .get(name)
        .is_some()
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

impl StopArguments {
    /// Checks what the schema cannot say.
    ///
    /// # Errors
    /// A text for the caller, when a null would stop everybody, or the wait is too long.
    pub(super) fn read(arguments: JsonObject) -> Result<Self, String> {
        if arguments.get("sid").is_some_and(Value::is_null) {
            return Err(
                "the argument `sid` is null, which could be meant for one worker or for all; \
                 give the sid of one, or leave `sid` out to stop ALL workers of the pool. \
                 Nothing was done"
                    .to_owned(),
            );
        }
        let read: Self = parse(arguments)?;
        let longest = Stop::MAX_GRACE.as_millis();
        match read.grace_ms {
            Some(grace) if u128::from(grace) > longest => Err(format!(
                "grace_ms is {grace}, the longest is {longest}; nothing was done"
            )),
            _ => Ok(read),
        }
    }
}
