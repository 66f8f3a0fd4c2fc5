//! `audit.jsonl`: what was done to workers and entries, a line each.
//!
//! Lines come before an effect and after it, also from requests that do not hold the
//! pool's lock, as the kill after a grace period. So the file has a lock of its own:
//! flock(2) on the very file that is written, held for one append.

mod append;
mod read;
mod rotate;

pub(crate) use read::TrailFile;

/// The file that is written. Older ones have a number behind the name, from 1 for the
/// youngest to [`KEPT`].
pub(crate) const TRAIL: &str = "audit.jsonl";

/// How large the file grows before it is put aside, in bytes: 4 MiB, some thousand lines.
/// Only what is appended at once can make a single file larger.
pub(super) const LARGEST: u64 = 4 << 20;

/// How many old files are kept. An entry that was removed stands nowhere else, so the
/// trail has to reach back further than it takes somebody to miss a worker: with the
/// current file about 36 MiB, which is 30,000 signals and removals or more.
pub(in super::super) const KEPT: u32 = 8;

/// The name of the current file, 0, or of an old one.
pub(in super::super) fn name(number: u32) -> String {
    if number == 0 {
        TRAIL.to_owned()
    } else {
        format!("{TRAIL}.{number}")
    }
}
