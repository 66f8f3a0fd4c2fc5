//! A server whose policy changes while it serves.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Entry, Mcp, NO_PROCESS, TestPool, Worker, await_that, said};

/// How often the policy changes under the requests, unless the environment says otherwise.
const SWAPS: usize = 20;
const SWAPS_VARIABLE: &str = "POOLWARDEN_TEST_SWAPS";
/// How many requests are under way at any time.
const CLIENTS: usize = 8;

pub(crate) fn component(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The shipped policy, as one from a file.
pub(crate) fn shipped() -> PathBuf {
    component("guest/policy.wasm")
}

/// A policy that answers something else, and does nothing.
pub(crate) fn talking() -> PathBuf {
    component("tests/guests/hostile.wasm")
}

/// Puts a file in the place of another, whole.
pub(crate) fn put(from: &Path, to: &Path) {
    let aside = to.with_extension("new");
    fs::copy(from, &aside).expect("copy");
    fs::rename(&aside, to).expect("rename");
}

pub(crate) fn command(pool: &TestPool, policy: &Path) -> Command {
    let policy = policy.to_str().expect("a path that is text");
    pool.command(&["--policy", policy, "--grant", "registry-write", "mcp"])
}

fn serve(pool: &TestPool, policy: &Path) -> Mcp {
    Mcp::open(command(pool, policy))
}

/// What a configuration says that lets the talking policy, in this file, decide.
pub(crate) fn configured(policy: &Path) -> String {
    format!("[policy]\npath = {policy:?}\n[settings]\nattack = \"describe-only\"\n")
}

/// Whether an answer is the talking policy's; any other one has to be the shipped one's.
#[track_caller]
pub(crate) fn is_talk(answer: &Value) -> bool {
    if *answer == json!({"said": "nothing was tried"}) {
        return true;
    }
    assert_eq!(answer["sessions"][0]["status"], "running", "{answer}");
    false
}

pub(crate) fn status(mcp: &mut Mcp) -> Value {
    mcp.said()
}

/// Clients with a call under way each, at any time.
struct Clients {
    mcp: Mcp,
    called: usize,
}

impl Clients {
    fn begin(mcp: Mcp) -> Self {
        let mut clients = Self { mcp, called: 0 };
        (0..CLIENTS).for_each(|_| clients.call());
        clients
    }

    fn call(&mut self) {
        let tool = ["pool_status", "pool_ensure"][self.called % 2];
        let call = json!({"name": tool, "arguments": {}});
        self.mcp.begin("tools/call", call);
        self.called += 1;
    }

    /// Takes an answer and calls again; whether it is the talking policy's.
    fn next_is_talk(&mut self) -> bool {
        let message = self.mcp.next();
        let result = &message["result"];
        let said = said(result).unwrap_or_else(|| panic!("no policy's answer: {message}"));
        self.call();
        is_talk(&said)
    }
}

#[test]
fn a_changed_policy_takes_over_between_requests() {
    let swaps = env::var(SWAPS_VARIABLE).map_or(SWAPS, |text| text.parse().expect("a number"));
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let policy = pool.root().join("policy.wasm");
    put(&shipped(), &policy);
    let mut clients = Clients::begin(serve(&pool, &policy));
    assert!(!clients.next_is_talk());
    for swap in 0..swaps {
        let talk = swap % 2 == 0;
        let next = if talk { talking() } else { shipped() };
        // By the pair, so that each is put there in both ways.
        if swap / 2 % 2 == 0 {
            put(&next, &policy);
        } else {
            // In place, and without the chmod(2) of `fs::copy`, which is told as well.
            let bytes = fs::read(&next).expect("a policy");
            fs::write(&policy, bytes).expect("write");
        }
        // Whoever asks meanwhile is answered by the one or by the other.
        await_that("the other policy answers all", || {
            let answers: Vec<_> = (0..CLIENTS).map(|_| clients.next_is_talk()).collect();
            answers.into_iter().all(|one| one == talk)
        });
    }
    println!("{} calls over {swaps} swaps", clients.called);
    assert!(clients.mcp.close().success());
    assert_eq!(pool.sids(), ["a"]);
}

#[test]
fn a_candidate_that_cannot_be_used_leaves_the_old_one_in_place() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let policy = pool.root().join("policy.wasm");
    put(&shipped(), &policy);
    let mut mcp = serve(&pool, &policy);
    assert!(!is_talk(&status(&mut mcp)));
    let broken = pool.root().join("broken");
    fs::write(&broken, "no component").expect("write");
    put(&broken, &policy);
    assert!(!is_talk(&status(&mut mcp)));
    fs::remove_file(&policy).expect("unlink");
    assert!(!is_talk(&status(&mut mcp)));
    // It is still watched.
    put(&talking(), &policy);
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
    put(&talking(), &policy);
    await_that("there is a policy", || {
        said(&mcp.call("pool_status", json!({}))).is_some()
    });
}

#[test]
fn a_changed_configuration_counts_as_well() {
    let pool = TestPool::new();
    let file = pool.directory().join("poolwarden.toml");
    fs::write(&file, "").expect("write");
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    assert_eq!(status(&mut mcp)["sessions"], json!([]));
    let aside = pool.root().join("aside");
    fs::write(&aside, configured(&talking())).expect("write");
    put(&aside, &file);
    await_that("the configured policy answers", || {
        status(&mut mcp) == json!({"said": "nothing was tried"})
    });
}

#[test]
fn a_grant_that_is_taken_back_is_gone() {
    let pool = TestPool::new();
    let file = pool.directory().join("poolwarden.toml");
    let aside = pool.root().join("aside");
    let grant = |grants: &str| {
        let text = format!("[policy]\npath = {:?}\ngrants = [{grants}]\n", shipped());
        fs::write(&aside, text).expect("write");
        put(&aside, &file);
    };
    grant("\"registry-write\"");
    let (mut mcp, log) = Mcp::open_with_log(pool.command(&["mcp"]));
    let await_swap = || while !log.next().expect("a line").contains("decides now") {};
    await_swap();
    // It goes from the registry at the next request, which takes the grant.
    let dead = [Entry::new("dead", NO_PROCESS)];
    pool.seed(&dead);
    assert_eq!(
        mcp.answer("pool_ensure", json!({}))["removed"][0]["sid"],
        "dead"
    );
    grant("");
    await_swap();
    pool.seed(&dead);
    let result = mcp.call("pool_ensure", json!({}));
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert_eq!(result["isError"], true, "{text}");
    assert!(text.contains("registry-write"), "{text}");
    assert_eq!(pool.sids(), ["dead"]);
}
