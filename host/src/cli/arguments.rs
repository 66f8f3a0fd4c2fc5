//! What the command line accepts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};
use poolwarden::process::{Signal, Strength};
use poolwarden::{Grants, Mandate, Register, Request, Stop, UnknownGrant};

use super::adopt::AdoptArguments;
use super::doctor::DoctorArguments;
use super::policy::PolicyCommand;
use super::run::{RunArguments, StubArguments};
use super::wait::WaitArguments;

/// Keeps a pool of long-lived worker processes: who lives, who is dead, and how to stop
/// one without ever touching another process.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb, before or after it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The pool's directory [default: $XDG_STATE_HOME/poolwarden, else
    /// ~/.local/state/poolwarden]
    #[arg(long, global = true, value_name = "DIR", env = "POOLWARDEN_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// The policy that decides: a WebAssembly component [default: the shipped one]
    ///
    /// It reads the registry and observes; what else it may do is granted by name, see
    /// --grant.
    #[arg(long, global = true, value_name = "FILE", env = "POOLWARDEN_POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// Let the policy do this: registry-write, signal-term, signal-kill and the like; dismiss,
    /// to signal workers in ensure
    #[arg(long = "grant", global = true, value_name = "NAME", value_parser = grant)]
    pub(crate) grants: Vec<Grants>,
    /// A setting for the policy, or `proof=strong` for the host
    ///
    /// One that the policy does not say it reads is an error; see `policy inspect`.
    #[arg(long = "setting", global = true, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Print the answer as JSON also on a terminal
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Record what each request asks of its host, and what it is answered, in this file
    ///
    /// It is appended to, and made for nobody but you. It goes with the verbs that ask a
    /// policy: mcp, ensure, status, stop, run, register and forget. See `policy replay`.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// How long to wait while somebody else holds the pool's lock [default: 10s]
    #[arg(long, global = true, value_name = "TIME", env = "POOLWARDEN_LOCK_WAIT", value_parser = duration)]
    pub(crate) lock_wait: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serve the pool as MCP tools over standard input and output
    Mcp {
        /// Put this before each tool's name, as in alc_pool_status
        #[arg(long, default_value = "", value_name = "PREFIX", value_parser = prefix)]
        tool_prefix: String,
    },
    /// Collect the entries of dead workers and list the rest
    Ensure(EnsureArguments),
    /// List the workers with what is proven about each
    ///
    /// Entries of dead workers are collected on the way, as by ensure, and the trail tells of
    /// it. With SID the exit code is 0 when it runs, 3 when it does not, and 4 when that
    /// cannot be proven.
    Status(StatusArguments),
    /// Stop one worker, or all
    Stop(StopArguments),
    /// Start a worker that never runs unregistered
    ///
    /// The worker is detached: it has a process session of its own, reads nothing, and
    /// writes to a log. It finds POOLWARDEN_SID, POOLWARDEN_SOCK, POOLWARDEN_STATE_DIR,
    /// POOLWARDEN_PID and POOLWARDEN_PROCESS in its environment.
    Run(RunArguments),
    /// What becomes a worker's program once it is registered
    #[command(hide = true)]
    RunStub(StubArguments),
    /// Add an entry for a process that already runs
    Register(RegisterArguments),
    /// Drop an entry without touching its process
    ///
    /// One that lives on stays forgotten: doctor does not bring it back by the ledger. It shows
    /// a worker that run started, and offers it an entry once the ledger was written since.
    Forget(ForgetArguments),
    /// Show what was done to workers and entries, the newest last
    Log(LogArguments),
    /// Look at policies and try them
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Say that the process which runs under an unproven entry is its worker
    ///
    /// Shows what runs there and asks first.
    Adopt(AdoptArguments),
    /// Wait until a worker has ended
    ///
    /// The exit code is 0 when it has, or has no entry; 1 when the time is over, 4 when it
    /// cannot be told, and 5 when the lock was not free in that time for the first look.
    Wait(WaitArguments),
    /// Tell at once what happens to the workers, a line each
    Watch,
    /// Explain the pool in one page, and repair it with --fix
    ///
    /// It works whatever is broken, and changes nothing unless you agree to it. The exit
    /// code is 0 when nothing is wrong; 6 when the registry cannot be read, 5 when
    /// somebody does not let go of the lock, and 1 when something else is wrong.
    Doctor(DoctorArguments),
    /// Show the whole job on a real pool in a temporary directory
    Demo,
    /// A worker of the demonstration: serves a socket until it is told to end
    #[command(hide = true)]
    DemoWorker {
        /// Where to listen
        sock: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EnsureArguments {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Only this session
    sid: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").args(["sid", "all"]).required(true)))]
pub(crate) struct StopArguments {
    /// The session to stop
    sid: Option<String>,
    /// Stop every worker of the pool
    #[arg(long)]
    all: bool,
    /// The signal that asks a worker to end: hup, int, quit, usr1, usr2, term or kill
    #[arg(long, default_value = "term", value_name = "SIGNAL", value_parser = ending)]
    pub(super) signal: Signal,
    /// Signal the whole process group of a worker, which has to lead it
    #[arg(long)]
    group: bool,
    /// How long to wait for the exit; 0s does not wait
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = grace)]
    grace: Duration,
    /// Kill what is still there after the grace period
    #[arg(long)]
    force: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArguments {
    /// The session id
    #[arg(long)]
    sid: String,
    /// The process that serves it
    #[arg(long)]
    pid: u32,
    /// Path of its Unix socket
    #[arg(long, default_value = "", value_name = "PATH")]
    sock: String,
    /// Version of the worker
    #[arg(long, default_value = "", value_name = "V")]
    version: String,
}

#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// The session
    sid: String,
    /// Also when its process is not proven dead; it will run on, unrecorded
    #[arg(long)]
    even_if_alive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Only this session
    #[arg(long)]
    pub(crate) sid: Option<String>,
    /// Only so many, the newest
    #[arg(short = 'n', value_name = "N")]
    pub(crate) count: Option<usize>,
}

