//! A pool's state on one page, for a person.

use nix::unistd::{Uid, User};
use poolwarden::doctor::{
    Damage, DirectoryState, LedgerState, LockState, OtherFiles, RegistryState, Report, State,
    TrailState,
};
use serde_json::{Value, json};

use crate::cli::output::line;
use crate::cli::table::{self, Columns};

const ENTRIES: Columns = &[
    ("SID", "sid"),
    ("PID", "pid"),
    ("STANDING", "standing"),
    ("ENSURE", "ensure"),
    ("STOP", "stop"),
    ("EVIDENCE", "evidence"),
];
const ORPHANS: Columns = &[
    ("SID", "sid"),
    ("PID", "pid"),
    ("STANDING", "standing"),
    ("SINCE", "running_since"),
    ("SOCKET", "sock"),
    ("COMMAND", "command"),
    ("EVIDENCE", "evidence"),
    ("KEPT OUT", "kept_out"),
];
const REMAINS: Columns = &[
    ("SID", "sid"),
    ("WORKER", "leader"),
    ("PID", "pid"),
    ("SINCE", "running_since"),
    ("COMMAND", "command"),
];
const LOST: Columns = &[
    ("BYTE", "offset"),
    ("BYTES", "length"),
    ("TEXT", "text"),
    ("WHY", "why"),
];

/// How many rows of a table are shown. What is wrong is on the page whatever their number.
const ROWS: usize = 40;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let fields = [
        ("POOL", directory(&report.pool)),
        ("LOCK", lock(&report.lock)),
        ("REGISTRY", registry(&report.registry)),
        ("LEDGER", ledger(&report.ledger)),
        ("TRAIL", trail(&report.trail)),
        ("CONFIGURATION", configuration(report)),
        ("FILES", files(&report.files)),
        ("ENTRIES", standings(report)),
    ];
    let fields = fields.map(|(title, words)| (title, json!(words)));
    let mut text = table::record(&fields.each_ref().map(|(title, words)| (*title, words)));
    if let Some(found) = &report.registry.damage {
        text.push_str(&damage(found));
    }
    let rows = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
    rest(
        &mut text,
        "\nno entry can be made of:",
        LOST,
        rows(serde_json::to_value(&report.registry.lost)),
    );
    rest(
        &mut text,
        "\nentries:",
        ENTRIES,
        rows(serde_json::to_value(&report.entries)),
    );
    let mut orphans = rows(serde_json::to_value(&report.orphans));
    for orphan in orphans.as_array_mut().into_iter().flatten() {
        let words = orphan["command"].as_array().into_iter().flatten();
        let command: Vec<_> = words.filter_map(Value::as_str).collect();
        orphan["command"] = json!(command.join(" "));
    }
    rest(
        &mut text,
        "\nworkers that no entry names:",
        ORPHANS,
        orphans,
    );
    let mut remains = rows(serde_json::to_value(&report.remains));
    for one in remains.as_array_mut().into_iter().flatten() {
        let words = one["command"].as_array().into_iter().flatten();
        let command: Vec<_> = words.filter_map(Value::as_str).collect();
        one["command"] = json!(command.join(" "));
    }
    rest(
        &mut text,
        "\nprocesses that outlive their worker:",
        REMAINS,
        remains,
    );
    for note in &report.notes {
        text.push_str(&format!("\nnote: {}\n", line(note)));
    }
    if report.healthy {
        text.push_str("\nnothing is wrong\n");
    } else {
        text.push_str("\nwrong:\n");
    }
    for problem in &report.problems {
        text.push_str(&format!(
            "- {}\n  {}\n",
            line(&problem.what),
            line(&problem.remedy)
        ));
    }
    text
}

/// What a repair would do.
pub(super) fn plan(words: &[String]) -> String {
    list("\na repair (--fix) would:\n", words)
}

/// What a repair has done.
pub(super) fn repaired(words: &[String]) -> String {
    list("\nrepaired:\n", words)
}

fn list(heading: &str, words: &[String]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let lines = words.iter().map(|words| format!("- {}\n", line(words)));
    heading.to_owned() + &lines.collect::<String>()
}

/// A table, of which no more than a page is shown.
fn rest(text: &mut String, heading: &str, columns: Columns, mut rows: Value) {
    let more = match rows.as_array_mut() {
        Some(rows) => {
            let more = rows.len().saturating_sub(ROWS);
            // Those that are not simply alive are what somebody looks for.
            if more > 0 {
                rows.sort_by_key(|row| row["standing"] == "alive");
                rows.truncate(ROWS);
            }
            more
        }
        None => 0,
    };
    table::section(text, Some(heading), columns, &rows);
    if more > 0 {
        text.push_str(&format!("and {more} more, which --json shows\n"));
    }
}

fn directory(found: &DirectoryState) -> String {
    let mut words = vec![found.path.display().to_string()];
    if let Some(target) = &found.link_to {
        words.push(format!("a symbolic link to {}", target.display()));
    }
    if found.state == State::Absent {
        words.push("not there yet".into());
    }
    if let Some(owner) = found.owner {
        let user = User::from_uid(Uid::from_raw(owner)).ok().flatten();
        words.push(match user {
            Some(user) => format!("owned by {} ({owner})", user.name),
            None => format!("owned by {owner}"),
        });
    }
    words.extend(found.mode.as_ref().map(|mode| format!("mode {mode}")));
    words.extend(found.file_system.clone());
    words.extend(found.available.map(|bytes| format!("{} free", size(bytes))));
    words.join(", ")
}

