//! Processes that exist in this program's memory alone.

use std::collections::HashMap;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use poolwarden::process::{
    Finding, Forbidden, Identified, IdentifyError, Identity, Inquiry, Inspection, Interrupted,
    Place, Process, Processes, Proof, Question, Record, SendError, Signal, Standing,
};

/// Where the processes are, by pid.
#[derive(Default)]
pub(crate) struct Stage(Mutex<HashMap<u32, Arc<Actor>>>);

/// A process that notes its signals, and ends when it is asked to.
#[derive(Debug)]
pub(crate) struct Actor {
    pid: u32,
    identity: Identity,
    /// Readable once the process has ended: then there is a byte in the pipe.
    ended: PipeReader,
    end: PipeWriter,
    heard: Mutex<Vec<Signal>>,
}

impl Stage {
    /// A process begins under this pid, in place of whoever had it.
    pub(crate) fn enter(&self, pid: u32) -> io::Result<Arc<Actor>> {
        let mut actors = self.actors();
        let (ended, end) = io::pipe()?;
        let actor = Arc::new(Actor {
            pid,
            identity: Identity {
                place: Place {
                    machine: "stage".into(),
                    boot: "tonight".into(),
                    pid_namespace: 1,
                },
                // Never the same for two of them, whatever becomes of their pids.
                inode: actors.get(&pid).map_or(Some(u64::from(pid)), |before| {
                    before.identity.inode.map(|inode| inode + (1 << 32))
                }),
                start_ticks: 0,
            },
            ended,
            end,
            heard: Mutex::default(),
        });
        actors.insert(pid, actor.clone());
        Ok(actor)
    }

    fn actors(&self) -> MutexGuard<'_, HashMap<u32, Arc<Actor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inspect_one(&self, question: &Question<'_>) -> Inspection {
        let found = |standing, evidence: &str| Inspection {
            finding: Finding::new(standing, evidence.to_owned()),
            process: None,
            learned: None,
        };
        let Some(actor) = self.actors().get(&question.claim.pid).cloned() else {
            return found(Standing::Gone, "nobody has this pid");
        };
        match question.record {
            Some(row) if row.identity != actor.identity => {
                return found(Standing::Reused, "somebody else has this pid");
            }
            _ if actor.has_ended().unwrap_or(false) => {
                return found(Standing::Exited, "it has left the stage");
            }
            _ => {}
        }
        // A ledger that knows nothing of a claim learns it, so that it holds for good.
        let learned = question.record.is_none().then(|| {
            Box::new(Record {
                identity: actor.identity.clone(),
                proof: Proof::Time,
            })
        });
        Inspection {
            finding: Finding::new(Standing::Alive, "it is on the stage"),
            process: Some(actor),
            learned,
        }
    }
}

impl Processes for Stage {
    fn inspect(
        &self,
        questions: &[Question<'_>],
        inquiry: &Inquiry<'_>,
    ) -> Result<Vec<Inspection>, Interrupted> {
        let inspect = |question| {
            // Others wait for the pool while this goes on.
            inquiry.check()?;
            Ok(self.inspect_one(question))
        };
        questions.iter().map(inspect).collect()
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        let actor = self.actors().get(&pid).cloned();
        let process = actor.ok_or(IdentifyError::NoSuchProcess { pid })?;
        match process.has_ended() {
            Ok(false) => Ok(Identified {
                process,
                started: UNIX_EPOCH,
                command: vec!["actor".into()],
            }),
            _ => Err(IdentifyError::Exited { pid }),
        }
    }
}

impl Actor {
    /// Ends it.
    pub(crate) fn leave(&self) -> io::Result<()> {
        (&self.end).write_all(&[0])
    }

    /// The signals that were sent to it.
    pub(crate) fn heard(&self) -> Vec<Signal> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }
}

impl AsFd for Actor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}

impl Process for Actor {
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
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(signal);
        if signal.asks_to_end() {
            self.leave()?;
        }
        Ok(())
    }

    fn forbidden(&self) -> Option<Forbidden> {
        // Nobody here is this program's ancestor, or anybody else's.
        None
    }
}
