//! Policies seen from outside of the program: what they print, and what is kept of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use poolwarden::{CodeCache, PolicyLoader};

use crate::guest::{Guest, core_module, harmless};

const PRINT: &str = r#"
    (import "wasi:cli/stdout@0.2.9" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/stderr@0.2.9" "get-stderr" (func $stderr (result i32)))
    (import "wasi:cli/exit@0.2.9" "exit" (func $exit (param i32)))
    (import "wasi:io/streams@0.2.9" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (data (i32.const 2048) "to \1b[31mstdout\nand a rest")
    (data (i32.const 2080) "to stderr")"#;

/// The program, with a home and a policy in this directory.
fn program(root: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_poolwarden"));
    program
        .env_clear()
        .env("HOME", root)
        .env("POOLWARDEN_LOG", "info")
        .arg("--policy")
        .arg(root.join("policy.wasm"))
        .args(["--json", "ensure"]);
    program
}

/// Runs the program with a policy that does this.
fn run(ensure: &str) -> Output {
    let root = tempfile::tempdir().expect("a temporary directory");
    let guest = Guest {
        imports: PRINT,
        ensure,
    };
    fs::write(root.path().join("policy.wasm"), guest.build()).expect("the policy");
    program(root.path()).output().expect("the program runs")
}

#[test]
fn printed_lines_are_lines_of_the_log() {
    let ran = run("
        (call $write (call $stdout) (i32.const 2048) (i32.const 26) (i32.const 256))
        (call $write (call $stderr) (i32.const 2080) (i32.const 9) (i32.const 256))
        (i32.const 5)");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.stdout.is_empty(), "{ran:?}");
    assert!(stderr.contains(r#"it answered {"said":5}"#), "{stderr}");
    for line in ["to \\u{1b}[31mstdout", "and a rest", "to stderr"] {
        let found = stderr.lines().find(|found| found.contains(line));
        let found = found.unwrap_or_else(|| panic!("no line {line:?} in {stderr}"));
        assert!(found.contains("poolwarden::policy"), "{found}");
    }
}

/// An exception of the policy's language is a line that it wrote, and a trap.
#[test]
fn a_trap_is_told_with_the_last_line_that_the_policy_wrote() {
    let ran = run("
        (call $write (call $stderr) (i32.const 2080) (i32.const 9) (i32.const 256))
        unreachable");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    let error = stderr.lines().find(|line| line.starts_with("error: "));
    let error = error.unwrap_or_else(|| panic!("no error in {stderr}"));
    assert!(error.contains("it trapped: "), "{error}");
    let last = "the last line that it wrote: to stderr";
    assert!(error.ends_with(last), "{error}");
}

#[test]
fn what_was_printed_before_an_exit_is_logged() {
    let ran = run("
        (call $write (call $stderr) (i32.const 2080) (i32.const 9) (i32.const 256))
        (call $exit (i32.const 1))
        (i32.const 5)");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(7), "{stderr}");
    assert!(ran.stdout.is_empty(), "{ran:?}");
    assert!(stderr.contains("to stderr"), "{stderr}");
    assert!(stderr.contains("exited with status 1"), "{stderr}");
}

#[test]
fn programs_that_compile_at_once_do_no_harm() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let cache = root.path().join(".cache/poolwarden/policies");
    fs::write(root.path().join("policy.wasm"), harmless()).expect("the policy");
    let start = || {
        program(root.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    };
    for _ in 0..3 {
        let programs: Vec<_> = (0..6).map(|_| start()).collect();
        for program in programs {
            let ran = program.wait_with_output().expect("it ends");
            // The policy's report is all that there is to say, and an answer to no verb.
            let stderr = String::from_utf8_lossy(&ran.stderr);
            let lines: Vec<_> = stderr.lines().collect();
            let [error, hint] = lines.as_slice() else {
                panic!("{ran:?}");
            };
            assert!(error.contains(r#"it answered {"said":0}"#), "{ran:?}");
            assert!(hint.starts_with("hint: what it did: "), "{ran:?}");
        }
        let entries = fs::read_dir(&cache).expect("the cache");
        let entries: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        // What they left is whole.
        let compiled = PolicyLoader::new()
            .compile(&root.path().join("policy.wasm"), &CodeCache::at(&cache))
            .expect("the cache works");
        assert!(!compiled.fresh);
        fs::remove_file(&entries[0]).expect("remove");
    }
}

#[test]
fn what_cannot_be_loaded_is_named_with_its_file() {
    let root = tempfile::tempdir().expect("a temporary directory");
    fs::write(root.path().join("policy.wasm"), core_module("(module)")).expect("a module");
    let ran = program(root.path()).output().expect("the program runs");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(7), "{stderr}");
    assert!(stderr.contains("policy.wasm: this is a core"), "{stderr}");
}
