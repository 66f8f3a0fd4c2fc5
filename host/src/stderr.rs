//! Standard error of the program: the log and everything else that it says there.
//!
//! A request may hold the pool's lock while it logs, so a line of the log never waits for a
//! reader. It goes into a bounded queue, and one thread writes the queue out. A line that
//! finds no room is counted; the count is written once there is room again.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use poolwarden::visible;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How many bytes of lines wait for a reader.
const ROOM: usize = 256 << 10;

/// How long the end of the program, and what has to come after the log, waits for a reader
/// that takes nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The same where a client waits for the program to end.
pub(crate) const SERVER_PATIENCE: Duration = Duration::from_millis(50);

/// How often a wait looks whether the reader still takes something.
const GLANCE: Duration = Duration::from_millis(5);

static LOG: Queue = Queue::new();

/// Writes a line to standard error behind what the log said before.
///
/// It waits for the reader, as any program does, unless the reader has not taken the log
/// for [`PATIENCE`]: then the line joins the queue. That nobody reads is no error.
pub(crate) fn write_line(line: &str) {
    if flush(PATIENCE) {
        let _ = writeln!(io::stderr(), "{line}");
    } else {
        LOG.push(line.to_owned());
    }
}

/// Says something on standard error, as `eprintln!` would: see [`write_line`].
macro_rules! say {
    ($($text:tt)*) => {
        $crate::stderr::write_line(&format!($($text)*))
    };
}
pub(crate) use say;

/// Waits until the log is written; false when its reader has taken nothing for `patience`.
pub(crate) fn flush(patience: Duration) -> bool {
    LOG.flush(patience, is_writable)
}

/// Sends the message of a panic the way of the log. The default hook writes it to standard
/// error itself, and waits for a reader, before the panic lets go of the pool's lock.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("unnamed");
        LOG.push(format!("thread {name}: {panic}"));
        // As RUST_BACKTRACE asks.
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            LOG.push(trace.to_string());
        }
    }));
}

/// Where the log writes its lines. They quote text from anywhere: each becomes one line that
/// is fit for a terminal.
pub(crate) struct LogLines;

