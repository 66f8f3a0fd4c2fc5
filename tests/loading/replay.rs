//! Components of other toolchains in a replay: what they import of WASI is there, and what
//! is recorded is what they are told.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::time::{Duration, UNIX_EPOCH};

use poolwarden::recording::{Call, Outcome, Recording, RecordingFile, Recordings};
use poolwarden::replay::{Replay, Replayed};
use poolwarden::{Cancel, Policy, PoolBuilder, Request};

use crate::guest::Guest;

/// An `ensure` of this component on an empty pool, recorded.
fn record(component: &[u8]) -> Recording {
    let root = tempfile::tempdir().expect("a temporary directory");
    let directory = root.path().join("pool");
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .expect("the pool directory");
    let path = root.path().join("recordings.jsonl");
    let file = RecordingFile::open(&path).expect("a file of recordings");
    let policy = Policy::from_component(component).expect("it loads");
    let pool = PoolBuilder::new(directory).record(file).build(policy);
    // What came of it is in the recording.
    let _ = pool.call(
        Request::Ensure { dry_run: false },
        &Cancel::new().expect("an eventfd"),
    );
    let mut recordings = Recordings::open(&path).expect("the recordings");
    let (_, recording) = recordings
        .next()
        .expect("one was made")
        .expect("it is readable");
    recording
}

fn replay(component: &[u8], recording: &Recording) -> Replayed {
    replay_later(component, recording, Duration::ZERO)
}

fn replay_later(component: &[u8], recording: &Recording, ahead: Duration) -> Replayed {
    let policy = Policy::from_component(component).expect("it loads");
    let replay = Replay::new(policy).expect("it is linked to a recording");
    let replay = replay.clock_ahead(ahead);
    replay.run(recording).expect("it is replayed")
}

/// Answers the wall clock's seconds, whatever else it does with WASI.
const STRANGER: Guest<'_> = Guest {
    imports: r#"
        (import "poolwarden:pool/registry@0.1.0" "begin" (func $begin (param i32)))
        (import "wasi:cli/environment@0.2.9" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/stdout@0.2.9" "get-stdout" (func $stdout (result i32)))
        (import "wasi:clocks/monotonic-clock@0.2.9" "subscribe-duration"
            (func $timer (param i64) (result i32)))
        (import "wasi:clocks/wall-clock@0.2.9" "now" (func $now (param i32)))
        (import "wasi:clocks/wall-clock@0.2.9" "resolution" (func $resolution (param i32)))
        (import "wasi:filesystem/preopens@0.2.9" "get-directories"
            (func $directories (param i32)))
        (import "wasi:io/poll@0.2.9" "[method]pollable.block" (func $block (param i32)))
        (import "wasi:io/streams@0.2.9" "[method]output-stream.blocking-write-and-flush"
            (func $write (param i32 i32 i32 i32)))
        (import "wasi:random/random@0.2.9" "get-random-u64" (func $random (result i64)))"#,
    ensure: r#"
        (call $begin (i32.const 256))
        (call $environment (i32.const 256)) (call $directories (i32.const 256))
        (call $resolution (i32.const 256)) (drop (call $random))
        (call $block (call $timer (i64.const 1000)))
        (call $write (call $stdout) (i32.const 10) (i32.const 8) (i32.const 256))
        (call $now (i32.const 256))
        (i32.wrap_i64 (i64.rem_u (i64.load (i32.const 256)) (i64.const 10)))"#,
};

#[test]
fn a_stranger_is_replayed_with_the_recorded_time() {
    let component = STRANGER.build();
    let mut recording = record(&component);
    let said = |second: u64| Outcome::Answer(format!("{{\"said\":{second}}}"));
    // Ten different times have ten different answers; today's is one of them.
    for second in 0..10 {
        for call in &mut recording.calls {
            if let Call::Now { at } = call {
                *at = UNIX_EPOCH + Duration::from_secs(second);
            }
        }
        let replayed = replay(&component, &recording);
        assert_eq!(replayed.replayed, said(second));
        let later = replay_later(&component, &recording, Duration::from_secs(723));
        assert_eq!(later.replayed, said((second + 723) % 10));
    }
}

#[test]
fn what_a_stranger_prints_is_recorded_as_its_log() {
    let recording = record(&STRANGER.build());
    let printed = Call::Log {
        level: "info".into(),
        context: "stdout".into(),
        message: "stranger".into(),
    };
    assert!(recording.calls.contains(&printed), "{recording:#?}");
}

/// The same limits and dead ends as on a pool, in the same words.
#[test]
fn a_stranger_fails_as_on_a_pool() {
    let begin = r#"(import "poolwarden:pool/registry@0.1.0" "begin" (func $begin (param i32)))
        (import "poolwarden:pool/registry@0.1.0" "[resource-drop]transaction"
            (func $end (param i32)))"#;
    for (imports, ensure) in [
        (
            r#"(import "wasi:cli/exit@0.2.9" "exit" (func $exit (param i32)))"#,
            "(call $exit (i32.const 1)) (i32.const 0)",
        ),
        (
            r#"(import "wasi:http/types@0.2.9" "[constructor]fields"
                (func $fields (result i32)))"#,
            "(call $fields)",
        ),
        (
            r#"(import "wasi:clocks/monotonic-clock@0.2.9" "subscribe-duration"
                (func $timer (param i64) (result i32)))
               (import "wasi:io/poll@0.2.9" "[method]pollable.block"
                (func $block (param i32)))"#,
            "(call $block (call $timer (i64.const -1))) (i32.const 0)",
        ),
        (
            r#"(import "wasi:cli/stdin@0.2.9" "get-stdin" (func $stdin (result i32)))"#,
            "(loop $again (drop (call $stdin)) (br $again)) unreachable",
        ),
        (
            begin,
            "(loop $again (call $begin (i32.const 256))
                (call $end (i32.load (i32.const 260))) (br $again)) unreachable",
        ),
    ] {
        let component = Guest { imports, ensure }.build();
        let recording = record(&component);
        let replayed = replay(&component, &recording);
        assert!(replayed.policy_failed(), "{replayed:#?}");
        assert_eq!(replayed.replayed, recording.outcome());
    }
}
