//! What one request may do at most.
//!
//! | request | signals | entries may go | entries may come |
//! |---|---|---|---|
//! | `status` | none | found dead | none |
//! | `ensure` | with the grant `dismiss`: those granted, to workers proven alive | found dead | none |
//! | `stop` of a sid | to that worker only: the request's signal, CONT after it, KILL with `force` | found dead, or an impossible pid of that sid | none |
//! | `stop` of all | the same, to every worker | found dead, impossible pids | none |
//! | `register` | none | found dead | the one registered, once its process is held |
//! | `forget` | none | found dead, and with `even_if_alive` the one named | none |
//!
//! Found dead means: in the same transaction. That a worker was signalled is no reason for its
//! entry to go. A dry run has no effect at all.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::process::{Claim, Signal};
use crate::request::{Register, Request, Stop};

use super::grants::{Denied, Grants};
use super::{Change, Difference, Reading, Refusal};

/// How far the `created_at` of a new entry may be from now. The seconds of its text are
/// truncated, and its writing takes a moment.
const CREATION_SLACK: Duration = Duration::from_secs(5);

/// What one request may do at most under these grants. It is made before the policy runs, and
/// every effect is checked against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    verb: &'static str,
    is_dry_run: bool,
    grants: Grants,
    signals: Signals,
    removals: Removals,
    addition: Option<Register>,
}

/// Which signals a request may send, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Signals {
    None,
    /// Every granted signal, to every worker that is proven alive, under the grant `dismiss`.
    Dismissals,
    /// What the client asked for, to those that the client named.
    Asked(Stop),
}

/// Which entries may go, beside those that are found dead.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Removals {
    FoundDead,
    Named { sid: String, pid: Option<u32> },
    ImpossiblePids { sid: Option<String> },
}

/// What the host has proven in the transaction in which the registry is replaced.
pub(crate) struct Proven<'a> {
    /// Whether the process of an entry, by its index, was found dead.
    pub(crate) is_dead: &'a dyn Fn(usize) -> bool,
    /// Whether the process that the request registers was found running.
    pub(crate) newcomer_runs: bool,
    /// The time.
    pub(crate) now: SystemTime,
}

