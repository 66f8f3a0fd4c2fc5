//! The examples run to their end, and leave nothing behind.

use std::fs;
use std::process::Command;

/// Tells this program, run by itself, which example it is to be.
const EXAMPLE: &str = "POOLWARDEN_TEST_EXAMPLE";

/// Runs an example in a process of its own, whose temporary files would lie in a folder of
/// their own; what it printed.
fn run(example: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "--nocapture",
            "examples::the_one_that_is_asked_for",
        ])
        .env(EXAMPLE, example)
        .env("TMPDIR", folder.path())
        .output()
        .expect("this program runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    assert!(printed.contains("1 passed"), "{printed}");
    let left = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 0, "{example} leaves files behind");
    printed
}

/// The half of these tests that runs in a process of its own; elsewhere it does nothing.
#[test]
fn the_one_that_is_asked_for() {
    match std::env::var(EXAMPLE).as_deref() {
        Ok("embed") => crate::embed::main().expect("it runs to its end"),
        Ok("own_parts") => crate::own_parts::main().expect("it runs to its end"),
        other => assert!(other.is_err(), "no such example: {other:?}"),
    }
}

#[test]
fn a_real_worker_is_registered_listed_and_stopped() {
    let printed = run("embed");
    for line in ["is running", "the observer may not", "search has exited"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
}

#[test]
fn a_pool_of_own_parts_touches_no_file() {
    let printed = run("own_parts");
    for line in ["ghost is exited", "hamlet hears [Term] and leaves"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
}
