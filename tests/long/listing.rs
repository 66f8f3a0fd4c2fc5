//! What an answer lists.

use serde_json::Value;

/// Sids and pids of an answer's sessions, each of which is proven to run, in order of the
/// pids.
#[track_caller]
pub(crate) fn listed(answer: &Value) -> Vec<(String, u32)> {
    let sessions = answer["sessions"].as_array().expect("sessions");
    let mut listed: Vec<_> = sessions
        .iter()
        .map(|one| {
            let status = one["status"].as_str().expect("a status");
            assert!(["running", "stopping"].contains(&status), "{answer}");
            let pid = one["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            let sid = one["sid"].as_str().expect("a sid").to_owned();
            (sid, pid.expect("a pid"))
        })
        .collect();
    listed.sort_by_key(|&(_, pid)| pid);
    listed
}
