//! Calls of tools that were read and have no room to start yet.
//!
//! They are held here, and not left in the pipe, so that a ping or a cancellation behind them
//! is read all the same.

use std::collections::VecDeque;

use rmcp::model::RequestId;

/// How many bytes of waiting calls are held before reading pauses: some thousands of calls.
const MOST: usize = 512 << 10;

/// Calls that wait, in the order in which they came.
#[derive(Default)]
pub(super) struct Waiting {
    calls: VecDeque<(RequestId, Vec<u8>)>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether another call may be held, however long.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < MOST
    }

    /// Holds a call: its id and its line.
    pub(super) fn push(&mut self, id: RequestId, line: Vec<u8>) {
        self.bytes += line.len();
        self.calls.push_back((id, line));
    }

    /// The call that has waited longest: its line.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let (_, line) = self.calls.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }

    /// Drops the calls with this id, which the client has cancelled.
    pub(super) fn withdraw(&mut self, id: &RequestId) {
        self.calls.retain(|(waiting, _)| waiting != id);
        self.bytes = self.calls.iter().map(|(_, line)| line.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_in_order_and_a_cancelled_one_does_not_come() {
        let mut waiting = Waiting::default();
        for id in 1..=3 {
            waiting.push(RequestId::Number(id), vec![b'x'; MOST / 3 + 1]);
        }
        assert!(!waiting.has_room());
        waiting.withdraw(&RequestId::Number(2));
        assert!(waiting.has_room());
        assert!(waiting.pop().is_some() && waiting.pop().is_some());
        assert!(waiting.pop().is_none() && waiting.is_empty());
        assert_eq!(waiting.bytes, 0);
    }
}
