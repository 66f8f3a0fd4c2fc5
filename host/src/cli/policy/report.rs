//! What replays found, for a person and for a program.

use std::fmt::Display;
use std::path::Path;

use jiff::Timestamp;
use poolwarden::Request;
use poolwarden::recording::{Failure, Outcome, Recording};
use poolwarden::replay::{Change, Delta, Difference, Effects, Replayed};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::Exit;
use super::super::output::line;

/// The longest value, and the most changes of one answer, that a person is shown.
const LONGEST: usize = 160;
const MOST: usize = 20;

/// What came of all replays.
#[derive(Default, Serialize)]
pub(super) struct Report {
    /// How many requests were replayed.
    requests: usize,
    /// How many of them differ.
    different: usize,
    /// In how many the policy failed.
    failed: usize,
    /// How many were not replayed, because their clients had withdrawn them.
    pub(super) withdrawn: usize,
    differences: Vec<Different>,
    /// What could not be read or replayed.
    pub(super) problems: Vec<String>,
}

/// A request that the policy treats otherwise, or in which it fails.
#[derive(Serialize)]
struct Different {
    /// As far as it is text.
    file: String,
    line: u64,
    at: Option<String>,
    request: Request,
    recorded: Side,
    replayed: Side,
    difference: Difference,
}

/// What came of a request, and what was done for it.
#[derive(Serialize)]
struct Side {
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    done: Effects,
}

impl Report {
    /// Adds what came of one replay.
    pub(super) fn add(&mut self, file: &Path, line: u64, of: &Recording, replayed: Replayed) {
        self.requests += 1;
        let failed = replayed.policy_failed();
        self.failed += usize::from(failed);
        let differs = !replayed.difference.is_empty();
        self.different += usize::from(differs);
        if !differs && !failed {
            return;
        }
        self.differences.push(Different {
            file: file.display().to_string(),
            line,
            at: Timestamp::try_from(of.at)
                .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
                .ok(),
            request: of.request.clone(),
            recorded: Side::new(replayed.recorded, replayed.did),
            replayed: Side::new(replayed.replayed, replayed.would_do),
            difference: replayed.difference,
        });
    }

    /// Notes something that could not be read or replayed.
    pub(super) fn problem(&mut self, error: anyhow::Error) {
        self.problems.push(format!("{error:#}"));
    }

    pub(super) fn exit(&self) -> Exit {
        if self.failed > 0 {
            Exit::Policy
        } else if self.different > 0 || !self.problems.is_empty() {
            Exit::Failed
        } else {
            Exit::Ok
        }
    }

    /// One JSON object.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|text| text + "\n")
    }

    /// A paragraph for each request that differs, and the sum.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for different in &self.differences {
            different.write(&mut text);
        }
        let requests = match self.requests {
            1 => "1 request replayed".to_owned(),
            count => format!("{count} requests replayed"),
        };
        text.push_str(&format!("{requests}, {} different", self.different));
        for (count, what) in [
            (self.failed, "in which the policy failed"),
            (self.withdrawn, "withdrawn and passed over"),
            (self.problems.len(), "not readable"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text.push('\n');
        text
    }
}

impl Side {
    fn new(outcome: Outcome, done: Effects) -> Self {
        let (answer, failure) = match outcome {
            // An answer is JSON: it was checked, or read from JSON.
            Outcome::Answer(text) => (RawValue::from_string(text).ok(), None),
            Outcome::Failure(failure) => (None, Some(failure)),
        };
        Self {
            answer,
            failure,
            done,
        }
    }
}

impl Different {
    fn write(&self, text: &mut String) {
        let place = format!("{}:{}", self.file, self.line);
        let at = self.at.as_deref().unwrap_or("an unknown time");
        let request = described(&self.request);
        text.push_str(&line(&format!("{place}: {request} at {at}")));
        text.push('\n');
        let Difference {
            answer,
            removed,
            added,
            signalled,
            registry,
        } = &self.difference;
        write_answer(text, answer);
        if let (true, Some(failure)) = (answer.is_empty(), &self.replayed.failure) {
            write_row(
                text,
                "answer",
                &format!("failed as recorded: {}", failure.text),
            );
        }
        write_delta(text, "removed", removed);
        write_delta(text, "added", added);
        write_delta(text, "signalled", signalled);
        if *registry {
            write_row(text, "registry", "written otherwise");
        }
    }
}

/// The request, much as the command line would have it.
fn described(request: &Request) -> String {
    let sid = match request {
        Request::Ensure { .. } => None,
        Request::Status { sid } => sid.as_deref(),
        Request::Stop(stop) => Some(stop.sid.as_deref().unwrap_or("--all")),
        Request::Register(register) => Some(register.sid.as_str()),
        Request::Forget { sid, .. } => Some(sid.as_str()),
    };
    let mut text = request.verb().to_owned();
    for word in sid
        .into_iter()
        .chain(request.is_dry_run().then_some("--dry-run"))
    {
        text.push(' ');
        text.push_str(word);
    }
    text
}

fn write_answer(text: &mut String, changes: &[Change]) {
    for change in changes.iter().take(MOST) {
        let value = |value: &Option<Value>| match value {
            // A whole answer, or the words of a failure.
            Some(Value::String(text)) if change.at.is_empty() => bounded(text),
            Some(value) => bounded(&value.to_string()),
            None => "nothing".to_owned(),
        };
        let (before, after) = (value(&change.recorded), value(&change.replayed));
        let at = match change.at.as_str() {
            "" => String::new(),
            at => format!("{at}: "),
        };
        write_row(text, "answer", &format!("{at}{before} → {after}"));
    }
    if let Some(more @ 1..) = changes.len().checked_sub(MOST) {
        write_row(text, "answer", &format!("… and {more} more changes"));
    }
}

fn write_delta<T: Display>(text: &mut String, what: &str, delta: &Delta<T>) {
    for one in &delta.more {
        write_row(text, what, &format!("+{one}"));
    }
    for one in &delta.fewer {
        write_row(text, what, &format!("-{one}"));
    }
}

fn write_row(text: &mut String, what: &str, how: &str) {
    text.push_str(&format!("  {what:10} {}\n", line(how)));
}

fn bounded(text: &str) -> String {
    let mut characters = text.chars();
    let mut kept: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    kept
}
