//! JSON that every reader can read.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The parser's own name for text that it hands on unread; see [`Readable`].
const RESERVED: &str = "$serde_json::private::RawValue";

/// JSON that [`Answer::value`](super::Answer::value) and clients can read, looked at and not kept. A parser that only
/// skips also passes nesting without end, numbers beyond all bounds and halves of characters,
/// on which readers give up; and an object that begins with [`RESERVED`] would be read as
/// what the text in it says.
pub(super) struct Readable;

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
