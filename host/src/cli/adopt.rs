//! `adopt`: shows what runs under an unproven entry, asks, and adopts it.

use std::time::SystemTime;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use nix::unistd::{Uid, User};
use poolwarden::life::{AdoptError, Examination};
use poolwarden::process::Standing;
use poolwarden::{Cancel, Pool, command};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, Options, as_json, ask, doctor, exit, open_without_policy, output, table};
use crate::stderr::say;

#[derive(Debug, Args)]
pub(crate) struct AdoptArguments {
    /// The session
    sid: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Carries out the verb.
pub(super) fn run(options: &Options, arguments: &AdoptArguments) -> anyhow::Result<Exit> {
    let pool = open_without_policy(options)?;
    let cancel = Cancel::new().context("cannot start the request")?;
    let json = as_json(options);
    let examination = match pool.examine(&arguments.sid, &cancel) {
        Ok(examination) => examination,
        Err(error) => return refused(options, &pool, &arguments.sid, error),
    };
    let mut found = Found::of(&examination);
    if examination.is_weak() {
        say!(
            "warning: this kernel gives processes no number of their own (Linux 6.9 does), so \
             the worker may stay unproven although it is adopted"
        );
    }

    let asks = !arguments.yes && ask::somebody_is_there();
    if !(arguments.yes || asks && confirm(&found)?) {
        if json || !asks {
            output::print_own(&Answer::Unproven(found).into_object(), json, record)?;
        }
        // Who was asked has said no.
        if asks {
            say!("hint: nothing was adopted");
        } else {
            let words = ["adopt", "--yes"];
            let adopt = command::on_session(pool.path(), &words, &arguments.sid);
            say!(
                "hint: nothing was adopted; if this process is the worker, adopt it with `{}`",
                output::line(&adopt)
            );
        }
        return Ok(Exit::Undecidable);
    }

    let adopted = match pool.adopt(&examination, &cancel) {
        Ok(adopted) => adopted,
        Err(error) => return refused(options, &pool, &arguments.sid, error),
    };
    found.standing = adopted.standing.name();
    found.evidence = &adopted.evidence;
    output::print_own(&Answer::Adopted(found).into_object(), json, record)?;
    Ok(match adopted.standing {
        Standing::Alive => Exit::Ok,
        _ => Exit::Undecidable,
    })
}

fn refused(options: &Options, pool: &Pool, sid: &str, error: AdoptError) -> anyhow::Result<Exit> {
    if let AdoptError::Pool(error) = error {
        output::complain(&error, pool.path());
        return Ok(exit::of_error(&error));
    }
    say!("error: {}", output::line(&chain(error)));
    if let Some(hint) = doctor::way_out(options, sid) {
        say!("hint: {}", output::line(&hint));
    }
    Ok(Exit::Failed)
}

/// An error with its sources in one line.
fn chain(error: AdoptError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

/// Shows what was found and asks.
fn confirm(found: &Found<'_>) -> anyhow::Result<bool> {
    let shown = serde_json::to_value(found).context("cannot show the process")?;
    let question = format!("Adopt this process as {}?", output::line(found.sid));
    ask::ask(&fields(&shown), &question)
}

/// What is answered: who was adopted, or who could be.
enum Answer<'a> {
    Adopted(Found<'a>),
    Unproven(Found<'a>),
}

#[derive(Serialize)]
struct Object<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    adopted: Option<Found<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unproven: Option<Found<'a>>,
    pool_version: &'static str,
}

impl<'a> Answer<'a> {
    fn into_object(self) -> Object<'a> {
        let (adopted, unproven) = match self {
            Self::Adopted(found) => (Some(found), None),
            Self::Unproven(found) => (None, Some(found)),
        };
        Object {
            adopted,
            unproven,
            pool_version: output::POOL_VERSION,
        }
    }
}

/// An entry and what runs under it.
#[derive(Serialize)]
struct Found<'a> {
    sid: &'a str,
    pid: u32,
    sock: &'a str,
    created_at: &'a str,
    standing: &'static str,
    evidence: &'a str,
    process: Seen<'a>,
}

#[derive(Serialize)]
struct Seen<'a> {
    started: Option<String>,
    command: &'a [String],
    executable: Option<String>,
    directory: Option<String>,
    user: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    parent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_name: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn of(examination: &'a Examination) -> Self {
        let (claim, portrait) = (examination.claim(), examination.portrait());
        let text = |path: &std::path::PathBuf| path.display().to_string();
        Self {
            sid: &claim.sid,
            pid: claim.pid,
            sock: &claim.sock,
            created_at: &claim.created_at,
            standing: Standing::Unproven.name(),
            evidence: examination.evidence(),
            process: Seen {
                started: seconds(examination.started()),
                command: examination.command(),
                executable: portrait.executable.as_ref().map(text),
                directory: portrait.directory.as_ref().map(text),
                user: portrait.user,
                user_name: portrait.user.and_then(name_of),
                parent: portrait.parent.as_ref().map(|parent| parent.pid),
                parent_name: portrait
                    .parent
                    .as_ref()
                    .and_then(|parent| parent.name.as_deref()),
            },
        }
    }
}

/// A time as the registry writes it.
fn seconds(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn name_of(user: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(user)).ok()??;
    Some(user.name)
}

/// The answer as a person reads it.
fn record(answer: &Value) -> String {
    if answer["adopted"].is_object() {
        format!("adopted:\n{}", fields(&answer["adopted"]))
    } else {
        fields(&answer["unproven"])
    }
}

fn fields(found: &Value) -> String {
    let process = &found["process"];
    let words = process["command"].as_array().into_iter().flatten();
    let command: Vec<_> = words.filter_map(Value::as_str).collect();
    let with_name = |number: &Value, name: &Value| match (number, name.as_str()) {
        (Value::Null, _) => Value::Null,
        (number, Some(name)) => json!(format!("{number} ({name})")),
        (number, None) => number.clone(),
    };
    table::record(&[
        ("SID", &found["sid"]),
        ("PID", &found["pid"]),
        ("SOCKET", &found["sock"]),
        ("CREATED", &found["created_at"]),
        ("STARTED", &process["started"]),
        ("COMMAND", &json!(command.join(" "))),
        ("EXECUTABLE", &process["executable"]),
        ("DIRECTORY", &process["directory"]),
        ("USER", &with_name(&process["user"], &process["user_name"])),
        (
            "PARENT",
            &with_name(&process["parent"], &process["parent_name"]),
        ),
        ("STANDING", &found["standing"]),
        ("EVIDENCE", &found["evidence"]),
    ])
}
