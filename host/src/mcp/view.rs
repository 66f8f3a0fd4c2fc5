//! How an answer of the policy is shown to the caller of a tool.
//!
//! The lists of an answer stay as the policy wrote them, unless the caller asked for a part of
//! them. What the caller should know beside them stands in `note`, with whole commands.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::arguments::StatusFilter;
use super::fields::{Fields, list, object};
use super::near::close_to;
use super::tools::shortened;

/// How many sessions `pool_list` shows unless the caller asks for more.
pub(super) const LISTED: u64 = 100;

/// Of how many sessions that were refused the way out is told, and how many are named.
const NAMED: usize = 5;

/// The longest that a call without a progress token waits for workers to exit: official clients
/// give up on a call after 60 s, and one that hears nothing cannot be kept waiting.
pub(super) const WITHOUT_PROGRESS: Duration = Duration::from_secs(50);

/// How an answer is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// As the policy wrote it.
    Whole,
    /// The sessions of a status, for one sid or all.
    Status { sid: Option<String>, filter: Filter },
    /// The forecast of an ensure, as a list.
    List(Filter),
    /// What came of a stop.
    Stop {
        sid: Option<String>,
        /// The grace period that was asked for, and whether a kill was, where the call was to
        /// return earlier.
        returned_early: Option<(Duration, bool)>,
    },
}

/// Which sessions are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    limit: Option<usize>,
    status: Option<StatusFilter>,
    prefix: Option<String>,
}

/// What the host looks up for a view, where that is needed.
pub(super) trait Lookup {
    /// The ids of all sessions.
    fn sids(&self) -> Vec<String>;
    /// What there is to do about a session that was refused.
    fn way_out(&self, sid: &str) -> Option<String>;
    /// The ids of the sessions whose kill was withdrawn when a stop was cancelled.
    fn withdrawn_kills(&self) -> Vec<String>;
}

/// An answer as the caller gets it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    /// Whether nobody that was to stop has ended.
    pub(super) failed: bool,
}

impl Filter {
    pub(super) fn new(
        limit: Option<u64>,
        status: Option<StatusFilter>,
        prefix: Option<String>,
    ) -> Self {
        Self {
            limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            status,
            prefix,
        }
    }

    fn matches(&self, session: &Session<'_>) -> bool {
        let status = self
            .status
            .is_none_or(|status| status.word() == session.status);
        let prefix = self.prefix.as_deref();
        status && prefix.is_none_or(|prefix| session.sid.starts_with(prefix))
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

/// What a view looks at in a session.
#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow)]
    sid: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Cow<'a, str>,
}

/// What a view looks at in an outcome of a stop.
#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow)]
    sid: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
}

impl View {
    /// The policy's answer as the caller gets it.
    pub(super) fn show(&self, answer: String, lookup: &impl Lookup) -> Shown {
        let shown = match self {
            Self::Whole => None,
            Self::Status { sid, filter } => show_status(&answer, sid.as_deref(), filter, lookup)
                .map(|text| Shown {
                    text,
                    failed: false,
                }),
            Self::List(filter) => show_list(&answer, filter).map(|text| Shown {
                text,
                failed: false,
            }),
            Self::Stop {
                sid,
                returned_early,
            } => show_stop(&answer, sid.as_deref(), *returned_early, lookup),
        };
        shown.unwrap_or_else(|| Shown {
            text: answer,
            failed: false,
        })
    }
}

/// None where there is nothing to change.
fn show_status(
    text: &str,
    sid: Option<&str>,
    filter: &Filter,
    lookup: &impl Lookup,
) -> Option<String> {
    let is_filtered = *filter != Filter::default();
    // A list of thousands is only read where something may be to say about it.
    if sid.is_none() && !is_filtered && !text.contains("\"stopping\"") {
        return None;
    }
    let fields = Fields::of(text)?;
    let all = fields.items("sessions")?;
    let unknown = sid.filter(|_| all.is_empty());
    let note = match unknown {
        Some(sid) => Some(no_session(sid, lookup)),
        None => withdrawn(&all, lookup),
    };
    if !is_filtered {
        return note.map(|note| fields.with(Some(&note), &[]));
    }
    let (shown, left_out) = select(&all, filter, filter.limit())?;
    let changed = [
        ("sessions", list(&shown)),
        ("left_out", left_out.to_string()),
    ];
    Some(fields.with(note.as_deref(), &changed))
}

/// Whose kill was withdrawn, of these sessions.
fn withdrawn(sessions: &[&RawValue], lookup: &impl Lookup) -> Option<String> {
    let sessions: Option<Vec<Session<'_>>> = sessions
        .iter()
        .map(|session| serde_json::from_str(session.get()).ok())
        .collect();
    let mut stopping = sessions?;
    stopping.retain(|session| session.status == "stopping");
    if stopping.is_empty() {
        return None;
    }
    let spared = lookup.withdrawn_kills();
    stopping.retain(|session| spared.iter().any(|sid| *sid == session.sid));
    let named_ones: Vec<_> = stopping.iter().map(|one| one.sid.as_ref()).collect();
    (!named_ones.is_empty()).then(|| {
        format!(
            "the kill that was to follow was withdrawn, because the stop was cancelled: {}; stop \
             again with force to kill",
            named(&named_ones)
        )
    })
}

