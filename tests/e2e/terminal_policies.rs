//! No text of a policy acts on the terminal that it is shown on.

use std::fs;
use std::path::Path;

use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::harness::{EVIL, EVIL_IN_JSON, EVIL_SHOWN, TestPool, Worker, shown};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The file that the policy is in.
const POLICY: &str = "words.wasm";

/// Text in the policy's memory: where it stands, and how long it is.
#[derive(Clone, Copy)]
struct Words(usize, usize);

impl Words {
    /// The instructions that make it a string at this address.
    fn at(self, address: usize) -> String {
        let Self(start, length) = self;
        format!(
            "(i32.store (i32.const {address}) (i32.const {start}))
             (i32.store (i32.const {}) (i32.const {length}))",
            address + 4
        )
    }

    /// It as two arguments.
    fn pushed(self) -> String {
        format!("(i32.const {}) (i32.const {})", self.0, self.1)
    }
}

/// A policy that is all words. It says what it is and what it can be set to in evil words,
/// and so it answers: `status` and `ensure` with tables, after a line in the log, `stop` with
/// a rejection, `register` as a corrupted registry and `forget` as a failure of the system.
fn words() -> Vec<u8> {
    let session = json!({
        "sid": EVIL, "pid": EVIL, "status": EVIL, "version": EVIL, "created_at": [EVIL],
        "sock": {EVIL: EVIL}, "evidence": EVIL, "standing": EVIL, "reason": EVIL,
    });
    let answer = json!({
        "sessions": [session], "removed": [session], "dismissed": [session], EVIL: EVIL,
    });
    // Pretty, with all that JSON has for white space.
    let answer = format!("{answer:#}").replace('\n', "\r\n\t");
    let mut data = String::new();
    let mut put = |text: &str| {
        let start = data.len() / 3;
        data.extend(text.bytes().map(|byte| format!("\\{byte:02x}")));
        Words(4096 + start, text.len())
    };
    let (evil, answer) = (put(EVIL), put(&answer));
    let answered = format!("{} (i32.const 1024)", answer.at(1032));
    let failed = |case: u32, fields: &str| {
        format!(
            "(i32.store8 (i32.const 1024) (i32.const 1))
             (i32.store8 (i32.const 1032) (i32.const {case})) {fields} (i32.const 1024)"
        )
    };
    let host = failed(
        0,
        &format!(
            "(i32.store8 (i32.const 1040) (i32.const 6)) {}",
            evil.at(1044)
        ),
    );
    let corrupted = failed(1, &evil.at(1056));
    let rejected = failed(2, &evil.at(1040));
    let describe = format!(
        "{} {} (i32.store (i32.const 528) (i32.const 256))
         (i32.store (i32.const 532) (i32.const 1)) {} {} (i32.const 512)",
        evil.at(512),
        evil.at(520),
        evil.at(256),
        evil.at(264),
    );
    let log = format!("(call $log (i32.const 3) {0} {0})", evil.pushed());
    let export = "poolwarden:pool/pool@0.1.0";
    encode(&format!(
        r#"(module
            (import "wasi:logging/logging@0.1.0-draft" "log"
                (func $log (param i32 i32 i32 i32 i32)))
            (memory (export "memory") 4)
            (data (i32.const 4096) "{data}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 200000))
            (func (export "{export}#describe") (result i32) {describe})
            (func (export "{export}#ensure") (param i32) (result i32) {log} {answered})
            (func (export "{export}#status") (param i32 i32 i32) (result i32) {log} {answered})
            (func (export "{export}#stop")
                (param i32 i32 i32 i32 i32 i64 i32 i32) (result i32) {rejected})
            (func (export "{export}#register")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32) {corrupted})
            (func (export "{export}#forget") (param i32 i32 i32) (result i32) {host}))"#
    ))
}

fn encode(module: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).expect("a core module");
    let mut resolve = Resolve::default();
    let wit = Path::new(REPOSITORY).join("wit");
    let (package, _) = resolve.push_dir(wit).expect("the WIT files");
    let world = resolve.select_world(&[package], Some("policy"));
    let world = world.expect("its world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world fits into the module");
    let encoder = ComponentEncoder::default().module(&module);
    let mut encoder = encoder.expect("the module fits its world").validate(true);
    encoder.encode().expect("a component")
}

fn pool() -> TestPool {
    let pool = TestPool::with(&[]);
    fs::write(pool.root().join(POLICY), words()).expect("the policy");
    pool
}

#[test]
fn answers_failures_and_lines_of_the_log_are_shown_as_they_are() {
    let pool = pool();
    for (arguments, wanted) in [
        (&["status"][..], "what is not an answer to it"),
        (&["ensure"], "WARN"),
        (&["ensure", "--json"], "it answered {"),
        (&["stop", "a"], "error: "),
        (&["register", "--sid", "a", "--pid", "1"], "cannot be read"),
        (&["forget", "a"], "error: "),
    ] {
        let shown = shown(&pool, &[&["--policy", POLICY][..], arguments].concat());
        assert!(shown.contains(wanted), "{arguments:?}: {shown:?}");
        assert!(shown.contains(EVIL_SHOWN), "{arguments:?}: {shown:?}");
    }
}

#[test]
fn what_a_policy_says_it_is_is_shown_as_it_is() {
    let pool = pool();
    let inspected = shown(&pool, &["policy", "inspect", POLICY]);
    for field in ["NAME", "VERSION", EVIL_SHOWN] {
        let line = inspected.lines().find(|line| line.starts_with(field));
        let line = line.unwrap_or_else(|| panic!("no {field} in {inspected:?}"));
        assert!(line.contains(EVIL_SHOWN), "{line:?}");
    }
    assert!(shown(&pool, &["policy", "check", POLICY]).contains(EVIL_SHOWN));
    for verb in ["inspect", "check"] {
        let json = shown(&pool, &["policy", verb, POLICY, "--json"]);
        assert!(json.contains(EVIL_IN_JSON), "{json:?}");
    }
}

#[test]
fn a_replay_shows_both_sides_as_they_are() {
    let worker = Worker::obedient();
    let pool = pool();
    pool.seed(&[worker.entry(EVIL)]);
    let record = pool.root().join("recordings");
    let record = record.to_str().expect("text");
    for arguments in [&["status", EVIL][..], &["stop", EVIL, "--dry-run"]] {
        pool.run(&[&["--record", record][..], arguments].concat());
    }
    let replay = ["policy", "replay", POLICY, record];
    let words = shown(&pool, &replay);
    assert!(words.contains("2 different"), "{words:?}");
    assert!(words.contains(EVIL_SHOWN), "{words:?}");
    shown(&pool, &[&replay[..], &["--json"]].concat());
    let torn = format!(
        "{{\"version\":\"{}\"}}\n{{\"version\"",
        EVIL.replace("\r\n", "")
    );
    fs::write(record, torn).expect("a recording");
    let words = shown(&pool, &replay);
    assert!(words.contains("error: line 1"), "{words:?}");
}
