//! Against what is around the sandbox.
//!
//! A number is what the component makes of what it got: how long a list is, or an error by
//! its place among its like.

use poolwarden::Fault;

use super::{Attack, Ends, Guest, attack, trap};

/// Asks for a list, and answers how long it is.
macro_rules! list {
    ($interface:literal, $function:literal) => {
        Guest::Text(
            concat!(
                "(import \"",
                $interface,
                "\" \"",
                $function,
                "\" (func $reach (param i32)))"
            ),
            "(call $reach (i32.const 256)) (i32.load (i32.const 260))",
        )
    };
}

pub(super) const OUTSIDE: &[Attack] = &[
    attack(
        "writing to standard output",
        Guest::Text(
            r#"(import "wasi:cli/stdout@0.2.9" "get-stdout" (func $stdout (result i32)))
               (import "wasi:io/streams@0.2.9"
                  "[method]output-stream.blocking-write-and-flush"
                  (func $write (param i32 i32 i32 i32)))
               (data (i32.const 2048) "{\"forged\":true}\n")"#,
            "(call $write (call $stdout) (i32.const 2048) (i32.const 16) (i32.const 256))
             (i32.const 0)",
        ),
        Ends::Nothing("0"),
    ),
    attack(
        "reading standard input",
        Guest::Text(
            r#"(import "wasi:cli/stdin@0.2.9" "get-stdin" (func $stdin (result i32)))
               (import "wasi:io/streams@0.2.9" "[method]input-stream.blocking-read"
                  (func $read (param i32 i64 i32)))"#,
            "(call $read (call $stdin) (i64.const 1) (i32.const 256))
             (i32.load8_u (i32.const 260))",
        ),
        // The stream is closed.
        Ends::Nothing("1"),
    ),
    attack(
        "reaching for the environment",
        list!("wasi:cli/environment@0.2.9", "get-environment"),
        Ends::Nothing("0"),
    ),
    attack(
        "reaching for arguments",
        list!("wasi:cli/environment@0.2.9", "get-arguments"),
        Ends::Nothing("0"),
    ),
    attack(
        "reaching for directories",
        list!("wasi:filesystem/preopens@0.2.9", "get-directories"),
        Ends::Nothing("0"),
    ),
    attack(
        "opening a file below a directory that it was not given",
        Guest::Text(
            r#"(import "wasi:filesystem/types@0.2.9" "[method]descriptor.open-at"
                  (func $open (param i32 i32 i32 i32 i32 i32 i32)))"#,
            "(call $open (i32.const 3) (i32.const 0) (i32.const 2048) (i32.const 11)
                (i32.const 0) (i32.const 1) (i32.const 256))
             (i32.const 0)",
        ),
        trap("unknown handle"),
    ),
    attack(
        "reaching for a socket",
        Guest::Text(
            "(import \"wasi:sockets/tcp-create-socket@0.2.9\" \"create-tcp-socket\"
                (func $create (param i32 i32)))",
            "(call $create (i32.const 0) (i32.const 256)) (i32.load8_u (i32.const 260))",
        ),
        // `access-denied`.
        Ends::Nothing("1"),
    ),
    attack(
        "reaching for a web server",
        Guest::Text(
            r#"(import "wasi:http/types@0.2.9" "[constructor]fields" (func $fields (result i32)))"#,
            "(call $fields)",
        ),
        Ends::Fault(
            |fault| matches!(fault, Fault::DeadEnd(_)),
            "no files and no network",
        ),
    ),
    attack(
        "exiting",
        Guest::Text(
            r#"(import "wasi:cli/exit@0.2.9" "exit" (func $exit (param i32)))"#,
            "(call $exit (i32.const 0)) (i32.const 0)",
        ),
        Ends::Fault(
            |fault| matches!(fault, Fault::Exited(0)),
            "exited with status 0",
        ),
    ),
    attack(
        "sleeping with the transaction",
        Guest::Text(
            r#"(import "poolwarden:pool/registry@0.1.0" "begin" (func $begin (param i32)))
               (import "wasi:clocks/monotonic-clock@0.2.9" "subscribe-duration"
                  (func $timer (param i64) (result i32)))
               (import "wasi:io/poll@0.2.9" "[method]pollable.block" (func $block (param i32)))"#,
            "(call $begin (i32.const 256)) (call $block (call $timer (i64.const -1)))
             (i32.const 0)",
        ),
        Ends::Fault(|fault| matches!(fault, Fault::Sleep(_)), "wanted to sleep"),
    ),
    attack(
        "taking all the random numbers",
        Guest::Text(
            r#"(import "wasi:random/random@0.2.9" "get-random-bytes"
                  (func $bytes (param i64 i32)))"#,
            "(call $bytes (i64.const -1) (i32.const 256)) (i32.const 0)",
        ),
        Ends::Fault(
            |fault| matches!(fault, Fault::RandomBytes(_)),
            "random bytes",
        ),
    ),
];
