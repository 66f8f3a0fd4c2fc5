//! What a policy answered.

use serde_json::Value;

/// One JSON object: the policy's text, and the same parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    text: String,
    value: Value,
}

/// Why a text is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    #[error("it is {0}")]
    Shape(&'static str),
}

impl Answer {
    pub(crate) fn parse(text: String) -> Result<Self, AnswerError> {
        let value: Value = serde_json::from_str(&text)?;
        match value {
            Value::Object(_) => Ok(Self { text, value }),
            Value::Null => Err(AnswerError::Shape("null")),
            Value::Bool(_) => Err(AnswerError::Shape("a boolean")),
            Value::Number(_) => Err(AnswerError::Shape("a number")),
            Value::String(_) => Err(AnswerError::Shape("a string")),
            Value::Array(_) => Err(AnswerError::Shape("an array")),
        }
    }

    /// The answer as the policy wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The answer, parsed.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The text and the parsed answer, without a copy.
    pub fn into_parts(self) -> (String, Value) {
        (self.text, self.value)
    }
}
