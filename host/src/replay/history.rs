//! What a recording says about one worker, and what is made of it when another policy
//! treats that worker otherwise.

use crate::process::{Signal, Standing};
use crate::recording::{CallError, ErrorKind, Observed};

/// What was found, sent and waited for under one claim, each in its order.
#[derive(Default)]
pub(super) struct History {
    /// With the transaction in which it was found.
    findings: Vec<(usize, Observed)>,
    /// How many findings there were before it was first asked to end.
    before_asked: Option<usize>,
    /// With the transaction in which it was to be opened.
    opens: Vec<(usize, Option<CallError>)>,
    sends: Vec<(Sending, Option<CallError>)>,
    /// With the last signal before, of those that ask to end.
    waits: Vec<(Option<Signal>, bool)>,
    asked: Option<Signal>,
}

/// One way to signal: the signal, and whether it is for the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) signal: Signal,
    pub(super) group: bool,
}

/// What the policy that is tried has done to a worker.
#[derive(Default)]
pub(super) struct Treatment {
    sends: Vec<Sending>,
    /// By the last signal before.
    waits: Vec<Option<Signal>>,
    /// The last signal that was sent and asks to end.
    pub(super) asked: Option<Signal>,
    /// Whether it was told that the worker has ended.
    pub(super) has_ended: bool,
}

/// Where in the replay a finding is asked for.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Which of the recorded transactions it is; none beyond them.
    pub(super) transaction: Option<usize>,
    /// How often the claim was asked about before in this transaction.
    pub(super) asked_before: usize,
}

impl History {
    pub(super) fn note_finding(&mut self, transaction: usize, finding: &Observed) {
        self.findings.push((transaction, finding.clone()));
    }

    pub(super) fn note_open(&mut self, transaction: usize, error: Option<&CallError>) {
        self.opens.push((transaction, error.cloned()));
    }

    pub(super) fn note_send(&mut self, sending: Sending, error: Option<&CallError>) {
        if error.is_none() && sending.signal.asks_to_end() {
            self.asked = Some(sending.signal);
            self.before_asked.get_or_insert(self.findings.len());
        }
        // What was denied says what the recorded policy was granted, and nothing of the
        // worker.
        if error.is_none_or(|error| error.kind != ErrorKind::Denied) {
            self.sends.push((sending, error.cloned()));
        }
    }

    pub(super) fn note_wait(&mut self, ended: bool) {
        self.waits.push((self.asked, ended));
    }

    /// What is found about the worker, for a policy that has treated it so.
    pub(super) fn finding(&self, treatment: &Treatment, moment: Moment) -> Option<Observed> {
        match (treatment.asked, self.before_asked) {
            (None, Some(before)) => Some(
                // Who was signalled was proven alive.
                pick(&self.findings[..before], moment).unwrap_or_else(alive),
            ),
            (Some(signal), None) if treatment.has_ended => Some(Observed {
                standing: Standing::Exited,
                evidence: Some(format!(
                    "asked to end with SIG{signal} in the replay, which counts as done: the \
                     recorded policy did not ask"
                )),
                started: None,
                last_signal: None,
            }),
            _ => pick(&self.findings, moment),
        }
    }

    /// Why the worker was not opened in this transaction or the last one before in which
    /// somebody tried; none where it was, and where nobody tried.
    pub(super) fn open_error(&self, transaction: Option<usize>) -> Option<CallError> {
        let by_then = |(at, _): &&(usize, _)| transaction.is_none_or(|now| *at <= now);
        let opened = self.opens.iter().rfind(by_then);
        opened.and_then(|(_, error)| error.clone())
    }

    /// Why a signal was not sent; none where it was, and where nobody tried.
    pub(super) fn send_error(&self, treatment: &Treatment, sending: Sending) -> Option<CallError> {
        let sent = treatment
            .sends
            .iter()
            .filter(|one| **one == sending)
            .count();
        let mut recorded = self.sends.iter().filter(|(one, _)| *one == sending);
        recorded.nth(sent).and_then(|(_, error)| error.clone())
    }

    /// Whether the worker ended in a wait, for a policy that has treated it so.
    pub(super) fn ends(&self, treatment: &Treatment) -> bool {
        if treatment.has_ended {
            return true;
        }
        let asked = treatment.asked;
        let waited = treatment.waits.iter().filter(|one| **one == asked).count();
        let mut recorded = self.waits.iter().filter(|(after, _)| *after == asked);
        match recorded.clone().nth(waited).or(recorded.next_back()) {
            Some((_, ended)) => *ended,
            None => asked.is_some(),
        }
    }
}

impl Treatment {
    /// Notes that the policy sent a signal, or tried to.
    pub(super) fn note_send(&mut self, sending: Sending, error: Option<&CallError>) {
        self.sends.push(sending);
        match error {
            None if sending.signal.asks_to_end() => self.asked = Some(sending.signal),
            Some(error) if error.kind == ErrorKind::Ended && !sending.group => {
                self.has_ended = true;
            }
            _ => {}
        }
    }

    /// Notes that the policy waited, and what it was told.
    pub(super) fn note_wait(&mut self, ended: bool) {
        self.waits.push(self.asked);
        self.has_ended |= ended;
    }
}

/// The finding of this moment, else the next one, else the last.
fn pick(findings: &[(usize, Observed)], moment: Moment) -> Option<Observed> {
    let of_this = |(at, _): &&(usize, _)| Some(*at) == moment.transaction;
    let mut here = findings.iter().filter(of_this);
    let later = |(at, _): &&(usize, _)| moment.transaction.is_some_and(|now| *at > now);
    here.clone()
        .nth(moment.asked_before)
        .or_else(|| here.next_back())
        .or_else(|| findings.iter().find(later))
        .or_else(|| findings.last())
        .map(|(_, finding)| finding.clone())
}

fn alive() -> Observed {
    Observed {
        standing: Standing::Alive,
        evidence: None,
        started: None,
        last_signal: None,
    }
}
