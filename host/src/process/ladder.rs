//! One claim, judged in full: the system is asked, strongest proof first.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;
use std::time::SystemTime;

use super::decide::{Facts, Row, Rung, decide};
use super::handle::LinuxProcess;
use super::here;
use super::inquiry::Inquiry;
use super::kernel::Kernel;
use super::ledger::{Whereabouts, agreement, whereabouts};
use super::listeners::Holder;
use super::quoted::quoted;
use super::socket::{Answer, Sockets};
use super::subject::{OpenError, State, Subject, possible};
use super::time::{Calendar, text};
use super::{Claim, Finding, Identity, Place, Process, Proof, Question, Record, Standing};

/// A claim that is alive.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    pub(super) process: Arc<LinuxProcess>,
    pub(super) rung: Rung,
    /// How claim and process were tied when that was first proven.
    pub(super) proof: Proof,
    pub(super) started: SystemTime,
    /// Whether the ledger lacks a row that says as much.
    pub(super) unrecorded: bool,
}

impl Proven {
    /// The row that the ledger lacks.
    pub(super) fn learned(&self) -> Option<Record> {
        self.unrecorded.then(|| Record {
            identity: self.process.identity().clone(),
            proof: self.proof,
        })
    }
}

/// Judges the claims of one call: what is the same for all of them is asked once.
pub(super) struct Ladder<'a> {
    kernel: &'a Arc<dyn Kernel>,
    inquiry: &'a Inquiry<'a>,
    calendar: Calendar,
    place: OnceCell<Result<Place, String>>,
    proc: OnceCell<Result<(), String>>,
    sockets: RefCell<Sockets<'a>>,
}

impl<'a> Ladder<'a> {
    pub(super) fn new(kernel: &'a Arc<dyn Kernel>, inquiry: &'a Inquiry<'a>) -> Self {
        Self {
            kernel,
            inquiry,
            calendar: Calendar::new(kernel.as_ref()),
            place: OnceCell::new(),
            proc: OnceCell::new(),
            sockets: RefCell::new(Sockets::new(kernel.as_ref(), inquiry)),
        }
    }

    /// Judges one claim. The error is a finding of any standing but alive.
    pub(super) fn judge(&self, question: &Question<'_>) -> Result<Proven, Finding> {
        self.climb(question).map_err(|finding| {
            if finding.standing.is_dead() {
                self.unless_served(question.claim, finding)
            } else {
                finding
            }
        })
    }

    fn climb(&self, question: &Question<'_>) -> Result<Proven, Finding> {
        let Question { claim, record } = *question;
        let pid = claim.pid;
        if pid == 1 {
            let evidence = "pid 1 is the init process of this pid namespace and is never taken \
                            for a worker";
            return Err(Finding::new(Standing::Unproven, evidence));
        }
        if possible(pid).is_none() {
            let evidence = format!("{pid} is an impossible pid: no process can have it");
            return Err(Finding::new(Standing::Gone, evidence));
        }
        let place = self.place()?;
        if let Some(record) = record {
            check_whereabouts(&record.identity.place, place)?;
        }

        let kernel = self.kernel.as_ref();
        let subject = self.open(pid)?;
        let stat = self.proc().and_then(|()| {
            let hint = |error| format!("/proc/{pid}/stat cannot be read: {error}");
            subject.stat(kernel).map_err(hint)
        });
        self.check_running(&subject)?;
        let started = stat
            .as_ref()
            .ok()
            .map(|stat| self.calendar.at(stat.start_ticks));
        if let Some(record) = record {
            self.check_inode(record, &subject, started)?;
        }
        let stat = stat.map_err(|reason| {
            Finding::new(Standing::Unknown, format!("pid {pid} runs, but {reason}"))
        })?;
        let started = self.calendar.at(stat.start_ticks);

        let identity = Identity {
            place: place.clone(),
            inode: subject.inode,
            start_ticks: stat.start_ticks,
        };
        let row = record.map(|record| Row {
            agreement: agreement(&record.identity, &identity),
            proof: record.proof,
        });
        let rung = self.decide(claim, row, &subject, started)?;
        let proof = match (rung, row) {
            (Rung::Socket, _) => Proof::Socket,
            (Rung::Ledger, Some(row)) => row.proof,
            (Rung::Ledger | Rung::Time, _) => Proof::Time,
        };
        // What was learned from the registry alone is no word of anybody's.
        let named = rung == Rung::Ledger
            && matches!(proof, Proof::Registered | Proof::Adopted)
            && identity.inode.is_some()
            && record.is_some_and(|record| record.identity.inode == identity.inode);
        Ok(Proven {
            unrecorded: rung != Rung::Ledger && !is_recorded(record, &identity, proof),
            process: Arc::new(LinuxProcess::new(self.kernel, subject, identity).named(named)),
            rung,
            proof,
            started,
        })
    }

    /// Asks the weaker proofs only when the ledger's does not do, and makes sure that
    /// all the answers were about the process that is held.
    fn decide(
        &self,
        claim: &Claim,
        row: Option<Row>,
        subject: &Subject,
        started: SystemTime,
    ) -> Result<Rung, Finding> {
        let strength = self.inquiry.strength();
        if row.is_some_and(|row| row.suffices(strength)) {
            return Ok(Rung::Ledger);
        }
        let holder = Holder {
            pid: claim.pid,
            inode: subject.inode,
        };
        let facts = Facts {
            pid: claim.pid,
            sock: &claim.sock,
            created_at: &claim.created_at,
            started,
            boot: self.calendar.boot(),
            row,
            service: self.sockets.borrow_mut().service(holder, &claim.sock),
            relation: self.calendar.relation(started, &claim.created_at),
            strength,
        };
        let decision = decide(&facts);
        self.check_running(subject)?;
        decision.map_err(|(standing, evidence)| Finding::new(standing, evidence).started(started))
    }

