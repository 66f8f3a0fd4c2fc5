//! Which request a line is, as far as it can be read.

use std::fmt;

use rmcp::model::RequestId;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// What an object has beside its contents, up to where it cannot be read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outline {
    /// Its id, if that is one and stands there once.
    pub(super) id: Option<RequestId>,
    /// Whether something stands there as its id.
    pub(super) has_id: bool,
    /// Whether it has a method: then it asks or tells something.
    pub(super) method: bool,
    /// Whether it has a result or an error: then it answers.
    pub(super) answers: bool,
    /// Whether it could be read up to its end.
    pub(super) whole: bool,
}

impl Outline {
    /// Reads what can be read. Contents are passed over and may be anything with brackets
    /// that match.
    pub(super) fn of(line: &[u8]) -> Self {
        let mut outline = Self::default();
        let mut parser = serde_json::Deserializer::from_slice(line);
        let read = Reader(&mut outline)
            .deserialize(&mut parser)
            .and_then(|()| parser.end());
        outline.whole = read.is_ok();
        outline
    }
}

/// Writes down what it comes by, so that an error loses nothing.
struct Reader<'a>(&'a mut Outline);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(outline) = self;
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "id" => {
                    let again = std::mem::replace(&mut outline.has_id, true);
                    outline.id = None;
                    let id = object.next_value::<Value>()?;
                    outline.id = RequestId::deserialize(id).ok().filter(|_| !again);
                }
                "method" => {
                    outline.method = true;
                    object.next_value::<IgnoredAny>()?;
                }
                "result" | "error" => {
                    outline.answers = true;
                    object.next_value::<IgnoredAny>()?;
                }
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_up_to_where_it_cannot_be() {
        let id = |line: &str| Outline::of(line.as_bytes()).id;
        let seven = Some(RequestId::Number(7));
        for line in [
            r#"{"id":7,"a":"\ud800","b":1e400"#,
            r#"{"a":[[[1e400]]],"id":7} and more"#,
        ] {
            assert_eq!(id(line), seven, "{line}");
        }
        for line in [
            "7",
            "[7]",
            r#"{"a":]"id":7}"#,
            r#"{"id":7,"id":7}"#,
            r#"{"id":[7]}"#,
        ] {
            assert_eq!(id(line), None, "{line}");
        }
        let told = Outline::of(br#"{"result":1,"method":2}"#);
        assert!(told.answers && told.method && told.whole && !told.has_id);
    }
}
