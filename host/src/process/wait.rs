//! Waiting for processes to end.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::Process;
use super::kernel::{Kernel, tells_end};
use crate::cancel::Cancel;

/// Why a wait has no answer.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The request was withdrawn.
    #[error("the request was withdrawn while it waited for processes to end")]
    Cancelled,
    /// The system refused.
    #[error("the end of processes cannot be waited for: poll(2)")]
    Io(#[from] io::Error),
}

pub(super) fn wait(
    kernel: &dyn Kernel,
    processes: &[Arc<dyn Process>],
    timeout: Duration,
    cancel: &Cancel,
) -> Result<Vec<bool>, WaitError> {
    if processes.is_empty() {
        return Ok(Vec::new());
    }
    // A timeout that the clock cannot count to is none.
    let deadline = Instant::now().checked_add(timeout);
    let mut ended = vec![false; processes.len()];
    let mut left = timeout;
    loop {
        look(
            kernel,
            processes,
            &mut ended,
            cancel,
            deadline.map(|_| left),
        )?;
        if ended.iter().all(|&ended| ended) {
            return Ok(ended);
        }
        if cancel.is_cancelled() {
            return Err(WaitError::Cancelled);
        }
        if let Some(deadline) = deadline {
            // Only now: the last look waited for what was left.
            if left.is_zero() {
                return Ok(ended);
            }
            left = deadline.saturating_duration_since(Instant::now());
        }
    }
}

/// Polls those that have not ended, and the cancellation, and notes who has.
fn look(
    kernel: &dyn Kernel,
    processes: &[Arc<dyn Process>],
    ended: &mut [bool],
    cancel: &Cancel,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let waiting: Vec<usize> = (0..processes.len())
        .filter(|&index| !ended[index])
        .collect();
    let mut fds: Vec<PollFd<'_>> = waiting
        .iter()
        .map(|&index| PollFd::from_borrowed_fd(processes[index].as_fd(), PollFlags::IN))
        .collect();
    fds.push(PollFd::from_borrowed_fd(cancel.as_fd(), PollFlags::IN));
    match kernel.poll(&mut fds, timeout) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
        polled => polled?,
    };
    for (fd, index) in fds.iter().zip(waiting) {
        ended[index] = tells_end(fd.revents())?;
    }
    Ok(())
}
