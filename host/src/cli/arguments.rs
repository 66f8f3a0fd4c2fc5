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

/// Headings of the help.
const POOL: &str = "Pool and answer";
const POLICY: &str = "Policy";

/// Options of the program, before or after a verb that uses them: see
/// [`usage`](super::usage).
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The pool's directory [default: $XDG_STATE_HOME/poolwarden, else
    /// ~/.local/state/poolwarden]
    #[arg(long, global = true, value_name = "DIR", env = "POOLWARDEN_STATE_DIR", help_heading = POOL)]
    pub(crate) state_dir: Option<PathBuf>,
    /// The policy that decides: a WebAssembly component [default: the shipped one]
    ///
    /// It reads the registry and observes; what else it may do is granted by name, see
    /// --grant.
    #[arg(long, global = true, value_name = "FILE", env = "POOLWARDEN_POLICY", help_heading = POLICY)]
    pub(crate) policy: Option<PathBuf>,
    /// Let the policy do this: registry-write, signal-term, signal-kill and the like; dismiss,
    /// to signal workers in ensure
    #[arg(long = "grant", global = true, value_name = "NAME", value_parser = grant, help_heading = POLICY)]
    pub(crate) grants: Vec<Grants>,
    /// A setting for the policy, or `proof=strong` for the host
    ///
    /// One that the policy does not say it reads is an error; see `policy inspect`.
    #[arg(long = "setting", global = true, value_name = "NAME=VALUE", value_parser = setting, help_heading = POLICY)]
    pub(crate) settings: Vec<(String, String)>,
    /// Print the answer as JSON also on a terminal
    #[arg(long, global = true, help_heading = POOL)]
    pub(crate) json: bool,
    /// Record what each request asks of its host, and what it is answered, in this file
    ///
    /// It is appended to, and made for nobody but you. See `policy replay`.
    #[arg(long, global = true, value_name = "FILE", help_heading = POLICY)]
    pub(crate) record: Option<PathBuf>,
    /// How long to wait while somebody else holds the pool's lock [default: 10s]
    #[arg(long, global = true, value_name = "TIME", env = "POOLWARDEN_LOCK_WAIT", value_parser = duration, help_heading = POOL)]
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
    /// cannot be proven; with several, the highest of theirs.
    #[command(visible_aliases = ["ls", "ps", "list"])]
    Status(StatusArguments),
    /// Stop workers, or all
    ///
    /// Several are stopped one after the other, in this order, each with its own grace period.
    /// The exit code is the highest of theirs: 0 when nothing went wrong with any.
    Stop(StopArguments),
    /// Start a worker that never runs unregistered
    ///
    /// The worker has a process session of its own, and with it no terminal and another
    /// process group than whoever starts it; it reads nothing, and writes to a log. It stays
    /// in the control group of whoever starts it: where that is a service or a session that
    /// systemd ends as a whole, the worker ends with it. It finds POOLWARDEN_SID,
    /// POOLWARDEN_SOCK, POOLWARDEN_STATE_DIR, POOLWARDEN_PID and POOLWARDEN_PROCESS in its
    /// environment.
    Run(RunArguments),
    /// What becomes a worker's program once it is registered
    #[command(hide = true)]
    RunStub(StubArguments),
    /// Add an entry for a process that already runs
    Register(RegisterArguments),
    /// Drop an entry without touching its process
    ///
    /// A worker that lives on stays forgotten for as long as it lives: doctor shows one that run
    /// started, and gives it no entry.
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
    /// Only these sessions
    #[arg(value_name = "SID")]
    sids: Vec<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").args(["sids", "all"]).required(true)))]
pub(crate) struct StopArguments {
    /// The sessions to stop, one after the other
    #[arg(value_name = "SID")]
    sids: Vec<String>,
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
    #[arg(long, default_value = "", value_name = "PATH", value_parser = optional_socket)]
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
    sid: Option<String>,
    /// The same: what the session was named by before
    #[arg(long = "sid", hide = true, value_name = "SID", conflicts_with = "sid")]
    named: Option<String>,
    /// Only so many, the newest
    #[arg(short = 'n', value_name = "N")]
    pub(crate) count: Option<usize>,
}

impl LogArguments {
    /// The one session that is asked for.
    pub(super) fn sid(&self) -> Option<&str> {
        self.sid.as_deref().or(self.named.as_deref())
    }
}

