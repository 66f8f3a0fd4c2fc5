//! Noting what a policy asks of its host and what it is answered, where that is recorded.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Resource;

use crate::process::{Claim, Signal};
use crate::recording::{
    Bytes, Call, CallError, Found, LARGEST, Outcome, Recording, RecordingError, RecordingFile,
    VERSION,
};

use super::bindings::poolwarden::pool::types;
use super::reach::Reach;
use super::signals::Target;
use super::{HostError, RequestState, View};

/// What a call takes in memory beside its texts, in bytes.
const CALL: usize = 128;

/// The calls of one request. Each of its clones is the same one.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Tape>>);

#[derive(Default)]
struct Tape {
    calls: Vec<Call>,
    /// Which number each handle of the guest stands for now.
    targets: HashMap<u32, u64>,
    opened: u64,
    /// About how many bytes the calls take. Beyond [`LARGEST`] none are kept.
    weight: usize,
}

/// A request whose calls are being recorded.
pub(crate) struct Started {
    recorder: Recorder,
    /// Without calls, and without what came of it.
    recording: Recording,
}

impl RequestState {
    /// Has every call noted from here on.
    pub(crate) fn record(&mut self) -> Started {
        let recorder = self.recorder.insert(Recorder::default()).clone();
        let mandate = &self.origin.mandate;
        let recording = Recording {
            version: VERSION,
            at: self.now(),
            pool: self.context.directory_path().to_owned(),
            asked_by: self.origin.asker.asks(self.request.verb()),
            request: self.request.clone(),
            policy: self.decided_by(),
            grants: mandate.grants().names(),
            settings: BTreeMap::clone(mandate.settings()),
            calls: Vec::new(),
            answer: None,
            failure: None,
        };
        Started {
            recorder,
            recording,
        }
    }

    /// Notes a call, where the request is recorded.
    pub(super) fn note(&self, call: impl FnOnce() -> Call) {
        if let Some(recorder) = &self.recorder {
            recorder.tape(|tape| tape.push(call()));
        }
    }

    /// Notes what the host looked at for itself.
    pub(super) fn note_look(&self, claims: &[Claim], findings: &[types::Finding]) {
        self.note(|| Call::Look {
            found: found(claims, findings),
        });
    }
}

/// Each notes one call, as the guest made it. Where the request is not recorded, nothing
/// is copied.
impl View<'_> {
    pub(super) fn note_begin(&self, begun: &Result<(), HostError>) {
        self.0.note(|| {
            let open = self.0.transaction.as_ref().filter(|_| begun.is_ok());
            Call::Begin {
                registry: open.and_then(|open| open.reading.bytes().map(Bytes::new)),
                error: error(begun),
            }
        });
    }

    pub(super) fn note_replace(&self, bytes: Option<Vec<u8>>, replaced: &Result<(), HostError>) {
        self.0.note(|| Call::Replace {
            registry: Bytes::new(bytes.unwrap_or_default()),
            error: error(replaced),
        });
    }

    pub(super) fn note_inspect(&self, claims: &[Claim], findings: &[types::Finding]) {
        self.0.note(|| Call::Inspect {
            found: found(claims, findings),
        });
    }

    pub(super) fn note_open(
        &self,
        sid: &str,
        pid: u32,
        opened: &Result<Resource<Target>, HostError>,
    ) {
        let Some(recorder) = &self.0.recorder else {
            return;
        };
        recorder.tape(|tape| {
            let target = opened.as_ref().ok().map(|handle| tape.number(handle));
            tape.push(Call::Open {
                sid: sid.to_owned(),
                pid,
                target,
                error: error(opened),
            });
        });
    }

    pub(super) fn note_send(
        &self,
        handle: u32,
        signal: Signal,
        reach: Reach,
        sent: &Result<(), HostError>,
    ) {
        let Some(recorder) = &self.0.recorder else {
            return;
        };
        recorder.tape(|tape| {
            let (target, error) = (tape.target(handle), error(sent));
            tape.push(match reach {
                Reach::Process => Call::Send {
                    target,
                    signal,
                    error,
                },
                Reach::Group => Call::SendGroup {
                    target,
                    signal,
                    error,
                },
            });
        });
    }

    pub(super) fn note_wait(
        &self,
        handles: &[Resource<Target>],
        timeout_ms: u64,
        waited: &Result<Vec<bool>, HostError>,
    ) {
        let Some(recorder) = &self.0.recorder else {
            return;
        };
        recorder.tape(|tape| {
            let targets = handles.iter().map(|handle| tape.target(handle.rep()));
            let targets = targets.collect();
            tape.push(Call::Wait {
                targets,
                timeout_ms,
                ended: waited.as_ref().map_or_else(|_| Vec::new(), Vec::clone),
                error: error(waited),
            });
        });
    }
}

