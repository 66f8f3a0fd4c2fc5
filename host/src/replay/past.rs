//! A recording, in the order in which a replay asks for it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::floor::{Reading, find_target};
use crate::process::{Claim, Signal};
use crate::recording::{Bytes, Call, CallError, ErrorKind, Found, Recording};

use super::effects::Effects;
use super::history::{History, Sending};

/// What happened.
#[derive(Default)]
pub(super) struct Past {
    pub(super) transactions: Vec<Transaction>,
    pub(super) histories: HashMap<Claim, History>,
    /// Why each wait failed, if it did.
    pub(super) waits: Vec<Option<CallError>>,
    /// What the clock said, and at least one time.
    pub(super) times: Vec<SystemTime>,
    pub(super) effects: Effects,
}

/// One attempt to hold the registry.
pub(super) struct Transaction {
    /// The registry, or why there was none to be had.
    pub(super) begun: Result<Option<Vec<u8>>, CallError>,
    /// Whether it is as the transaction before had left it.
    pub(super) undisturbed: bool,
    /// Why the system did not let it be replaced, if so.
    pub(super) replace_error: Option<CallError>,
}

/// What is needed only while a recording is read.
#[derive(Default)]
struct Reader {
    past: Past,
    /// The open transaction's registry.
    reading: Option<Reading>,
    /// The registry as it was last seen or left.
    left: Option<Option<Vec<u8>>>,
    /// By the number of the target.
    targets: HashMap<u64, Claim>,
}

impl Past {
    /// What was recorded, with the clock ahead of the recorded one.
    pub(super) fn new(recording: &Recording, clock_ahead: Duration) -> Self {
        let mut reader = Reader::default();
        for call in &recording.calls {
            reader.take(call);
        }
        let mut past = reader.past;
        if past.times.is_empty() {
            past.times.push(recording.at);
        }
        for time in &mut past.times {
            // A time beyond the calendar is not reached.
            *time = time.checked_add(clock_ahead).unwrap_or(*time);
        }
        past
    }
}

impl Reader {
    fn take(&mut self, call: &Call) {
        match call {
            Call::Begin { registry, error } => self.begin(registry.as_ref(), error.as_ref()),
            Call::Replace { registry, error } => self.replace(registry, error.as_ref()),
            Call::End => self.reading = None,
            Call::Inspect { found } | Call::Look { found } => {
                for Found { claim, finding } in found {
                    let transaction = self.transaction();
                    // Outside of a transaction nothing was looked at.
                    if self.reading.is_some() {
                        self.history(claim).note_finding(transaction, finding);
                    }
                }
            }
            Call::Open {
                sid,
                pid,
                target,
                error,
            } => self.open(sid, *pid, *target, error.as_ref()),
            Call::Send {
                target,
                signal,
                error,
            } => self.send(*target, *signal, false, error.as_ref()),
            Call::SendGroup {
                target,
                signal,
                error,
            } => self.send(*target, *signal, true, error.as_ref()),
            Call::Wait {
                targets,
                ended,
                error,
                ..
            } => self.wait(targets, ended, error.as_ref()),
            Call::Now { at } => self.past.times.push(*at),
            Call::Read | Call::Config { .. } | Call::Log { .. } => {}
        }
    }

    /// Which transaction is open, or was last.
    fn transaction(&self) -> usize {
        self.past.transactions.len().saturating_sub(1)
    }

    fn history(&mut self, claim: &Claim) -> &mut History {
        self.past.histories.entry(claim.clone()).or_default()
    }

    fn begin(&mut self, registry: Option<&Bytes>, error: Option<&CallError>) {
        let begun = match error {
            // The policy's own mistake, of which the replay finds out for itself.
            Some(error) if error.kind == ErrorKind::Misuse => return,
            Some(error) => Err(error.clone()),
            None => Ok(registry.map(|bytes| bytes.as_slice().to_vec())),
        };
        let mut undisturbed = false;
        if let Ok(bytes) = &begun {
            undisturbed = self.left.as_ref() == Some(bytes);
            self.left = Some(bytes.clone());
            self.reading = Some(Reading::new(bytes.clone()));
        }
        self.past.transactions.push(Transaction {
            begun,
            undisturbed,
            replace_error: None,
        });
    }

    fn replace(&mut self, registry: &Bytes, error: Option<&CallError>) {
        match error {
            None => {
                let after = Reading::new(Some(registry.as_slice().to_vec()));
                if let Some(before) = &self.reading {
                    self.past.effects.note_replace(before, &after);
                }
                self.left = Some(after.bytes().map(<[u8]>::to_vec));
            }
            // The rules decide the others anew.
            Some(error) if is_of_the_system(error.kind) => {
                if let Some(last) = self.past.transactions.last_mut() {
                    last.replace_error = Some(error.clone());
                }
            }
            Some(_) => {}
        }
    }

    fn open(&mut self, sid: &str, pid: u32, target: Option<u64>, error: Option<&CallError>) {
        let Some(claim) = self.reading.as_ref().and_then(|reading| {
            // Where there is no such entry, the rules say so anew.
            let index = find_target(reading, sid, pid).ok()?;
            reading.claims().ok()?.get(index).cloned()
        }) else {
            return;
        };
        let transaction = self.transaction();
        self.history(&claim).note_open(transaction, error);
        if let Some(target) = target {
            self.targets.insert(target, claim);
        }
    }

    fn send(&mut self, target: u64, signal: Signal, group: bool, error: Option<&CallError>) {
        let Some(claim) = self.targets.get(&target).cloned() else {
            return;
        };
        if error.is_none() {
            self.past.effects.note_signal(&claim, signal, group);
        }
        self.history(&claim)
            .note_send(Sending { signal, group }, error);
    }

    fn wait(&mut self, targets: &[u64], ended: &[bool], error: Option<&CallError>) {
        if error.is_some_and(|error| error.kind == ErrorKind::Misuse) {
            return;
        }
        self.past.waits.push(error.cloned());
        for (target, ended) in targets.iter().zip(ended) {
            if let Some(claim) = self.targets.get(target).cloned() {
                self.history(&claim).note_wait(*ended);
            }
        }
    }
}

/// Whether an error says something about the machine, and not about the policy.
fn is_of_the_system(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::System | ErrorKind::TooLarge | ErrorKind::Busy | ErrorKind::Cancelled
    )
}
