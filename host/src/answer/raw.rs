//! What a policy answered, as it wrote it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::readable::Readable;

/// One JSON object, as the policy wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(String);

/// Why a text is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
    #[error("it begins with {0:?} and not with {{")]
    Shape(char),
}

impl Answer {
    /// Checks that a text is one JSON object, and puts it on one line.
    pub(crate) fn check(text: String) -> Result<Self, AnswerError> {
        serde_json::from_str::<Readable>(&text)?;
        match text.trim_start().chars().next() {
            Some('{') | None => Ok(Self::of_readable(text)),
            Some(other) => Err(AnswerError::Shape(other)),
        }
    }

    /// Puts what is known to be one readable JSON object on one line.
    pub(super) fn of_readable(mut text: String) -> Self {
        // In JSON a line break stands only between tokens, where a space says the same; and
        // MCP's messages are lines.
        if text.as_bytes().contains(&b'\n') || text.as_bytes().contains(&b'\r') {
            text = text.replace(['\n', '\r'], " ");
        }
        Self(text)
    }

    /// The answer in one line.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The answer in one line, without a copy.
    pub fn into_text(self) -> String {
        self.0
    }

    /// The answer in fields of the caller's choice, for policies that say more than the
    /// types of this library.
    ///
    /// # Errors
    /// When it lacks them.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The answer, parsed.
    pub fn value(&self) -> Value {
        // `check` has parsed it before.
        serde_json::from_str(&self.0).unwrap_or_default()
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