impl Recorder {
    fn tape<T>(&self, work: impl FnOnce(&mut Tape) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tape {
    fn push(&mut self, call: Call) {
        self.weight = self.weight.saturating_add(weight(&call));
        if self.weight <= LARGEST {
            self.calls.push(call);
        } else {
            // What is not whole says nothing, and a guest that calls without end must not
            // fill the memory.
            self.calls = Vec::new();
        }
    }

    /// Gives a worker that was opened its number. Its handle may have stood for another one.
    fn number(&mut self, handle: &Resource<Target>) -> u64 {
        let number = self.opened;
        self.opened += 1;
        self.targets.insert(handle.rep(), number);
        number
    }

    fn target(&self, handle: u32) -> u64 {
        self.targets.get(&handle).copied().unwrap_or(u64::MAX)
    }
}

impl Started {
    /// The recording, now that the request is over.
    ///
    /// # Errors
    /// When it has become too large, or the answer cannot be taken over.
    pub(crate) fn ended(
        mut self,
        outcome: Outcome,
        file: &RecordingFile,
    ) -> Result<Recording, RecordingError> {
        let (calls, weight) = self
            .recorder
            .tape(|tape| (std::mem::take(&mut tape.calls), tape.weight));
        if weight > LARGEST {
            return Err(file.too_large(weight as u64, LARGEST as u64));
        }
        self.recording.calls = calls;
        Ok(self.recording.ended(outcome)?)
    }
}

fn weight(call: &Call) -> usize {
    let texts = match call {
        Call::Begin { registry, .. } => registry.as_ref().map_or(0, |bytes| bytes.as_slice().len()),
        Call::Replace { registry, .. } => registry.as_slice().len(),
        Call::Inspect { found } | Call::Look { found } => found
            .iter()
            .map(|Found { claim, finding }| {
                let evidence = finding.evidence.as_ref().map_or(0, String::len);
                CALL + claim.sid.len() + claim.created_at.len() + claim.sock.len() + evidence
            })
            .sum(),
        Call::Open { sid, .. } => sid.len(),
        Call::Wait { targets, ended, .. } => targets.len() * 8 + ended.len(),
        Call::Config { key, value } => key.len() + value.as_ref().map_or(0, String::len),
        Call::Log {
            context, message, ..
        } => context.len() + message.len(),
        Call::Read | Call::End | Call::Send { .. } | Call::SendGroup { .. } | Call::Now { .. } => 0,
    };
    CALL + texts
}

/// The error that the guest saw. A trap ends the request, and what came of it says why.
fn error<T>(done: &Result<T, HostError>) -> Option<CallError> {
    match done {
        Ok(_) | Err(HostError::Trap(_)) => None,
        Err(HostError::Guest(error)) => Some(error.clone().into()),
    }
}

fn found(claims: &[Claim], findings: &[types::Finding]) -> Vec<Found> {
    let pairs = claims.iter().zip(findings);
    pairs
        .map(|(claim, finding)| Found {
            claim: claim.clone(),
            finding: finding.into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_become_too_large_is_not_kept() {
        let mut tape = Tape::default();
        let large = || Call::Config {
            key: "x".repeat(LARGEST / 4),
            value: None,
        };
        for kept in [1, 2, 3, 0, 0] {
            tape.push(large());
            assert_eq!(tape.calls.len(), kept);
        }
        // Also what would fit again.
        tape.push(Call::Read);
        assert!(tape.calls.is_empty());
        assert!(tape.weight > LARGEST);
    }

    #[test]
    fn a_handle_that_is_used_again_is_another_target() {
        let mut tape = Tape::default();
        let handle = |rep| Resource::<Target>::new_own(rep);
        assert_eq!(tape.number(&handle(4)), 0);
        assert_eq!(tape.number(&handle(5)), 1);
        assert_eq!(tape.number(&handle(4)), 2);
        assert_eq!((tape.target(4), tape.target(5)), (2, 1));
    }
}
