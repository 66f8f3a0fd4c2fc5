//! Digests of text and tables that do not depend on how they are laid out.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use crate::error::{Error, Result};

/// Named contents, digested in the order in which they are added.
#[derive(Default)]
pub(crate) struct Digester(Sha256);

impl Digester {
    /// Adds one named content. Lengths go first, so that no two lists digest alike.
    pub(crate) fn add(&mut self, name: &str, content: &str) {
        for part in [name, content] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part.as_bytes());
        }
    }

    /// The digest in hexadecimal.
    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text file with the line endings of Unix, whatever the checkout made of them.
///
/// # Errors
/// When the file cannot be read or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path)
        .map_err(Error::read(path))?
        .replace("\r\n", "\n"))
}

/// A TOML file as a table.
///
/// # Errors
/// When the file cannot be read or is no TOML.
pub(crate) fn read_table(path: &Path) -> Result<Table> {
    read_text(path)?.parse().map_err(|source| Error::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// A TOML value as text that does not depend on key order, comments or layout.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            // Sorted here: the order of a table's keys depends on a feature of the toml
            // crate that any other package in the build can switch on.
            let mut keys: Vec<_> = table.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            let pairs: Vec<_> = keys
                .into_iter()
                .map(|(key, value)| format!("{key:?}={}", text(value)))
                .collect();
            format!("{{{}}}", pairs.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(","))
        }
        Value::String(string) => format!("{string:?}"),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(toml: &str) -> String {
        text(&Value::Table(toml.parse().expect("TOML")))
    }

    #[test]
    fn layout_does_not_count() {
        assert_eq!(
            canonical("b = [1, 'x']\n[a]\nd = 1 # why\nc = true"),
            canonical("a = { c = true, d = 1 }\nb = [\n  1,\n  \"x\",\n]"),
        );
    }

    #[test]
    fn values_and_their_types_count() {
        let texts = [
            "a = 1",
            "a = '1'",
            "a = [1]",
            "a = 2",
            "b = 1",
            "a = { a = 1 }",
        ]
        .map(canonical);
        for (index, text) in texts.iter().enumerate() {
            assert!(!texts[index + 1..].contains(text), "{text}");
        }
    }

    #[test]
    fn where_one_content_ends_counts() {
        let digest = |contents: &[(&str, &str)]| {
            let mut digester = Digester::default();
            for (name, content) in contents {
                digester.add(name, content);
            }
            digester.finish()
        };
        assert_ne!(digest(&[("a", "bc")]), digest(&[("ab", "c")]));
        assert_ne!(
            digest(&[("a", "b"), ("c", "d")]),
            digest(&[("a", "b\u{1}c"), ("", "d")])
        );
    }
}
