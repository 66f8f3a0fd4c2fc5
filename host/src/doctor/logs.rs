//! What workers have written.

use std::fs;

use crate::command::quoted_path;
use crate::store::{LOGS, PoolDir};

use super::report::{About, Problem};

/// From this many bytes on a log is worth a word: more than anybody reads.
const LARGE: u64 = 100 << 20;

/// Logs that have grown large: the largest is named. Nothing but their sizes is looked at.
pub(super) fn problem(pool: &PoolDir) -> Option<Problem> {
    let entries = fs::read_dir(pool.path_of(LOGS)).ok()?;
    let mut large: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let facts = entry.metadata().ok()?;
            (facts.is_file() && facts.len() >= LARGE).then(|| (facts.len(), entry.path()))
        })
        .collect();
    large.sort_unstable();
    let (size, path) = large.last()?;
    let more = match large.len() {
        1 => String::new(),
        count => format!(", and {} more are large", count - 1),
    };
    Some(Problem {
        about: About::Logs,
        what: format!("the log {} has {} MiB{more}", path.display(), size >> 20),
        remedy: format!(
            "look at its end: `tail -n 100 {path}`; then empty it, which its worker does not \
             notice: `truncate -s 0 {path}`",
            path = quoted_path(path)
        ),
        repairable: false,
    })
}
