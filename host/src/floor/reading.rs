//! The host's own reading of a registry.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::without_position;
use crate::process::Claim;

/// A registry as the host read it: its bytes, and the claims in them.
///
/// The policy parses the same bytes for itself. What it may signal and what it may drop
/// is measured against this reading.
pub(crate) struct Reading {
    bytes: Option<Vec<u8>>,
    claims: Result<Vec<Claim>, Unreadable>,
    by_sid: OnceLock<HashMap<String, Vec<usize>>>,
    /// The first entry of each claim.
    by_claim: OnceLock<HashMap<Claim, usize>>,
    /// Where everything stands in the bytes.
    layout: OnceLock<Layout>,
}

/// Where the parts of a registry stand in its bytes.
#[derive(Default)]
struct Layout {
    /// What is between the brackets of `sessions`.
    inside: Range<usize>,
    entries: Vec<Range<usize>>,
}

/// Why bytes are not a registry.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{detail} at line {line} column {column}")]
pub(crate) struct Unreadable {
    /// Line, counted from 1.
    pub(crate) line: u64,
    /// Column in bytes, counted from 1.
    pub(crate) column: u64,
    /// What is wrong there.
    pub(crate) detail: String,
}

#[derive(Deserialize)]
struct File<E> {
    sessions: Vec<E>,
}

/// A JSON object and nothing else: derived readers would also accept an array of the
/// fields' values.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        from.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

#[derive(Deserialize)]
struct Entry {
    sid: String,
    pid: u32,
    sock: String,
    // Not part of a claim, but algocline refuses a whole file in which one is missing.
    version: String,
    created_at: String,
}

impl Reading {
    /// Reads a registry; no file is an empty one.
    pub(crate) fn new(bytes: Option<Vec<u8>>) -> Self {
        let claims = bytes.as_deref().map_or_else(|| Ok(Vec::new()), parse);
        Self {
            bytes,
            claims,
            by_sid: OnceLock::new(),
            by_claim: OnceLock::new(),
            layout: OnceLock::new(),
        }
    }

    /// The bytes on disk, where there is a file.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// The claims, in the order of the file.
    ///
    /// # Errors
    /// When the bytes are not a registry.
    pub(crate) fn claims(&self) -> Result<&[Claim], Unreadable> {
        match &self.claims {
            Ok(claims) => Ok(claims),
            Err(error) => Err(error.clone()),
        }
    }

    /// The indices of the entries with this sid.
    pub(crate) fn with_sid(&self, sid: &str) -> &[usize] {
        let by_sid = self.by_sid.get_or_init(|| {
            let mut by_sid: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, claim) in self.claims.iter().flatten().enumerate() {
                by_sid.entry(claim.sid.clone()).or_default().push(index);
            }
            by_sid
        });
        by_sid.get(sid).map_or(&[], Vec::as_slice)
    }

    /// The text of one entry, byte for byte; none where there is no such entry.
    pub(crate) fn raw(&self, index: usize) -> Option<&str> {
        let range = self.range(index)?;
        std::str::from_utf8(self.bytes()?.get(range)?).ok()
    }

    /// Where an entry stands in the bytes; none where there is no such entry.
    pub(crate) fn range(&self, index: usize) -> Option<Range<usize>> {
        self.layout().entries.get(index).cloned()
    }

    /// What is before and after the entries, byte for byte: up to the opening bracket of
    /// `sessions`, and from its closing bracket on. None where there is no file.
    pub(crate) fn around(&self) -> Option<(&[u8], &[u8])> {
        let inside = self.layout().inside.clone();
        let bytes = self.bytes()?;
        Some((bytes.get(..inside.start)?, bytes.get(inside.end..)?))
    }

    /// The field `version` of an entry; none where there is no such entry.
    pub(crate) fn version(&self, index: usize) -> Option<String> {
        let entry: Entry = serde_json::from_str(self.raw(index)?).ok()?;
        Some(entry.version)
    }

    fn layout(&self) -> &Layout {
        // Nobody asks for it where nothing is done.
        self.layout.get_or_init(|| {
            let text = std::str::from_utf8(self.bytes().unwrap_or_default());
            text.ok()
                .and_then(|text| layout(text).ok())
                .unwrap_or_default()
        })
    }

    /// Where this very claim stands. `hint` is where it is expected: a policy mostly
    /// asks for all entries in order.
    pub(crate) fn position(&self, claim: &Claim, hint: usize) -> Option<usize> {
        let claims = self.claims.as_ref().ok()?;
        if claims.get(hint) == Some(claim) {
            return Some(hint);
        }
        let by_claim = self.by_claim.get_or_init(|| {
            let places = claims.iter().enumerate().rev();
            places
                .map(|(index, claim)| (claim.clone(), index))
                .collect()
        });
        by_claim.get(claim).copied()
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Claim>, Unreadable> {
    // serde_json does not look at the text of fields that it skips.
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let Object(file): Object<File<Object<Entry>>> =
        serde_json::from_str(text).map_err(|e| not_json(&e))?;
    let claim = |Object(entry): Object<Entry>| Claim {
        sid: entry.sid,
        pid: entry.pid,
        created_at: entry.created_at,
        sock: entry.sock,
    };
    Ok(file.sessions.into_iter().map(claim).collect())
}

/// Where the parts of a registry stand in its text.
fn layout(text: &str) -> serde_json::Result<Layout> {
    #[derive(Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] &'a RawValue);
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        sessions: &'a RawValue,
    }

    let File { sessions }: File<Borrowed<'_>> = serde_json::from_str(text)?;
    let array: Whole<'_> = serde_json::from_str(text)?;
    let array = range(text, array.sessions);
    Ok(Layout {
        inside: array.start + 1..array.end - 1,
        entries: sessions
            .into_iter()
            .map(|Borrowed(entry)| range(text, entry))
            .collect(),
    })
}

