//! Reading the registry: one typed pass over the whole text.
//!
//! What is not known, at either level, is skipped here and kept by
//! [`rewrite`](crate::rewrite). What is known has to be there, once, in the type that
//! algocline gives it: its reader refuses the whole file otherwise, and a reader that
//! guesses could lose a live worker.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::host::{Claim, Corruption};

/// The longest detail of a [`Corruption`], in bytes. The parser quotes what it found,
/// and that can be as long as the file.
const LONGEST_DETAIL: usize = 240;

/// One element of `sessions`. Its text is borrowed where it has no escapes.
///
/// Serialised, it has all five fields in the order in which algocline writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry<'a> {
    /// The session id.
    pub sid: Cow<'a, str>,
    /// The process id. It may be impossible.
    pub pid: u32,
    /// Path of the worker's Unix socket, empty when it has none.
    pub sock: Cow<'a, str>,
    /// The worker's version, in its own words.
    pub version: Cow<'a, str>,
    /// When the entry was made: RFC 3339 text, not checked here.
    pub created_at: Cow<'a, str>,
}

impl Entry<'_> {
    /// What this entry says about its process.
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            sid: &self.sid,
            pid: self.pid,
            created_at: &self.created_at,
            sock: &self.sock,
        }
    }

    /// Whether both entries claim the same process for the same session. A session that
    /// was registered anew in between makes another claim.
    pub fn same_claim(&self, other: &Entry<'_>) -> bool {
        self.pid == other.pid
            && self.sid == other.sid
            && self.created_at == other.created_at
            && self.sock == other.sock
    }
}

/// The registry as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry<'a> {
    /// The whole text, or none when there is no file.
    pub text: Option<&'a str>,
    /// The entries, in the order of the file.
    pub sessions: Vec<Entry<'a>>,
}

impl<'a> Registry<'a> {
    /// Reads the bytes of a registry. No file is an empty pool; an empty file is not.
    ///
    /// # Errors
    /// Where and why the bytes are not a registry. Columns count bytes.
    pub fn parse(bytes: Option<&'a [u8]>) -> Result<Self, Corruption> {
        let Some(bytes) = bytes else {
            return Ok(Self {
                text: None,
                sessions: Vec::new(),
            });
        };
        let text = str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error))?;
        let Document { sessions } = serde_json::from_str(text).map_err(|e| corruption(&e))?;
        Ok(Self {
            text: Some(text),
            sessions,
        })
    }

    /// The entries with their places in the file, those of one session or all.
    pub fn select(&self, sid: Option<&str>) -> impl Iterator<Item = (usize, &Entry<'a>)> {
        self.sessions
            .iter()
            .enumerate()
            .filter(move |(_, entry)| sid.is_none_or(|sid| entry.sid == sid))
    }
}

/// Turns a JSON error into a corruption with a short detail and its position once.
pub(crate) fn corruption(error: &serde_json::Error) -> Corruption {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    let suffix = format!(" at line {line} column {column}");
    Corruption {
        line: line as u64,
        // An end of file right after a line feed is reported in column 0.
        column: if line == 0 { 0 } else { column.max(1) as u64 },
        detail: shorten(words.strip_suffix(&suffix).unwrap_or(&words)),
    }
}

/// Says where the first byte stands that is no UTF-8.
fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> Corruption {
    let (before, rest) = bytes.split_at(error.valid_up_to());
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let detail = match (error.error_len(), rest.first()) {
        (Some(_), Some(byte)) => format!("byte 0x{byte:02x} does not belong to a UTF-8 text"),
        _ => "the text ends in the middle of a UTF-8 character".to_owned(),
    };
    Corruption {
        line: before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1,
        column: (before.len() - line_start) as u64 + 1,
        detail,
    }
}

/// Cuts a detail to [`LONGEST_DETAIL`], at a character.
fn shorten(detail: &str) -> String {
    if detail.len() <= LONGEST_DETAIL {
        return detail.to_owned();
    }
    format!("{}…", &detail[..detail.floor_char_boundary(LONGEST_DETAIL)])
}

/// The top level. Like [`Entry`], it is read by hand: derived readers also accept an
/// array of the fields' values, which the registry's format does not know.
struct Document<'a> {
    sessions: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum DocumentKey {
    Sessions,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum EntryKey {
    Sid,
    Pid,
    Sock,
    Version,
    CreatedAt,
    #[serde(other)]
    Other,
}

/// Text that is borrowed where the parser can lend it; a bare `Cow` never borrows.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the field `sessions`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut sessions = None;
        while let Some(key) = map.next_key()? {
            match key {
                DocumentKey::Sessions => fill(&mut sessions, "sessions", &mut map)?,
                DocumentKey::Other => skip(&mut map)?,
            }
        }
        Ok(Document {
            sessions: required(sessions, "sessions")?,
        })
    }
}

impl<'de> Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session's entry, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pid = None;
        let (mut sid, mut sock, mut version, mut created_at) = (None, None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                EntryKey::Sid => fill::<Text<'_>, _>(&mut sid, "sid", &mut map)?,
                EntryKey::Pid => fill(&mut pid, "pid", &mut map)?,
                EntryKey::Sock => fill::<Text<'_>, _>(&mut sock, "sock", &mut map)?,
                EntryKey::Version => fill::<Text<'_>, _>(&mut version, "version", &mut map)?,
                EntryKey::CreatedAt => {
                    fill::<Text<'_>, _>(&mut created_at, "created_at", &mut map)?;
                }
                EntryKey::Other => skip(&mut map)?,
            }
        }
        Ok(Entry {
            sid: required(sid, "sid")?.0,
            pid: required(pid, "pid")?,
            sock: required(sock, "sock")?.0,
            version: required(version, "version")?.0,
            created_at: required(created_at, "created_at")?.0,
        })
    }
}

/// Reads a known field's value; a second one is an error, because readers differ in
/// which of the two they believe.
fn fill<'de, T, A>(slot: &mut Option<T>, name: &'static str, map: &mut A) -> Result<(), A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    if slot.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

/// Skips an unknown field's value, of any depth: the parser does this without recursion.
fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

fn required<T, E: de::Error>(slot: Option<T>, name: &'static str) -> Result<T, E> {
    slot.ok_or_else(|| de::Error::missing_field(name))
}

#[cfg(test)]
mod tests;
