//! Processes that are what their pids say.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::UNIX_EPOCH;

use poolwarden::process::{
    Finding, Forbidden, Identified, IdentifyError, Identity, Inquiry, Inspection, Interrupted,
    Place, Process, Processes, Question, SendError, Signal, Standing,
};

/// All the processes that there could be. Those that live begin when they are first asked
/// about.
#[derive(Default)]
pub(super) struct ByPid(Mutex<BTreeMap<u32, Arc<Worker>>>);

/// A process that lives. Of two pids one ends on any signal that asks it to, and the other
/// on SIGKILL only.
#[derive(Debug)]
pub(super) struct Worker {
    pid: u32,
    identity: Identity,
    /// Readable once the process has ended: then there is a byte in the pipe.
    ended: PipeReader,
    end: PipeWriter,
    heard: Mutex<Vec<Signal>>,
}

impl ByPid {
    /// What is found under a pid now: all the kinds there are, by turns.
    pub(super) fn standing(&self, pid: u32) -> Standing {
        if pid <= 1 || i32::try_from(pid).is_err() {
            return Standing::Gone;
        }
        match pid % 7 {
            0 => match self.worker(pid).has_ended() {
                Ok(false) => Standing::Alive,
                _ => Standing::Exited,
            },
            1 => Standing::Gone,
            2 => Standing::Unproven,
            3 => Standing::Reused,
            4 => Standing::Foreign,
            5 => Standing::Exited,
            _ => Standing::Unknown,
        }
    }

    /// Which signals were sent since this was last asked, to whom.
    pub(super) fn take_heard(&self) -> Vec<(u32, Signal)> {
        let workers = self.workers();
        let heard = |worker: &Arc<Worker>| std::mem::take(&mut *worker.heard());
        let heard = workers.iter().map(|(pid, worker)| (*pid, heard(worker)));
        heard
            .flat_map(|(pid, signals)| signals.into_iter().map(move |signal| (pid, signal)))
            .collect()
    }

    fn worker(&self, pid: u32) -> Arc<Worker> {
        let mut workers = self.workers();
        let worker = workers.entry(pid).or_insert_with(|| {
            let (ended, end) = io::pipe().expect("a pipe");
            let place = Place {
                machine: "m".into(),
                boot: "b".into(),
                pid_namespace: 1,
            };
            Arc::new(Worker {
                pid,
                identity: Identity {
                    place,
                    inode: Some(pid.into()),
                    start_ticks: 1,
                },
                ended,
                end,
                heard: Mutex::default(),
            })
        });
        worker.clone()
    }

    fn workers(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Worker>>> {
        self.0.lock().expect("nobody panics while it is held")
    }
}

impl Worker {
    fn heard(&self) -> MutexGuard<'_, Vec<Signal>> {
        self.heard.lock().expect("nobody panics while it is held")
    }
}

impl Processes for ByPid {
    fn inspect(
        &self,
        questions: &[Question<'_>],
        _: &Inquiry<'_>,
    ) -> Result<Vec<Inspection>, Interrupted> {
        let inspection = |question: &Question<'_>| {
            let pid = question.claim.pid;
            let standing = self.standing(pid);
            Inspection {
                finding: Finding::new(standing, "its pid says so"),
                process: (standing == Standing::Alive).then(|| self.worker(pid) as _),
                learned: None,
            }
        };
        Ok(questions.iter().map(inspection).collect())
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        match self.standing(pid) {
            Standing::Alive => Ok(Identified {
                process: self.worker(pid),
                started: UNIX_EPOCH,
                command: vec!["worker".into()],
            }),
            _ => Err(IdentifyError::NoSuchProcess { pid }),
        }
    }
}

impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}

impl Process for Worker {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn send(&self, signal: Signal) -> Result<(), SendError> {
        if self.has_ended()? {
            return Err(SendError::Ended);
        }
        self.heard().push(signal);
        let heeds_all = self.pid.is_multiple_of(2);
        if signal == Signal::Kill || heeds_all && signal.asks_to_end() {
            (&self.end).write_all(&[0])?;
        }
        Ok(())
    }

    fn forbidden(&self) -> Option<Forbidden> {
        None
    }
}