/// Where a value that is borrowed from the text stands in it.
fn range(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + value.get().len()
}

fn not_utf8(bytes: &[u8], valid: usize) -> Unreadable {
    let before = &bytes[..valid];
    let line_start = before.iter().rposition(|&byte| byte == b'\n');
    Unreadable {
        line: before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1,
        column: (valid - line_start.map_or(0, |at| at + 1)) as u64 + 1,
        detail: format!(
            "byte 0x{:02x} does not belong to a UTF-8 text",
            bytes[valid]
        ),
    }
}

fn not_json(error: &serde_json::Error) -> Unreadable {
    Unreadable {
        line: error.line() as u64,
        // An end of file right after a line feed is reported in column 0.
        column: error.column().max(1) as u64,
        detail: without_position(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn entry(sid: &str, pid: u32) -> String {
        format!(r#"{{"sid":"{sid}","pid":{pid},"sock":"","version":"","created_at":"x"}}"#)
    }

    fn reading(entries: &[String]) -> Reading {
        Reading::new(Some(
            format!(r#"{{"sessions":[{}]}}"#, entries.join(",")).into_bytes(),
        ))
    }

    #[test]
    fn no_file_is_an_empty_registry() {
        assert_eq!(Reading::new(None).claims(), Ok(&[][..]));
    }

    #[test]
    fn a_claim_is_found_wherever_it_stands() {
        let reading = reading(&[entry("a", 2), entry("b", 3), entry("a", 4)]);
        let claims = reading.claims().expect("a registry");
        for hint in [0, 1, 2, 9] {
            assert_eq!(reading.position(&claims[2], hint), Some(2));
        }
        let other = Claim {
            pid: 5,
            ..claims[2].clone()
        };
        assert_eq!(reading.position(&other, 2), None);
        assert_eq!(reading.with_sid("a"), [0, 2]);
        assert!(reading.with_sid("c").is_empty());
    }

    #[test]
    fn an_entry_is_given_byte_for_byte() {
        let odd = "{ \"sid\" : \"b\\u0000é\",\n\t\"pid\":3,\"sock\":\"\",\"version\":\"\",\
                   \"created_at\":\"x\",\"n\":1.00e400,\"n\":[null, {}]}";
        let text = format!(
            "{{\"before\":\"ü\", \"sessions\" : [{} ,\n {odd}], \"after\":[{{}}]}}",
            entry("a", 2)
        );
        let reading = Reading::new(Some(text.into_bytes()));
        assert_eq!(reading.raw(0), Some(entry("a", 2).as_str()));
        assert_eq!(reading.raw(1), Some(odd));
        assert_eq!(reading.raw(2), None);
        assert_eq!(Reading::new(None).raw(0), None);
    }

    /// Whoever removes all entries asks for each, while others wait for the lock.
    #[test]
    fn an_entry_costs_no_look_at_the_whole_text() {
        let mut text = entry("large", 2);
        text.insert_str(1, &format!("\"x\":\"{}\",", "x".repeat(32 << 20)));
        let mut entries = vec![text];
        entries.extend((0..2000).map(|_| entry("a", 2)));
        let reading = reading(&entries);
        let started = Instant::now();
        assert_eq!(reading.raw(1), Some(entries[1].as_str()));
        let all_placed = started.elapsed();
        let started = Instant::now();
        assert!((1..=2000).all(|index| reading.raw(index).is_some()));
        assert!(started.elapsed() < all_placed, "{:?}", started.elapsed());
    }

    #[test]
    fn what_algocline_refuses_is_unreadable() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"sessions":[{"sid":"a","pid":2,"sock":"","created_at":""}]}"#,
            r#"{"sessions":[{"sid":"a","pid":-2,"sock":"","version":"","created_at":""}]}"#,
            r#"{"sessions":[{"sid":"a","pid":2,"pid":3,"sock":"","version":"","created_at":""}]}"#,
            r#"{"sessions":[],"sessions":[]}"#,
            r#"{"sessions":[]} x"#,
            "[[]]",
            r#"{"sessions":[["a",2,"","",""]]}"#,
        ] {
            assert!(Reading::new(Some(text.into())).claims().is_err(), "{text}");
        }
        let not_utf8 = b"{\"sessions\":[],\"x\":\"\xff\"}".to_vec();
        assert!(Reading::new(Some(not_utf8)).claims().is_err());
    }

    #[test]
    fn what_is_unreadable_has_a_position() {
        for (bytes, line, column) in [
            (&b""[..], 1, 1),
            (b"{\n", 2, 1),
            (b"{\n \"sessions\": 1}", 2, 14),
            (b"{\n\"\xff\"", 2, 2),
        ] {
            let error = Reading::new(Some(bytes.to_vec()));
            let error = error.claims().expect_err("it is no registry");
            assert_eq!((error.line, error.column), (line, column), "{error}");
            assert!(!error.detail.contains(" line "), "{error}");
        }
    }
}