fn lock(found: &LockState) -> String {
    match found {
        LockState::Absent => "none yet".into(),
        LockState::Free => "free".into(),
        LockState::Held { holder, waited_ms } => {
            let since = holder.running_since.as_ref();
            let since = since.map_or_else(String::new, |since| format!(", running since {since}"));
            format!("held by {}{since}; waited {waited_ms} ms", holder.holder)
        }
        LockState::Unusable { why } => why.clone(),
    }
}

fn registry(found: &RegistryState) -> String {
    let mut words = vec![
        match found.state {
            State::Absent => "none yet, which is an empty pool",
            State::Healthy => "readable",
            State::Damaged | State::Unusable => "CANNOT BE READ",
        }
        .to_owned(),
    ];
    words.extend(found.size.map(size));
    words.extend(found.written.as_ref().map(|time| format!("written {time}")));
    words.join(", ")
}

fn damage(found: &Damage) -> String {
    let place = format!(
        "line {}, column {}, byte {}",
        found.line, found.column, found.offset
    );
    let from_there = match found.from_there.as_str() {
        "" => "(the end of the file)",
        text => text,
    };
    let fields = [
        ("DAMAGE", json!(found.detail)),
        ("AT", json!(place)),
        ("BEFORE IT", json!(found.before)),
        ("FROM THERE", json!(from_there)),
        ("USUAL CAUSE", json!(found.cause)),
    ];
    format!(
        "\n{}",
        table::record(&fields.each_ref().map(|(title, words)| (*title, words)))
    )
}

fn ledger(found: &LedgerState) -> String {
    match found.state {
        State::Absent => "none yet".into(),
        State::Healthy => format!("{} rows", found.rows),
        State::Damaged | State::Unusable => format!(
            "{} rows can be read, {} cannot: {}",
            found.rows,
            found.damaged_rows,
            found.detail.as_deref().unwrap_or_default()
        ),
    }
}

fn trail(found: &TrailState) -> String {
    let mut words = match found.state {
        State::Absent => "nothing was done yet".to_owned(),
        _ => format!(
            "{} effects in {} of {} files",
            found.effects,
            size(found.size),
            found.files
        ),
    };
    if found.damaged_lines > 0 {
        words.push_str(&format!(", {} lines cannot be read", found.damaged_lines));
    }
    words
}

fn configuration(report: &Report) -> String {
    let found = &report.configuration;
    let mut words = vec![match (&found.file, &found.detail) {
        (_, Some(why)) => why.clone(),
        (Some(file), None) => file.display().to_string(),
        (None, None) => "none".into(),
    }];
    if let Some(policy) = &found.policy {
        words.push(format!("policy {}", policy.path.display()));
        words.push(match &policy.sha256 {
            Some(sha256) => format!("sha256 {sha256}"),
            None => "which CANNOT BE USED".into(),
        });
    }
    words.join(", ")
}

fn files(found: &OtherFiles) -> String {
    let mut words = Vec::new();
    for (what, names) in [
        ("left behind", &found.leftovers),
        ("put aside by a repair", &found.set_aside),
        ("sockets that nobody serves", &found.stale_sockets),
    ] {
        if !names.is_empty() {
            words.push(format!("{what}: {}", names.join(", ")));
        }
    }
    words.join("; ")
}

/// How many entries have which standing.
fn standings(report: &Report) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for entry in &report.entries {
        match counts
            .iter_mut()
            .find(|(standing, _)| *standing == entry.standing)
        {
            Some((_, count)) => *count += 1,
            None => counts.push((entry.standing, 1)),
        }
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(standing, count)| format!("{count} {standing}"))
        .collect();
    let salvaged = match report.registry.state {
        State::Damaged => " that can be salvaged",
        _ => "",
    };
    match report.entries.len() {
        0 => format!("none{salvaged}"),
        number => format!("{number}{salvaged}: {}", counts.join(", ")),
    }
}

/// Bytes in a unit that a person reads.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut number = bytes;
    let mut shown = format!("{bytes} bytes");
    for unit in UNITS {
        if number < 10 * 1024 {
            break;
        }
        number /= 1024;
        shown = format!("{number} {unit}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_that_a_person_reads() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(10_239), "10239 bytes");
        assert_eq!(size(10_240), "10 KiB");
        assert_eq!(size(64 << 20), "64 MiB");
        assert_eq!(size(u64::MAX), "16777215 TiB");
    }

    #[test]
    fn a_table_is_cut_to_a_page_and_shows_what_is_not_alive() {
        let rows: Vec<_> = (0..ROWS + 5)
            .map(|n| json!({"sid": n, "standing": if n == 44 { "gone" } else { "alive" }}))
            .collect();
        let mut text = String::new();
        rest(&mut text, "entries:", ENTRIES, Value::Array(rows));
        assert!(text.contains("44") && text.contains("and 5 more"), "{text}");
        assert_eq!(text.lines().count(), ROWS + 3);
    }
}
