//! The fields of an answer, in the order and in the bytes in which the policy wrote them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object.
pub(super) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The fields of an answer; none where it is no object.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    /// The items of a field that is a list; none where it is not.
    pub(super) fn items(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// The object with other values for some fields. Those that it does not have yet stand
    /// behind the others, the note before them: whoever cuts a long answer keeps it.
    pub(super) fn with(&self, note: Option<&str>, changed: &[(&str, String)]) -> String {
        let mut parts = Vec::with_capacity(self.0.len() + changed.len() + 1);
        if let Some(note) = note {
            parts.push(("note", serde_json::Value::from(note).to_string()));
        }
        let new_value = |name: &str| changed.iter().find(|(known, _)| *known == name);
        for (name, value) in &self.0 {
            if note.is_some() && name == "note" {
                continue;
            }
            let value = match new_value(name) {
                Some((_, value)) => value.clone(),
                None => value.get().to_owned(),
            };
            parts.push((name.as_str(), value));
        }
        for (name, value) in changed {
            if self.get(name).is_none() {
                parts.push((name, value.clone()));
            }
        }
        object(&parts)
    }
}

/// An object of these fields, whose values are JSON.
pub(super) fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(*name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// A list of these items.
pub(super) fn list(items: &[&RawValue]) -> String {
    let items: Vec<_> = items.iter().map(|item| item.get()).collect();
    format!("[{}]", items.join(","))
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfObject;
        impl<'de> Visitor<'de> for OfObject {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = object.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(OfObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_stays_byte_for_byte() {
        let text = r#"{"b":[1.50, {"z":1,"a":2}],"a":"\u0041"}"#;
        let fields = Fields::of(text).expect("an object");
        assert_eq!(
            fields.with(None, &[]),
            r#"{"b":[1.50, {"z":1,"a":2}],"a":"\u0041"}"#
        );
        assert_eq!(
            fields.with(Some("say \"so\""), &[("a", "7".into()), ("c", "[]".into())]),
            r#"{"note":"say \"so\"","b":[1.50, {"z":1,"a":2}],"a":7,"c":[]}"#
        );
        assert!(Fields::of("[]").is_none());
        assert_eq!(
            Fields::of("{}").expect("an object").with(Some("n"), &[]),
            r#"{"note":"n"}"#
        );
    }
}
