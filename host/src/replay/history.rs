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

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Sending = Sending {
        signal: Signal::Term,
        group: false,
    };
    const KILL: Sending = Sending {
        signal: Signal::Kill,
        group: false,
    };

    fn found(standing: Standing) -> Observed {
        Observed {
            standing,
            ..alive()
        }
    }

    fn error(kind: ErrorKind) -> CallError {
        CallError {
            kind,
            text: String::new(),
        }
    }

    fn at(transaction: usize) -> Moment {
        Moment {
            transaction: Some(transaction),
            asked_before: 0,
        }
    }

    const BEYOND: Moment = Moment {
        transaction: None,
        asked_before: 0,
    };

    /// Alive, asked to end, waited for, and then found to have ended or not.
    fn stopped(ended: bool) -> History {
        let mut history = History::default();
        history.note_finding(0, &found(Standing::Alive));
        history.note_open(0, None);
        history.note_send(TERM, None);
        history.note_wait(ended);
        if ended {
            history.note_finding(1, &found(Standing::Exited));
        }
        history
    }

    fn treated(sendings: &[Sending]) -> Treatment {
        let mut treatment = Treatment::default();
        for sending in sendings {
            treatment.note_send(*sending, None);
        }
        treatment
    }

    fn standing(history: &History, treatment: &Treatment, moment: Moment) -> Option<Standing> {
        let found = history.finding(treatment, moment);
        found.map(|found| found.standing)
    }

    #[test]
    fn who_is_treated_as_then_is_found_as_then() {
        let history = stopped(true);
        assert_eq!(
            standing(&history, &treated(&[]), at(0)),
            Some(Standing::Alive)
        );
        let treatment = treated(&[TERM]);
        assert!(history.ends(&treatment));
        for moment in [at(1), at(2), BEYOND] {
            let standing = standing(&history, &treatment, moment);
            assert_eq!(standing, Some(Standing::Exited));
        }
    }

    #[test]
    fn who_is_spared_lives_on() {
        let history = stopped(true);
        let spared = treated(&[]);
        assert!(!history.ends(&spared));
        for moment in [at(0), at(1), BEYOND] {
            let standing = standing(&history, &spared, moment);
            assert_eq!(standing, Some(Standing::Alive));
        }
    }

    #[test]
    fn who_only_the_new_policy_asks_to_end_does() {
        let mut history = History::default();
        history.note_finding(0, &found(Standing::Alive));
        let mut treatment = treated(&[TERM]);
        // Nobody has waited yet.
        assert_eq!(
            standing(&history, &treatment, BEYOND),
            Some(Standing::Alive)
        );
        assert!(history.ends(&treatment));
        treatment.note_wait(true);
        assert_eq!(
            standing(&history, &treatment, BEYOND),
            Some(Standing::Exited)
        );
    }

    #[test]
    fn who_took_no_notice_takes_none_again_but_cannot_outlive_a_kill() {
        let history = stopped(false);
        assert!(!history.ends(&treated(&[TERM])));
        assert!(!history.ends(&treated(&[TERM, TERM])));
        assert!(history.ends(&treated(&[TERM, KILL])));
    }

    #[test]
    fn a_signal_fails_again_as_often_as_it_did() {
        let mut history = History::default();
        history.note_send(TERM, Some(&error(ErrorKind::System)));
        history.note_send(TERM, None);
        let mut treatment = treated(&[]);
        let first = history.send_error(&treatment, TERM);
        assert_eq!(first, Some(error(ErrorKind::System)));
        treatment.note_send(TERM, first.as_ref());
        assert_eq!(treatment.asked, None);
        assert_eq!(history.send_error(&treatment, TERM), None);
        assert_eq!(history.send_error(&treatment, KILL), None);
    }

    #[test]
    fn what_was_denied_to_the_recorded_policy_is_no_fact_about_a_worker() {
        let mut history = History::default();
        history.note_send(TERM, Some(&error(ErrorKind::Denied)));
        assert_eq!(history.send_error(&treated(&[]), TERM), None);
    }

    #[test]
    fn a_worker_that_nobody_looked_at_is_unknown() {
        assert_eq!(standing(&History::default(), &treated(&[]), at(0)), None);
    }

    #[test]
    fn a_finding_is_the_next_one_where_there_was_none_yet() {
        let mut history = History::default();
        history.note_finding(1, &found(Standing::Foreign));
        history.note_finding(2, &found(Standing::Gone));
        history.note_finding(2, &found(Standing::Exited));
        let standing = |transaction, asked_before| {
            let moment = Moment {
                transaction: Some(transaction),
                asked_before,
            };
            super::tests::standing(&history, &treated(&[]), moment)
        };
        assert_eq!(standing(0, 0), Some(Standing::Foreign));
        assert_eq!(standing(2, 0), Some(Standing::Gone));
        assert_eq!(standing(2, 1), Some(Standing::Exited));
        assert_eq!(standing(2, 9), Some(Standing::Exited));
        assert_eq!(standing(9, 0), Some(Standing::Exited));
    }

    #[test]
    fn who_was_not_opened_is_not_opened() {
        let mut history = History::default();
        history.note_open(0, None);
        history.note_open(1, Some(&error(ErrorKind::Refused)));
        assert_eq!(history.open_error(Some(0)), None);
        for transaction in [Some(1), Some(2), None] {
            let refused = Some(error(ErrorKind::Refused));
            assert_eq!(history.open_error(transaction), refused);
        }
    }
}
