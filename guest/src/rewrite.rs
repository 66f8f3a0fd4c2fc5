//! Changing the registry without writing it anew.
//!
//! The text is cut and spliced, never serialised again: unknown fields, their order,
//! white space, escapes, numbers of any size and duplicate keys of what stays are the
//! same bytes as before. Parsing a second time costs nothing on the common path, where
//! nothing changes.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::host::Corruption;
use crate::registry::{Entry, Registry, corruption};

/// The registry's new bytes: without the entries at the places that `remove` names, and
/// with `append` as the last one.
///
/// An appended entry is indented like the last one before it. Where there is no file, a
/// compact one is made.
///
/// # Errors
/// None for a registry that was parsed; the type is the parser's.
pub fn rewrite(
    registry: &Registry<'_>,
    remove: &dyn Fn(usize) -> bool,
    append: Option<&Entry<'_>>,
) -> Result<Vec<u8>, Corruption> {
    let appended = match append {
        Some(entry) => Some(serde_json::to_string(entry).map_err(|e| corruption(&e))?),
        None => None,
    };
    let Some(text) = registry.text else {
        let entry = appended.unwrap_or_default();
        return Ok(format!("{{\"sessions\":[{entry}]}}\n").into_bytes());
    };
    let array = Array::locate(text).map_err(|e| corruption(&e))?;
    Ok(array.splice(text, remove, appended.as_deref()).into_bytes())
}

/// Where `sessions` and its elements stand in the text, in bytes.
struct Array {
    /// What stands between the brackets.
    inside: Range<usize>,
    /// The elements, each without the white space around it.
    elements: Vec<Range<usize>>,
}

/// The document once more, with its known part left as text.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    sessions: &'a RawValue,
}

impl Array {
    fn locate(text: &str) -> Result<Self, serde_json::Error> {
        let sessions = serde_json::from_str::<Raw<'_>>(text)?.sessions.get();
        let elements: Vec<&RawValue> = serde_json::from_str(sessions)?;
        let array = span(text, sessions);
        Ok(Self {
            inside: array.start + 1..array.end - 1,
            elements: elements
                .iter()
                .map(|element| span(text, element.get()))
                .collect(),
        })
    }

    /// Keeps each remaining element with the separator before it. Between the brackets
    /// of an array that becomes empty nothing is left.
    fn splice(&self, text: &str, remove: &dyn Fn(usize) -> bool, append: Option<&str>) -> String {
        let mut out = String::with_capacity(text.len() + append.map_or(0, |e| e.len() + 64));
        out.push_str(&text[..self.inside.start]);
        let head = out.len();
        for (index, element) in self.elements.iter().enumerate() {
            if remove(index) {
                continue;
            }
            let before = if out.len() == head {
                self.indent(text, 0)
            } else {
                self.separator(text, index)
            };
            out.push_str(before);
            out.push_str(&text[element.clone()]);
        }
        if let Some(entry) = append {
            if out.len() > head {
                out.push(',');
            }
            out.push_str(self.indent(text, self.elements.len().saturating_sub(1)));
            out.push_str(entry);
        }
        if out.len() > head {
            let end = self
                .elements
                .last()
                .map_or(self.inside.end, |last| last.end);
            out.push_str(&text[end..self.inside.end]);
        }
        out.push_str(&text[self.inside.end..]);
        out
    }

    /// What stands between an element and the one before it, or the opening bracket.
    fn separator<'t>(&self, text: &'t str, index: usize) -> &'t str {
        let Some(element) = self.elements.get(index) else {
            return "";
        };
        let start = match index.checked_sub(1) {
            Some(previous) => self.elements[previous].end,
            None => self.inside.start,
        };
        &text[start..element.start]
    }

    /// The white space right before an element, without the comma. JSON allows four
    /// characters there.
    fn indent<'t>(&self, text: &'t str, index: usize) -> &'t str {
        let separator = self.separator(text, index);
        separator
            .split_once(',')
            .map_or(separator, |(_, after)| after)
    }
}

/// Where a part of the text, borrowed from it, stands.
fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

#[cfg(test)]
mod tests;
