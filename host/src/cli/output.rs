//! Answers and errors, as a person or a program reads them.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use poolwarden::{Answer, Error, Request, visible};
use serde::Serialize;
use serde_json::Value;

use super::table;
use crate::hint::hint;
use crate::stderr::{self, say};

/// The pool's version in answers that no policy writes.
pub(super) const POOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest message, in characters: it may quote a session id of a megabyte.
const LONGEST_MESSAGE: usize = 4000;

/// What was asked was done, and nobody was told.
#[derive(Debug, thiserror::Error)]
#[error(
    "the request was carried out, but its answer cannot be written to standard output; \
     `poolwarden status` and `poolwarden log` show what it did"
)]
pub(super) struct Untold {
    source: io::Error,
}

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub(super) struct Unwritten {
    source: io::Error,
}

impl From<Unwritten> for Untold {
    fn from(Unwritten { source }: Unwritten) -> Self {
        Self { source }
    }
}

/// Prints the answers to requests of one kind as one: JSON, of a single one as the policy wrote
/// it, or tables. That no session has a sid which was asked for is said beside the JSON as well.
///
/// # Errors
/// When standard output cannot be written; a reader that went away is none.
pub(super) fn print(requests: &[Request], answers: &[Answer], json: bool) -> Result<(), Untold> {
    let values: Vec<_> = answers.iter().map(Answer::value).collect();
    let unknown = requests.iter().zip(&values);
    let unknown = unknown.filter_map(|(request, answer)| table::unknown_sid(request, answer));
    let unknown: Vec<_> = unknown.collect();
    if !json {
        return tell(&table::render(requests, &together(&values), &unknown));
    }
    let text = match answers {
        [only] => format!("{}\n", only.text()),
        _ => format!("{}\n", together(&values)),
    };
    write_json(&text)?;
    for sid in unknown {
        say!("hint: {}", table::no_session(sid));
    }
    Ok(())
}

/// Several answers as one: their lists joined in their order, and what is no list as the last
/// of them says it.
fn together(answers: &[Value]) -> Value {
    if let [only] = answers {
        return only.clone();
    }
    let mut joined = serde_json::Map::new();
    for (name, value) in answers.iter().filter_map(Value::as_object).flatten() {
        match (joined.get_mut(name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
            _ => {
                joined.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(joined)
}

/// Says which sessions were not asked about because the request about the first of these failed.
pub(super) fn tell_of_the_rest(sids: &[&str]) {
    if let [failed, rest @ ..] = sids
        && !rest.is_empty()
    {
        let rest = rest.join(", ");
        let told = format!("it failed at {failed}; nothing was done about {rest}");
        say!("hint: {}", line(&told));
    }
}

/// Writes the answer to a request that was carried out.
///
/// # Errors
/// As [`print`].
pub(super) fn tell(answer: &str) -> Result<(), Untold> {
    Ok(write(answer)?)
}

/// Prints an answer of this program's own: JSON in one line, or a table.
///
/// # Errors
/// As [`print`].
pub(super) fn print_own<T: Serialize>(
    answer: &T,
    json: bool,
    table: impl FnOnce(&Value) -> String,
) -> Result<(), Untold> {
    let unwritten = |error: serde_json::Error| Unwritten {
        source: error.into(),
    };
    if json {
        let text = serde_json::to_string(answer).map_err(unwritten)?;
        return Ok(write_json(&format!("{text}\n"))?);
    }
    tell(&table(&serde_json::to_value(answer).map_err(unwritten)?))
}

/// Writes JSON to standard output: to a program the text as it is, to a terminal nothing
/// that it would obey.
///
/// # Errors
/// As [`write`].
pub(super) fn write_json(text: &str) -> Result<(), Unwritten> {
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
pub(super) fn write(text: &str) -> Result<(), Unwritten> {
    // Where both are one terminal, the answer comes after the log.
    stderr::flush(stderr::PATIENCE);
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|source| Unwritten { source }),
    }
}

/// Says on standard error why a request failed, and what to do.
pub(super) fn complain(error: &Error, pool: &Path) {
    say!("error: {}", line(&error.to_string()));
    if let Some(hint) = hint(error, pool) {
        say!("hint: {}", line(&hint));
    }
}

/// Says that a pool is empty because it is not there: its name may be misspelt.
pub(super) fn tell_of_absent_pool(directory: &Path) {
    if matches!(directory.try_exists(), Ok(false)) {
        say!(
            "hint: there is no directory {} yet, which is an empty pool",
            line(&directory.display().to_string())
        );
    }
}

/// A message, which may quote text from anywhere, as one line for a terminal.
pub(super) fn line(text: &str) -> String {
    visible::bounded_line(text, LONGEST_MESSAGE)
}
