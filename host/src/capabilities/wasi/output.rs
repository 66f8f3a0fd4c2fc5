//! What a guest prints: lines of the log, and as many as its own.

use super::WasiHost;
use super::streams::OutputStream;
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

/// Prints; each whole line goes to the log.
pub(super) fn print(state: &mut impl WasiHost, stream: OutputStream, bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let rest = lines.next_back().unwrap_or_default();
    for line in lines {
        output(state, stream).add(line);
        end_line(state, stream);
        if state.log_lines_left() == 0 {
            return;
        }
    }
    output(state, stream).add(rest);
}

/// Logs what was printed last and not ended.
pub(crate) fn end_output(state: &mut impl WasiHost) {
    end_line(state, OutputStream::Stdout);
    end_line(state, OutputStream::Stderr);
}

fn end_line(state: &mut impl WasiHost, stream: OutputStream) {
    // A traceback is worth a line that is shown by default; chatter is not.
    let (level, context) = match stream {
        OutputStream::Stdout => (Level::Info, "stdout"),
        OutputStream::Stderr => (Level::Warn, "stderr"),
    };
    if let Some(line) = output(state, stream).take() {
        state.log_printed(level, context, &line);
    }
}

fn output(state: &mut impl WasiHost, stream: OutputStream) -> &mut Output {
    let wasi = state.wasi();
    match stream {
        OutputStream::Stdout => &mut wasi.stdout,
        OutputStream::Stderr => &mut wasi.stderr,
    }
}
