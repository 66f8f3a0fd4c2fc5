//! `wasi:logging/logging`: lines of the policy, in the host's log and never on stdout.

use crate::recording::Call;
use crate::visible;

use super::bindings::wasi::logging::logging::{Host, Level};
use super::{RequestState, View};

/// Longer lines are cut, in characters: a log is no place for a registry.
const LINE: usize = 4096;

impl Host for View<'_> {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        self.0.log(level, &context, &message);
        Ok(())
    }
}

impl RequestState {
    /// Writes a line of the policy to the log, while the request may write any.
    pub(super) fn log(&mut self, level: Level, context: &str, message: &str) {
        if let Some((context, message)) = log(&mut self.log_lines_left, level, context, message) {
            self.last_line = Some(message.clone());
            self.note(|| Call::Log {
                level: name(level).to_owned(),
                context,
                message,
            });
        }
    }
}

/// Writes a line to the log, as long as the request may write any; what was written.
pub(crate) fn log(
    lines_left: &mut usize,
    level: Level,
    context: &str,
    message: &str,
) -> Option<(String, String)> {
    let left = lines_left.checked_sub(1)?;
    *lines_left = left;
    let (context, message) = (line(context), line(message));
    match level {
        Level::Trace => tracing::trace!(target: "poolwarden::policy", context, "{message}"),
        Level::Debug => tracing::debug!(target: "poolwarden::policy", context, "{message}"),
        Level::Info => tracing::info!(target: "poolwarden::policy", context, "{message}"),
        Level::Warn => tracing::warn!(target: "poolwarden::policy", context, "{message}"),
        Level::Error | Level::Critical => {
            tracing::error!(target: "poolwarden::policy", context, "{message}");
        }
    }
    if left == 0 {
        tracing::warn!(target: "poolwarden::policy", "the policy logs too much; the rest of this request is dropped");
    }
    Some((context, message))
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

/// One line that a terminal cannot be attacked with, cut to a bounded length.
fn line(text: &str) -> String {
    visible::bounded_line(text, LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_log() {
        assert_eq!(line("a\x1b[31m\nb"), "a\\u{1b}[31m\\u{a}b");
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(line(&"x".repeat(LINE * 2)).chars().count(), LINE + 1);
    }
}
