//! What a worker wrote before it failed.

use std::io;

use poolwarden::store::Log;

/// Most bytes that are looked at, and most lines that are shown.
const BYTES: u64 = 4096;
const LINES: usize = 10;

/// A log, and where in it the output of this worker begins: the file is the session's, and
/// others may have had it before.
pub(super) struct LastWords {
    log: Log,
    since: u64,
}

impl LastWords {
    /// From what is written from now on.
    ///
    /// # Errors
    /// When the log cannot be looked at.
    pub(super) fn from_now(log: Log) -> io::Result<Self> {
        Ok(Self {
            since: log.size()?,
            log,
        })
    }

    /// The log.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// The last lines, each to be shown on a line of its own, under the log's path;
    /// nothing where nothing was written.
    pub(super) fn lines(&self) -> Vec<String> {
        let path = self.log.path().display();
        match self.log.tail(self.since, BYTES) {
            Ok(bytes) if bytes.is_empty() => Vec::new(),
            Ok(bytes) => {
                let mut lines = vec![format!("its last words, from {path}:")];
                lines.extend(last_lines(&bytes));
                lines
            }
            Err(error) => vec![format!("its log {path} cannot be read: {error}")],
        }
    }
}

fn last_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown_whatever_they_are() {
        let many: String = (0..20).map(|n| format!("{n}\n")).collect();
        let shown = last_lines(many.as_bytes());
        assert_eq!(shown.len(), LINES);
        assert_eq!(shown.last().map(String::as_str), Some("  19"));
        assert_eq!(last_lines(b"no end, \xff"), ["  no end, \u{fffd}"]);
    }
}
