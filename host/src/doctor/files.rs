//! The pool's other files: the ledger, the trail, and what does not belong there.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

use crate::audit::{History, Problem as HistoryProblem};
use crate::command::quoted_path;
use crate::error::chain;
use crate::pool::REGISTRY;
use crate::store::{
    Danger, Facts, FileKind, LEDGER, Ledger, LedgerText, MAX_LEDGER, PoolDir, SOCKET_ASIDE, Seen,
    StoreError, TRAIL, read_ledger,
};

use super::report::{About, LedgerState, OtherFiles, Problem, State, TrailState};

/// What writers call a file until it is whole.
const TEMPORARY: [&str; 3] = ["registry.json.new", "ledger.json.new", SOCKET_ASIDE];

/// What is behind a name, before the date, when a repair puts a file aside.
pub(super) const DAMAGED: &str = ".damaged-";
pub(super) const LEFTOVER: &str = ".leftover-";

/// What is behind a name, before the date, while a repair writes the file anew.
pub(super) const DRAFT: &str = ".repairing-";

/// The ledger, and what is to be replaced of it.
pub(super) struct LedgerLook {
    pub(super) state: LedgerState,
    /// The rows that could be read.
    pub(super) ledger: Ledger,
    pub(super) problem: Option<Problem>,
    /// The file, where it is to be put aside.
    pub(super) damaged: Option<Facts>,
}

/// Looks at the ledger.
pub(super) fn ledger(pool: Option<&PoolDir>) -> LedgerLook {
    let seen = pool.map_or(Seen::Absent, |pool| pool.see(LEDGER, MAX_LEDGER));
    let facts = seen.facts().copied();
    let (state, ledger, damaged_rows, detail) = match seen {
        Seen::Absent => (State::Absent, Ledger::default(), 0, None),
        Seen::Unusable { error, .. } => {
            let state = if is_of_wrong_kind(&error) {
                State::Damaged
            } else {
                State::Unusable
            };
            (state, Ledger::default(), 0, Some(chain(&error)))
        }
        Seen::TooLarge { error, .. } => (State::Damaged, Ledger::default(), 0, Some(chain(&error))),
        Seen::Whole { bytes, .. } => match read_ledger(&bytes) {
            LedgerText::Ledger { ledger, damaged } => match damaged {
                None => (State::Healthy, ledger, 0, None),
                Some((rows, error)) => (State::Damaged, ledger, rows, Some(error.to_string())),
            },
            LedgerText::Newer(version) => {
                let detail = format!("its format {version} is newer than this program");
                (State::Unusable, Ledger::default(), 0, Some(detail))
            }
            LedgerText::Damaged(error) => (
                State::Damaged,
                Ledger::default(),
                0,
                Some(error.to_string()),
            ),
        },
    };
    let problem = detail.as_ref().map(|detail| Problem {
        about: About::Ledger,
        what: match damaged_rows {
            0 => format!("{LEDGER} cannot be read: {detail}"),
            rows => format!("{rows} rows of {LEDGER} cannot be read: {detail}"),
        },
        remedy:
            "no request fails for it, but entries are proven by their sockets and by time only \
                 until it is written again"
                .into(),
        repairable: state == State::Damaged,
    });
    let rows = ledger.rows().len();
    LedgerLook {
        damaged: facts.filter(|_| state == State::Damaged),
        state: LedgerState {
            state,
            size: facts.map(|facts| facts.size),
            rows,
            damaged_rows,
            detail,
        },
        ledger,
        problem,
    }
}

/// The trail, and what stands in its place.
pub(super) struct TrailLook {
    pub(super) state: TrailState,
    pub(super) problem: Option<Problem>,
    pub(super) damaged: Option<Facts>,
}

/// Looks at the trail.
pub(super) fn trail(pool: Option<&PoolDir>) -> TrailLook {
    let names = pool.map(PoolDir::trail_names).unwrap_or_default();
    let facts = |name: &str| pool.and_then(|pool| pool.facts_at(name).ok().flatten());
    let history = pool.map(History::of).unwrap_or_default();
    let lines = history.problems.iter();
    let damaged_lines = lines
        .filter(|problem| !matches!(problem, HistoryProblem::File(_)))
        .count();
    // Only the file that is written matters: what is wrong with old ones is history, too.
    let mut files = history.problems.iter();
    let unusable = files.find_map(|problem| match problem {
        HistoryProblem::File(
            error @ (StoreError::Unsafe { path, .. } | StoreError::Step { path, .. }),
        ) if path.ends_with(TRAIL) => Some(error),
        _ => None,
    });
    let damaged = facts(TRAIL).filter(|_| unusable.is_some_and(is_of_wrong_kind));
    TrailLook {
        state: TrailState {
            state: match (unusable, names.is_empty()) {
                (Some(_), _) => State::Unusable,
                (None, true) => State::Absent,
                (None, false) => State::Healthy,
            },
            files: names.len(),
            size: names
                .iter()
                .filter_map(|name| Some(facts(name)?.size))
                .sum(),
            effects: history.actions.len(),
            damaged_lines,
        },
        problem: unusable.map(|error| Problem {
            about: About::Trail,
            what: chain(error),
            remedy: "what cannot be recorded does not happen: no signal is sent and no entry \
                     removed until then"
                .into(),
            repairable: damaged.is_some(),
        }),
        damaged,
    }
}

