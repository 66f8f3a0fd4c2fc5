//! Recordings: somebody else's file, which a policy is tried on.

use std::sync::LazyLock;
use std::time::Duration;

use poolwarden::Policy;
use poolwarden::recording::{ReadError, Recording, Recordings};
use poolwarden::replay::Replay;

use crate::directory::{empty_pool, write};
use crate::program::{assert_harmless, line, report};

/// How many recordings of a file are replayed.
const REPLAYED: usize = 3;

static SHIPPED: LazyLock<Replay> = LazyLock::new(|| {
    let policy = Policy::shipped().expect("the shipped policy");
    let limits = poolwarden::Limits {
        guest_cpu: Duration::from_secs(2),
        ..poolwarden::Limits::default()
    };
    Replay::new(policy).expect("a replay").limits(limits)
});

/// Each line is a recording or an error of its own. What was read is written and read as the
/// same, and the shipped policy comes to an end with it.
pub fn check(data: &[u8]) {
    let pool = empty_pool("recordings");
    let file = write(&pool, "recordings.jsonl", data);
    let lines = data.split(|&byte| byte == b'\n');
    let said = lines.filter(|line| !line.trim_ascii().is_empty()).count();
    let mut read = 0;
    let mut replayed = 0;
    for recording in Recordings::open(&file).expect("the file") {
        read += 1;
        match recording {
            Ok((_, recording)) => {
                check_format(&recording);
                if replayed < REPLAYED {
                    replay(&recording);
                    replayed += 1;
                }
            }
            Err(error) => {
                assert!(!matches!(error, ReadError::File { .. }), "{error}");
                assert_harmless(&line(&error.to_string()));
            }
        }
    }
    assert_eq!(read, said);
}

fn check_format(recording: &Recording) {
    let text = serde_json::to_string(recording).expect("JSON");
    let again: Recording = serde_json::from_str(&text).expect("it is read again");
    assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
    assert_eq!(again.outcome(), recording.outcome());
    assert_eq!(again.calls, recording.calls);
    assert_eq!(again.request, recording.request);
}

fn replay(recording: &Recording) {
    match SHIPPED.run(recording) {
        Ok(replayed) => {
            assert!(
                !replayed.policy_failed(),
                "the shipped policy failed: {}",
                replayed.replayed
            );
            let (text, json) = report(recording, replayed);
            assert_harmless(&text);
            assert_eq!(json.find('\n'), Some(json.len() - 1), "one line");
            let again = SHIPPED.run(recording).expect("it is replayed again");
            assert_eq!(report(recording, again), (text, json));
        }
        Err(error) => assert_harmless(&line(&error.to_string())),
    }
}
