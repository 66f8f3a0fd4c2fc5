//! What the registry is, and what is wrong with it.

use std::path::Path;

use crate::error::chain;
use crate::floor::Reading;
use crate::pool::REGISTRY;
use crate::store::{Danger, Facts, FileKind, MAX_REGISTRY, Seen, StoreError};

use super::candidate::{Candidate, Evidence};
use super::damage::{damage, lost_text};
use super::date;
use super::files::is_of_wrong_kind;
use super::plan::counted;
use super::report::{About, LostText, Problem, RegistryState, State};
use super::salvage::{Lost, Salvage, held};

/// How much is salvaged of a registry that is too large, in bytes: half of what one may
/// have, so that there is room for the workers that are found without an entry.
const SALVAGED: usize = (MAX_REGISTRY / 2) as usize;

/// Judges the registry of the pool in this directory.
pub(super) fn look(pool: &Path, seen: &Seen) -> (RegistryState, Option<Problem>) {
    let facts = seen.facts();
    let mut state = RegistryState {
        path: pool.join(REGISTRY),
        state: State::Absent,
        size: facts.map(|facts| facts.size),
        written: facts
            .and_then(Facts::modified)
            .and_then(|time| date::seconds(time.into())),
        damage: None,
        lost: Vec::new(),
    };
    let problem = |what: String, remedy: &str, repairable| Problem {
        about: About::Registry,
        what,
        remedy: remedy.to_owned(),
        repairable,
    };
    match seen {
        Seen::Absent => (state, None),
        Seen::Whole { bytes, .. } => {
            let reading = Reading::new(Some(bytes.clone()));
            let Err(error) = reading.claims() else {
                state.state = State::Healthy;
                return (state, None);
            };
            state.state = State::Damaged;
            state.damage = Some(damage(bytes, &error));
            let what = format!("{REGISTRY} cannot be read: {error}");
            let remedy = "no request is carried out until then; the workers keep running";
            (state, Some(problem(what, remedy, true)))
        }
        Seen::TooLarge { error, .. } => {
            state.state = State::Damaged;
            let remedy = format!(
                "no request is carried out until then; the workers keep running; a repair looks \
                 through the first {SALVAGED} bytes, and the file is kept whole"
            );
            (state, Some(problem(cannot_be_read(error), &remedy, true)))
        }
        Seen::Unusable { error, .. } => {
            let replaceable = is_of_wrong_kind(error) || leads_to_no_file(error);
            state.state = if replaceable {
                State::Damaged
            } else {
                State::Unusable
            };
            let remedy = if replaceable || !matches!(error, StoreError::Unsafe { .. }) {
                "no request is carried out until then; the workers keep running"
            } else {
                "what is there may be what you want, so it is left to you"
            };
            (
                state,
                Some(problem(cannot_be_read(error), remedy, replaceable)),
            )
        }
    }
}

/// What is wrong where there is no registry, and the ledger has workers that may live: then
/// one was removed, and no request takes the pool for an empty one.
pub(super) fn gone(state: &mut RegistryState, candidates: &[Candidate]) -> Option<Problem> {
    let known = candidates
        .iter()
        .filter(|candidate| candidate.evidence != Evidence::Environment)
        .count();
    if state.state != State::Absent || known == 0 {
        return None;
    }
    state.state = State::Damaged;
    Some(Problem {
        about: About::Registry,
        what: format!(
            "{REGISTRY} is gone, and the ledger has {} that may live: something removed the file, \
             as cleaners of temporary files do",
            counted(known, "worker", "workers")
        ),
        remedy: "no request is carried out until then; the workers keep running".into(),
        repairable: true,
    })
}

/// Whether it is a symbolic link behind which there is no registry that somebody could want.
fn leads_to_no_file(error: &StoreError) -> bool {
    matches!(error, StoreError::Unsafe {
        path,
        danger: Danger::Kind { found: FileKind::SymbolicLink, .. },
    } if !path.is_file())
}

/// What to say of it here. The error itself sends its reader to the doctor.
fn cannot_be_read(error: &StoreError) -> String {
    match error.no_registry() {
        Some(why) => format!("{REGISTRY} cannot be read: {why}"),
        None => chain(error),
    }
}

/// What it holds, so far as that can be read.
pub(super) fn held_by(seen: &Seen) -> Salvage<'_> {
    match seen {
        Seen::Whole { bytes, .. } => held(bytes),
        Seen::TooLarge { beginning, .. } => held(looked_through(beginning)),
        Seen::Absent | Seen::Unusable { .. } => Salvage::default(),
    }
}

/// What of it no entry can be made of.
pub(super) fn lost(seen: &Seen, held: &Salvage<'_>) -> Vec<LostText> {
    match seen {
        Seen::Whole { bytes, .. } => lost_text(bytes, &held.lost),
        Seen::TooLarge {
            facts, beginning, ..
        } => {
            let mut lost = lost_text(looked_through(beginning), &held.lost);
            let rest = &beginning[looked_through(beginning).len()..];
            let all = usize::try_from(facts.size).unwrap_or(usize::MAX);
            let range = 0..all.saturating_sub(SALVAGED);
            let why = "it is not looked through: the file is too large".to_owned();
            lost.extend(
                lost_text(rest, &[Lost { bytes: range, why }])
                    .into_iter()
                    .map(|lost| LostText {
                        offset: SALVAGED,
                        ..lost
                    }),
            );
            lost
        }
        Seen::Absent | Seen::Unusable { .. } => Vec::new(),
    }
}

fn looked_through(beginning: &[u8]) -> &[u8] {
    &beginning[..beginning.len().min(SALVAGED)]
}
