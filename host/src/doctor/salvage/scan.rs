//! Following a damaged registry through its text.

use std::collections::HashSet;

use super::entry::{self, Object};
use super::lexer::{Value, is_blank, value_at};
use super::{Lost, Salvage};

/// How many bytes may be looked at in all for each byte of the text. Damage makes some be
/// looked at two or three times; more takes a text that was made for it.
const LOOKS: usize = 16;

/// Where in a registry the text is.
#[derive(Clone, Copy)]
enum Place {
    /// Before a document, or behind one.
    Outside,
    /// Between the fields of a document.
    Fields,
    /// Between the entries.
    Sessions,
}

pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    place: Place,
    /// Documents that have begun.
    documents: usize,
    /// Whether the first document's `sessions` are behind us.
    had_sessions: bool,
    /// Whether fields are known by their names. Where no name is `sessions`, the entries
    /// are under another one.
    by_name: bool,
    /// How many more bytes may be looked at.
    looks: usize,
    found: Salvage<'a>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        // The byte order mark of UTF-8, which some editors write.
        let at = if text.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        Self {
            text,
            at,
            place: Place::Outside,
            documents: 0,
            had_sessions: false,
            by_name: true,
            looks: text.len().saturating_mul(LOOKS).saturating_add(LOOKS),
            found: Salvage::default(),
        }
    }

    /// Reads what can be read.
    pub(super) fn run(self) -> Salvage<'a> {
        let text = self.text;
        let (found, has_sessions, looks) = self.follow();
        if has_sessions {
            return found;
        }
        let nameless = Self {
            by_name: false,
            looks,
            ..Self::new(text)
        };
        match nameless.follow() {
            (other, ..) if !other.entries.is_empty() => other,
            _ => found,
        }
    }

    /// What there is, whether entries were found where they belong, and how many more bytes
    /// may be looked at.
    fn follow(mut self) -> (Salvage<'a>, bool, usize) {
        while let Some(byte) = self.next_byte() {
            if self.looks == 0 {
                self.lose(self.text.len(), "it would take too long to look through");
                break;
            }
            let followed = match self.place {
                Place::Outside => self.outside(byte),
                Place::Fields => self.fields(byte),
                Place::Sessions => self.sessions(byte),
            };
            if !followed {
                self.find_entry();
            }
        }
        self.keep_last_of_each_claim();
        self.found.lost.sort_by_key(|lost| lost.bytes.start);
        let has_sessions = self.had_sessions || !self.found.entries.is_empty();
        (self.found, has_sessions, self.looks)
    }

    /// The next byte that says something.
    fn next_byte(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        self.at += rest.iter().position(|&byte| !is_blank(byte))?;
        self.text.get(self.at).copied()
    }

    fn outside(&mut self, byte: u8) -> bool {
        if byte != b'{' {
            return false;
        }
        // An entry that stands alone is one, and not a document.
        if self.take_entry(false) {
            self.place = Place::Sessions;
        } else {
            self.documents += 1;
            self.place = Place::Fields;
            self.at += 1;
        }
        true
    }

    fn fields(&mut self, byte: u8) -> bool {
        match byte {
            b',' => self.at += 1,
            b'}' => {
                self.at += 1;
                self.place = Place::Outside;
            }
            b'"' if self.by_name => return self.field().is_some(),
            _ => return false,
        }
        true
    }

    /// Reads one field of a document; nothing where it is none.
    fn field(&mut self) -> Option<()> {
        let begin = self.at;
        let name = self.value()?;
        // A name is skipped without being read. One that is no text makes a whole registry
        // unreadable, as half of a surrogate pair does.
        let decoded = serde_json::from_str::<String>(name);
        let sessions = decoded.as_ref().is_ok_and(|name| name == "sessions");
        let colon = begin + name.len();
        let mut at = colon + blanks(&self.text[colon..]);
        if self.text.get(at) != Some(&b':') {
            return None;
        }
        at += 1;
        at += blanks(&self.text[at..]);
        if sessions && self.text.get(at) == Some(&b'[') {
            self.at = at + 1;
            self.place = Place::Sessions;
            self.had_sessions |= self.documents == 1;
            return Some(());
        }
        self.at = at;
        if sessions && self.text.get(at) == Some(&b'{') {
            // Entries can be in it all the same.
            return None;
        }
        let Some(value) = self.value() else {
            self.at = begin;
            return None;
        };
        self.at = at + value.len();
        let whole = std::str::from_utf8(&self.text[begin..self.at]).ok()?;
        match (self.documents, self.had_sessions) {
            // It would be a second one.
            _ if sessions => self.lost(begin, "it is a field `sessions` without entries"),
            _ if decoded.is_err() => self.lost(begin, "the name of the field is no text"),
            // Whatever separates name and value has to be JSON.
            _ if whole.contains('\0') => self.lost(begin, "there are NULs in a field"),
            (1, false) => self.found.before.push(whole),
            (1, true) => self.found.after.push(whole),
            _ => self.lost(begin, "it is a field of a second document"),
        }
        Some(())
    }

    fn sessions(&mut self, byte: u8) -> bool {
        match byte {
            b',' => self.at += 1,
            b']' => {
                self.at += 1;
                self.place = Place::Fields;
                // Where the beginning is lost, it is the first document's all the same.
                self.documents = self.documents.max(1);
                self.had_sessions |= self.documents == 1;
            }
            b'{' => return self.take_entry(true),
            _ => return false,
        }
        true
    }

    /// Takes the entry that begins here, if one does.
    fn take_entry(&mut self, in_sessions: bool) -> bool {
        let begin = self.at;
        let Some(object) = self.value() else {
            return false;
        };
        match entry::read(object, begin, in_sessions) {
            Object::Entry(entry) => {
                self.found.entries.push(entry);
                self.at = begin + object.len();
                true
            }
            Object::Unusable(why) => {
                self.at = begin + object.len();
                self.lost(begin, &format!("it names a session, but {why}"));
                true
            }
            Object::Other => false,
        }
    }

    /// Looks for the next entry from here on, and goes on behind it; before a document,
    /// for the next object.
    fn find_entry(&mut self) {
        let begin = self.at;
        loop {
            let rest = &self.text[self.at..];
            let brace = rest.iter().position(|&byte| byte == b'{');
            let Some(brace) = brace.filter(|_| self.looks > 0) else {
                self.at = begin;
                self.lose(self.text.len(), "nothing that makes sense comes any more");
                return;
            };
            self.at += brace;
            let found = self.at;
            let outside = matches!(self.place, Place::Outside);
            if outside || self.take_entry(false) {
                if found > begin {
                    let (bytes, why) = (begin..found, "it does not make sense".to_owned());
                    self.found.lost.push(Lost { bytes, why });
                }
                if !outside {
                    self.place = Place::Sessions;
                }
                return;
            }
            self.at = found + 1;
        }
    }

    /// The value that begins here.
    fn value(&mut self) -> Option<&'a str> {
        match value_at(self.text, self.at) {
            Value::Whole(value) => {
                self.looks = self.looks.saturating_sub(value.len());
                Some(value)
            }
            Value::Broken(looked_at) => {
                self.looks = self.looks.saturating_sub(looked_at + 1);
                None
            }
        }
    }

    /// Notes that what stands from `begin` to here cannot be used.
    fn lost(&mut self, begin: usize, why: &str) {
        self.found.lost.push(Lost {
            bytes: begin..self.at,
            why: why.into(),
        });
    }

    /// Goes to `end`, and notes that what stands in between cannot be used.
    fn lose(&mut self, end: usize, why: &str) {
        let begin = std::mem::replace(&mut self.at, end);
        self.lost(begin, why);
    }

    /// Of documents that follow each other, the later one is the newer one.
    fn keep_last_of_each_claim(&mut self) {
        let mut seen = HashSet::new();
        let mut entries = std::mem::take(&mut self.found.entries);
        entries.reverse();
        entries.retain(|entry| seen.insert(entry.claim.clone()));
        entries.reverse();
        self.found.entries = entries;
    }
}

/// How many blank bytes a text begins with.
fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| is_blank(byte)).count()
}