/// Temporary files that are there. Who has the lock is who looks: a writer that lives
/// holds it.
pub(super) fn leftovers(pool: &PoolDir) -> Vec<(String, Facts)> {
    let names = pool.names().unwrap_or_default();
    let leftovers = names
        .into_iter()
        .filter(|name| TEMPORARY.contains(&name.as_str()) || is_draft(name));
    leftovers
        .filter_map(|name| {
            let facts = pool.facts_at(&name).ok()??;
            Some((name, facts))
        })
        .collect()
}

/// What is wrong with that.
pub(super) fn leftovers_problem(leftovers: &[(String, Facts)]) -> Option<Problem> {
    let mut writers = leftovers.iter().filter(|(name, _)| !is_draft(name));
    if let Some((name, _)) = writers.find(|(_, facts)| facts.kind == FileKind::Directory) {
        return Some(Problem {
            about: About::Leftover,
            what: format!("{name} is a directory, in the way of whoever writes that file"),
            remedy:
                "what is to be written there is not, until it is moved away; a repair keeps it \
                     under another name"
                    .into(),
            repairable: true,
        });
    }
    let (first, _) = leftovers.first()?;
    let (who, remedy) = if is_draft(first) {
        (
            "a repair",
            "it is the file as it was, or the beginning of the new one, and does no harm: another \
             repair keeps it under another name",
        )
    } else {
        (
            "a writer",
            "it does no harm: the next writer removes it, a repair keeps it under another name",
        )
    };
    Some(Problem {
        about: About::Leftover,
        what: format!("{who} was ended before it was done: {first} was left behind"),
        remedy: remedy.into(),
        repairable: true,
    })
}

/// What is wrong with sockets that nobody serves.
pub(super) fn sockets_problem(pool: &Path, files: &OtherFiles) -> Option<Problem> {
    let first = files.stale_sockets.first()?;
    let more = match files.stale_sockets.len() {
        1 => String::new(),
        count => format!(", as are {} more", count - 1),
    };
    let path = pool.join(first);
    Some(Problem {
        about: About::Sockets,
        what: format!("the socket {first} is left of a worker that is dead{more}"),
        remedy: format!(
            "a worker that is to serve it fails with \"Address already in use\" unless `run` \
             starts it, which removes it first; remove it: `rm {}`",
            quoted_path(&path)
        ),
        repairable: true,
    })
}

/// Looks at what else is in the directory. `in_use` are the file names of the sockets of
/// workers that may live, however their entries spell the paths.
pub(super) fn others(pool: &PoolDir, in_use: &HashSet<&OsStr>) -> OtherFiles {
    let mut found = OtherFiles::default();
    for name in pool.names().unwrap_or_default() {
        let facts = pool.facts_at(&name).ok().flatten();
        if is_set_aside(&name) {
            found.set_aside.push(name);
        } else if facts.is_some_and(|facts| facts.kind == FileKind::Socket)
            && !TEMPORARY.contains(&name.as_str())
            && !in_use.contains(OsStr::new(&name))
        {
            found.stale_sockets.push(name);
        }
    }
    found.stale_sockets = pool.stale_sockets(found.stale_sockets);
    found
}

/// Whether the file is not what it has to be, and no link: what a link leads to may be
/// what somebody wants.
pub(super) fn is_of_wrong_kind(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unsafe {
            danger: Danger::Kind { found, .. },
            ..
        } if *found != FileKind::SymbolicLink
    )
}

fn is_set_aside(name: &str) -> bool {
    let ours = [REGISTRY, LEDGER, TRAIL].iter().chain(&TEMPORARY);
    let mut rest = ours.filter_map(|ours| name.strip_prefix(ours));
    rest.any(|rest| {
        let of_draft = rest.starts_with(DRAFT) && rest.contains(LEFTOVER);
        rest.starts_with(DAMAGED) || rest.starts_with(LEFTOVER) || of_draft
    })
}

/// Whether it is what a repair writes, or what a repair that was ended left behind.
fn is_draft(name: &str) -> bool {
    let ours = [REGISTRY, LEDGER];
    let mut rest = ours.iter().filter_map(|ours| name.strip_prefix(ours));
    rest.any(|rest| rest.starts_with(DRAFT) && !rest.contains(LEFTOVER))
}
