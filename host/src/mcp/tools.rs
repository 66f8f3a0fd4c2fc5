//! The tools: their definitions, and what a call of each asks for.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use poolwarden::answer::{Ensured, EnsuredSession, Listed, RemovedSession, Stopped};
use poolwarden::{Budget, Grants, Request, Stop, command};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::json;

use super::arguments::{EnsureArguments, ListArguments, StatusArguments, StopArguments, parse};
use super::schema;
use super::view::{Filter, LISTED, View};

/// When to use which tool, for the model that reads it. The tools' names have this prefix;
/// `pool` is the pool's directory, where that is known.
pub(super) fn instructions(prefix: &str, pool: Option<&Path>) -> String {
    let [ensure, status, stop, list] = PoolTool::ALL.map(|tool| tool.name_with(prefix));
    let adopt = pool.map_or_else(
        || "poolwarden adopt SID".to_owned(),
        |pool| command::on_pool(pool, &["adopt", "SID"]),
    );
    format!(
        "Keeps a pool of long-lived worker processes (servers, indexers and other background \
         processes) that agents share. Use {list} to see what is alive; it changes nothing. Use \
         {status} with a sid for one worker. Use {ensure} before handing work to the pool: it \
         collects the entries of dead workers. Use {stop} with a sid to stop one worker; without \
         a sid it stops ALL of them. A worker that does not exit within grace_ms stays listed as \
         `stopping`; force kills it. No process is signalled that is not proven to be the \
         registered worker: `unproven` and `foreign` sessions are kept and left alone, and the \
         evidence says why. Where an `unproven` one is the worker after all, a person can say \
         so: `{adopt}`."
    )
}

/// A tool of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PoolTool {
    Ensure,
    Status,
    Stop,
    List,
}

/// What a call asks for: a request, and how its answer is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) view: View,
}

/// What `pool_list` answers; for its schema alone.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the answer is made of parts of the policy's")]
struct ListAnswer {
    /// The workers: first those that are not simply running.
    sessions: Vec<EnsuredSession>,
    /// Entries whose process is dead; pool_ensure drops them.
    dead: Vec<RemovedSession>,
    /// How many sessions and dead entries are not shown.
    left_out: u64,
    /// Version of poolwarden.
    pool_version: String,
}

impl PoolTool {
    /// In the order of `tools/list`.
    pub(super) const ALL: [Self; 4] = [Self::Ensure, Self::Status, Self::Stop, Self::List];

