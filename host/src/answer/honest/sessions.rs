//! What `ensure` and `status` say of who is there.

use crate::answer::{
    DismissedSession, Ensured, EnsuredSession, Listed, Outcome, Session, SessionStatus,
};
use crate::process::{Claim, Signal, Standing};
use crate::request::Request;

use super::removals::check_removals;
use super::workers::{Worker, Workers};
use super::{Facts, Honest, Untrue, check_dry_run, named, quoted};

impl Honest for Listed {
    fn check(&self, request: &Request, facts: &Facts) -> Result<(), Untrue> {
        let only = match request {
            Request::Status { sid } => sid.as_deref(),
            _ => None,
        };
        check_sessions(facts, only, self.sessions.iter().map(Shown::from))?;
        check_removals(facts, request, &self.removed)
    }
}

impl Honest for Ensured {
    fn check(&self, request: &Request, facts: &Facts) -> Result<(), Untrue> {
        check_dry_run(self.dry_run, request)?;
        check_sessions(facts, None, self.sessions.iter().map(Shown::from))?;
        check_removals(facts, request, &self.removed)?;
        check_dismissals(facts, request, &self.dismissed)
    }
}

/// A session as it is listed, by what the host knows of it.
struct Shown<'a> {
    sid: &'a str,
    pid: u32,
    sock: &'a str,
    /// Absent where the verb does not say it.
    created_at: Option<&'a str>,
    status: &'a SessionStatus,
}

impl<'a> From<&'a Session> for Shown<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            sid: &session.sid,
            pid: session.pid,
            sock: &session.sock,
            created_at: Some(&session.created_at),
            status: &session.status,
        }
    }
}

impl<'a> From<&'a EnsuredSession> for Shown<'a> {
    fn from(session: &'a EnsuredSession) -> Self {
        Self {
            sid: &session.sid,
            pid: session.pid,
            sock: &session.sock,
            created_at: None,
            status: &session.status,
        }
    }
}

/// Checks that those are listed that are there, all of them or those of one sid, each as it
/// was found.
fn check_sessions<'a>(
    facts: &'a Facts,
    only: Option<&str>,
    sessions: impl Iterator<Item = Shown<'a>>,
) -> Result<(), Untrue> {
    let mut sessions = sessions.peekable();
    let dated = sessions.peek().is_some_and(|one| one.created_at.is_some());
    let key = |claim: &'a Claim| {
        let created_at = dated.then_some(claim.created_at.as_str());
        (
            claim.sid.as_str(),
            claim.pid,
            claim.sock.as_str(),
            created_at,
        )
    };
    let mut workers = Workers::new(facts, key)?;
    for one in sessions {
        let name = named(one.sid, one.pid);
        if only.is_some_and(|only| only != one.sid) {
            let so = "the client did not ask for it";
            return Err(Untrue::new(format!("{name} is what was asked for"), so));
        }
        let Some(worker) = workers.get(&(one.sid, one.pid, one.sock, one.created_at)) else {
            let so = "no entry of the registry says so";
            return Err(Untrue::new(format!("{name} is listed as it is here"), so));
        };
        worker.named += 1;
        if worker.named > worker.entries {
            let so = format!("it has {} in the registry", entries(worker.entries));
            return Err(Untrue::new(format!("{name} is there once more"), so));
        }
        if !allows(worker, one.status) {
            let said = format!("{name} is {}", quoted(one.status.as_str()));
            return Err(Untrue::new(said, worker.standing()));
        }
    }
    for claim in workers.entries().collect::<Vec<_>>() {
        let Some(worker) = workers.get(&key(claim)) else {
            continue;
        };
        if only.is_none_or(|only| only == claim.sid) && worker.named < worker.kept {
            let said = format!("{} is not there", named(&claim.sid, claim.pid));
            let so = format!("its entry is kept, and {}", worker.standing());
            return Err(Untrue::new(said, so));
        }
    }
    Ok(())
}

fn entries(count: usize) -> String {
    match count {
        1 => "one entry".into(),
        count => format!("{count} entries"),
    }
}

/// Whether a worker may be listed with this status.
fn allows(worker: &Worker, status: &SessionStatus) -> bool {
    let found = |standing| worker.found.has(standing);
    match status {
        SessionStatus::Running => found(Standing::Alive),
        SessionStatus::Stopping => found(Standing::Alive) && worker.asked_to_end,
        SessionStatus::Unproven => found(Standing::Unproven),
        SessionStatus::Foreign => found(Standing::Foreign),
        // Nobody looked, so nothing is known.
        SessionStatus::Unknown => found(Standing::Unknown) || worker.is_unseen(),
        // The host does not know what it means, unless it is the name of a standing.
        SessionStatus::Other(word) => {
            match worker
                .found
                .names()
                .find(|standing| standing.name() == word)
            {
                Some(_) => true,
                None => !is_standing(word) && worker.found.names().all(|one| !one.is_dead()),
            }
        }
    }
}

fn is_standing(word: &str) -> bool {
    use Standing::{Alive, Exited, Gone, Reused};
    // The other names are words for a status.
    [Alive, Exited, Gone, Reused]
        .iter()
        .any(|standing| standing.name() == word)
}

/// Checks what is said of the workers that the policy wants to end, and that each which it
/// signalled is among them.
fn check_dismissals(
    facts: &Facts,
    request: &Request,
    dismissed: &[DismissedSession],
) -> Result<(), Untrue> {
    if dismissed.is_empty() && !facts.has_deeds() {
        return Ok(());
    }
    let mut workers = Workers::new(facts, |claim| (claim.sid.as_str(), claim.pid))?;
    for one in dismissed {
        let name = named(&one.sid, one.pid);
        let said = format!("{name}, dismissed, is {}", quoted(one.outcome.as_str()));
        let Some(worker) = workers.get(&(one.sid.as_str(), one.pid)) else {
            return Err(Untrue::new(said, "no entry of the registry says so"));
        };
        worker.named += 1;
        if !worker.allows_outcome(&one.outcome, request) {
            return Err(Untrue::new(said, worker.fate()));
        }
        let sent = one.signal.strip_prefix("SIG").unwrap_or(&one.signal);
        let sent = Signal::ALL.into_iter().find(|signal| signal.name() == sent);
        if one.outcome == Outcome::Signalled && !sent.is_some_and(|signal| worker.was_sent(signal))
        {
            let said = format!("{name} was sent {}", quoted(&one.signal));
            return Err(Untrue::new(said, worker.fate()));
        }
    }
    for claim in workers
        .entries()
        .chain(facts.signalled_claims())
        .collect::<Vec<_>>()
    {
        let Some(worker) = workers.get(&(claim.sid.as_str(), claim.pid)) else {
            continue;
        };
        if worker.was_signalled() && worker.named == 0 {
            let said = format!("{} was left alone", named(&claim.sid, claim.pid));
            return Err(Untrue::new(said, worker.fate()));
        }
    }
    Ok(())
}