impl Verb {
    /// Whether this is a worker in the making, which needs next to nothing of the program.
    pub(crate) fn is_stub(&self) -> bool {
        matches!(self, Self::RunStub(_))
    }

    /// Its name, where it asks the policy nothing.
    pub(crate) fn asks_no_policy(&self) -> Option<&'static str> {
        match self {
            Self::Adopt(_) => Some("adopt"),
            Self::Wait(_) => Some("wait"),
            Self::Watch => Some("watch"),
            Self::Log(_) => Some("log"),
            Self::Doctor(_) => Some("doctor"),
            Self::Policy { .. } => Some("policy"),
            Self::Demo => Some("demo"),
            Self::Ensure(_) | Self::Status(_) | Self::Stop(_) | Self::Register(_) => None,
            Self::Forget(_) | Self::Run(_) | Self::Mcp { .. } => None,
            Self::RunStub(_) | Self::DemoWorker { .. } => None,
        }
    }

    /// The request that the verb means, where it is one.
    pub(crate) fn request(&self) -> Option<Request> {
        Some(match self {
            Self::Ensure(arguments) => Request::Ensure {
                dry_run: arguments.dry_run,
            },
            Self::Status(arguments) => Request::Status {
                sid: arguments.sid.clone(),
            },
            Self::Stop(arguments) => Request::Stop(Stop {
                sid: arguments.sid.clone(),
                pid: None,
                signal: arguments.signal,
                group: arguments.group,
                grace: arguments.grace,
                force: arguments.force,
                dry_run: arguments.dry_run,
            }),
            Self::Register(arguments) => Request::Register(Register {
                sid: arguments.sid.clone(),
                pid: arguments.pid,
                sock: arguments.sock.clone(),
                version: arguments.version.clone(),
            }),
            Self::Forget(arguments) => Request::Forget {
                sid: arguments.sid.clone(),
                even_if_alive: arguments.even_if_alive,
                pid: None,
            },
            Self::Run(_) | Self::RunStub(_) => return None,
            Self::Adopt(_) | Self::Wait(_) | Self::Watch | Self::Log(_) => return None,
            Self::Mcp { .. } | Self::Policy { .. } | Self::Demo | Self::DemoWorker { .. } => {
                return None;
            }
            Self::Doctor(_) => return None,
        })
    }
}

/// A time with its unit, such as `2s`, `300ms` or `1m 30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|error| format!("{error}; write it like 2s or 300ms"))?;
    Duration::try_from(parsed).map_err(|_| "a time cannot be negative".into())
}

pub(super) fn grace(text: &str) -> Result<Duration, String> {
    let grace = duration(text)?;
    if grace > Stop::MAX_GRACE {
        return Err(format!("the longest is {}s", Stop::MAX_GRACE.as_secs()));
    }
    Ok(grace)
}

fn grant(name: &str) -> Result<Grants, UnknownGrant> {
    Grants::named(&[name])
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        None | Some(("", _)) => Err("write it like max-age=8h".into()),
        Some((name, value)) => {
            if name == Mandate::PROOF {
                let known: Result<Strength, _> = value.parse();
                known.map_err(|unknown| unknown.to_string())?;
            }
            Ok((name.to_owned(), value.to_owned()))
        }
    }
}

/// A signal that can ask a worker to end.
fn ending(text: &str) -> Result<Signal, String> {
    match text.parse() {
        Ok(signal @ (Signal::Cont | Signal::Stop)) => Err(format!("{signal} asks nobody to end")),
        Ok(signal) => Ok(signal),
        Err(error) => Err(format!("{error}")),
    }
}

/// What MCP allows in a tool name (specification 2025-11-25, tools: names), with room
/// for the name itself.
fn prefix(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.len() > 64 || !text.chars().all(allowed) {
        return Err("a prefix has up to 64 of A-Z a-z 0-9 _ - .".into());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once(&"poolwarden").chain(arguments))
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_verb() {
        for arguments in [
            ["--state-dir", "/p", "--json", "ensure"],
            ["ensure", "--json", "--state-dir", "/p"],
        ] {
            let parsed = parse(&arguments).expect("it is accepted");
            assert_eq!(parsed.options.state_dir, Some("/p".into()));
            assert!(parsed.options.json);
        }
    }

    #[test]
    fn stopping_everything_must_be_said() {
        assert!(parse(&["stop"]).is_err());
        assert!(parse(&["stop", "a", "--all"]).is_err());
        let all = parse(&["stop", "--all", "--grace", "300ms"])
            .expect("it is accepted")
            .verb
            .request();
        let stop = Stop {
            grace: Duration::from_millis(300),
            ..Stop::default()
        };
        assert_eq!(all, Some(Request::Stop(stop)));
    }

    #[test]
    fn a_setting_has_a_name_and_the_hosts_own_a_value_that_there_is() {
        for good in [
            "max-age=8h",
            "a==",
            "a=",
            "proof=strong",
            "proof=any",
            "Proof=x",
        ] {
            assert!(parse(&["status", "--setting", good]).is_ok(), "{good}");
        }
        for wrong in ["max-age", "=8h", "proof=strng", "proof=Strong", "proof="] {
            assert!(parse(&["status", "--setting", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_a_unit_and_a_bound() {
        for wrong in ["2", "-1s", "x", "2h"] {
            assert!(
                parse(&["stop", "a", &format!("--grace={wrong}")]).is_err(),
                "{wrong}"
            );
        }
    }
}