impl Verb {
    /// Whether this is a worker in the making, which needs next to nothing of the program.
    pub(crate) fn is_stub(&self) -> bool {
        matches!(self, Self::RunStub(_))
    }

    /// The requests that the verb means, one for each session that it names; none where it
    /// is no request.
    pub(crate) fn requests(&self) -> Vec<Request> {
        match self {
            Self::Ensure(arguments) => vec![Request::Ensure {
                dry_run: arguments.dry_run,
            }],
            Self::Status(arguments) => each(&arguments.sids)
                .map(|sid| Request::Status { sid })
                .collect(),
            Self::Stop(arguments) => each(&arguments.sids)
                .map(|sid| {
                    Request::Stop(Stop {
                        sid,
                        pid: None,
                        signal: arguments.signal,
                        group: arguments.group,
                        grace: arguments.grace,
                        force: arguments.force,
                        dry_run: arguments.dry_run,
                    })
                })
                .collect(),
            Self::Register(arguments) => vec![Request::Register(Register {
                sid: arguments.sid.clone(),
                pid: arguments.pid,
                sock: arguments.sock.clone(),
                version: arguments.version.clone(),
            })],
            Self::Forget(arguments) => vec![Request::Forget {
                sid: arguments.sid.clone(),
                even_if_alive: arguments.even_if_alive,
                pid: None,
            }],
            Self::Run(_) | Self::RunStub(_) | Self::Adopt(_) | Self::Wait(_) => Vec::new(),
            Self::Watch | Self::Log(_) | Self::Mcp { .. } | Self::Policy { .. } => Vec::new(),
            Self::Doctor(_) | Self::Demo | Self::DemoWorker { .. } => Vec::new(),
        }
    }
}

/// Each session once, in their order; where none is named, all of them at once.
fn each(sids: &[String]) -> impl Iterator<Item = Option<String>> {
    let named = sids.iter().enumerate();
    let first = named.filter(|(index, sid)| !sids[..*index].contains(sid));
    let all = sids.is_empty().then_some(None);
    first.map(|(_, sid)| Some(sid.clone())).chain(all)
}

/// The path of a socket as every process understands it: absolute, by the current directory.
/// What it leads to need not exist yet.
pub(super) fn socket(path: &str) -> Result<String, String> {
    let absolute = std::path::absolute(path)
        .map_err(|error| format!("no absolute path can be made of it: {error}"))?;
    // The registry is a text.
    let text = absolute.into_os_string().into_string();
    text.map_err(|path| format!("{} is no UTF-8", path.display()))
}

/// The same, where an empty one stands for none.
fn optional_socket(path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    socket(path)
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
    use crate::cli::usage::parse_from;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        parse_from(std::iter::once(&"poolwarden").chain(arguments))
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
            .requests();
        let stop = Stop {
            grace: Duration::from_millis(300),
            ..Stop::default()
        };
        assert_eq!(all, [Request::Stop(stop)]);
    }

    #[test]
    fn each_session_is_asked_about_once_in_their_order() {
        let asked = |arguments: &[&str]| {
            let verb = parse(arguments).expect("it is accepted").verb;
            let sid = |request| match request {
                Request::Status { sid } | Request::Stop(Stop { sid, .. }) => sid,
                other => panic!("{other:?}"),
            };
            verb.requests().into_iter().map(sid).collect::<Vec<_>>()
        };
        let named = |sids: &[&str]| {
            sids.iter()
                .map(|&sid| Some(sid.to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&["stop", "b", "a", "b"]), named(&["b", "a"]));
        assert_eq!(asked(&["ls", "a", "b"]), named(&["a", "b"]));
        assert_eq!(asked(&["ps"]), [None]);
    }

    #[test]
    fn the_path_of_a_socket_is_made_absolute() {
        let here = std::env::current_dir().expect("a directory");
        let sock = |path: &str| {
            let register = ["register", "--sid", "a", "--pid", "7", "--sock", path];
            match parse(&register).expect("it is accepted").verb {
                Verb::Register(arguments) => arguments.sock,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(sock("./x.sock"), here.join("x.sock").display().to_string());
        assert_eq!(sock("/run/x.sock"), "/run/x.sock");
        assert_eq!(sock(""), "");
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
