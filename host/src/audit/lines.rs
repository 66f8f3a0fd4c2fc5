//! The lines of a file of the trail, within bounds whatever the file holds.
//!
//! A file that somebody made longer without writing to it, as `truncate` does, has a hole: it
//! reads as zeros, takes no room on the disk, and can be of any size. Holes are passed over,
//! so that reading takes as long as there is data and not as long as there are zeros.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// The most bytes of data that are read of one file, from its end. The host puts a file aside
/// when it has 4 MiB; only a single line could make it larger.
pub(super) const MOST: u64 = 64 << 20;

/// The longest line that is read, in bytes. It quotes an entry of the registry, which has
/// some hundred.
pub(super) const LONGEST: usize = 16 << 20;

/// Bytes that are read at once.
const BLOCK: usize = 64 << 10;

/// The lines of one file, one after another.
pub(super) struct Lines<'a> {
    file: &'a File,
    /// What is still to be read.
    stretches: VecDeque<Range<u64>>,
    /// Bytes that are passed over because no data is there.
    pub(super) hole: u64,
    /// Bytes of data that are passed over because the file has more than [`MOST`].
    pub(super) left_out: u64,
    block: Vec<u8>,
    /// How much of the block was looked at.
    at: usize,
}

/// A line that was read.
pub(super) enum Line {
    /// With its end, where it has one.
    Whole(Vec<u8>),
    /// It has more than [`LONGEST`] bytes, and was passed over.
    TooLong,
}

impl<'a> Lines<'a> {
    /// Finds out where the file has data.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn of(file: &'a File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let mut lines = Self {
            file,
            stretches: VecDeque::new(),
            hole: 0,
            left_out: 0,
            block: Vec::new(),
            at: 0,
        };
        let (mut at, mut data) = (0, 0);
        while at < size {
            let stretch = next_stretch(file, at, size)?;
            lines.hole += stretch.start - at;
            at = stretch.end;
            data += length(&stretch);
            lines.stretches.push_back(stretch);
            while let Some(first) = lines.stretches.front_mut()
                && data > MOST
            {
                let cut = length(first).min(data - MOST);
                first.start += cut;
                data -= cut;
                lines.left_out += cut;
                if first.is_empty() {
                    lines.stretches.pop_front();
                }
            }
        }
        if lines.left_out > 0 {
            // It most likely begins in the middle of a line.
            lines.next()?;
        }
        Ok(lines)
    }

    /// The next line; none behind the last one.
    ///
    /// # Errors
    /// When the system refuses to read.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            if self.at == self.block.len() && !self.read_block()? {
                break;
            }
            let rest = &self.block[self.at..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let part = &rest[..end.map_or(rest.len(), |end| end + 1)];
            self.at += part.len();
            if line.len() + part.len() > LONGEST {
                too_long = true;
                line = Vec::new();
            }
            if !too_long {
                line.extend_from_slice(part);
            }
            if end.is_some() {
                break;
            }
        }
        Ok(match (too_long, line.is_empty()) {
            (true, _) => Some(Line::TooLong),
            (false, true) => None,
            (false, false) => Some(Line::Whole(line)),
        })
    }

    /// Reads the next block; false when there is no more.
    fn read_block(&mut self) -> io::Result<bool> {
        self.at = 0;
        self.block.clear();
        let Some(stretch) = self.stretches.front_mut() else {
            return Ok(false);
        };
        let wanted = usize::try_from(length(stretch)).map_or(BLOCK, |length| length.min(BLOCK));
        self.block.resize(wanted, 0);
        let read = loop {
            match self.file.read_at(&mut self.block, stretch.start) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.block.truncate(read);
        stretch.start += read as u64;
        // Somebody may have made the file shorter meanwhile.
        if read == 0 {
            self.stretches.clear();
        } else if stretch.is_empty() {
            self.stretches.pop_front();
        }
        Ok(read > 0)
    }
}

/// The next part of a file that holds data, from an offset on; empty, at the end of the file,
/// where none does (lseek(2), SEEK_DATA). A file system that does not know has data
/// everywhere.
fn next_stretch(file: &File, from: u64, size: u64) -> io::Result<Range<u64>> {
    let start = match seek(file, SeekFrom::Data(from)) {
        Ok(start) => start.min(size),
        Err(Errno::NXIO) => size,
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(from..size),
        Err(errno) => return Err(errno.into()),
    };
    if start == size {
        return Ok(size..size);
    }
    let end = seek(file, SeekFrom::Hole(start))?.min(size);
    // It is behind the start, unless somebody digs holes meanwhile.
    Ok(start..if end > start { end } else { size })
}

fn length(stretch: &Range<u64>) -> u64 {
    stretch.end.saturating_sub(stretch.start)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The lines of a file, without their ends; what is passed over.
    fn read(file: &File) -> (Vec<String>, u64, u64) {
        let mut lines = Lines::of(file).expect("a file");
        let mut texts = Vec::new();
        while let Some(line) = lines.next().expect("a file") {
            texts.push(match line {
                Line::Whole(bytes) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
                Line::TooLong => "too long".into(),
            });
        }
        (texts, lines.hole, lines.left_out)
    }

    #[test]
    fn lines_are_read_with_and_without_an_end() {
        let mut file = tempfile::tempfile().expect("a file");
        assert_eq!(read(&file).0, Vec::<String>::new());
        file.write_all(b"one\n\ntwo").expect("write");
        assert_eq!(
            read(&file),
            (["one", "", "two"].map(String::from).into(), 0, 0)
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_one_read() {
        let mut file = tempfile::tempfile().expect("a file");
        for length in [LONGEST - 1, LONGEST] {
            file.write_all(&vec![b'x'; length]).expect("write");
            file.write_all(b"\n").expect("write");
        }
        file.write_all(b"next\n").expect("write");
        let (lines, ..) = read(&file);
        assert_eq!(lines[0].len(), LONGEST - 1);
        assert_eq!(lines[1..], ["too long", "next"]);
    }

    #[test]
    fn of_a_file_that_is_too_large_the_end_is_read() {
        let mut file = tempfile::tempfile().expect("a file");
        let line = "x".repeat((1 << 20) - 1) + "\n";
        for _ in 0..70 {
            file.write_all(line.as_bytes()).expect("write");
        }
        file.write_all(b"last\n").expect("write");
        let (lines, _, left_out) = read(&file);
        // What is left of the first one is no whole line.
        assert_eq!(lines.len(), 64);
        assert_eq!(lines.last().map(String::as_str), Some("last"));
        assert_eq!(left_out, (6 << 20) + 5);
    }
}
