//! Of the program's `policy replay`.

use std::path::Path;

use poolwarden::recording::Recording;
use poolwarden::replay::Replayed;

#[path = "../../../../../host/src/cli/policy/report.rs"]
#[expect(
    dead_code,
    reason = "a check does not exit, and passes on what is wrong"
)]
mod report;

/// What a replay is reported as: for a person, and as JSON.
pub(crate) fn report(recording: &Recording, replayed: Replayed) -> (String, String) {
    let mut report = report::Report::default();
    report.add(Path::new("file"), 1, recording, replayed);
    (report.text(), report.json().expect("JSON"))
}