    /// The name without a prefix.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ensure => "pool_ensure",
            Self::Status => "pool_status",
            Self::Stop => "pool_stop",
            Self::List => "pool_list",
        }
    }

    /// The name as clients call it.
    pub(super) fn name_with(self, prefix: &str) -> String {
        format!("{prefix}{}", self.name())
    }

    /// The request of this tool that may do the most.
    fn widest_request(self) -> Request {
        match self {
            Self::Ensure => Request::Ensure { dry_run: false },
            Self::Status => Request::Status { sid: None },
            Self::Stop => Request::Stop(Stop {
                force: true,
                ..Stop::default()
            }),
            Self::List => Request::Ensure { dry_run: true },
        }
    }

    /// The definition that clients list, under what the active policy is granted; none where
    /// that is not known, and everything has to be expected.
    pub(super) fn definition(self, prefix: &str, grants: Option<&Grants>) -> Tool {
        let everything = || Grants::named(&Grants::all_names()).unwrap_or_default();
        let grants = grants.map_or_else(|| Cow::Owned(everything()), Cow::Borrowed);
        let budget = Budget::of(&self.widest_request(), &grants);
        let signals = !budget.signals().is_empty();
        let hints = ToolAnnotations::new()
            .read_only(!signals && !budget.may_remove())
            // Entries go only when their process is gone.
            .destructive(signals)
            .idempotent(true)
            // Nothing beyond this machine's processes is reached.
            .open_world(false);
        let (title, text) = match self {
            Self::Ensure => ("Collect dead workers", ensure_text(signals)),
            Self::Status => (
                "Status of workers",
                "Says whether the background process of one worker (sid) or of all is alive: \
                 running, stopping, unproven, foreign or unknown. Entries of dead processes are \
                 collected on the way. limit, status and prefix shorten the list."
                    .into(),
            ),
            Self::Stop => ("Stop workers", stop_text(signals)),
            Self::List => (
                "List workers",
                "Lists the pool's worker processes (servers and other background processes) and \
                 whether each is alive, and changes nothing. Exceptions come first: dead entries, \
                 then what is not simply running. It shows neither memory nor log: the log of an \
                 orphan or any other worker that `poolwarden run` started is logs/SID.log in the \
                 pool's directory."
                    .into(),
            ),
        };
        let (input, output) = self.schemas();
        let mut tool = Tool::new(self.name_with(prefix), text, input)
            .with_title(title)
            .with_annotations(hints);
        tool.output_schema = Some(output.into());
        tool
    }

    /// The schemas of what it takes and of what it answers.
    fn schemas(self) -> (JsonObject, JsonObject) {
        let note = (
            "note",
            json!({"type": "string", "description": "What to know about this answer, and what to do."}),
        );
        let left_out = (
            "left_out",
            json!({"type": "integer", "minimum": 0,
                "description": "How many sessions limit, status and prefix leave out."}),
        );
        match self {
            Self::Ensure => (
                schema::of_input::<EnsureArguments>(),
                schema::of_output::<Ensured>(&[]),
            ),
            Self::Status => (
                schema::of_input::<StatusArguments>(),
                schema::of_output::<Listed>(&[note, left_out]),
            ),
            Self::Stop => (
                schema::of_input::<StopArguments>(),
                schema::of_output::<Stopped>(&[note]),
            ),
            Self::List => (
                schema::of_input::<ListArguments>(),
                schema::of_output::<ListAnswer>(&[note]),
            ),
        }
    }

    /// What a call asks for.
    ///
    /// # Errors
    /// When the arguments do not fit the input schema: a text for the caller, which calls
    /// the tool by its name with this prefix.
    pub(super) fn call(self, prefix: &str, arguments: Option<JsonObject>) -> Result<Call, String> {
        self.meaning(arguments.unwrap_or_default())
            .map_err(|why| format!("{}: {why}", self.name_with(prefix)))
    }

    fn meaning(self, arguments: JsonObject) -> Result<Call, String> {
        Ok(match self {
            Self::Ensure => {
                let EnsureArguments { dry_run } = parse(arguments)?;
                Call {
                    request: Request::Ensure { dry_run },
                    view: View::Whole,
                }
            }
            Self::Status => {
                let StatusArguments {
                    sid,
                    limit,
                    status,
                    prefix,
                } = parse(arguments)?;
                let filter = Filter::new(limit, status, prefix);
                Call {
                    view: View::Status {
                        sid: named(sid.as_deref()),
                        filter,
                    },
                    request: Request::Status { sid },
                }
            }
            Self::List => {
                let ListArguments {
                    limit,
                    status,
                    prefix,
                } = parse(arguments)?;
                let filter = Filter::new(limit.or(Some(LISTED)), status, prefix);
                Call {
                    request: self.widest_request(),
                    view: View::List(filter),
                }
            }
            Self::Stop => {
                let StopArguments {
                    sid,
                    grace_ms,
                    force,
                    dry_run,
                } = StopArguments::read(arguments)?;
                let grace = grace_ms.map_or(Stop::GRACE, Duration::from_millis);
                Call {
                    view: View::Stop {
                        sid: named(sid.as_deref()),
                        returned_early: None,
                    },
                    request: Request::Stop(Stop {
                        sid,
                        grace,
                        force,
                        dry_run,
                        ..Stop::default()
                    }),
                }
            }
        })
    }
}

/// A sid as notes name it: one of megabytes is not kept for that.
fn named(sid: Option<&str>) -> Option<String> {
    sid.map(|sid| shortened(sid).into_owned())
}

fn ensure_text(signals: bool) -> Cow<'static, str> {
    let dismissals = if signals {
        "The active policy may also end workers that it dismisses; `dismissed` names them."
    } else {
        "It signals nobody."
    };
    format!(
        "Checks every registered worker process, drops the entries of those proven dead, and \
         lists the rest. Starts nothing. {dismissals}"
    )
    .into()
}

fn stop_text(signals: bool) -> Cow<'static, str> {
    let does = if signals {
        "sends SIGTERM, waits up to grace_ms for the exit, and with force kills what is left"
    } else {
        "only drops those found dead: the active policy may not signal anybody"
    };
    format!(
        "Stops one worker process (sid) or, WITHOUT a sid, ALL workers of the pool: {does}. Only \
         processes proven to be the registered worker are signalled; the others are kept and \
         named in errors. Clients give up on a call after their own timeout, 60 s in most, and \
         cancel it: a kill that was still to come is withdrawn then. So without a progress token \
         a call returns after 50 s at the latest, kills nobody if that was to come later, and \
         says what still runs; call again to go on. With one it waits all of grace_ms and \
         reports its progress. A sid that no session has stops nobody: the note says so and \
         names close ones."
    )
    .into()
}

/// A text with only its beginning and its end, where it is long: errors repeat what was
/// sent, and a call can have megabytes of that.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 200;
    let begin = text.char_indices().nth(SHOWN).map(|(at, _)| at);
    let end = text.char_indices().nth_back(SHOWN - 1).map(|(at, _)| at);
    match (begin, end) {
        (Some(begin), Some(end)) if begin < end => {
            Cow::Owned(format!("{}…{}", &text[..begin], &text[end..]))
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
#[path = "tools/tests.rs"]
mod tests;
