//! `signals`: to registered workers, through verified pidfds, and to nobody else.

use std::time::Duration;

use wasmtime::component::Resource;

use crate::floor::{Refusal, find_target};
use crate::process::{Claim, SendError, Signal};

use super::bindings::poolwarden::pool::{signals, types};
use super::held::Held;
use super::reach::Reach;
use super::registry::Transaction;
use super::trail::Subject;
use super::waiting::SignalledWorker;
use super::{HostError, RequestState, View};

/// One verified process, and the claim that it was verified for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Target {
    process: Held,
    claim: Claim,
    subject: Subject,
    /// Whether its process group was signalled. Then the group is known to be its own,
    /// also when its leader has ended.
    group_signalled: bool,
}

impl signals::Host for View<'_> {
    fn open(
        &mut self,
        _: Resource<Transaction>,
        sid: String,
        pid: u32,
    ) -> Result<Resource<Target>, HostError> {
        let target = self.uncharged(|state| open(state, &sid, pid));
        let opened = target.and_then(|target| Ok(self.0.table.push(target)?));
        self.note_open(&sid, pid, &opened);
        opened
    }

    fn wait(
        &mut self,
        targets: Vec<Resource<Target>>,
        timeout: u64,
    ) -> Result<Vec<bool>, HostError> {
        let workers = targets
            .iter()
            .map(|target| {
                let target = self.0.table.get(target)?;
                Ok(SignalledWorker {
                    held: target.process.clone(),
                    claim: target.claim.clone(),
                    subject: target.subject.clone(),
                })
            })
            .collect::<Result<Vec<_>, HostError>>()?;
        let timeout_left = Duration::from_millis(timeout);
        let waited = self.uncharged(|state| state.wait_for(&workers, timeout_left));
        self.note_wait(&targets, timeout, &waited);
        waited
    }
}

impl signals::HostTarget for View<'_> {
    fn send(&mut self, target: Resource<Target>, signal: types::Signal) -> Result<(), HostError> {
        self.send_to(&target, signal.into(), Reach::Process)
    }

    fn send_group(
        &mut self,
        target: Resource<Target>,
        signal: types::Signal,
    ) -> Result<(), HostError> {
        self.send_to(&target, signal.into(), Reach::Group)
    }

    fn drop(&mut self, target: Resource<Target>) -> wasmtime::Result<()> {
        self.0.table.delete(target)?;
        Ok(())
    }
}

impl RequestState {
    /// Finds out about claims for the host itself.
    ///
    /// # Errors
    /// When the request is withdrawn.
    pub(super) fn look(&mut self, claims: &[Claim]) -> Result<Vec<types::Finding>, HostError> {
        let findings = self.inspect(claims)?;
        self.note_look(claims, &findings);
        Ok(findings)
    }
}

impl View<'_> {
    fn send_to(
        &mut self,
        target: &Resource<Target>,
        signal: Signal,
        reach: Reach,
    ) -> Result<(), HostError> {
        let sent = self.uncharged(|state| send(state, target, signal, reach));
        self.note_send(target.rep(), signal, reach, &sent);
        sent
    }
}

fn open(state: &mut RequestState, sid: &str, pid: u32) -> Result<Target, HostError> {
    let reading = state.open_transaction()?.reading.clone();
    let index = find_target(&reading, sid, pid)?;
    state.budget.check_target(sid, pid)?;
    let claim = reading
        .claims()
        .map(|claims| claims[index].clone())
        .map_err(|error| Refusal(error.to_string()))?;
    let process = match state.open_transaction()?.process(index) {
        Some(process) => process,
        None => prove(state, &claim, index)?,
    };
    let reopened = process.reopen();
    let reopened = reopened.map_err(|error| not_done(state, &claim, error))?;
    match reopened.forbidden() {
        Some(reason) => Err(Refusal(reason.to_string()).into()),
        None => Ok(Target {
            process,
            claim,
            subject: state.open_transaction()?.subject(index),
            group_signalled: false,
        }),
    }
}

/// Proves an entry that the policy did not ask about, or whose process was not kept.
fn prove(state: &mut RequestState, claim: &Claim, index: usize) -> Result<Held, HostError> {
    let findings = state.look(std::slice::from_ref(claim))?;
    state.open_transaction()?.process(index).ok_or_else(|| {
        let evidence = findings
            .first()
            .and_then(|finding| finding.evidence.as_deref());
        let evidence = evidence.unwrap_or("there is no evidence");
        Refusal(format!("its process is not proven alive: {evidence}")).into()
    })
}

