//! What the registry is, and what is wrong with it.

use std::path::Path;

use crate::error::chain;
use crate::floor::Reading;
use crate::pool::REGISTRY;
use crate::store::{Facts, Seen, StoreError};

use super::damage::damage;
use super::date;
use super::files::is_of_wrong_kind;
use super::report::{About, Problem, RegistryState, State};

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
        Seen::Unusable { error, .. } => {
            let replaceable = is_of_wrong_kind(error);
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
            (state, Some(problem(chain(error), remedy, replaceable)))
        }
    }
}
