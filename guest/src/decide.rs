//! From what was proven to what is done about it. Pure functions, no host.

use serde::Serialize;

use crate::host::{Finding, Signal, Standing};

/// How a listed session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Running, and nobody asked it to end.
    Running,
    /// Running, but it was sent a signal that asks it to end.
    Stopping,
    /// Something runs under its pid, but nothing says who it is.
    Unproven,
    /// It is on another machine or in another pid namespace.
    Foreign,
    /// The probe failed.
    Unknown,
}

impl Status {
    /// Whether the session needs no explanation.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Running | Self::Stopping)
    }
}

/// How a session is listed, or none when its process is proven to be no more, so that
/// its entry can go.
pub fn status(finding: &Finding) -> Option<Status> {
    match finding.standing {
        Standing::Alive if was_asked_to_end(finding) => Some(Status::Stopping),
        Standing::Alive => Some(Status::Running),
        Standing::Unproven => Some(Status::Unproven),
        Standing::Foreign => Some(Status::Foreign),
        Standing::Unknown => Some(Status::Unknown),
        Standing::Reused | Standing::Exited | Standing::Gone => None,
    }
}

/// Whether the process is proven to be no more.
pub fn is_dead(finding: &Finding) -> bool {
    status(finding).is_none()
}

/// The standing's name, as the WIT has it.
pub fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::Alive => "alive",
        Standing::Unproven => "unproven",
        Standing::Reused => "reused",
        Standing::Exited => "exited",
        Standing::Gone => "gone",
        Standing::Foreign => "foreign",
        Standing::Unknown => "unknown",
    }
}

/// The evidence, or in its absence what the standing means.
pub fn reason(finding: &Finding) -> &str {
    if let Some(evidence) = &finding.evidence {
        return evidence;
    }
    match finding.standing {
        Standing::Alive => "it is running",
        Standing::Unproven => "a process runs under its pid, but nothing says who it is",
        Standing::Reused => "its pid belongs to another process now",
        Standing::Exited => "it has exited, and its parent has not reaped it yet",
        Standing::Gone => "there is no such process",
        Standing::Foreign => "it is on another machine or in another pid namespace",
        Standing::Unknown => "its process could not be examined",
    }
}

/// What a stop does about one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopVerdict {
    /// Its worker is running: signal it.
    Signal,
    /// Its worker is no more: drop the entry, signal nobody. The host refuses to drop it
    /// unless it found that out itself.
    AlreadyDead,
    /// Its pid can belong to no process: drop the entry, and say why nobody was signalled.
    ImpossiblePid(String),
    /// Signal nobody and keep the entry, for this reason: it is not proven who would be
    /// hit, or the policy protects this worker.
    Refuse(String),
}

/// Decides what a stop does about the entry of `sid` and `pid`.
///
/// The texts about impossible pids are those of algocline 0.44.4, to the letter.
pub fn stop(sid: &str, pid: u32, finding: &Finding) -> StopVerdict {
    if pid == 0 {
        // kill(2) takes 0 for the caller's own process group.
        return StopVerdict::ImpossiblePid(format!(
            "sid={sid}: pid={pid} is not a valid POSIX target pid (must be > 0); skipping SIGTERM"
        ));
    }
    if i32::try_from(pid).is_err() {
        return StopVerdict::ImpossiblePid(format!(
            "sid={sid}: pid={pid} exceeds i32::MAX, cannot send SIGTERM (K-52)"
        ));
    }
    match finding.standing {
        Standing::Alive => StopVerdict::Signal,
        Standing::Reused | Standing::Exited | Standing::Gone => StopVerdict::AlreadyDead,
        Standing::Unproven | Standing::Foreign | Standing::Unknown => {
            StopVerdict::Refuse(reason(finding).to_owned())
        }
    }
}

/// Whether the last signal that went to the process asks it to end.
fn was_asked_to_end(finding: &Finding) -> bool {
    finding
        .last_signal
        .is_some_and(|sent| asks_to_end(sent.signal))
}

/// Whether a signal ends a process by default and is used for asking one to end.
pub fn asks_to_end(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::Term | Signal::Kill | Signal::Int | Signal::Quit | Signal::Hup
    )
}

/// A signal's name as signal(7) has it.
pub fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Hup => "SIGHUP",
        Signal::Int => "SIGINT",
        Signal::Quit => "SIGQUIT",
        Signal::Usr1 => "SIGUSR1",
        Signal::Usr2 => "SIGUSR2",
        Signal::Term => "SIGTERM",
        Signal::Cont => "SIGCONT",
        Signal::Stop => "SIGSTOP",
        Signal::Kill => "SIGKILL",
    }
}

#[cfg(test)]
mod tests;
