//! What a component of another toolchain reaches for, and what it gets.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::time::{Duration, Instant};

use poolwarden::{
    Answer, Cancel, Error, Fault, Limits, LoadError, Policy, Pool, PoolBuilder, Request,
};
use serde_json::json;
use tempfile::TempDir;

use crate::guest::Guest;

const ENSURE: Request = Request::Ensure { dry_run: false };

/// A pool that a stranger decides about.
struct Strange {
    root: TempDir,
    limits: Limits,
}

impl Strange {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::DirBuilder::new()
            .mode(0o700)
            .create(root.path().join("pool"))
            .expect("the pool directory");
        Self {
            root,
            limits: Limits::default(),
        }
    }

    fn pool(&self, guest: &Guest<'_>) -> Pool {
        let policy = Policy::from_component(&guest.build()).expect("it loads");
        PoolBuilder::new(self.root.path().join("pool"))
            .limits(self.limits.clone())
            .build(policy)
    }

    fn ensure(&self, guest: &Guest<'_>) -> Result<Answer, Error> {
        let outcome = self.pool(guest).call(ENSURE, &cancel());
        self.assert_sound();
        outcome
    }

    /// The number that the guest answers.
    fn said(&self, imports: &str, ensure: &str) -> u64 {
        // A number is an answer to no verb.
        let outcome = self.ensure(&Guest { imports, ensure });
        let Err(Error::Policy(Fault::UnexpectedAnswer { answer, .. })) = outcome else {
            panic!("the guest does not answer: {outcome:?}");
        };
        answer.value()["said"].as_u64().expect("a number")
    }

    fn fault(&self, imports: &str, ensure: &str) -> Fault {
        match self.ensure(&Guest { imports, ensure }) {
            Err(Error::Policy(fault)) => fault,
            other => panic!("it ended in {other:?}"),
        }
    }

    /// The lock is free, and the shipped policy answers.
    fn assert_sound(&self) {
        let limits = Limits {
            lock_wait: Duration::from_millis(1),
            ..Limits::default()
        };
        let pool = PoolBuilder::new(self.root.path().join("pool"))
            .limits(limits)
            .build(Policy::shipped().expect("the shipped policy loads"));
        let answer = pool
            .call(Request::Status { sid: None }, &cancel())
            .expect("the pool is sound");
        assert_eq!(answer.value()["sessions"], json!([]));
    }
}

fn cancel() -> Cancel {
    Cancel::new().expect("an eventfd")
}

/// Calls a function that returns a list or a record at 256, and loads from there.
fn list_length(interface: &str, function: &str) -> u64 {
    let imports = format!("(import \"{interface}\" \"{function}\" (func $reach (param i32)))");
    Strange::new().said(
        &imports,
        "(call $reach (i32.const 256)) (i32.load (i32.const 260))",
    )
}

#[test]
fn there_is_no_environment() {
    assert_eq!(
        list_length("wasi:cli/environment@0.2.9", "get-environment"),
        0
    );
}

#[test]
fn there_are_no_arguments() {
    assert_eq!(
        list_length("wasi:cli/environment@0.2.9", "get-arguments"),
        0
    );
}

#[test]
fn there_are_no_directories() {
    assert_eq!(
        list_length("wasi:filesystem/preopens@0.2.9", "get-directories"),
        0
    );
}

#[test]
fn there_is_neither_a_working_directory_nor_a_terminal() {
    for (interface, function) in [
        ("wasi:cli/environment@0.2.9", "initial-cwd"),
        ("wasi:cli/terminal-stdout@0.2.9", "get-terminal-stdout"),
    ] {
        let imports = format!("(import \"{interface}\" \"{function}\" (func $reach (param i32)))");
        // The case `none`.
        let none = Strange::new().said(
            &imports,
            "(i32.store8 (i32.const 256) (i32.const 7))
             (call $reach (i32.const 256)) (i32.load8_u (i32.const 256))",
        );
        assert_eq!(none, 0, "{function}");
    }
}

/// `error-code.access-denied`, by its place.
const ACCESS_DENIED: u64 = 1;

#[test]
fn no_socket_is_created() {
    for protocol in ["tcp", "udp"] {
        let imports = format!(
            "(import \"wasi:sockets/{protocol}-create-socket@0.2.9\"
                \"create-{protocol}-socket\" (func $create (param i32 i32)))"
        );
        let code = Strange::new().said(
            &imports,
            "(call $create (i32.const 0) (i32.const 256))
             (if (i32.eqz (i32.load8_u (i32.const 256))) (then unreachable))
             (i32.load8_u (i32.const 260))",
        );
        assert_eq!(code, ACCESS_DENIED, "{protocol}");
    }
}

#[test]
fn no_name_is_looked_up() {
    let code = Strange::new().said(
        r#"(import "wasi:sockets/instance-network@0.2.9" "instance-network"
              (func $network (result i32)))
           (import "wasi:sockets/ip-name-lookup@0.2.9" "resolve-addresses"
              (func $resolve (param i32 i32 i32 i32)))"#,
        "(call $resolve (call $network) (i32.const 10) (i32.const 8) (i32.const 256))
         (if (i32.eqz (i32.load8_u (i32.const 256))) (then unreachable))
         (i32.load8_u (i32.const 260))",
    );
    assert_eq!(code, ACCESS_DENIED);
}