/// An effect that the budget does not have. Nothing was done.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum OverBudget {
    /// The operator did not grant it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The request did not ask for it, or nobody may do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Budget {
    /// The budget of a request under these grants.
    pub fn of(request: &Request, grants: &Grants) -> Self {
        let (signals, removals) = match request {
            Request::Status { .. } | Request::Register(_) => (Signals::None, Removals::FoundDead),
            Request::Ensure { .. } => (Signals::Dismissals, Removals::FoundDead),
            Request::Stop(stop) => {
                let sid = stop.sid.clone();
                (
                    Signals::Asked(stop.clone()),
                    Removals::ImpossiblePids { sid },
                )
            }
            Request::Forget {
                even_if_alive: false,
                ..
            } => (Signals::None, Removals::FoundDead),
            Request::Forget { sid, pid, .. } => {
                let (sid, pid) = (sid.clone(), *pid);
                (Signals::None, Removals::Named { sid, pid })
            }
        };
        let addition = match request {
            Request::Register(register) => Some(register.clone()),
            _ => None,
        };
        Self {
            verb: request.verb(),
            is_dry_run: request.is_dry_run(),
            grants: grants.clone(),
            signals,
            removals,
            addition,
        }
    }

    /// The signals that the policy may send to somebody.
    pub fn signals(&self) -> Vec<Signal> {
        let allowed = |signal: &Signal| {
            let asked = match &self.signals {
                Signals::None => false,
                Signals::Dismissals => self.grants.check_dismiss().is_ok(),
                Signals::Asked(stop) => check_kind(stop, *signal, &|_| true).is_ok(),
            };
            !self.is_dry_run && asked && self.grants.check_signal(*signal).is_ok()
        };
        Signal::ALL.into_iter().filter(allowed).collect()
    }

    /// Whether the policy may remove entries, be it only those found dead.
    pub fn may_remove(&self) -> bool {
        !self.is_dry_run && self.grants.check_registry_write().is_ok()
    }

    /// Whether the policy may add an entry.
    pub fn may_add(&self) -> bool {
        self.may_remove() && self.addition.is_some()
    }

    /// Checks that the request is about this worker, so that it may be opened as the target of
    /// a signal. A dry run may look who that would be.
    ///
    /// # Errors
    /// When the request signals nobody, or somebody else.
    pub(crate) fn check_target(&self, sid: &str, pid: u32) -> Result<(), OverBudget> {
        match &self.signals {
            Signals::None => Err(Refusal(format!(
                "`{}` signals nobody, whatever is granted",
                self.verb
            ))
            .into()),
            Signals::Dismissals => Ok(self.grants.check_dismiss()?),
            Signals::Asked(Stop {
                sid: Some(asked), ..
            }) if asked != sid => Err(Refusal(format!(
                "the client asked to stop the session {asked:?}, not {sid:?}"
            ))
            .into()),
            Signals::Asked(Stop {
                pid: Some(asked), ..
            }) if *asked != pid => Err(Refusal(format!(
                "the client asked to stop pid {asked}, not pid {pid}"
            ))
            .into()),
            Signals::Asked(_) => Ok(()),
        }
    }

    /// Checks a signal to the process of a claim, or to its whole `group`. `was_sent` says which
    /// signals it got in this request already.
    ///
    /// # Errors
    /// When the request did not ask for it, or the operator did not grant it.
    pub(crate) fn check_signal(
        &self,
        claim: &Claim,
        signal: Signal,
        group: bool,
        was_sent: &dyn Fn(Signal) -> bool,
    ) -> Result<(), OverBudget> {
        self.check_target(&claim.sid, claim.pid)?;
        self.check_not_dry()?;
        match &self.signals {
            Signals::Asked(stop) => check_kind(stop, signal, was_sent)?,
            Signals::Dismissals | Signals::None => {}
        }
        self.grants.check_signal(signal)?;
        if group && !matches!(&self.signals, Signals::Asked(Stop { group: true, .. })) {
            return Err(Refusal("the client did not ask for process groups".into()).into());
        }
        Ok(())
    }

    /// Checks that one registry may take the place of another. What is outside of `sessions`
    /// has to stay byte for byte, and so has the text of each entry that stays; the white space
    /// and the commas between entries are free, and so is the order of the entries.
    ///
    /// # Errors
    /// When the operator did not grant to write, or when an entry would be lost, forged or
    /// changed.
    pub(crate) fn check_replacement(
        &self,
        before: &Reading,
        after: &Reading,
        proven: &Proven<'_>,
    ) -> Result<Change, OverBudget> {
        self.grants.check_registry_write()?;
        self.check_not_dry()?;
        let difference = Difference::between(before, after)?;
        self.check_removals(before, &difference, proven)?;
        let added = self.check_additions(after, &difference, proven)?;
        if !difference.is_around_kept {
            return Err(Refusal(
                "the replacement changes what is outside of `sessions`, which has to stay byte \
                 for byte"
                    .into(),
            )
            .into());
        }
        Ok(Change {
            dropped: difference.removed,
            added,
        })
    }

    fn check_not_dry(&self) -> Result<(), Refusal> {
        if self.is_dry_run {
            return Err(Refusal("the client asked for a dry run".into()));
        }
        Ok(())
    }

    fn check_removals(
        &self,
        before: &Reading,
        difference: &Difference,
        proven: &Proven<'_>,
    ) -> Result<(), Refusal> {
        let claims = before.claims().unwrap_or_default();
        let removed = difference.removed.iter();
        let mut unfounded = removed
            .filter(|index| !(proven.is_dead)(**index))
            .map(|index| &claims[*index])
            .filter(|claim| !self.names(claim))
            .peekable();
        if unfounded.peek().is_none() {
            return Ok(());
        }
        // An entry that stands twice is about one process: what was found out about it holds for
        // both, whichever of them the policy asked about.
        let all = claims.iter().enumerate();
        let dead: HashSet<&Claim> = all
            .filter(|(index, _)| (proven.is_dead)(*index))
            .map(|(_, claim)| claim)
            .collect();
        match unfounded.find(|claim| !dead.contains(claim)) {
            None => Ok(()),
            Some(Claim { sid, pid, .. }) => Err(Refusal(format!(
                "the replacement loses or changes the entry of {sid:?} (pid {pid}), whose process \
                 is not proven dead"
            ))),
        }
    }

    /// Whether the request itself says that this entry goes, whatever its process does.
    fn names(&self, claim: &Claim) -> bool {
        match &self.removals {
            Removals::FoundDead => false,
            Removals::Named { sid, pid } => {
                *sid == claim.sid && pid.is_none_or(|pid| pid == claim.pid)
            }
            Removals::ImpossiblePids { sid } => {
                is_impossible(claim.pid) && sid.as_ref().is_none_or(|sid| *sid == claim.sid)
            }
        }
    }

    fn check_additions(
        &self,
        after: &Reading,
        difference: &Difference,
        proven: &Proven<'_>,
    ) -> Result<Option<Claim>, Refusal> {
        let claims = after.claims().unwrap_or_default();
        let index = match difference.added.as_slice() {
            [] => return Ok(None),
            [index] if self.adds(after, *index, proven.now) => *index,
            [index, ..] => {
                let Claim { sid, pid, .. } = &claims[*index];
                return Err(Refusal(format!(
                    "the replacement adds an entry of {sid:?} (pid {pid}) that nobody registered"
                )));
            }
        };
        let claim = &claims[index];
        if after.with_sid(&claim.sid).len() > 1 {
            return Err(Refusal(format!(
                "the replacement would have two entries of {:?}, and then neither can be signalled",
                claim.sid
            )));
        }
        if !proven.newcomer_runs {
            return Err(Refusal(
                "the process to register was not found running".into(),
            ));
        }
        Ok(Some(claim.clone()))
    }

    /// Whether the request registers just this entry, dated now.
    fn adds(&self, after: &Reading, index: usize, now: SystemTime) -> bool {
        let (Some(asked), Ok(claims)) = (&self.addition, after.claims()) else {
            return false;
        };
        let claim = &claims[index];
        let dated_now = claim.created_at.parse::<jiff::Timestamp>().is_ok_and(|at| {
            let at = SystemTime::from(at);
            let distance = now
                .duration_since(at)
                .unwrap_or_else(|early| early.duration());
            distance <= CREATION_SLACK
        });
        asked.sid == claim.sid
            && asked.pid == claim.pid
            && asked.sock == claim.sock
            && after.version(index).as_deref() == Some(asked.version.as_str())
            && dated_now
    }
}

/// Checks that a stop comprises this signal.
fn check_kind(
    stop: &Stop,
    signal: Signal,
    was_sent: &dyn Fn(Signal) -> bool,
) -> Result<(), Refusal> {
    let asked = stop.signal;
    match signal {
        signal if signal == asked => Ok(()),
        Signal::Cont if was_sent(asked) => Ok(()),
        Signal::Cont => Err(Refusal(format!(
            "a stop sends CONT only after the {asked} that the client asked for"
        ))),
        Signal::Kill if stop.force => Ok(()),
        Signal::Kill => Err(Refusal(format!(
            "the client asked for {asked}, and did not allow KILL with `force`"
        ))),
        other => Err(Refusal(format!(
            "the client asked for {asked}, not for {other}"
        ))),
    }
}

/// Whether no process can have this pid: 0 addresses a group, and pid_t is a positive
/// 32-bit integer (kill(2)).
fn is_impossible(pid: u32) -> bool {
    pid == 0 || i32::try_from(pid).is_err()
}

#[cfg(test)]
mod tests;
