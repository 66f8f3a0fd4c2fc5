//! Whether an object is an entry of a registry.

use std::borrow::Cow;
use std::fmt::Write;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::process::Claim;

/// An entry that was found in a damaged registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SalvagedEntry<'a> {
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// The entry, byte for byte, with what was missing put behind the rest.
    pub(crate) text: Cow<'a, str>,
    /// Fields that were missing and are empty now. With one missing, nobody could read the
    /// registry.
    pub(crate) completed: Vec<&'static str>,
    /// What it says.
    pub(crate) claim: Claim,
}

/// What a whole object is.
pub(super) enum Object<'a> {
    Entry(SalvagedEntry<'a>),
    /// It names a session, and cannot stand in a registry for this reason.
    Unusable(String),
    /// It is about something else.
    Other,
}

/// The fields of an entry. Who has no sid and no pid says nothing about a process.
#[derive(Deserialize)]
struct Fields {
    sid: String,
    pid: u32,
    #[serde(default)]
    sock: Field,
    #[serde(default)]
    version: Field,
    #[serde(default)]
    created_at: Field,
    /// What a registry has.
    sessions: Option<IgnoredAny>,
}

/// A text, where there is one. In its place `null` is a mistake and not an absence.
#[derive(Default)]
struct Field(Option<String>);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Some(text)))
    }
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "sid")]
    _sid: IgnoredAny,
    sessions: Option<IgnoredAny>,
}

/// Reads a whole object that begins at this byte of the text. Elsewhere than in `sessions`,
/// one that has such a field itself is rather a registry.
pub(super) fn read(object: &str, at: usize, in_sessions: bool) -> Object<'_> {
    let error = match serde_json::from_str::<Fields>(object) {
        Ok(Fields {
            sessions: Some(_), ..
        }) if !in_sessions => return Object::Other,
        Ok(fields) => return Object::Entry(complete(object, at, fields)),
        Err(error) => error,
    };
    match serde_json::from_str::<Named>(object) {
        Ok(Named { sessions, .. }) if in_sessions || sessions.is_none() => {
            Object::Unusable(without_position(&error))
        }
        _ => Object::Other,
    }
}

fn complete(object: &str, at: usize, fields: Fields) -> SalvagedEntry<'_> {
    let mut completed = Vec::new();
    let mut text = Cow::Borrowed(object);
    for (name, field) in [
        ("sock", &fields.sock),
        ("version", &fields.version),
        ("created_at", &fields.created_at),
    ] {
        if field.0.is_none() {
            completed.push(name);
            let text = text.to_mut();
            // It ends with the brace, and has a sid before it.
            text.pop();
            // Writing to a text does not fail.
            let _ = write!(text, ",\"{name}\":\"\"}}");
        }
    }
    SalvagedEntry {
        at,
        text,
        completed,
        claim: Claim {
            sid: fields.sid,
            pid: fields.pid,
            created_at: fields.created_at.0.unwrap_or_default(),
            sock: fields.sock.0.unwrap_or_default(),
        },
    }
}

/// What is wrong, without where in the object.
fn without_position(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    words.strip_suffix(&position).unwrap_or(&words).to_owned()
}