#[test]
fn the_rest_is_a_dead_end_that_is_named() {
    let fault = Strange::new().fault(
        r#"(import "wasi:http/types@0.2.9" "[constructor]fields" (func $fields (result i32)))"#,
        "(call $fields)",
    );
    let function = "wasi:http/types@0.2.9#[constructor]fields";
    assert_eq!(fault, Fault::DeadEnd(function.into()));
}

#[test]
fn an_exit_ends_the_request() {
    for status in [0, 1] {
        let fault = Strange::new().fault(
            r#"(import "wasi:cli/exit@0.2.9" "exit" (func $exit (param i32)))"#,
            &format!("(call $exit (i32.const {status})) (i32.const 0)"),
        );
        assert_eq!(fault, Fault::Exited(status));
    }
    let fault = Strange::new().fault(
        r#"(import "wasi:cli/exit@0.2.9" "exit-with-code" (func $exit (param i32)))"#,
        "(call $exit (i32.const 42)) (i32.const 0)",
    );
    assert_eq!(fault, Fault::Exited(42));
}

#[test]
fn standard_input_is_at_its_end() {
    // `stream-error.closed`, in the error case of the result.
    let closed = Strange::new().said(
        r#"(import "wasi:cli/stdin@0.2.9" "get-stdin" (func $stdin (result i32)))
           (import "wasi:io/streams@0.2.9" "[method]input-stream.blocking-read"
              (func $read (param i32 i64 i32)))"#,
        "(call $read (call $stdin) (i64.const 1) (i32.const 256))
         (if (i32.eqz (i32.load8_u (i32.const 256))) (then unreachable))
         (i32.load8_u (i32.const 260))",
    );
    assert_eq!(closed, 1);
}

#[test]
fn waiting_for_a_stream_does_not_wait() {
    let pool = Strange::new();
    let done = pool.said(
        r#"(import "wasi:cli/stdin@0.2.9" "get-stdin" (func $stdin (result i32)))
           (import "wasi:io/streams@0.2.9" "[method]input-stream.subscribe"
              (func $subscribe (param i32) (result i32)))
           (import "wasi:io/poll@0.2.9" "[method]pollable.block" (func $block (param i32)))"#,
        "(call $block (call $subscribe (call $stdin))) (i32.const 1)",
    );
    assert_eq!(done, 1);
}

#[test]
fn clocks_work() {
    let passed = Strange::new().said(
        r#"(import "wasi:clocks/monotonic-clock@0.2.9" "now" (func $now (result i64)))
           (import "wasi:clocks/wall-clock@0.2.9" "now" (func $wall (param i32)))
           (import "wasi:clocks/wall-clock@0.2.9" "resolution" (func $resolution (param i32)))"#,
        // 2020-01-01, and a resolution below a second.
        "(call $wall (i32.const 256)) (call $resolution (i32.const 272))
         (i64.gt_u (i64.load (i32.const 256)) (i64.const 1577836800))
         (i64.eqz (i64.load (i32.const 272)))
         (i64.le_u (call $now) (call $now))
         (i32.add (i32.add))",
    );
    assert_eq!(passed, 3);
}

#[test]
fn random_numbers_work() {
    let differ = Strange::new().said(
        r#"(import "wasi:random/random@0.2.9" "get-random-u64" (func $number (result i64)))
           (import "wasi:random/random@0.2.9" "get-random-bytes"
              (func $bytes (param i64 i32)))
           (import "wasi:random/insecure-seed@0.2.9" "insecure-seed" (func $seed (param i32)))"#,
        "(call $bytes (i64.const 1000) (i32.const 256)) (call $seed (i32.const 272))
         (i64.ne (call $number) (call $number))
         (i32.eq (i32.load (i32.const 260)) (i32.const 1000))
         (i64.ne (i64.load (i32.load (i32.const 256))) (i64.const 0))
         (i64.ne (i64.load (i32.const 272)) (i64.load (i32.const 280)))
         (i32.add (i32.add (i32.add)))",
    );
    assert_eq!(differ, 4);
}

#[test]
fn random_bytes_are_not_endless() {
    let fault = Strange::new().fault(
        r#"(import "wasi:random/random@0.2.9" "get-random-bytes"
              (func $bytes (param i64 i32)))"#,
        "(call $bytes (i64.const -1) (i32.const 256)) (i32.const 0)",
    );
    assert_eq!(fault, Fault::RandomBytes(1 << 20));
}

