//! Reading a type from a JSON object, in one pass over the whole text.

/// Implements [`Deserialize`](serde::Deserialize) for a struct, which is then read from an
/// object and from nothing else. Each field has to be there once; one with `or` may be left
/// out, and is then what stands there. The fields that the struct does not have are free, and
/// are checked to be [`Readable`](super::readable::Readable).
///
/// Readers that serde derives also accept an array of the fields' values, and skip unknown
/// fields without looking at them.
macro_rules! read_from_object {
    ($type:ident { $($field:ident $(or $absent:expr)?),+ $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut object: A,
                    ) -> Result<$type, A::Error> {
                        $(let mut $field = None;)+
                        while let Some(name) =
                            object.next_key::<$crate::answer::readable::Name<'_>>()?
                        {
                            match name.as_str() {
                                $(stringify!($field) => {
                                    if $field.is_some() {
                                        return Err(serde::de::Error::duplicate_field(
                                            stringify!($field),
                                        ));
                                    }
                                    $field = Some(object.next_value()?);
                                })+
                                _ => {
                                    object.next_value::<$crate::answer::readable::Readable>()?;
                                }
                            }
                        }
                        Ok($type {
                            $($field: read_from_object!(@value $field $($absent)?),)+
                        })
                    }
                }
                from.deserialize_map(Fields)
            }
        }
    };
    (@value $field:ident) => {
        $field.ok_or_else(|| serde::de::Error::missing_field(stringify!($field)))?
    };
    (@value $field:ident $absent:expr) => {
        $field.unwrap_or_else(|| $absent)
    };
}

pub(super) use read_from_object;
