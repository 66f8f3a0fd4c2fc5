//! A trail that is larger than any that the host writes.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool};

/// What a program may take to read the trail, in bytes: far less than the hole.
const MEMORY: u64 = 64 << 20;

/// Has a command fail where it takes more memory than that (getrlimit(2), RLIMIT_DATA).
fn with_little_memory(mut command: Command) -> Command {
    let limit = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    // SAFETY: between fork and exec only async-signal-safe functions may be called; setrlimit
    // is a bare system call.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Data, limit)?)) };
    command
}

#[test]
fn a_trail_with_a_hole_is_read_without_the_hole() {
    let pool = TestPool::with(&[Entry::new("before", NO_PROCESS)]);
    pool.run(&["ensure"]);
    let trail = pool.directory().join("audit.jsonl");
    let file = File::options()
        .append(true)
        .open(&trail)
        .expect("the trail");
    file.set_len(3 << 30).expect("a hole");

    let ran = Ran::of(with_little_memory(pool.command(&["log"])));
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.stdout.contains("\"sid\":\"before\""), "{ran:#?}");
    assert!(ran.stderr.contains("has a hole of 32"), "{ran:#?}");
    let ran = Ran::of(with_little_memory(pool.command(&["doctor"])));
    let page: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(page["trail"]["damaged_lines"], 1, "{ran:#?}");
}
