//! Parsers that are no part of the interface, for the fuzz targets in `tests/fuzz`.
//!
//! What they read, they read in the middle of a request. To get there through the interface
//! costs a file, a lock and an instance of a policy, a thousand times what the parser costs;
//! and a policy refuses most bytes before the host's own reading matters.

use std::time::SystemTime;

use crate::answer::Answer;
use crate::floor::{Reading, check_replace};
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
    check_replace(&before, &after, request, now, may_drop)
        .map(|change| (change.dropped.len(), change.added.is_some()))
        .map_err(|refusal| refusal.to_string())
}

/// The answer that a policy's text is.
///
/// # Errors
/// Why it is none.
pub fn answer(text: String) -> Result<Answer, String> {
    Answer::check(text).map_err(|error| error.to_string())
}
