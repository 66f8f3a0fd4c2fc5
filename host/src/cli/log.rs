//! `log`: what the audit trail says.

use std::io;

use poolwarden::audit::{Action, Event, History};
use serde_json::{Value, json};

use super::arguments::LogArguments;
use super::table::{Columns, section};
use super::{Exit, Options, as_json, directory, output, tell_of_absent_pool};
use crate::stderr::say;

const ACTIONS: Columns = &[
    ("TIME", "at"),
    ("EVENT", "event"),
    ("SID", "sid"),
    ("PID", "pid"),
    ("SIGNAL", "signal"),
    ("STANDING", "standing"),
    ("RESULT", "result"),
    ("WHO", "who"),
    ("EVIDENCE", "evidence"),
];

/// Prints the trail of the pool, the newest effect last: a table, or a line of JSON for each. It
/// takes no lock and makes nothing.
///
/// # Errors
/// When the directory or standard output cannot be used. What of the trail cannot be read
/// is said on standard error, and the rest is printed.
pub(super) fn run(options: &Options, arguments: &LogArguments) -> anyhow::Result<Exit> {
    let directory = directory(options)?;
    let sid = arguments.sid();
    let History {
        mut actions,
        problems,
    } = History::read(&directory)?;
    if let Some(sid) = sid {
        actions.retain(|action| action.sid == sid);
    }
    if let Some(count) = arguments.count {
        actions.drain(..actions.len().saturating_sub(count));
    }
    if as_json(options) {
        output::write_json(&lines(&actions)?)?;
        if let (Some(sid), true) = (sid, actions.is_empty()) {
            say!("hint: {}", nothing_done(Some(sid)));
        }
    } else {
        output::write(&table(&actions, sid))?;
    }
    tell_of_absent_pool(options, &directory);
    for problem in &problems {
        say!("warning: {}", output::line(&problem.to_string()));
    }
    Ok(Exit::Ok)
}

fn lines(actions: &[Action]) -> io::Result<String> {
    let mut text = String::new();
    for action in actions {
        text.push_str(&serde_json::to_string(action)?);
        text.push('\n');
    }
    Ok(text)
}

/// Says that there is nothing to show, of one session or at all. Whether there is such a
/// session the trail does not know.
fn nothing_done(sid: Option<&str>) -> String {
    match sid {
        Some(sid) => format!(
            "nothing was done to a session with the sid \"{}\"",
            output::line(sid)
        ),
        None => "nothing was done".into(),
    }
}

fn table(actions: &[Action], sid: Option<&str>) -> String {
    let mut text = String::new();
    let rows = actions.iter().map(row).collect();
    section(&mut text, None, ACTIONS, &Value::Array(rows));
    if text.is_empty() {
        text.push_str(&format!("{}\n", nothing_done(sid)));
    }
    text
}

fn row(action: &Action) -> Value {
    json!({
        "at": action.at,
        "event": action.event.name(),
        "sid": action.sid,
        // A repair of a file is about no process.
        "pid": (action.pid != 0 || action.event != Event::Repair).then_some(action.pid),
        "signal": action.signal.map(|signal| {
            let reach = if action.group { " group" } else { "" };
            format!("{signal}{reach}")
        }),
        "standing": action.standing,
        "result": action.result,
        "who": action.asked_by.as_ref().map(ToString::to_string),
        "evidence": action.evidence,
    })
}
