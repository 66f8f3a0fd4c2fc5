//! Answers as tables for a terminal.

use poolwarden::{Request, visible};
use serde_json::Value;

/// The longest cell, in characters. What is longer is cut, and whole in the JSON.
const LONGEST_CELL: usize = 500;

/// The widest column, in characters. A cell that is longer pushes what stands behind it
/// aside, in its own row alone.
const WIDEST: usize = 100;

/// The columns of one kind of row: heading, and the field that it shows.
pub(super) type Columns = &'static [(&'static str, &'static str)];

const SESSIONS: Columns = &[
    ("SID", "sid"),
    ("PID", "pid"),
    ("STATUS", "status"),
    ("VERSION", "version"),
    ("CREATED", "created_at"),
    ("SOCKET", "sock"),
    ("EVIDENCE", "evidence"),
];
const STARTED: Columns = &[
    ("SID", "sid"),
    ("PID", "pid"),
    ("VERSION", "version"),
    ("CREATED", "created_at"),
    ("SOCKET", "sock"),
    ("LOG", "log"),
];
const STANDINGS: Columns = &[
    ("SID", "sid"),
    ("PID", "pid"),
    ("STANDING", "standing"),
    ("EVIDENCE", "evidence"),
];
const OUTCOMES: Columns = &[
    ("SID", "sid"),
    ("PID", "pid"),
    ("OUTCOME", "outcome"),
    ("EVIDENCE", "evidence"),
];
const DISMISSALS: Columns = &[
    ("SID", "sid"),
    ("PID", "pid"),
    ("SIGNAL", "signal"),
    ("OUTCOME", "outcome"),
    ("REASON", "reason"),
    ("EVIDENCE", "evidence"),
];

/// The answer to requests of one kind in words and tables, and of which sids there is no
/// session. An empty one says that it is empty.
pub(super) fn render(requests: &[Request], answer: &Value, unknown: &[&str]) -> String {
    let mut text = String::new();
    let Some(request) = requests.first() else {
        return text;
    };
    let say_what_is_not_there = |text: &mut String| {
        for sid in unknown {
            text.push_str(&format!("{}\n", no_session(sid)));
        }
        let removed = requests.iter().any(|request| is_removed(request, answer));
        if text.is_empty() && !removed {
            text.push_str("no workers\n");
        }
    };
    match request {
        Request::Ensure { .. } | Request::Status { .. } => {
            section(&mut text, None, SESSIONS, &answer["sessions"]);
            say_what_is_not_there(&mut text);
            let heading = if request.is_dry_run() {
                "would be removed:"
            } else {
                "removed:"
            };
            section(&mut text, Some(heading), STANDINGS, &answer["removed"]);
            let dismissed = &answer["dismissed"];
            section(&mut text, Some("dismissed:"), DISMISSALS, dismissed);
        }
        Request::Stop(_) => {
            section(&mut text, None, OUTCOMES, &answer["outcomes"]);
            say_what_is_not_there(&mut text);
            for error in answer["errors"].as_array().into_iter().flatten() {
                text.push_str(&format!("error: {}\n", cell(error)));
            }
        }
        Request::Register(_) => {
            let registered = Value::Array(vec![answer["registered"].clone()]);
            section(&mut text, Some("registered:"), SESSIONS, &registered);
            if answer["replaced"].is_object() {
                let replaced = Value::Array(vec![answer["replaced"].clone()]);
                section(&mut text, Some("replaced:"), STANDINGS, &replaced);
            }
            section(&mut text, Some("removed:"), STANDINGS, &answer["removed"]);
        }
        Request::Forget { .. } => {
            section(
                &mut text,
                Some("forgotten:"),
                STANDINGS,
                &answer["forgotten"],
            );
        }
    }
    text
}

/// The sid that was asked for, where the answer is empty because no session has it.
pub(super) fn unknown_sid<'a>(request: &'a Request, answer: &Value) -> Option<&'a str> {
    let is_empty = |field: &str| answer[field].as_array().is_some_and(Vec::is_empty);
    let sid = match request {
        Request::Status { sid } => sid.as_deref().filter(|_| is_empty("sessions")),
        Request::Stop(stop) => {
            let is_empty = ["stopped", "errors", "outcomes"].into_iter().all(is_empty);
            stop.sid.as_deref().filter(|_| is_empty)
        }
        _ => None,
    };
    sid.filter(|_| !is_removed(request, answer))
}

