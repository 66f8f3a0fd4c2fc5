//! A server that has nothing to serve: the client is told first, and told what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use serde_json::{Value, json};

use crate::harness::{Mcp, TestPool, Worker};

fn instructions(mcp: &mut Mcp) -> String {
    let said = mcp.initialize()["instructions"].clone();
    said.as_str().expect("instructions").to_owned()
}

#[track_caller]
fn error(mcp: &mut Mcp, tool: &str) -> String {
    let result: Value = mcp.call(tool, json!({}));
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str();
    text.expect("a text").to_owned()
}

#[test]
fn a_policy_that_is_not_there_is_told_before_any_call() {
    let pool = TestPool::with(&[]);
    let policy = pool.root().join("no policy.wasm");
    let policy = policy.to_str().expect("text");
    let mut mcp = Mcp::start(pool.command(&["--policy", policy, "mcp"]));
    let text = instructions(&mut mcp);
    assert!(
        text.starts_with("NOT USABLE NOW: the policy cannot be used"),
        "{text}"
    );
    let doctor = format!(
        "poolwarden --state-dir {} doctor",
        pool.directory().display()
    );
    for text in [text, error(&mut mcp, "pool_list")] {
        assert!(text.contains(policy) && text.contains(&doctor), "{text}");
    }
    assert!(mcp.close().success());
}

#[test]
fn a_pool_that_others_can_write_is_told_before_any_call() {
    let pool = TestPool::with(&[]);
    let mode = |mode| fs::set_permissions(pool.directory(), fs::Permissions::from_mode(mode));
    mode(0o777).expect("chmod");
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    let text = instructions(&mut mcp);
    assert!(text.starts_with("NOT USABLE NOW: "), "{text}");
    let chmod = format!("chmod go-w {}", pool.directory().display());
    for text in [text, error(&mut mcp, "pool_list")] {
        assert!(text.contains(&chmod), "{text}");
    }
    mode(0o700).expect("chmod");
    assert_eq!(mcp.answer("pool_list", json!({}))["sessions"], json!([]));
    assert!(mcp.close().success());
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    assert!(!instructions(&mut mcp).contains("NOT USABLE"));
}

#[test]
fn a_leading_tilde_is_the_home() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut mcp = Mcp::open(pool.command_on(Path::new("~/pool"), &["mcp"]));
    assert_eq!(
        mcp.answer("pool_status", json!({}))["sessions"][0]["sid"],
        "a"
    );
    let mut command = pool.command(&[]);
    command.env("POOLWARDEN_STATE_DIR", "~/pool");
    assert!(!pool.root().join("~").exists());
    // Nor is it taken for a folder beside the configuration.
    fs::copy(crate::hot_swap::shipped(), pool.root().join("policy.wasm")).expect("copied");
    let configuration = "[policy]\npath = \"~/policy.wasm\"\ngrants = [\"registry-write\"]\n";
    fs::write(pool.directory().join("poolwarden.toml"), configuration).expect("written");
    assert_eq!(pool.ask(&["status"])["sessions"][0]["sid"], "a");
}

#[test]
fn without_home_the_users_database_says_where_it_is() {
    let pool = TestPool::new();
    let mut command = pool.command(&[]);
    command = std::process::Command::new(command.get_program());
    command.env_clear().current_dir(pool.root()).arg("mcp");
    let mut mcp = Mcp::start(command);
    let text = instructions(&mut mcp);
    let user = User::from_uid(geteuid()).expect("the user's database");
    let home = user.expect("a user with an account").dir;
    let directory = home.join(".local/state/poolwarden");
    assert!(text.contains(directory.to_str().expect("text")), "{text}");
    assert!(mcp.close().success());
}

#[test]
fn term_and_int_end_the_server_and_withdraw_what_is_under_way() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let worker = Worker::deaf();
        let pool = TestPool::with(&[worker.entry("a")]);
        let mut mcp = Mcp::open(pool.command(&["mcp"]));
        mcp.begin_with_token("t", "pool_stop", json!({"grace_ms": 3_600_000}));
        worker.await_line("TERM");
        let server = Pid::from_raw(i32::try_from(mcp.pid()).expect("a pid"));
        kill(server, signal).expect("our child");
        assert!(mcp.await_end().success(), "{signal}");
        assert!(worker.is_running() && pool.lock_is_free());
    }
}
