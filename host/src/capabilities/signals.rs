//! `signals`: to registered workers, through verified pidfds, and to nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::Resource;

use crate::floor::{Refusal, find_target};
use crate::process::{Claim, Process, SendError, Signal, WaitError};

use super::bindings::poolwarden::pool::{signals, types};
use super::registry::Transaction;
use super::{HostError, RequestState, View};

/// One verified process, and the claim that it was verified for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Target {
    process: Arc<Process>,
    claim: Claim,
}

impl signals::Host for View<'_> {
    fn open(
        &mut self,
        _: Resource<Transaction>,
        sid: String,
        pid: u32,
    ) -> Result<Resource<Target>, HostError> {
        let target = self.uncharged(|state| open(state, &sid, pid))?;
        Ok(self.0.table.push(target)?)
    }

    fn wait(
        &mut self,
        targets: Vec<Resource<Target>>,
        timeout: u64,
    ) -> Result<Vec<bool>, HostError> {
        let processes = targets
            .iter()
            .map(|target| Ok(self.0.table.get(target)?.process.clone()))
            .collect::<Result<Vec<_>, HostError>>()?;
        self.uncharged(|state| wait(state, &processes, Duration::from_millis(timeout)))
    }
}

fn open(state: &mut RequestState, sid: &str, pid: u32) -> Result<Target, HostError> {
    let reading = state.open_transaction()?.reading.clone();
    let index = find_target(&reading, sid, pid)?;
    let claim = reading
        .claims()
        .map(|claims| claims[index].clone())
        .map_err(|error| Refusal(error.to_string()))?;
    let process = match state.open_transaction()?.process(index) {
        Some(process) => process,
        None => prove(state, &claim, index)?,
    };
    match process.forbidden() {
        Some(reason) => Err(Refusal(reason.to_string()).into()),
        None => Ok(Target { process, claim }),
    }
}

/// Proves an entry that the policy did not ask about, or whose process was not kept.
fn prove(state: &mut RequestState, claim: &Claim, index: usize) -> Result<Arc<Process>, HostError> {
    let findings = state.inspect(std::slice::from_ref(claim));
    state.open_transaction()?.process(index).ok_or_else(|| {
        let evidence = findings
            .first()
            .and_then(|finding| finding.evidence.as_deref());
        let evidence = evidence.unwrap_or("there is no evidence");
        Refusal(format!("its process is not proven alive: {evidence}")).into()
    })
}

fn wait(
    state: &mut RequestState,
    processes: &[Arc<Process>],
    timeout: Duration,
) -> Result<Vec<bool>, HostError> {
    if state.transaction.is_some() {
        return Err(HostError::misuse(
            "waiting inside a transaction: a worker may need the lock to exit",
        ));
    }
    let begun = Instant::now();
    let ended =
        state
            .context
            .processes
            .wait(processes, timeout.min(state.wait_left), &state.cancel);
    state.wait_left = state.wait_left.saturating_sub(begun.elapsed());
    ended.map_err(|error| {
        HostError::Guest(match &error {
            WaitError::Cancelled => types::Error::Cancelled(error.to_string()),
            WaitError::Io(_) => types::Error::System(crate::error::chain(&error)),
        })
    })
}

impl signals::HostTarget for View<'_> {
    fn send(&mut self, target: Resource<Target>, signal: types::Signal) -> Result<(), HostError> {
        let signal = from_wit(signal);
        self.0.context.grants.check_signal(signal)?;
        if self.0.request.is_dry_run() {
            return Err(Refusal("the client asked for a dry run".into()).into());
        }
        let Target { process, claim } = self.0.table.get(&target)?;
        let (process, claim) = (process.clone(), claim.clone());
        if let Err(error) = process.send(signal) {
            if matches!(error, SendError::Ended) {
                // It ended since it was proven: the entry may go once that is found.
                refuse_unless_dead(self.0, &claim)?;
            }
            return Err(error.into());
        }
        if asks_to_end(signal) {
            let now = self.0.now();
            if let Some(open) = self.0.transaction.as_mut() {
                open.note_signal(&claim, signal, now);
            }
            self.0.signalled.insert(claim);
        }
        Ok(())
    }

    fn drop(&mut self, target: Resource<Target>) -> wasmtime::Result<()> {
        self.0.table.delete(target)?;
        Ok(())
    }
}

/// Looks again at an entry whose process has ended before its first signal: its socket may
/// be served by somebody else, and then the entry stays.
fn refuse_unless_dead(state: &mut RequestState, claim: &Claim) -> Result<(), HostError> {
    if state.transaction.is_none() {
        return Ok(());
    }
    let finding = state.inspect(std::slice::from_ref(claim)).pop();
    let kept = finding.filter(|finding| {
        use types::Standing::{Exited, Gone, Reused};
        !matches!(finding.standing, Gone | Reused | Exited)
    });
    match kept.filter(|_| !state.signalled.contains(claim)) {
        Some(finding) => Err(Refusal(finding.evidence.unwrap_or_default()).into()),
        None => Ok(()),
    }
}

/// Whether a process that gets this signal is on its way out, unless it chooses not to
/// be. The others neither mark an entry as stopping nor let it go.
fn asks_to_end(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::Hup | Signal::Int | Signal::Quit | Signal::Term | Signal::Kill
    )
}

fn from_wit(signal: types::Signal) -> Signal {
    match signal {
        types::Signal::Hup => Signal::Hup,
        types::Signal::Int => Signal::Int,
        types::Signal::Quit => Signal::Quit,
        types::Signal::Usr1 => Signal::Usr1,
        types::Signal::Usr2 => Signal::Usr2,
        types::Signal::Term => Signal::Term,
        types::Signal::Cont => Signal::Cont,
        types::Signal::Stop => Signal::Stop,
        types::Signal::Kill => Signal::Kill,
    }
}

pub(super) fn to_wit(signal: Signal) -> types::Signal {
    match signal {
        Signal::Hup => types::Signal::Hup,
        Signal::Int => types::Signal::Int,
        Signal::Quit => types::Signal::Quit,
        Signal::Usr1 => types::Signal::Usr1,
        Signal::Usr2 => types::Signal::Usr2,
        Signal::Term => types::Signal::Term,
        Signal::Cont => types::Signal::Cont,
        Signal::Stop => types::Signal::Stop,
        Signal::Kill => types::Signal::Kill,
    }
}
