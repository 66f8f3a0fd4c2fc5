//! Reading one JSON value somewhere in a text.

use serde_json::value::RawValue;

/// A value that begins at some byte, or how far it made sense.
pub(super) enum Value<'a> {
    /// The whole value, byte for byte.
    Whole(&'a str),
    /// The number of bytes that were looked at until it was no value.
    Broken(usize),
}

/// Reads the value that begins at `text[at]`.
pub(super) fn value_at(text: &[u8], at: usize) -> Value<'_> {
    let rest = text.get(at..).unwrap_or_default();
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<&RawValue>();
    match values.next() {
        Some(Ok(value)) => Value::Whole(value.get()),
        Some(Err(error)) => Value::Broken(offset(rest, error.line(), error.column())),
        None => Value::Broken(0),
    }
}

/// The byte that a position means: line and column counted from 1, the column in bytes. A
/// position behind the end is the end.
pub(in super::super) fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].iter().position(|&byte| byte == b'\n') {
            Some(length) => start += length + 1,
            None => break,
        }
    }
    (start + column.saturating_sub(1)).min(text.len())
}

/// Whether a byte says nothing between the parts of a document. A NUL is none of JSON's,
/// and what a file is full of whose size reached the disk before its contents.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0)
}
