//! `watch`: a line for everything that happens to a worker.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use anyhow::Context;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use poolwarden::life::{Event, EventKind, Report};
use poolwarden::process::Standing;
use poolwarden::{Cancel, visible};
use serde::Serialize;

use super::{Exit, Options, as_json, exit, open_without_policy, output};
use crate::stderr::say;

/// Carries out the verb.
pub(super) fn run(options: &Options) -> anyhow::Result<Exit> {
    let cancel = Cancel::new().context("cannot start to watch")?;
    // Before any other thread exists, since a thread inherits what it blocks.
    end_when_asked(&cancel).context("cannot listen for signals")?;
    let pool = open_without_policy(options)?;
    if matches!(pool.path().try_exists(), Ok(false)) {
        say!(
            "hint: there is no directory {} yet; it is made, as an empty pool",
            output::line(&pool.path().display().to_string())
        );
    }
    let json = as_json(options);
    let mut written = Ok(());
    let watched = pool.watch(&cancel, |report| match report {
        Report::Event(event) => match print(&event, json, &cancel) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                written = Err(error);
                ControlFlow::Break(())
            }
        },
        Report::Trouble(trouble) => {
            say!("warning: {}", output::line(&trouble.to_string()));
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Continue(()),
    });
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(error).context("cannot write to standard output");
        }
        _ => {}
    }
    Ok(match watched {
        Ok(()) => Exit::Ok,
        Err(error) => {
            output::complain(&error, pool.path());
            exit::of_error(&error)
        }
    })
}

/// Cancels on SIGINT, SIGTERM, and when nobody reads standard output any more, which a
/// watch of a quiet pool would else not notice.
fn end_when_asked(cancel: &Cancel) -> anyhow::Result<()> {
    let mut asked = SigSet::empty();
    asked.add(Signal::SIGINT);
    asked.add(Signal::SIGTERM);
    asked.thread_block()?;
    let signals = SignalFd::with_flags(&asked, SfdFlags::SFD_CLOEXEC)?;
    let cancel = cancel.clone();
    std::thread::Builder::new()
        .name("end".into())
        .spawn(move || {
            // Without events asked for, poll(2) tells of errors alone: of a pipe whose
            // other end is closed, and of a terminal that is gone.
            let stdout = io::stdout();
            let mut fds = [
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(stdout.as_fd(), PollFlags::empty()),
            ];
            while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
            cancel.cancel();
        })?;
    Ok(())
}

/// Writes one line, at once. While nobody reads and the pipe is full, a cancellation ends
/// the wait.
fn print(event: &Event, json: bool, cancel: &Cancel) -> io::Result<()> {
    let mut to = io::stdout().lock();
    let text = match (json, to.is_terminal()) {
        (false, _) => words(event),
        (true, false) => serde_json::to_string(&Line::of(event))?,
        (true, true) => visible::json(&serde_json::to_string(&Line::of(event))?),
    };
    let mut fds = [
        PollFd::new(to.as_fd(), PollFlags::POLLOUT),
        PollFd::new(cancel.as_fd(), PollFlags::POLLIN),
    ];
    while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
    if cancel.is_cancelled() {
        // The watch sees it too, right after this.
        return Ok(());
    }
    writeln!(to, "{text}")?;
    to.flush()
}

/// An event as a program reads it.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    event: &'static str,
    sid: &'a str,
    pid: u32,
    standing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            at: Timestamp::try_from(event.at).map_or_else(
                |_| String::new(),
                |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            ),
            event: event.kind.name(),
            sid: &event.claim.sid,
            pid: event.claim.pid,
            standing: event.standing.name(),
            previous_pid: event.previous.as_ref().map(|claim| claim.pid),
            evidence: (event.standing != Standing::Alive).then_some(event.evidence.as_str()),
        }
    }
}

/// An event as a person reads it.
fn words(event: &Event) -> String {
    let line = Line::of(event);
    let pid = match (event.kind, line.previous_pid) {
        (EventKind::Replaced, Some(previous)) => format!("{} (was {previous})", line.pid),
        _ => line.pid.to_string(),
    };
    let sid = output::line(line.sid);
    let evidence = output::line(line.evidence.unwrap_or_default());
    let (at, kind, standing) = (line.at, line.event, line.standing);
    format!("{at}  {kind:8}  {sid}  pid {pid}  {standing}  {evidence}")
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use poolwarden::process::Claim;

    use super::*;

    fn event(kind: EventKind, standing: Standing, evidence: &str) -> Event {
        let claim = |pid| Claim {
            sid: "a\u{1b}".into(),
            pid,
            created_at: String::new(),
            sock: String::new(),
        };
        Event {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_250),
            kind,
            claim: claim(10),
            previous: (kind == EventKind::Replaced).then(|| claim(9)),
            standing,
            evidence: evidence.into(),
        }
    }

    #[test]
    fn an_event_is_one_line_for_a_person() {
        let exited = event(EventKind::Exited, Standing::Gone, "no process\nhas pid 10");
        insta::assert_snapshot!(words(&exited), @r"2026-09-21T14:13:20.250Z  exited    a\u{1b}  pid 10  gone  no process\u{a}has pid 10");
        let replaced = event(EventKind::Replaced, Standing::Alive, "ledger");
        insta::assert_snapshot!(words(&replaced), @r"2026-09-21T14:13:20.250Z  replaced  a\u{1b}  pid 10 (was 9)  alive");
    }

    #[test]
    fn an_event_is_one_object_for_a_program() {
        let text = |event| serde_json::to_string(&Line::of(&event)).expect("it is JSON");
        insta::assert_snapshot!(text(event(EventKind::Exited, Standing::Gone, "no process")), @r#"{"at":"2026-09-21T14:13:20.250Z","event":"exited","sid":"a\u001b","pid":10,"standing":"gone","evidence":"no process"}"#);
        insta::assert_snapshot!(text(event(EventKind::Replaced, Standing::Alive, "ledger")), @r#"{"at":"2026-09-21T14:13:20.250Z","event":"replaced","sid":"a\u001b","pid":10,"standing":"alive","previous_pid":9}"#);
    }
}
