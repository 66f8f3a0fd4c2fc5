//! Lines of the input, none longer than is accepted.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The longest line, its end included, in bytes: 16 MiB.
pub(super) const LONGEST: usize = 16 << 20;

/// What came up to the end of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it, and its end.
    Whole(Vec<u8>),
    /// The beginning of a line that is too long. The rest is passed over.
    TooLong(Vec<u8>),
}

impl Line {
    /// How many bytes there are of it.
    pub(super) fn len(&self) -> usize {
        let (Self::Whole(bytes) | Self::TooLong(bytes)) = self;
        bytes.len()
    }

    /// The bytes that there are of it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let (Self::Whole(bytes) | Self::TooLong(bytes)) = self;
        bytes
    }
}

/// Reads line by line.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// Whether what comes belongs to a line that was too long.
    passing_over: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
            line: Vec::new(),
            passing_over: false,
        }
    }

    /// The next line; none at the end of the input, where half a line is none either. May be
    /// dropped and called again: what was read of a line is kept.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(available.len(), |end| end + 1);
            let too_long = !self.passing_over && self.line.len() + length > LONGEST;
            if !self.passing_over && !too_long {
                self.line.extend_from_slice(&available[..length]);
            }
            self.input.consume(length);
            if too_long {
                self.passing_over = end.is_none();
                return Ok(Some(Line::TooLong(std::mem::take(&mut self.line))));
            }
            match end {
                None => {}
                Some(_) if self.passing_over => self.passing_over = false,
                Some(_) => return Ok(Some(Line::Whole(std::mem::take(&mut self.line)))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// The next line of an input that never lets anybody wait.
    fn next(lines: &mut Lines<&[u8]>) -> Option<Line> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(lines.next()).poll(&mut context) {
            Poll::Ready(line) => line.expect("bytes in memory"),
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn lines_come_one_by_one_and_half_a_line_is_none() {
        let mut lines = Lines::new(&b"one\r\n\ntwo\nhalf"[..]);
        for expected in [&b"one\r\n"[..], b"\n", b"two\n"] {
            assert_eq!(next(&mut lines), Some(Line::Whole(expected.into())));
        }
        assert_eq!(next(&mut lines), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_passed_over() {
        let longest = [vec![b'x'; LONGEST - 1], b"\n".into()].concat();
        for more in [1, 5, LONGEST] {
            let input = [&vec![b'y'; more][..], &longest, &longest, b"next\n"].concat();
            let mut lines = Lines::new(&input[..]);
            let Some(Line::TooLong(begun)) = next(&mut lines) else {
                panic!("{more} bytes more are not too many");
            };
            assert!(begun.starts_with(b"y") && begun.len() <= LONGEST);
            assert_eq!(next(&mut lines), Some(Line::Whole(longest.clone())));
            assert_eq!(next(&mut lines), Some(Line::Whole(b"next\n".into())));
        }
    }
}