    fn place(&self) -> Result<&Place, Finding> {
        let place = self
            .place
            .get_or_init(|| here::place(self.kernel.as_ref()).map_err(|error| error.to_string()));
        place.as_ref().map_err(|reason| {
            let evidence = format!("where this program runs cannot be told: {reason}");
            Finding::new(Standing::Unknown, evidence)
        })
    }

    fn proc(&self) -> Result<(), String> {
        self.proc
            .get_or_init(|| {
                here::check_proc(self.kernel.as_ref()).map_err(|error| error.to_string())
            })
            .clone()
    }

    fn open(&self, pid: u32) -> Result<Subject, Finding> {
        Subject::open(self.kernel.as_ref(), pid, self.proc().is_ok()).map_err(|error| {
            let standing = match &error {
                OpenError::NoSuchProcess { .. } | OpenError::Thread { .. } => Standing::Gone,
                OpenError::Unsupported { .. } | OpenError::Refused { .. } => Standing::Unknown,
            };
            Finding::new(standing, error.to_string())
        })
    }

    /// Makes sure that what was read until now is about the process that is held.
    fn check_running(&self, subject: &Subject) -> Result<(), Finding> {
        let pid = subject.pid;
        Err(match subject.state(self.kernel.as_ref()) {
            Ok(State::Running) => return Ok(()),
            Ok(State::Zombie { parent }) => Finding::new(
                Standing::Exited,
                format!(
                    "pid {pid} has terminated and waits for its parent, pid {parent}, to reap it"
                ),
            ),
            Ok(State::Ended) => Finding::new(
                Standing::Gone,
                format!("the process with pid {pid} has ended"),
            ),
            Err(error) => Finding::new(
                Standing::Unknown,
                format!("whether pid {pid} runs cannot be told: poll(2) of its pidfd: {error}"),
            ),
        })
    }

    /// Two pidfs inodes of one boot are two processes. That needs no `/proc`, so that it
    /// can be told of a process that is hidden.
    fn check_inode(
        &self,
        record: &Record,
        subject: &Subject,
        started: Option<SystemTime>,
    ) -> Result<(), Finding> {
        let (Some(row), Some(now)) = (record.identity.inode, subject.inode) else {
            return Ok(());
        };
        if row == now {
            return Ok(());
        }
        let pid = subject.pid;
        let since = started.map(|started| format!(" that runs since {}", text(started)));
        let evidence = format!(
            "ledger: pid {pid} is now a process{} with pidfs inode {now}, the row's process \
             started at {} and had inode {row}",
            since.unwrap_or_default(),
            text(self.calendar.at(record.identity.start_ticks)),
        );
        Err(Finding {
            started,
            ..Finding::new(Standing::Reused, evidence)
        })
    }

    /// Nothing whose socket still answers is taken for dead.
    fn unless_served(&self, claim: &Claim, finding: Finding) -> Finding {
        let (standing, but) = match self.sockets.borrow_mut().still_answers(&claim.sock) {
            Answer::No => return finding,
            Answer::Yes => (
                Standing::Foreign,
                "still answers: another process serves it".into(),
            ),
            Answer::Bound => (
                Standing::Foreign,
                "is bound by another process, which does not listen yet".into(),
            ),
            Answer::Unclear(error) => (
                Standing::Unknown,
                format!("may still answer, it cannot be told: {error}"),
            ),
        };
        let sock = quoted(&claim.sock);
        let evidence = format!("{}; but the socket {sock} {but}", finding.evidence);
        Finding {
            standing,
            evidence: evidence.into(),
            ..finding
        }
    }
}

/// A row of another place says all there is to say: the pid is not looked at.
fn check_whereabouts(row: &Place, here: &Place) -> Result<(), Finding> {
    let (standing, evidence) = match whereabouts(row, here) {
        Whereabouts::Here => return Ok(()),
        Whereabouts::EarlierBoot => (
            Standing::Gone,
            format!(
                "ledger: its process ran in boot {} of this machine, and this is boot {}",
                row.boot, here.boot
            ),
        ),
        Whereabouts::OtherMachine => (
            Standing::Foreign,
            format!(
                "ledger: its process runs on machine {}, and this is machine {}",
                row.machine, here.machine
            ),
        ),
        Whereabouts::OtherNamespace => (
            Standing::Foreign,
            format!(
                "ledger: its process runs in pid namespace {}, and this is pid namespace {}",
                row.pid_namespace, here.pid_namespace
            ),
        ),
        Whereabouts::Unclear => (
            Standing::Unproven,
            format!(
                "ledger: its process ran in boot {}, and this is boot {}; whether that was \
                 another machine cannot be told, because one of them has no /etc/machine-id",
                row.boot, here.boot
            ),
        ),
    };
    Err(Finding::new(standing, evidence))
}

/// Whether the row that is there says as much as the one that would be written.
fn is_recorded(record: Option<&Record>, identity: &Identity, proof: Proof) -> bool {
    record.is_some_and(|record| {
        // Only a row that rests on time gains by being proven once more.
        record.identity == *identity && (record.proof != Proof::Time || proof == Proof::Time)
    })
}