/// The sessions that a stop left as they were: the first few, each of which is worth a hint.
pub(super) fn not_stopped<'a>(request: &Request, answer: &'a Value) -> Vec<&'a str> {
    const HINTS: usize = 5;
    let outcomes = match request {
        Request::Stop(stop) if !stop.dry_run => answer["outcomes"].as_array(),
        _ => None,
    };
    let outcomes = outcomes.into_iter().flatten();
    let left = outcomes.filter(|outcome| {
        let word = outcome["outcome"].as_str();
        matches!(
            word,
            Some("refused" | "failed" | "still-running" | "denied")
        )
    });
    left.filter_map(|outcome| outcome["sid"].as_str())
        .take(HINTS)
        .collect()
}

/// Whether the one session that was asked for had a dead worker, and was collected.
fn is_removed(request: &Request, answer: &Value) -> bool {
    let Request::Status { sid: Some(sid) } = request else {
        return false;
    };
    let mut removed = answer["removed"].as_array().into_iter().flatten();
    removed.any(|one| one["sid"] == sid.as_str())
}

/// Says that no session has this sid.
pub(super) fn no_session(sid: &str) -> String {
    let sid = visible::bounded_line(sid, LONGEST_CELL);
    format!("no session has the sid \"{sid}\"")
}

/// The answer to `run` in words and tables.
pub(super) fn started(answer: &Value) -> String {
    let mut text = String::new();
    let started = Value::Array(vec![answer["started"].clone()]);
    section(&mut text, Some("started:"), STARTED, &started);
    section(&mut text, Some("replaced:"), OUTCOMES, &answer["replaced"]);
    text
}

/// One record, a field in a line; fields that are empty are left out.
pub(super) fn record(fields: &[(&str, &Value)]) -> String {
    let width = fields.iter().map(|(title, _)| title.len()).max();
    let width = width.unwrap_or(0);
    fields
        .iter()
        .map(|(title, value)| (title, cell(value)))
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(title, cell)| format!("{title:width$}  {cell}\n"))
        .collect()
}

