//! An MCP server as the first process of a pid namespace, as in a container, and one whose user
//! has no account.

use std::fs;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::json;

use crate::harness::{Mcp, TestPool, Worker, await_that};

/// The program in namespaces that unshare(1) makes with these options.
fn unshared(pool: &TestPool, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(options)
        .arg(env!("CARGO_BIN_EXE_poolwarden"))
        .args(arguments)
        .env_clear()
        .current_dir(pool.root());
    command
}

#[test]
fn as_the_first_process_it_ends_at_term_and_at_int() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let directory = pool.directory().to_str().expect("text");
    let mut options = vec!["--pid", "--fork", "--kill-child"];
    if !geteuid().is_root() {
        options.extend(["--user", "--map-root-user"]);
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let arguments = ["--state-dir", directory, "mcp"];
        let mut mcp = Mcp::open(unshared(&pool, &options, &arguments));
        mcp.request("ping", json!({}));
        let parent = mcp.pid();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let mut server = None;
        await_that("unshare has its child", || {
            let children = fs::read_to_string(&children).unwrap_or_default();
            server = children
                .split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok());
            server.is_some()
        });
        kill(Pid::from_raw(server.expect("a pid")), signal).expect("a signal");
        assert!(mcp.await_end().success(), "{signal}");
    }
    assert!(worker.is_running());
}

#[test]
fn a_user_without_a_home_is_told_over_the_protocol() {
    let pool = TestPool::new();
    // No account has this number.
    let options = ["--user", "--map-user", "1999888777"];
    let mut mcp = Mcp::start(unshared(&pool, &options, &["mcp"]));
    let server = mcp.initialize();
    let text = server["instructions"].as_str().expect("instructions");
    for part in [
        "NOT USABLE NOW",
        "HOME is not set",
        "poolwarden --state-dir DIR",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let list = mcp.request("tools/list", json!({}));
    assert!(list["result"]["tools"].is_array(), "{list}");
    let result = mcp.call("pool_list", json!({}));
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("HOME is not set"), "{text}");
    assert!(mcp.close().success());
}
