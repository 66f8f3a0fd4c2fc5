//! Parsers that are no part of the interface, for the fuzz targets in `tests/fuzz`.
//!
//! What they read, they read in the middle of a request. To get there through the interface
//! costs a file, a lock and an instance of a policy, a thousand times what the parser costs;
//! and a policy refuses most bytes before the host's own reading matters.

use std::ops::Range;
use std::time::SystemTime;

use crate::answer::Answer;
use crate::doctor::salvage::held;
use crate::floor::{Budget, Grants, Proven, Reading};
use crate::process::Claim;
use crate::request::Request;

/// A registry as the host reads it: each entry's claim, and its text byte for byte.
///
/// # Errors
/// Line, column and detail of what makes the bytes no registry.
pub fn entries(bytes: &[u8]) -> Result<Vec<(Claim, String)>, (u64, u64, String)> {
    let reading = Reading::new(Some(bytes.to_vec()));
    let claims = reading
        .claims()
        .map_err(|error| (error.line, error.column, error.detail))?;
    let raw = |index| reading.raw(index).unwrap_or_default().to_owned();
    Ok(claims
        .iter()
        .enumerate()
        .map(|(index, claim)| (claim.clone(), raw(index)))
        .collect())
}

/// Whether the floor lets a policy replace these bytes by those, for this request and at this
/// time: how many entries go, and whether one comes. `may_drop` says of an entry, by its
/// place, that its process was found dead.
///
/// # Errors
/// The refusal.
pub fn replace(
    (before, after): (&[u8], &[u8]),
    request: &Request,
    now: SystemTime,
    may_drop: impl Fn(usize) -> bool,
) -> Result<(usize, bool), String> {
    let [before, after] = [before, after].map(|bytes| Reading::new(Some(bytes.to_vec())));
    let proven = Proven {
        is_dead: &may_drop,
        newcomer_runs: true,
        now,
    };
    Budget::of(request, &Grants::shipped())
        .check_replacement(&before, &after, &proven)
        .map(|change| (change.dropped.len(), change.added.is_some()))
        .map_err(|refusal| refusal.to_string())
}

/// What the doctor finds in a registry, damaged or not.
#[derive(Debug)]
pub struct Salvaged {
    /// Each entry's claim and text, and where that stands in the bytes; nowhere if it lacked
    /// fields that were put behind the others.
    pub entries: Vec<(Claim, String, Option<usize>)>,
    /// The fields around the entries, byte for byte.
    pub fields: Vec<String>,
    /// The stretches that cannot be used.
    pub lost: Vec<Range<usize>>,
    /// The registry that is made of the entries and fields, or why that cannot be read.
    pub registry: Result<Vec<u8>, String>,
}

/// Salvages a registry as a repair does that finds all its workers alive.
pub fn salvaged(bytes: &[u8]) -> Salvaged {
    let held = held(bytes);
    let entries = held.entries.iter();
    let registry = held.registry(entries.map(|entry| (entry.text.as_ref(), &entry.claim)));
    let fields = held.before.iter().chain(&held.after);
    Salvaged {
        fields: fields.map(|&field| field.to_owned()).collect(),
        lost: held.lost.into_iter().map(|lost| lost.bytes).collect(),
        registry,
        entries: held
            .entries
            .into_iter()
            .map(|entry| {
                let at = entry.completed.is_empty().then_some(entry.at);
                (entry.claim, entry.text.into_owned(), at)
            })
            .collect(),
    }
}

/// The answer that a policy's text is.
///
/// # Errors
/// Why it is none.
pub fn answer(text: String) -> Result<Answer, String> {
    Answer::check(text).map_err(|error| error.to_string())
}