/// Appends rows under a heading; nothing when there are none. A column that is empty in
/// every row is left out.
pub(super) fn section(text: &mut String, heading: Option<&str>, columns: Columns, rows: &Value) {
    let Some(rows) = rows.as_array().filter(|rows| !rows.is_empty()) else {
        return;
    };
    if let Some(heading) = heading {
        text.push_str(heading);
        text.push('\n');
    }
    let mut lines = vec![String::new(); rows.len() + 1];
    for (title, field) in columns {
        let cells: Vec<_> = rows.iter().map(|row| cell(&row[field])).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        let cells = std::iter::once((*title).to_owned()).chain(cells);
        let cells: Vec<_> = cells.collect();
        let width = cells
            .iter()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .min(WIDEST);
        for (line, cell) in lines.iter_mut().zip(cells) {
            line.push_str(&format!("{cell:width$}  "));
        }
    }
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// One field, fit for a terminal.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => visible::bounded_line(text, LONGEST_CELL),
        other => visible::bounded_line(&other.to_string(), LONGEST_CELL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolwarden::Stop;
    use proptest::prelude::*;
    use serde_json::json;

    /// The answer to one request.
    fn render(request: &Request, answer: &Value) -> String {
        let unknown = Vec::from_iter(unknown_sid(request, answer));
        super::render(std::slice::from_ref(request), answer, &unknown)
    }

    #[test]
    fn a_table_shows_only_columns_that_say_something() {
        let answer = json!({"sessions": [
            {"sid": "a", "pid": 10, "status": "running", "version": "", "sock": "/s", "created_at": "2026-01-01T00:00:00Z"},
            {"sid": "long\u{1b}", "pid": 7, "status": "foreign", "version": "", "sock": "", "created_at": "", "evidence": "elsewhere"},
        ]});
        insta::assert_snapshot!(render(&Request::Status { sid: None }, &answer), @r"
        SID         PID  STATUS   CREATED               SOCKET  EVIDENCE
        a           10   running  2026-01-01T00:00:00Z  /s
        long\u{1b}  7    foreign                                elsewhere
        ");
    }

    #[test]
    fn a_record_shows_only_fields_that_say_something() {
        let fields = [
            ("SID", &json!("a\n")),
            ("SOCKET", &json!("")),
            ("PID", &json!(10)),
            ("PARENT", &json!(null)),
        ];
        insta::assert_snapshot!(record(&fields), @r"
        SID     a\u{a}
        PID     10
        ");
    }

    #[test]
    fn whom_the_policy_dismissed_is_shown() {
        let answer = json!({"sessions": [], "removed": [], "dismissed": [
            {"sid": "a", "pid": 10, "signal": "SIGTERM", "outcome": "signalled", "reason": "too old"},
        ]});
        insta::assert_snapshot!(render(&Request::Ensure { dry_run: false }, &answer), @r"
        no workers
        dismissed:
        SID  PID  SIGNAL   OUTCOME    REASON
        a    10   SIGTERM  signalled  too old
        ");
    }

    #[test]
    fn a_sid_that_no_session_has_is_named() {
        let status = Request::Status {
            sid: Some("se\u{1b}rch".into()),
        };
        let stop = Request::Stop(Stop {
            sid: Some("se\u{1b}rch".into()),
            ..Stop::default()
        });
        let nobody = json!({"sessions": [], "stopped": [], "errors": [], "outcomes": []});
        for request in [&status, &stop] {
            let shown = render(request, &nobody);
            assert_eq!(shown, "no session has the sid \"se\\u{1b}rch\"\n");
        }
        // One that was there, and is collected, is not said to be unknown.
        let removed = json!({"sessions": [], "removed": [
            {"sid": "se\u{1b}rch", "pid": 10, "standing": "gone", "evidence": "e"},
        ]});
        assert!(render(&status, &removed).starts_with("removed:\n"));
        // Nor is anything said of an answer that another policy writes otherwise.
        assert_eq!(unknown_sid(&status, &json!({"said": "no"})), None);
        let failed = json!({"stopped": [], "errors": ["e"], "outcomes": []});
        assert_eq!(unknown_sid(&stop, &failed), None);
    }

    #[test]
    fn one_long_cell_does_not_make_every_row_long() {
        let sids = ["x".repeat(1 << 20), "y".repeat(200), "z".to_owned()];
        let sessions: Vec<_> = sids
            .iter()
            .map(|sid| json!({"sid": sid, "pid": 1}))
            .collect();
        let text = render(
            &Request::Status { sid: None },
            &json!({"sessions": sessions}),
        );
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], format!("{}…  1", "x".repeat(LONGEST_CELL)));
        assert_eq!(lines[2], format!("{}  1", "y".repeat(200)));
        assert_eq!(lines[3], format!("z{}  1", " ".repeat(WIDEST - 1)));
    }

    #[test]
    fn an_empty_pool_says_so() {
        let answer = json!({"sessions": [], "removed": []});
        assert_eq!(
            render(&Request::Ensure { dry_run: false }, &answer),
            "no workers\n"
        );
    }

    proptest! {
        #[test]
        fn each_row_is_one_line_whatever_its_cells_are(
            rows in prop::collection::vec(
                ("[a\\x00-\\x1f\\x7f-\\x9f\u{202a}-\u{202e}\u{2028}]{0,8}", any::<String>(), any::<u32>()),
                1..5,
            )
        ) {
            let sessions: Vec<_> = rows
                .iter()
                .map(|(sid, sock, pid)| json!({"sid": sid, "sock": sock, "pid": pid}))
                .collect();
            let text = render(&Request::Status { sid: None }, &json!({"sessions": sessions}));
            prop_assert_eq!(text.matches('\n').count(), rows.len() + 1);
            prop_assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
            prop_assert!(!text.contains(|c| ('\u{202a}'..='\u{202e}').contains(&c)), "{text:?}");
        }
    }
}
