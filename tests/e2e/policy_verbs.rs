//! `policy inspect`, `policy check` and `policy compile`: what a component is, whether it
//! will load, and where its compiled code is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::harness::{Ran, Terminal, TestPool};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A policy of another toolchain: it imports of WASI what it does not use.
const STRANGER: &str = "package strangers:stranger;
    world stranger {
        include poolwarden:pool/policy@0.1.0;
        import wasi:cli/environment@0.2.9;
    }
    package wasi:cli@0.2.9 {
        interface environment { get-arguments: func() -> list<string>; }
    }";

/// Describes itself: `picky`, version `1`, with the setting `max-age`.
const PICKY: &str =
    "(i32.store (i32.const 512) (i32.const 0)) (i32.store (i32.const 516) (i32.const 5))
    (i32.store (i32.const 520) (i32.const 5)) (i32.store (i32.const 524) (i32.const 1))
    (i32.store (i32.const 528) (i32.const 256)) (i32.store (i32.const 532) (i32.const 1))
    (i32.store (i32.const 256) (i32.const 6)) (i32.store (i32.const 260) (i32.const 7))
    (i32.store (i32.const 264) (i32.const 13)) (i32.store (i32.const 268) (i32.const 8))
    (i32.const 512)";

/// A component that imports WASI and could write the registry, and describes itself so. It
/// rejects every request.
fn stranger(describe: &str) -> Vec<u8> {
    stranger_that_stops(describe, "(i32.const 1024)")
}

/// The same, whose `stop` does something else.
fn stranger_that_stops(describe: &str, stop: &str) -> Vec<u8> {
    let export = "poolwarden:pool/pool@0.1.0";
    let module = format!(
        r#"(module
            (import "wasi:cli/environment@0.2.9" "get-arguments" (func (param i32)))
            (import "poolwarden:pool/registry@0.1.0" "begin" (func (param i32)))
            (import "poolwarden:pool/registry@0.1.0" "[method]transaction.replace"
                (func (param i32 i32 i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "picky1max-ageHow old.")
            ;; A failure: rejected, without a text.
            (data (i32.const 1024) "\01\00\00\00\00\00\00\00\02")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2048))
            (func (export "{export}#describe") (result i32) {describe})
            (func (export "{export}#ensure") (param i32) (result i32) (i32.const 1024))
            (func (export "{export}#status") (param i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "{export}#stop")
                (param i32 i32 i32 i32 i32 i64 i32 i32) (result i32) {stop})
            (func (export "{export}#register")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "{export}#forget") (param i32 i32 i32) (result i32) (i32.const 1024)))"#
    );
    let mut module = wat::parse_str(module).expect("a core module");
    let mut resolve = Resolve::default();
    let wit = Path::new(REPOSITORY).join("wit");
    resolve.push_dir(wit).expect("the WIT files");
    let package = resolve.push_str("stranger.wit", STRANGER);
    let package = package.expect("the stranger's WIT");
    let world = resolve.select_world(&[package], Some("stranger"));
    let world = world.expect("its world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world fits into the module");
    let encoder = ComponentEncoder::default().module(&module);
    let mut encoder = encoder.expect("the module fits its world").validate(true);
    encoder.encode().expect("a component")
}

/// Puts a file into the directory in which the program is run.
fn put(pool: &TestPool, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(pool.root().join(name), bytes).expect("the file");
}

fn shipped() -> Vec<u8> {
    fs::read(Path::new(REPOSITORY).join("guest/policy.wasm")).expect("the shipped policy")
}

/// What a person sees, without digests and sizes.
fn shown(command: Command, answer: &Value) -> String {
    let shown = Terminal::open().show(command).replace('\r', "");
    [("sha256", "[sha256]"), ("size", "[bytes]")]
        .into_iter()
        .filter(|(field, _)| !answer[field].is_null())
        .fold(shown, |shown, (field, instead)| {
            let value = answer[field].to_string();
            shown.replace(value.trim_matches('"'), instead)
        })
}

