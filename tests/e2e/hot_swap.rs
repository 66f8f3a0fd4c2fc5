//! A server whose policy changes while it serves.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Mcp, TestPool, Worker, await_that};

/// How often the policy changes under the requests.
const SWAPS: usize = 20;
/// How many requests are under way at a time.
const CLIENTS: usize = 8;

fn component(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Puts a file in the place of another, whole.
fn put(from: &Path, to: &Path) {
    let aside = to.with_extension("new");
    fs::copy(from, &aside).expect("copy");
    fs::rename(&aside, to).expect("rename");
}

fn serve(pool: &TestPool, policy: &Path) -> Mcp {
    let policy = policy.to_str().expect("a path that is text");
    Mcp::open(pool.command(&["--policy", policy, "--grant", "registry-write", "mcp"]))
}

/// Whether an answer is the talking policy's; any other one has to be the shipped one's.
#[track_caller]
fn is_talk(answer: &Value) -> bool {
    if *answer == json!({"said": "nothing was tried"}) {
        return true;
    }
    assert_eq!(answer["sessions"][0]["status"], "running", "{answer}");
    false
}

fn status(mcp: &mut Mcp) -> Value {
    mcp.answer("pool_status", json!({}))
}

#[test]
fn a_changed_policy_takes_over_between_requests() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let policy = pool.root().join("policy.wasm");
    let (shipped, talking) = (
        component("guest/policy.wasm"),
        component("tests/guests/hostile.wasm"),
    );
    put(&shipped, &policy);
    let mut mcp = serve(&pool, &policy);
    assert!(!is_talk(&status(&mut mcp)));
    for swap in 0..SWAPS {
        let talk = swap % 2 == 0;
        put(if talk { &talking } else { &shipped }, &policy);
        // Whoever asks meanwhile is answered by the one or by the other.
        await_that("the other policy answers", || {
            let ids: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    let call = json!({"name": "pool_status", "arguments": {}});
                    mcp.begin("tools/call", call)
                })
                .collect();
            let mut seen = Vec::new();
            for _ in &ids {
                let message = mcp.next();
                let result = &message["result"];
                assert_ne!(result["isError"], true, "{message}");
                let text = result["content"][0]["text"].as_str().expect("a text");
                seen.push(is_talk(&serde_json::from_str(text).expect("JSON")));
            }
            seen.into_iter().all(|one| one == talk)
        });
    }
    assert!(mcp.close().success());
}

#[test]
fn a_candidate_that_cannot_be_used_leaves_the_old_one_in_place() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let policy = pool.root().join("policy.wasm");
    put(&component("guest/policy.wasm"), &policy);
    let mut mcp = serve(&pool, &policy);
    assert!(!is_talk(&status(&mut mcp)));
    let broken = pool.root().join("broken");
    fs::write(&broken, "no component").expect("write");
    put(&broken, &policy);
    assert!(!is_talk(&status(&mut mcp)));
    fs::remove_file(&policy).expect("unlink");
    assert!(!is_talk(&status(&mut mcp)));
    // It is still watched.
    put(&component("tests/guests/hostile.wasm"), &policy);
    await_that("the good candidate answers", || is_talk(&status(&mut mcp)));
}

#[test]
fn a_server_without_a_usable_policy_says_so_until_there_is_one() {
    let pool = TestPool::new();
    let policy = pool.root().join("policy.wasm");
    fs::write(&policy, "no component").expect("write");
    let mut mcp = serve(&pool, &policy);
    let result = mcp.call("pool_status", json!({}));
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("the policy cannot be used"), "{text}");
    put(&component("tests/guests/hostile.wasm"), &policy);
    await_that("there is a policy", || {
        mcp.call("pool_status", json!({}))["isError"] != true
    });
}

#[test]
fn a_changed_configuration_counts_as_well() {
    let pool = TestPool::new();
    let file = pool.directory().join("poolwarden.toml");
    fs::write(&file, "").expect("write");
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    assert_eq!(status(&mut mcp)["sessions"], json!([]));
    let configured = pool.root().join("configured");
    let text = format!(
        "[policy]\npath = {:?}\n[settings]\nattack = \"describe-only\"\n",
        component("tests/guests/hostile.wasm")
    );
    fs::write(&configured, text).expect("write");
    put(&configured, &file);
    await_that("the configured policy answers", || {
        status(&mut mcp) == json!({"said": "nothing was tried"})
    });
}
