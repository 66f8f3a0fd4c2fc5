//! What the trail says of a worker that ends by its signal and whose entry goes in the same
//! transaction.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::process::Signal;

use super::promises::{entries, stop_and_drop};

/// The fields of a line that this is about.
#[derive(Deserialize)]
struct Line<'a> {
    id: &'a str,
    event: &'a str,
    sid: &'a str,
    pid: u32,
    signal: Option<&'a str>,
    standing: Option<&'a str>,
    result: Option<&'a str>,
    #[serde(borrow)]
    entry: Option<&'a RawValue>,
}

#[test]
fn the_trail_keeps_the_whole_entry_that_a_policy_removes_with_its_signal() {
    let (machine, is_gone) = stop_and_drop("obedient", Signal::Term);
    assert!(is_gone && !machine.runs(11));
    let trail = machine.trail();
    let lines: Vec<Line<'_>> = trail
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of the trail"))
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line.event, line.signal, line.standing, line.result))
        .collect();
    assert_eq!(
        told,
        [
            ("signal", Some("term"), Some("alive"), None),
            ("signal", None, None, Some("sent")),
            ("removal", None, Some("gone"), None),
            ("removal", None, None, Some("removed")),
        ]
    );
    assert_eq!((lines[0].id, lines[2].id), (lines[1].id, lines[3].id));
    assert!(
        lines
            .iter()
            .all(|line| (line.sid, line.pid) == ("obedient", 11))
    );
    let before = entries(&super::machine::registry());
    for at in [0, 2] {
        assert_eq!(lines[at].entry.map(RawValue::get), Some(&*before[0]));
    }
}