#[test]
fn a_person_sees_what_a_policy_is_and_needs() {
    let pool = TestPool::new();
    put(&pool, "picky.wasm", stranger(PICKY));
    let inspect = [
        "policy",
        "inspect",
        "picky.wasm",
        "--grant",
        "signal-term",
        "--setting",
        "max-age=8h",
        "--setting",
        "max-age=9h",
    ];
    let answer = pool.ask(&inspect);
    insta::assert_snapshot!(shown(pool.command(&inspect), &answer), @r"
    FILE     picky.wasm
    NAME     picky
    VERSION  1
    SHA256   [sha256]
    BYTES    [bytes]
    WORLD    poolwarden:pool/policy@0.1.0
    LOADS    yes
    NEEDS    registry-write
    GIVEN    signal-term
    imports, lent within the grants:
    INTERFACE                       FUNCTIONS
    poolwarden:pool/types@0.1.0
    poolwarden:pool/registry@0.1.0  transaction.replace, begin
    imports, there and without any effect:
    INTERFACE
    wasi:cli/environment@0.2.9
    settings:
    SETTING  READ BY  GIVEN  MEANING
    proof    host            `strong`: time alone proves no worker; `any`, as without it: it does
    max-age  policy   9h     How old.
    ");
}

#[test]
fn a_program_gets_the_same_as_json() {
    let pool = TestPool::new();
    put(&pool, "policy.wasm", shipped());
    let grants = ["--grant", "signal-term", "--grant", "registry-write"];
    let inspect = ["policy", "inspect", "policy.wasm"];
    let answer = pool.ask(&[&inspect[..], &grants].concat());
    assert_eq!(answer["name"], "default");
    assert_eq!(answer["world"], "poolwarden:pool/policy@0.1.0");
    assert_eq!(answer["size"], shipped().len());
    assert_eq!(
        (&answer["loads"], &answer["problem"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(
        answer["grants"],
        json!({"needed": ["registry-write", "signal-*"],
               "given": ["registry-write", "signal-term"], "by_configuration": []})
    );
    let imports = &answer["imports"];
    let processes = json!({"name": "poolwarden:pool/processes@0.1.0", "functions": ["inspect"]});
    let lent = imports["lent"].as_array().expect("a list");
    assert!(lent.contains(&processes), "{imports:#}");
    for kind in ["inert", "other-version", "unknown"] {
        assert_eq!(imports[kind], json!([]), "{kind}");
    }
    assert_eq!(answer["exports"], json!(["poolwarden:pool/pool@0.1.0"]));
}

/// It is a component, so there is something to see.
#[test]
fn what_is_no_policy_is_inspected_and_says_why() {
    let pool = TestPool::new();
    put(
        &pool,
        "empty.wasm",
        wat::parse_str("(component)").expect("a component"),
    );
    let inspect = ["policy", "inspect", "empty.wasm"];
    let answer = pool.ask(&inspect);
    assert_eq!(
        (&answer["loads"], &answer["world"]),
        (&json!(false), &json!(null))
    );
    insta::assert_snapshot!(shown(pool.command(&inspect), &answer), @r"
    FILE     empty.wasm
    SHA256   [sha256]
    BYTES    [bytes]
    WORLD    none of this program's
    LOADS    no
    PROBLEM  the component was not built for the world `poolwarden:pool/policy`: it does not export poolwarden:pool/pool@0.1.0, but nothing; build it against the files in wit/
    NEEDS    no grant
    GIVEN    no grant
    ");
}

#[test]
fn what_is_no_component_is_not_inspected() {
    let pool = TestPool::new();
    put(
        &pool,
        "module.wasm",
        wat::parse_str("(module)").expect("a module"),
    );
    let ran = pool.run(&["policy", "inspect", "module.wasm"]);
    let error = ran.error(7);
    assert!(
        error.starts_with("error: cannot inspect module.wasm: "),
        "{error}"
    );
    assert!(error.contains("wasm-tools component new"), "{error}");
}

#[test]
fn a_policy_that_will_load_passes_the_check() {
    let pool = TestPool::new();
    put(&pool, "picky.wasm", stranger(PICKY));
    let check = ["policy", "check", "picky.wasm"];
    let answer = pool.ask(&check);
    let inspected = pool.ask(&["policy", "inspect", "picky.wasm"]);
    assert_eq!(
        answer,
        json!({"file": "picky.wasm", "loads": true, "name": "picky", "version": "1",
               "sha256": inspected["sha256"]})
    );
    insta::assert_snapshot!(shown(pool.command(&check), &answer), @r"
    FILE     picky.wasm
    LOADS    yes
    NAME     picky
    VERSION  1
    SHA256   [sha256]
    ");
}

#[test]
fn a_policy_that_will_not_load_is_told_why() {
    let pool = TestPool::new();
    let core = wat::parse_str("(module)").expect("a module");
    let empty = wat::parse_str("(component)").expect("a component");
    for (bytes, why) in [
        (core, "wasm-tools component new"),
        (
            empty,
            "it does not export poolwarden:pool/pool@0.1.0, but nothing",
        ),
        (b"#!/bin/sh".to_vec(), "not a WebAssembly component"),
        // It loads, and no server would take it up.
        (
            stranger("unreachable"),
            "the policy does not describe itself: the policy failed: it trapped",
        ),
    ] {
        put(&pool, "policy.wasm", bytes);
        let ran = pool.run(&["policy", "check", "policy.wasm"]);
        let answer = ran.answer(7);
        assert_eq!(answer["loads"], false, "{answer}");
        let problem = answer["problem"].as_str().expect("a problem");
        assert!(problem.contains(why), "{problem}");
    }
    let ran = pool.run(&["policy", "check", "none.wasm"]);
    let problem = &ran.answer(7)["problem"];
    assert_eq!(
        problem,
        "the file cannot be read: No such file or directory (os error 2)"
    );
    let command = pool.command(&["policy", "check", "none.wasm"]);
    insta::assert_snapshot!(shown(command, &Value::Null), @r"
    FILE     none.wasm
    LOADS    no
    PROBLEM  the file cannot be read: No such file or directory (os error 2)
    ");
}

#[test]
fn a_policy_that_breaks_off_at_a_request_does_not_pass_the_check() {
    let pool = TestPool::new();
    put(
        &pool,
        "policy.wasm",
        stranger_that_stops(PICKY, "unreachable"),
    );
    let answer = pool.run(&["policy", "check", "policy.wasm"]).answer(7);
    assert_eq!(
        (&answer["loads"], &answer["name"]),
        (&json!(true), &json!("picky"))
    );
    let problem = answer["problem"].as_str().expect("a problem");
    let told = "it loads, but breaks off at `stop` on an empty pool: it trapped";
    assert!(problem.starts_with(told), "{problem}");
    // And touches nothing that is there.
    assert_eq!(fs::read_dir(pool.directory()).expect("the pool").count(), 0);
}

/// Whether the program compiled the component when it ran this.
fn compiles(pool: &TestPool, arguments: &[&str]) -> bool {
    let mut command = pool.command(arguments);
    command.env("POOLWARDEN_LOG", "debug");
    let ran = Ran::of(command);
    assert_eq!(ran.code, 0, "{ran:#?}");
    ran.stderr.contains("compiling the component")
}

#[test]
fn what_is_compiled_ahead_is_not_compiled_again() {
    let pool = TestPool::new();
    put(&pool, "policy.wasm", shipped());
    pool.ask(&["--record", "recordings.jsonl", "status"]);
    let compile = ["policy", "compile", "policy.wasm"];
    let answer = pool.ask(&compile);
    assert_eq!(
        (&answer["file"], &answer["fresh"]),
        (&json!("policy.wasm"), &json!(true))
    );
    let kept = PathBuf::from(answer["compiled"].as_str().expect("a path"));
    assert!(
        kept.starts_with(pool.root().join(".cache/poolwarden/policies")),
        "{kept:?}"
    );
    assert_eq!(
        answer["size"],
        fs::metadata(&kept).expect("the code").size()
    );

    for arguments in [
        &["--policy", "policy.wasm", "status"][..],
        &["policy", "replay", "policy.wasm", "recordings.jsonl"],
        &["policy", "inspect", "policy.wasm"],
        &["policy", "check", "policy.wasm"],
        &compile,
    ] {
        assert!(!compiles(&pool, arguments), "{arguments:?}");
    }
    assert_eq!(pool.ask(&compile)["fresh"], false);
    let shown = shown(pool.command(&compile), &answer);
    let shown = shown.replace(kept.to_str().expect("a path that is text"), "[kept]");
    insta::assert_snapshot!(shown, @r"
    FILE      policy.wasm
    COMPILED  before
    KEPT      [kept]
    BYTES     [bytes]
    ");

    fs::remove_file(kept).expect("it is removed");
    assert!(compiles(
        &pool,
        &["policy", "replay", "policy.wasm", "recordings.jsonl"]
    ));
}

#[test]
fn what_cannot_be_kept_is_an_error() {
    let pool = TestPool::new();
    put(
        &pool,
        "empty.wasm",
        wat::parse_str("(component)").expect("a component"),
    );
    let ran = pool.run(&["policy", "compile", "empty.wasm"]);
    let error = ran.error(7);
    assert!(
        error.starts_with("error: cannot compile empty.wasm: "),
        "{error}"
    );
    assert!(!pool.root().join(".cache").exists());

    put(&pool, "policy.wasm", shipped());
    let mut homeless = pool.command(&["policy", "compile", "policy.wasm"]);
    homeless.env_remove("HOME");
    let ran = Ran::of(homeless);
    assert!(ran.error(1).contains("XDG_CACHE_HOME"), "{ran:?}");

    put(&pool, ".cache", "");
    let ran = pool.run(&["policy", "compile", "policy.wasm"]);
    let error = ran.error(7);
    assert!(
        error.contains("the compiled code cannot be kept"),
        "{error}"
    );
}
