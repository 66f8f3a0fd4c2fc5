//! Answers and errors, as a person or a program reads them.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use poolwarden::{Answer, Error, Request, visible};
use serde::Serialize;
use serde_json::Value;

use super::table;
use crate::hint::hint;

/// The pool's version in answers that no policy writes.
pub(super) const POOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest message, in characters: it may quote a session id of a megabyte.
const LONGEST_MESSAGE: usize = 4000;

/// Prints an answer: JSON as the policy wrote it, or a table. That no session has the sid
/// which was asked for is said beside the JSON as well.
///
/// # Errors
/// When standard output cannot be written; a reader that went away is none.
pub(super) fn print(request: &Request, answer: &Answer, json: bool) -> io::Result<()> {
    if json {
        write_json(&format!("{}\n", answer.text()))?;
        if let Some(sid) = table::unknown_sid(request, &answer.value()) {
            eprintln!("hint: {}", table::no_session(sid));
        }
        return Ok(());
    }
    write(&table::render(request, &answer.value()))
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
        return write_json(&format!("{}\n", serde_json::to_string(answer)?));
    }
    write(&table(&serde_json::to_value(answer)?))
}

/// Writes JSON to standard output: to a program the text as it is, to a terminal nothing
/// that it would obey.
///
/// # Errors
/// As [`write`].
pub(super) fn write_json(text: &str) -> io::Result<()> {
    if io::stdout().is_terminal() {
        write(&visible::json(text))
    } else {
        write(text)
    }
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

/// Says to a person whose pool is empty because it is not there: its name may be misspelt.
pub(super) fn tell_of_absent_pool(directory: &Path) {
    if matches!(directory.try_exists(), Ok(false)) {
        eprintln!(
            "hint: there is no directory {} yet, which is an empty pool",
            line(&directory.display().to_string())
        );
    }
}

/// A message, which may quote text from anywhere, as one line for a terminal.
pub(super) fn line(text: &str) -> String {
    visible::bounded_line(text, LONGEST_MESSAGE)
}

/// Standard error for the log, whose lines quote text from anywhere too: each is one line,
/// and fit for a terminal.
pub(crate) struct LogLines;

impl Write for LogLines {
    /// The log writes each of its lines in one call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut shown = visible::line(text.trim_end_matches('\n'));
        shown.push('\n');
        io::stderr().lock().write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
