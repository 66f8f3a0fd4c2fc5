//! Answers and errors, as a person or a program reads them.

use std::io::{self, Write};

use poolwarden::{Answer, Error, Request};
use serde::Serialize;
use serde_json::Value;

use super::table;
use crate::hint::hint;

/// The pool's version in answers that no policy writes.
pub(super) const POOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints an answer: JSON as the policy wrote it, or a table.
///
/// # Errors
/// When standard output cannot be written; a reader that went away is none.
pub(super) fn print(request: &Request, answer: &Answer, json: bool) -> io::Result<()> {
    let text = if json {
        format!("{}\n", answer.text())
    } else {
        table::render(request, &answer.value())
    };
    write(&text)
}

/// Prints an answer of this program's own: JSON in one line, or a table.
///
/// # Errors
/// As [`print`].
pub(super) fn print_own<T: Serialize>(
    answer: &T,
    json: bool,
    table: impl FnOnce(&Value) -> String,
) -> io::Result<()> {
    if json {
        return write(&format!("{}\n", serde_json::to_string(answer)?));
    }
    write(&table(&serde_json::to_value(answer)?))
}

/// Writes to standard output.
///
/// # Errors
/// When it cannot be written; a reader that went away is none.
pub(super) fn write(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Says on standard error why a request failed, and what to do.
pub(super) fn complain(error: &Error) {
    eprintln!("error: {}", line(&error.to_string()));
    if let Some(hint) = hint(error) {
        eprintln!("hint: {}", line(&hint));
    }
}

/// Text from files and processes, made harmless for a terminal: control characters and
/// those that reorder or hide text are escaped.
pub(super) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

/// Characters without a picture of their own that change how others are shown:
/// bidirectional controls (Unicode Standard Annex 9), zero-width characters, line and
/// paragraph separators, the byte order mark, tags.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_attacked() {
        assert_eq!(
            line("a\x1b[2J\n\u{202E}b\u{200B}"),
            "a\\u{1b}[2J\\u{a}\\u{202e}b\\u{200b}"
        );
        assert_eq!(line("grün 作業"), "grün 作業");
    }
}
