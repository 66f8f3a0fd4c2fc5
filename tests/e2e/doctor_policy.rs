//! The doctor looks at the policy that the configuration names, and runs nothing of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Terminal, TestPool, Worker};

fn configure(pool: &TestPool, policy: &str) {
    let file = pool.directory().join("poolwarden.toml");
    fs::write(&file, format!("[policy]\n{policy}\n")).expect("the configuration");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
}

/// A pool with a policy beside it.
fn pool() -> TestPool {
    let pool = TestPool::new();
    let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile.wasm");
    fs::copy(hostile, pool.root().join("other.wasm")).expect("the policy");
    pool
}

/// What is wrong with the policy, where every request fails for that as well.
#[track_caller]
fn problem(pool: &TestPool) -> Value {
    pool.run(&["status"]).error(7);
    let report = pool.run(&["doctor"]).answer(1);
    assert_eq!(report["healthy"], false);
    assert_eq!(report["configuration"]["policy"]["state"], "unusable");
    let problem = report["problems"][0].clone();
    assert_eq!(problem["about"], "policy", "{report:#}");
    assert_eq!(problem["repairable"], false);
    let remedy = problem["remedy"].as_str().expect("words");
    assert!(remedy.contains("poolwarden.toml"), "{remedy}");
    problem
}

#[test]
fn a_policy_that_no_request_can_load_is_a_problem() {
    let pool = pool();
    fs::write(pool.root().join("text.wasm"), "no component").expect("write");
    let pin = "0".repeat(64);
    for (policy, why) in [
        ("path = \"../gone.wasm\"".to_owned(), "No such file"),
        ("path = \"..\"".to_owned(), "a directory"),
        (
            "path = \"../text.wasm\"".to_owned(),
            "not a WebAssembly component",
        ),
        (
            format!("path = \"../other.wasm\"\nsha256 = \"{pin}\""),
            "is pinned",
        ),
    ] {
        configure(&pool, &policy);
        let problem = problem(&pool);
        let what = problem["what"].as_str().expect("words");
        assert!(what.contains(why), "{policy}: {what}");
    }
}

#[test]
fn a_policy_that_may_decide_is_named_with_its_digest() {
    let pool = pool();
    let worker = Worker::obedient();
    pool.seed(&[worker.entry("a")]);
    configure(&pool, "path = \"../other.wasm\"");
    let report = pool.ask(&["doctor"]);
    let found = &report["configuration"]["policy"];
    assert_eq!(found["state"], "healthy", "{report:#}");
    let pin = found["sha256"].as_str().expect("a digest");
    configure(
        &pool,
        &format!("path = \"../other.wasm\"\nsha256 = \"{pin}\""),
    );
    let report = pool.ask(&["doctor"]);
    assert_eq!(report["configuration"]["policy"]["sha256"], json!(pin));
    let note = report["notes"][0].as_str().expect("words");
    assert!(note.contains("other.wasm decides"), "{note}");
    let shown = Terminal::open().show(pool.command(&["doctor"]));
    assert!(shown.contains("is said of the shipped policy"), "{shown}");
    assert!(shown.contains(&format!("sha256 {pin}")), "{shown}");
    fs::remove_file(pool.directory().join("poolwarden.toml")).expect("remove");
    let report = pool.ask(&["doctor"]);
    assert_eq!(report["configuration"]["policy"], json!(null));
    assert_eq!(report["notes"], json!([]));
}