fn send(
    state: &mut RequestState,
    handle: &Resource<Target>,
    signal: Signal,
    reach: Reach,
) -> Result<(), HostError> {
    let target = state.table.get(handle)?;
    let (held, claim) = (target.process.clone(), target.claim.clone());
    let was_sent = |signal| state.facts.was_sent(&claim, signal);
    let is_group = reach == Reach::Group;
    state
        .budget
        .check_signal(&claim, signal, is_group, &was_sent)?;
    let subject = target.subject.clone();
    let checked = match reach {
        Reach::Group if !target.group_signalled => check_group(&held)?,
        _ => Ok(()),
    };
    let sent = match checked {
        Ok(()) => recorded(state, &held, subject.clone(), signal, reach)?,
        failed => failed,
    };
    sent.map_err(|error| not_done(state, &claim, error))?;
    if reach == Reach::Group {
        state.table.get_mut(handle)?.group_signalled = true;
    }
    state.facts.signalled(&claim, signal);
    if signal.asks_to_end() {
        let now = state.now();
        if let Some(open) = state.transaction.as_mut() {
            open.note_signal(&claim, signal, now);
        }
        let worker = SignalledWorker {
            held,
            claim,
            subject,
        };
        state.note_kill_to_come(signal, worker);
    }
    Ok(())
}

/// Checks that a process group may be signalled. Who leads it has to run.
fn check_group(held: &Held) -> Result<Result<(), SendError>, Refusal> {
    let process = match held.reopen() {
        Ok(process) => process,
        Err(error) => return Ok(Err(error)),
    };
    match process.has_ended() {
        Ok(false) => {}
        Ok(true) => return Ok(Err(SendError::Ended)),
        Err(error) => return Ok(Err(error.into())),
    }
    match process.forbidden_group() {
        Some(reason) => Err(Refusal(reason.to_string())),
        None => Ok(Ok(())),
    }
}

/// Sends a signal between its two lines in the audit trail.
fn recorded(
    state: &mut RequestState,
    held: &Held,
    subject: Subject,
    signal: Signal,
    reach: Reach,
) -> Result<Result<(), SendError>, HostError> {
    let process = match held.reopen() {
        Ok(process) => process,
        Err(error) => return Ok(Err(error)),
    };
    // Where nobody is left, nothing is done and nothing recorded. A group can outlive the
    // process that leads it.
    if reach == Reach::Process && process.has_ended().is_ok_and(|ended| ended) {
        return Ok(Err(SendError::Ended));
    }
    let recorded = state.before_signal(subject, signal, reach)?;
    let sent = match reach {
        Reach::Process => process.send(signal),
        Reach::Group => process.send_group(signal),
    };
    state.after_signal(&recorded, &sent);
    Ok(sent)
}

/// What the policy is told about a signal that was not sent, or a process that was not
/// opened for one.
fn not_done(state: &mut RequestState, claim: &Claim, error: SendError) -> HostError {
    if matches!(error, SendError::Ended) {
        state.facts.ended(claim);
    }
    // Most workers have ended by the second signal. They are looked at again, all at once,
    // when their entries are to go.
    if matches!(error, SendError::Ended) && !state.facts.was_signalled(claim) {
        // It ended since it was proven: the entry may go once that is found.
        if let Err(stays) = refuse_unless_dead(state, claim) {
            return stays;
        }
    }
    error.into()
}

/// Looks again at an entry whose process has ended before its first signal: its socket may
/// be served by somebody else, and then the entry stays.
fn refuse_unless_dead(state: &mut RequestState, claim: &Claim) -> Result<(), HostError> {
    if state.transaction.is_none() {
        return Ok(());
    }
    let finding = state.look(std::slice::from_ref(claim))?.pop();
    let kept = finding.filter(|finding| {
        use types::Standing::{Exited, Gone, Reused};
        !matches!(finding.standing, Gone | Reused | Exited)
    });
    match kept {
        Some(finding) => Err(Refusal(finding.evidence.unwrap_or_default()).into()),
        None => Ok(()),
    }
}
