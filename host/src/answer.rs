//! What a policy answered.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The parser's own name for text that it hands on unread; see [`Readable`].
const RESERVED: &str = "$serde_json::private::RawValue";

/// One JSON object, as the policy wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(String);

/// Why a text is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    #[error("it begins with {0:?} and not with {{")]
    Shape(char),
}

impl Answer {
    /// Checks that a text is one JSON object, and puts it on one line.
    pub(crate) fn check(mut text: String) -> Result<Self, AnswerError> {
        serde_json::from_str::<Readable>(&text)?;
        // In what is now known to be JSON, a line break stands only between tokens, where a
        // space says the same; and MCP's messages are lines.
        if text.as_bytes().contains(&b'\n') || text.as_bytes().contains(&b'\r') {
            text = text.replace(['\n', '\r'], " ");
        }
        match text.trim_start().chars().next() {
            Some('{') | None => Ok(Self(text)),
            Some(other) => Err(AnswerError::Shape(other)),
        }
    }

    /// The answer in one line.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The answer in one line, without a copy.
    pub fn into_text(self) -> String {
        self.0
    }

    /// The answer, parsed.
    pub fn value(&self) -> Value {
        // `check` has parsed it before.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// What [`Answer::value`] and clients can read, looked at and not kept. A parser that only
/// skips also passes nesting without end, numbers beyond all bounds and halves of characters,
/// on which readers give up; and an object that begins with [`RESERVED`] would be read as
/// what the text in it says.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Readable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_str<E>(self, _: &str) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Readable, A::Error> {
                while let Some(Readable) = items.next_element()? {}
                Ok(Readable)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Readable, A::Error> {
                while let Some(Name) = fields.next_key()? {
                    let Readable = fields.next_value()?;
                }
                Ok(Readable)
            }
        }
        from.deserialize_any(Any)
    }
}

/// The name of a field that may be there.
struct Name;

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                match name {
                    RESERVED => Err(E::custom(format_args!("no field may be called {name:?}"))),
                    _ => Ok(Name),
                }
            }
        }
        from.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_object_on_one_line() {
        let answer = Answer::check("\n{\"a\":\r\n \"b\\n\"}\n".into()).expect("it is accepted");
        assert!(!answer.text().contains(['\n', '\r']));
        assert_eq!(answer.value(), serde_json::json!({"a": "b\n"}));
    }

    #[test]
    fn what_is_no_object_is_no_answer() {
        for text in [
            "",
            "{",
            "{} {}",
            "[]",
            "1",
            "null",
            "\"{}\"",
            "{\"a\":\"\n\"",
            "{\"a\":\"\r\"}",
        ] {
            assert!(Answer::check(text.into()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_accepted_can_be_read() {
        let deep = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        for text in [
            &deep(127),
            &deep(100_000),
            "{\"a\":1e400}",
            "{\"a\":[\"\\ud800\"]}",
            "{\"\\udc00\":1}",
            "{\"$serde_json::private::RawValue\":\"[]\"}",
        ] {
            assert!(Answer::check(text.into()).is_err(), "{text:.40}");
        }
        for text in [
            &deep(126),
            "{\"a\":[null,true,-1,18446744073709551615,1.5,1e40,\"\\ud83d\\ude00\"],\"a\":{}}",
        ] {
            let answer = Answer::check(text.into()).expect("it is accepted");
            assert!(answer.value().is_object(), "{text:.40}");
        }
    }
}
