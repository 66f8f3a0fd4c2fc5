//! The processes that a request holds, and waiting for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::process::{Parked, Process, SendError, WaitError};

use super::bindings::poolwarden::pool::types;
use super::{HostError, RequestState};

/// How many parked processes are held at a time while they are waited for.
const WINDOW: usize = 64;

/// A verified process, with its descriptor as long as there are enough of those.
#[derive(Clone)]
pub(super) enum Held {
    Open(Arc<dyn Process>),
    Parked(Arc<dyn Parked>),
}

impl Held {
    /// Keeps the descriptor unless they are scarce and the process can be found again.
    pub(super) fn new(process: Arc<dyn Process>, scarce: bool) -> Self {
        let parked = if scarce { process.park() } else { None };
        parked.map_or(Self::Open(process), Self::Parked)
    }

    /// The process, found again where it was parked.
    ///
    /// # Errors
    /// When a parked process has ended, or cannot be held for want of a descriptor.
    pub(super) fn reopen(&self) -> Result<Arc<dyn Process>, SendError> {
        match self {
            Self::Open(process) => Ok(process.clone()),
            Self::Parked(parked) => parked.reopen(),
        }
    }
}

impl RequestState {
    /// Waits until all have ended or the time is over. Those that are parked are waited
    /// for after the others, some at a time, and looked at in any case at the end.
    pub(super) fn wait(
        &mut self,
        held: &[Held],
        timeout: Duration,
    ) -> Result<Vec<bool>, HostError> {
        if self.transaction.is_some() {
            return Err(HostError::misuse(
                "waiting inside a transaction: a worker may need the lock to exit",
            ));
        }
        let begun = Instant::now();
        let ended = self.wait_in_turns(held, timeout.min(self.wait_left), begun);
        self.wait_left = self.wait_left.saturating_sub(begun.elapsed());
        ended
    }

    fn wait_in_turns(
        &self,
        held: &[Held],
        timeout: Duration,
        begun: Instant,
    ) -> Result<Vec<bool>, HostError> {
        let mut ended = vec![false; held.len()];
        let (open, parked): (VecDeque<_>, VecDeque<_>) =
            (0..held.len()).partition(|&index| matches!(held[index], Held::Open(_)));
        for mut queue in [open, parked] {
            while !queue.is_empty() {
                let turn = take_turn(held, &mut queue, &mut ended)?;
                let (indices, processes): (Vec<_>, Vec<_>) = turn.into_iter().unzip();
                let left = timeout.saturating_sub(begun.elapsed());
                let found = self
                    .context
                    .processes
                    .wait(&processes, left, &self.cancel)?;
                for (index, has_ended) in indices.into_iter().zip(found) {
                    ended[index] = has_ended;
                }
            }
        }
        Ok(ended)
    }
}

/// Processes that are waited for at once, with their places among all.
type Turn = Vec<(usize, Arc<dyn Process>)>;

/// Takes as many from the queue as can be waited for at once, and notes those that have
/// ended. What is held already is one turn.
fn take_turn(
    held: &[Held],
    queue: &mut VecDeque<usize>,
    ended: &mut [bool],
) -> Result<Turn, SendError> {
    let mut turn = Vec::new();
    while let Some(&index) = queue.front() {
        if matches!(held[index], Held::Parked(_)) && turn.len() >= WINDOW {
            break;
        }
        match held[index].reopen() {
            Ok(process) => turn.push((index, process)),
            Err(SendError::Ended) => ended[index] = true,
            // Those that are taken make room when they have been waited for.
            Err(error) if !turn.is_empty() && error.is_lack_of_descriptors() => break,
            Err(error) => return Err(error),
        }
        queue.pop_front();
    }
    Ok(turn)
}

impl From<WaitError> for HostError {
    fn from(error: WaitError) -> Self {
        Self::Guest(match &error {
            WaitError::Cancelled => types::Error::Cancelled(error.to_string()),
            WaitError::Io(_) => types::Error::System(crate::error::chain(&error)),
        })
    }
}