fn show_list(text: &str, filter: &Filter) -> Option<String> {
    let fields = Fields::of(text)?;
    let mut dead = fields.items("removed").unwrap_or_default();
    let found_dead = dead.len();
    dead.retain(|one| {
        let session = serde_json::from_str::<Session<'_>>(one.get());
        filter.status.is_none() && session.is_ok_and(|session| filter.matches(&session))
    });
    dead.truncate(filter.limit());
    let room = filter.limit() - dead.len();
    let (sessions, left_out) = select(&fields.items("sessions")?, filter, room)?;
    let left_out = left_out + found_dead - dead.len();
    let version = fields.get("pool_version").map_or("\"\"", RawValue::get);
    Some(object(&[
        ("sessions", list(&sessions)),
        ("dead", list(&dead)),
        ("left_out", left_out.to_string()),
        ("pool_version", version.to_owned()),
    ]))
}

/// The sessions that a filter shows, at most so many and first those that are not simply
/// running, and how many it leaves out.
fn select<'a>(
    all: &[&'a RawValue],
    filter: &Filter,
    limit: usize,
) -> Option<(Vec<&'a RawValue>, usize)> {
    let (mut exceptions, mut running) = (Vec::new(), Vec::new());
    for item in all {
        let session: Session<'_> = serde_json::from_str(item.get()).ok()?;
        if filter.matches(&session) {
            match session.status.as_ref() {
                "running" => running.push(*item),
                _ => exceptions.push(*item),
            }
        }
    }
    exceptions.append(&mut running);
    exceptions.truncate(limit);
    let left_out = all.len() - exceptions.len();
    Some((exceptions, left_out))
}

fn show_stop(
    text: &str,
    sid: Option<&str>,
    returned_early: Option<(Duration, bool)>,
    lookup: &impl Lookup,
) -> Option<Shown> {
    let fields = Fields::of(text)?;
    let outcomes = fields.items("outcomes")?;
    let outcomes: Vec<Outcome<'_>> = outcomes
        .iter()
        .map(|outcome| serde_json::from_str(outcome.get()).ok())
        .collect::<Option<_>>()?;
    let with = |word: &str| -> Vec<&str> {
        let those = outcomes.iter().filter(|one| one.outcome == word);
        those.map(|one| one.sid.as_ref()).collect()
    };
    let is_forecast = fields.get("dry_run").map(RawValue::get) == Some("true");
    let stopped = fields.items("stopped")?;
    let failed = !is_forecast && !outcomes.is_empty() && stopped.is_empty();
    let mut notes = Vec::new();
    if let Some(sid) = sid.filter(|_| outcomes.is_empty()) {
        notes.push(format!("{}; nobody was stopped", no_session(sid, lookup)));
    }
    if failed {
        notes.push("nobody that was to stop has ended".to_owned());
    }
    let signalled = with("signalled");
    if !signalled.is_empty() {
        notes.push(format!(
            "signalled only, and not waited for: {}; pool_status says whether they still run",
            named(&signalled)
        ));
    }
    let running = with("still-running");
    if let (Some((grace, kills)), false) = (returned_early, running.is_empty()) {
        notes.push(early(&named(&running), grace, kills));
    }
    for sid in with("refused").into_iter().take(NAMED) {
        if let Some(way_out) = lookup.way_out(sid) {
            notes.push(format!("{}: {way_out}", quoted(sid)));
        }
    }
    if notes.is_empty() {
        return None;
    }
    Some(Shown {
        text: fields.with(Some(&notes.join(". ")), &[]),
        failed,
    })
}

/// What is said of workers that still run when a call returns before its time.
fn early(running: &str, grace: Duration, kills: bool) -> String {
    let kill = if kills {
        " Nobody was killed: that was to come after the grace period."
    } else {
        ""
    };
    format!(
        "still running: {running}. This call returned after {} s, before the {} s that it was to \
         wait, because most clients give up on a call after 60 s.{kill} Call again to go on, or \
         send a progress token: then a call waits all of grace_ms",
        WITHOUT_PROGRESS.as_secs(),
        grace.as_secs()
    )
}

/// That no session has this id, and which ones are close.
fn no_session(sid: &str, lookup: &impl Lookup) -> String {
    let known = lookup.sids();
    let close = close_to(sid, &known);
    let others = if known.is_empty() {
        "the pool has no sessions".to_owned()
    } else if !close.is_empty() {
        format!("close to it: {}", named(&close))
    } else if known.len() <= NAMED {
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        format!("the sessions are {}", named(&known))
    } else {
        format!("none of the {} sessions is close to it", known.len())
    };
    format!("no session has the sid {}; {others}", quoted(sid))
}

/// Some session ids, and how many more there are.
fn named(sids: &[&str]) -> String {
    let shown: Vec<_> = sids.iter().take(NAMED).map(|sid| quoted(sid)).collect();
    let shown = shown.join(", ");
    match sids.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

fn quoted(sid: &str) -> String {
    format!("{:?}", shortened(sid))
}

#[cfg(test)]
#[path = "view/tests.rs"]
mod tests;
