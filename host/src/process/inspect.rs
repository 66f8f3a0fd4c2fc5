//! What the host can ask about processes, and who answers it on Linux.

use std::sync::Arc;
use std::time::Duration;

use super::Process;
use super::cache::{Cache, default_capacity};
use super::finding::{Finding, Inspection, Question, Standing};
use super::identify::{Identified, IdentifyError, identify};
use super::inquiry::{Inquiry, Interrupted};
use super::kernel::Kernel;
use super::ladder::{Ladder, Proven};
use super::linux::Linux;
use super::wait::{WaitError, wait};
use crate::cancel::Cancel;

/// Facts and proofs about processes. [`LinuxProcesses`] asks this machine's kernel; give
/// [`PoolBuilder::processes`](crate::PoolBuilder::processes) another one for workers that live
/// elsewhere, or for tests that start none.
///
/// The host believes what it is told here, and nothing else about a process: a standing
/// decides whose entry may go, and a [`Process`] who gets a signal. Whoever implements this
/// guesses neither.
pub trait Processes: Send + Sync {
    /// Answers each question, in order. Ask for a whole pool at once.
    ///
    /// What cannot be found out is [`Standing::Unknown`]. Of a claim that is
    /// [`Standing::Alive`] it hands out the process, and without that no signal is sent.
    ///
    /// # Errors
    /// When [`Inquiry::check`] says that the work is to be given up, which is to be asked for
    /// each question at least.
    fn inspect(
        &self,
        questions: &[Question<'_>],
        inquiry: &Inquiry<'_>,
    ) -> Result<Vec<Inspection>, Interrupted>;

    /// Holds the process that runs under `pid` now, whoever it is. Registering a session
    /// asks this.
    ///
    /// # Errors
    /// See [`IdentifyError`].
    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError>;

    /// How many of the processes that [`inspect`](Self::inspect) hands out a request may
    /// hold. The others are to be [parked](Process::park).
    fn spare(&self) -> usize {
        usize::MAX
    }

    /// Waits until every process has ended or the timeout is over, and says for each, in
    /// order, whether it has ended. A timeout of zero only looks.
    ///
    /// # Errors
    /// [`WaitError::Cancelled`] when the request was withdrawn before all had ended, and
    /// [`WaitError::Io`] when the system refuses `poll(2)`.
    fn wait(
        &self,
        processes: &[Arc<dyn Process>],
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Vec<bool>, WaitError> {
        wait(&Linux, processes, timeout, cancel)
    }
}

/// Processes as Linux knows them: pidfds, `/proc` and sockets.
///
/// Keeps the pidfds of what it has proven, at most half as many as this program may open
/// files when it is made. To keep more, raise `RLIMIT_NOFILE` before. Further workers are
/// remembered by their inodes on pidfs (Linux 6.9), and found again for some microseconds
/// each.
///
/// Of a socket it looks at no path outside the pool's directory that leads to a file system
/// which may not answer: what lies there is unproven or unknown.
pub struct LinuxProcesses {
    kernel: Arc<dyn Kernel>,
    cache: Cache,
}

impl LinuxProcesses {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::with_kernel(Arc::new(Linux), default_capacity())
    }

    /// The same over another kernel, keeping at most `capacity` pidfds.
    pub(crate) fn with_kernel(kernel: Arc<dyn Kernel>, capacity: usize) -> Self {
        Self {
            kernel,
            cache: Cache::new(capacity),
        }
    }

    pub(super) fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    fn judge(&self, ladder: &Ladder<'_>, question: &Question<'_>) -> Result<Proven, Finding> {
        let proven = ladder.judge(question)?;
        self.cache
            .remember(self.kernel.as_ref(), question.claim, &proven);
        Ok(proven)
    }
}

impl Default for LinuxProcesses {
    fn default() -> Self {
        Self::new()
    }
}

impl Processes for LinuxProcesses {
    fn inspect(
        &self,
        questions: &[Question<'_>],
        inquiry: &Inquiry<'_>,
    ) -> Result<Vec<Inspection>, Interrupted> {
        let kernel = self.kernel.as_ref();
        let begun = self.cache.begin(kernel);
        let ladder = Ladder::new(&self.kernel, inquiry);
        let mut handed_out = 0;
        let mut inspections = Vec::with_capacity(questions.len());
        for question in questions {
            inquiry.check()?;
            let known = self
                .cache
                .recall(kernel, question, inquiry.strength(), begun);
            let judged = known.map_or_else(|| self.judge(&ladder, question), Ok);
            let mut inspection = Inspection::from(judged);
            // Holding more would leave this program without descriptors.
            handed_out += usize::from(inspection.process.is_some());
            if handed_out > self.cache.capacity() {
                inspection.process = None;
            }
            inspections.push(inspection);
        }
        // What was given up within the last answer is no answer.
        inquiry.check()?;
        Ok(inspections)
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        identify(&self.kernel, pid)
    }

    fn spare(&self) -> usize {
        // A quarter of what may be open: half is for the cache, which may hold others.
        self.cache.capacity() / 2
    }

    fn wait(
        &self,
        processes: &[Arc<dyn Process>],
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Vec<bool>, WaitError> {
        wait(self.kernel.as_ref(), processes, timeout, cancel)
    }
}

impl From<Result<Proven, Finding>> for Inspection {
    fn from(judged: Result<Proven, Finding>) -> Self {
        match judged {
            Ok(proven) => Self {
                finding: Finding::new(Standing::Alive, proven.rung.evidence())
                    .started(proven.started),
                learned: proven.learned().map(Box::new),
                process: Some(proven.process),
            },
            Err(finding) => Self {
                finding,
                process: None,
                learned: None,
            },
        }
    }
}
