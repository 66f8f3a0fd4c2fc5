//! JSON in which no object has a key twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A key that stands twice in one object. What its value is depends on who reads it
/// (RFC 8259, section 4).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Twice {
    /// The key.
    pub(super) key: String,
    /// How many objects and lists the object is in.
    pub(super) depth: usize,
}

/// Looks for a key that stands twice, the first that there is.
///
/// # Errors
/// When it is no JSON, the inner result aside.
pub(super) fn check_unique(json: &[u8]) -> serde_json::Result<Result<(), Twice>> {
    let mut found = None;
    let mut parser = serde_json::Deserializer::from_slice(json);
    let looked = Walk {
        depth: 0,
        found: &mut found,
    }
    .deserialize(&mut parser)
    .and_then(|()| parser.end());
    match found {
        Some(twice) => Ok(Err(twice)),
        None => looked.map(Ok),
    }
}

/// Walks through a value and keeps nothing of it.
struct Walk<'a> {
    depth: usize,
    found: &'a mut Option<Twice>,
}

impl Walk<'_> {
    fn within(&mut self) -> Walk<'_> {
        Walk {
            depth: self.depth + 1,
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.within())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = object.next_key::<String>()? {
            if let Some(key) = keys.replace(key) {
                let depth = self.depth;
                *self.found = Some(Twice { key, depth });
                return Err(A::Error::custom("a key stands twice"));
            }
            object.next_value_seed(self.within())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_that_stands_twice_is_found() {
        let found = |json: &str| check_unique(json.as_bytes()).expect(json).err();
        for once in [
            "null",
            r#"{"a":{"a":[true,-1,2.5,"a",18446744073709551615]},"b":{"a":null}}"#,
            r#"[{"a":1},{"a":1}]"#,
            r#"{"":1,"\u0000":2}"#,
        ] {
            assert_eq!(found(once), None, "{once}");
        }
        for (twice, key, depth) in [
            (r#"{"a":1,"a":1}"#, "a", 0),
            (r#"{"\u0061":1,"a":1}"#, "a", 0),
            (r#"{"b":[{"":1,"":1}],"b":2}"#, "", 2),
        ] {
            let key = key.to_owned();
            assert_eq!(found(twice), Some(Twice { key, depth }), "{twice}");
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for none in ["", "{", "1e400", r#""\ud800""#, "{} {}", "[1,]"] {
            assert!(check_unique(none.as_bytes()).is_err(), "{none}");
        }
        assert!(check_unique(b"\"\xff\"").is_err());
        assert!(check_unique("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
