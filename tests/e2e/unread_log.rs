//! Standard error that nobody reads: the log holds up no request and no end.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::harness::{Mcp, POOL, Running, TestPool, await_that, component, module};

/// More requests than it takes to fill the pipe and whatever holds lines behind it.
const REQUESTS: usize = 10_000;

/// A policy that holds the pool's lock while it logs so many lines of 200 characters, and
/// then gives this answer to `ensure` and `status`.
fn chatty(lines: usize, answer: &str) -> Vec<u8> {
    let imports = r#"
        (import "wasi:logging/logging@0.1.0-draft" "log"
            (func $log (param i32 i32 i32 i32 i32)))
        (import "poolwarden:pool/registry@0.1.0" "begin" (func $begin (param i32)))
        (import "poolwarden:pool/registry@0.1.0" "[resource-drop]transaction"
            (func $drop (param i32)))"#;
    let length = answer.len();
    let (long, after) = ("x".repeat(200), 4096 + length);
    let functions = format!(
        r#"(func $answer (result i32)
            (local $left i32)
            (call $begin (i32.const 1024))
            (if (i32.load8_u (i32.const 1024)) (then unreachable))
            (local.set $left (i32.const {lines}))
            (loop $more
                (call $log (i32.const 4) (i32.const 0) (i32.const 4)
                    (i32.const {after}) (i32.const 200))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $more (local.get $left)))
            (call $drop (i32.load (i32.const 1028)))
            (i32.store8 (i32.const 1032) (i32.const 0))
            (i32.store (i32.const 1040) (i32.const 4096))
            (i32.store (i32.const 1044) (i32.const {length}))
            (i32.const 1032))
        (func (export "{POOL}#ensure") (param i32) (result i32) (call $answer))
        (func (export "{POOL}#status") (param i32 i32 i32) (result i32) (call $answer))"#
    );
    component(&module(imports, &format!("{answer}{long}"), &functions))
}

/// What the shipped policy answers about this pool.
fn answer(pool: &TestPool) -> String {
    pool.run(&["status"]).stdout.trim().to_owned()
}

/// Puts a chatty policy beside a pool.
fn put(pool: &TestPool, lines: usize, answer: &str) {
    let policy = chatty(lines, answer);
    fs::write(pool.root().join("chatty.wasm"), policy).expect("the policy");
}

#[test]
fn a_server_answers_and_ends_though_nobody_reads_its_log() {
    let pool = TestPool::with(&[]);
    put(&pool, 5, &answer(&pool));
    let mut command = pool.command(&["--policy", "chatty.wasm", "mcp"]);
    command.stderr(Stdio::piped());
    let mut mcp = Mcp::open(command);
    for request in 0..REQUESTS {
        let result = mcp.call("pool_status", json!({}));
        assert_ne!(result["isError"], true, "{result}");
        assert!(pool.lock_is_free(), "after {request} requests");
    }
    assert!(mcp.close().success());
}

#[test]
fn a_command_ends_though_nobody_reads_its_log() {
    let pool = TestPool::with(&[]);
    put(&pool, 1000, &answer(&pool));
    let mut running = Running::start(pool.command(&["--policy", "chatty.wasm", "status"]));
    await_that("the program ends", || !running.is_running());
    let ran = running.finish();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stderr.contains("xxxxx"));
}

#[test]
fn a_reader_gets_the_whole_log_and_then_the_error() {
    let pool = TestPool::with(&[]);
    put(&pool, 1000, "no JSON");
    let ran = pool.run(&["--policy", "chatty.wasm", "ensure"]);
    assert_eq!(ran.code, 7, "{}", ran.stdout);
    let said: Vec<_> = ran.stderr.lines().collect();
    let logged = said.iter().filter(|line| line.contains("xxxxx")).count();
    assert_eq!(logged, 1000);
    let error = said.iter().position(|line| line.starts_with("error: "));
    assert!(error > Some(logged), "{error:?}");
}
