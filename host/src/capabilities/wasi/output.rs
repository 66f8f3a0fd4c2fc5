//! What a guest prints: lines of the log, and as many as its own.

use super::streams::OutputStream;
use crate::capabilities::RequestState;
use crate::capabilities::bindings::wasi::logging::logging::Level;

/// Bytes of a line that are kept. The log cuts it there anyway.
const LINE: usize = 8 << 10;

/// The line that is being printed.
#[derive(Default)]
pub(super) struct Output(Vec<u8>);

impl Output {
    /// Adds to the line, as far as there is room.
    fn add(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Takes the line, where there is one.
    fn take(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.0);
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned())
    }
}

impl RequestState {
    /// Prints; each whole line goes to the log.
    pub(super) fn print(&mut self, stream: OutputStream, bytes: &[u8]) {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let rest = lines.next_back().unwrap_or_default();
        for line in lines {
            self.output(stream).add(line);
            self.end_line(stream);
            if self.log_lines_left == 0 {
                return;
            }
        }
        self.output(stream).add(rest);
    }

    /// Logs what was printed last and not ended.
    pub(crate) fn end_output(&mut self) {
        self.end_line(OutputStream::Stdout);
        self.end_line(OutputStream::Stderr);
    }

    fn end_line(&mut self, stream: OutputStream) {
        // A traceback is worth a line that is shown by default; chatter is not.
        let (level, context) = match stream {
            OutputStream::Stdout => (Level::Info, "stdout"),
            OutputStream::Stderr => (Level::Warn, "stderr"),
        };
        if let Some(line) = self.output(stream).take() {
            self.log(level, context, &line);
        }
    }

    fn output(&mut self, stream: OutputStream) -> &mut Output {
        match stream {
            OutputStream::Stdout => &mut self.wasi.stdout,
            OutputStream::Stderr => &mut self.wasi.stderr,
        }
    }
}