const SLEEP: &str = r#"
    (import "poolwarden:pool/registry@0.1.0" "begin" (func $begin (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.9" "subscribe-duration"
        (func $timer (param i64) (result i32)))
    (import "wasi:io/poll@0.2.9" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.9" "[method]pollable.ready"
        (func $ready (param i32) (result i32)))
    (import "wasi:io/poll@0.2.9" "[method]pollable.block" (func $block (param i32)))"#;

#[test]
fn a_short_sleep_works() {
    let ready = Strange::new().said(
        SLEEP,
        "(local.set $handle (call $timer (i64.const 1000000)))
         (call $block (local.get $handle))
         (call $ready (local.get $handle))",
    );
    assert_eq!(ready, 1);
}

#[test]
fn polling_tells_what_is_ready() {
    let found = Strange::new().said(
        SLEEP,
        // One that is never ready, and one that is at once.
        "(i32.store (i32.const 128) (call $timer (i64.const -1)))
         (i32.store (i32.const 132) (call $timer (i64.const 0)))
         (call $poll (i32.const 128) (i32.const 2) (i32.const 256))
         (i32.load (i32.load (i32.const 256)))
         (i32.load (i32.const 260))
         (i32.add)",
    );
    assert_eq!(found, 2, "one, at the place 1");
}

#[test]
fn a_sleep_without_end_does_not_hold_the_lock() {
    let begun = Instant::now();
    for sleep in [
        "(call $block (call $timer (i64.const -1)))",
        "(i32.store (i32.const 128) (call $timer (i64.const -1)))
         (call $poll (i32.const 128) (i32.const 1) (i32.const 256))",
    ] {
        // While it holds the lock.
        let ensure = format!("(call $begin (i32.const 256)) {sleep} (i32.const 0)");
        let fault = Strange::new().fault(SLEEP, &ensure);
        assert_eq!(fault, Fault::Sleep(Limits::default().guest_sleep));
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn many_short_sleeps_are_one_long_sleep() {
    let mut pool = Strange::new();
    pool.limits.guest_sleep = Duration::from_millis(20);
    let fault = pool.fault(
        SLEEP,
        "(loop $again (call $block (call $timer (i64.const 1000000))) (br $again))
         unreachable",
    );
    assert_eq!(fault, Fault::Sleep(Duration::from_millis(20)));
}

#[test]
fn a_withdrawn_request_ends_a_sleep() {
    let mut strange = Strange::new();
    strange.limits.guest_sleep = Duration::from_secs(3600);
    let pool = strange.pool(&Guest {
        imports: SLEEP,
        ensure: "(call $block (call $timer (i64.const 3000000000000))) (i32.const 0)",
    });
    let cancel = cancel();
    let of_request = cancel.clone();
    let outcome = std::thread::scope(|scope| {
        let request = scope.spawn(|| pool.call(ENSURE, &of_request));
        cancel.cancel();
        request.join().expect("the request returns")
    });
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    strange.assert_sound();
}

#[test]
fn polling_nothing_is_a_trap() {
    let fault = Strange::new().fault(
        SLEEP,
        "(call $poll (i32.const 128) (i32.const 0) (i32.const 256)) (i32.const 0)",
    );
    assert!(matches!(fault, Fault::Trap(_)), "{fault:?}");
}

#[test]
fn handles_are_not_endless() {
    let mut pool = Strange::new();
    pool.limits.handles = 1000;
    let fault = pool.fault(
        SLEEP,
        "(loop $again (drop (call $timer (i64.const 0))) (br $again)) unreachable",
    );
    assert_eq!(fault, Fault::Handles(1000));
}

#[test]
fn printing_without_end_costs_no_memory() {
    let mut pool = Strange::new();
    pool.limits.log_lines = 3;
    let done = pool.said(
        r#"(import "wasi:cli/stdout@0.2.9" "get-stdout" (func $stdout (result i32)))
           (import "wasi:io/streams@0.2.9"
              "[method]output-stream.blocking-write-and-flush"
              (func $write (param i32 i32 i32 i32)))
           (import "wasi:io/streams@0.2.9"
              "[method]output-stream.blocking-write-zeroes-and-flush"
              (func $zeroes (param i32 i64 i32)))
           (import "wasi:io/streams@0.2.9" "[method]output-stream.check-write"
              (func $check (param i32 i32)))
           (global $times (mut i32) (i32.const 100))"#,
        // A page at a time, with no end of line; and more zeroes than any memory has.
        "(local.set $handle (call $stdout))
         (loop $again
            (call $write (local.get $handle) (i32.const 65536) (i32.const 65536)
                (i32.const 256))
            (global.set $times (i32.sub (global.get $times) (i32.const 1)))
            (br_if $again (global.get $times)))
         (call $zeroes (local.get $handle) (i64.const -1) (i32.const 256))
         (call $check (local.get $handle) (i32.const 256))
         (i64.gt_u (i64.load (i32.const 264)) (i64.const 0))",
    );
    assert_eq!(done, 1);
}

#[test]
fn an_import_with_another_type_does_not_load() {
    let guest = Guest {
        imports: r#"(import "wasi:cli/environment@0.2.9" "get-arguments"
            (func (result i32)))"#,
        ensure: "(i32.const 0)",
    };
    let changed = guest.build_among(|text| {
        text.replace(
            "get-arguments: func() -> list<string>",
            "get-arguments: func() -> u32",
        )
    });
    let error = Policy::from_component(&changed)
        .err()
        .expect("it does not fit");
    assert!(matches!(error, LoadError::Misfit(_)), "{error}");
    assert!(error.to_string().contains("get-arguments"), "{error}");
}