impl Write for LogLines {
    /// The log writes each of its lines in one call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        LOG.push(visible::line(text.trim_end_matches('\n')));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether somebody still takes what is written to standard error, or could not be waited
/// for anyway.
fn is_writable() -> bool {
    let stderr = io::stderr();
    let mut polled = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    !matches!(poll(&mut polled, Some(&now)), Ok(0))
}

/// Lines on their way to a reader.
struct Queue {
    lines: Mutex<Lines>,
    changed: Condvar,
}

struct Lines {
    waiting: VecDeque<String>,
    bytes: usize,
    /// How many lines found no room since the last one that did.
    dropped: u64,
    /// Whether the thread that writes has something in its hands.
    is_writing: bool,
    has_writer: bool,
}

impl Queue {
    const fn new() -> Self {
        Self {
            lines: Mutex::new(Lines {
                waiting: VecDeque::new(),
                bytes: 0,
                dropped: 0,
                is_writing: false,
                has_writer: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line where there is room. The first one starts the thread that writes; where
    /// the system refuses it, the caller writes itself, and waits.
    fn push(&'static self, line: String) {
        let mut lines = self.lines();
        if !lines.has_writer {
            let writer = thread::Builder::new()
                .name("poolwarden-log".into())
                .stack_size(64 << 10)
                .spawn(|| self.write_to(&mut io::stderr()));
            lines.has_writer = writer.is_ok();
        }
        if lines.has_writer {
            lines.push(line);
            self.changed.notify_all();
        } else {
            drop(lines);
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Writes what comes, for ever. A reader that is gone is no reason to stop counting
    /// lines as written: nobody misses them.
    fn write_to(&self, output: &mut impl Write) {
        let mut lines = self.lines();
        loop {
            let Some(mut line) = lines.next() else {
                lines.is_writing = false;
                self.changed.notify_all();
                lines = self
                    .changed
                    .wait(lines)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            lines.is_writing = true;
            drop(lines);
            line.push('\n');
            let _ = output.write_all(line.as_bytes());
            lines = self.lines();
        }
    }

    /// See [`flush`].
    fn flush(&self, patience: Duration, is_writable: impl Fn() -> bool) -> bool {
        let mut stuck_since = None;
        let mut lines = self.lines();
        while lines.has_writer && !lines.are_written() {
            lines = self
                .changed
                .wait_timeout(lines, GLANCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if is_writable() {
                stuck_since = None;
            } else if stuck_since.get_or_insert_with(Instant::now).elapsed() > patience {
                return lines.are_written();
            }
        }
        true
    }
}

impl Lines {
    /// Adds a line, and before it the count of those that found no room.
    fn push(&mut self, line: String) {
        if !self.waiting.is_empty() && self.bytes + line.len() > ROOM {
            self.dropped += 1;
            return;
        }
        if let Some(count) = self.count_of_dropped() {
            self.add(count);
        }
        self.add(line);
    }

    fn add(&mut self, line: String) {
        self.bytes += line.len();
        self.waiting.push_back(line);
    }

    /// The next line to write.
    fn next(&mut self) -> Option<String> {
        match self.waiting.pop_front() {
            Some(line) => {
                self.bytes -= line.len();
                Some(line)
            }
            None => self.count_of_dropped(),
        }
    }

    fn count_of_dropped(&mut self) -> Option<String> {
        let lines = match std::mem::take(&mut self.dropped) {
            0 => return None,
            1 => "1 line".into(),
            count => format!("{count} lines"),
        };
        Some(format!(
            "the log lacks {lines} here: standard error was not read"
        ))
    }

    fn are_written(&self) -> bool {
        !self.is_writing && self.waiting.is_empty() && self.dropped == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that takes a line whenever the test says so.
    struct Reader {
        may_write: Receiver<()>,
        written: Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The test is over when this fails.
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.may_write.recv().map_err(gone)?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            let _ = self.written.send(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A queue whose writer waits for the test; what lets it write a line, and the lines.
    fn queue() -> (&'static Queue, Sender<()>, Receiver<String>) {
        let queue: &Queue = Box::leak(Box::new(Queue::new()));
        let (let_write, may_write) = channel();
        let (written, lines) = channel();
        queue.lines().has_writer = true;
        thread::spawn(move || queue.write_to(&mut Reader { may_write, written }));
        (queue, let_write, lines)
    }

    #[test]
    fn a_reader_that_does_not_read_costs_the_lines_that_find_no_room_and_nobody_waits() {
        let (queue, let_write, lines) = queue();
        let line = "x".repeat(1000);
        queue.push(line.clone());
        while !queue.lines().is_writing {
            thread::yield_now();
        }
        // Nobody reads: were this to wait, the test would not end.
        for _ in 0..10_000 {
            queue.push(line.clone());
        }
        assert!(queue.lines().bytes <= ROOM);
        let dropped = queue.lines().dropped;
        assert!(dropped > 9_000, "{dropped}");
        let kept = 10_000 - dropped;
        // With the line that was being written, and the count.
        for _ in 0..kept + 2 {
            let_write.send(()).expect("the writer lives");
        }
        let read: Vec<_> = lines.iter().take(kept as usize + 2).collect();
        let (last, others) = read.split_last().expect("lines");
        assert!(others.iter().all(|text| text.trim_end() == line));
        assert_eq!(
            *last,
            format!("the log lacks {dropped} lines here: standard error was not read\n")
        );
        assert!(queue.flush(PATIENCE, || true));
    }

    #[test]
    fn the_count_of_dropped_lines_stands_where_they_were() {
        let mut lines = Queue::new().lines.into_inner().expect("no panic");
        let long = "x".repeat(ROOM);
        lines.push(long.clone());
        lines.push("lost".into());
        assert_eq!(lines.next(), Some(long));
        lines.push("kept".into());
        let count = "the log lacks 1 line here: standard error was not read";
        assert_eq!(lines.next().as_deref(), Some(count));
        assert_eq!(lines.next().as_deref(), Some("kept"));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn the_end_waits_for_a_reader_that_reads_and_not_for_one_that_does_not() {
        let (queue, let_write, lines) = queue();
        queue.push("line".into());
        assert!(!queue.flush(Duration::ZERO, || false));
        let_write.send(()).expect("the writer lives");
        assert!(queue.flush(Duration::ZERO, || true));
        assert_eq!(lines.recv().as_deref(), Ok("line\n"));
    }
}
