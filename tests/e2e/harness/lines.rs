//! Reading a child's output line by line, with a deadline.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::PATIENCE;

/// The lines of a stream, read by a thread of their own so that waiting for one can end.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    /// Starts to read.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; none when the stream has ended.
    #[track_caller]
    pub(crate) fn next(&self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line came within {PATIENCE:?}"),
        }
    }

    /// Skips lines up to this one.
    #[track_caller]
    pub(crate) fn await_line(&self, wanted: &str) {
        while self
            .next()
            .expect("the stream ended before the awaited line")
            != wanted
        {}
    }
}
