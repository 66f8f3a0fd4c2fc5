//! The code of a policy: how long compiling it may take, what becomes of it when its file does,
//! and a system that lets no code be made.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::harness::{Mcp, Ran, TestPool, await_that};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/policy.wasm");

/// A component whose one function takes the compiler a minute or more: in its loop, every
/// block can leave every variable with another value.
fn heavy() -> Vec<u8> {
    let mut text = "(component (core module (func (param i32) (result i64) (local".to_owned();
    text.push_str(&" i64".repeat(400));
    text.push_str(") (loop $again");
    for block in 0..40_000 {
        let at = |factor: usize| 1 + block * factor % 400;
        let (to, one, other) = (at(1), at(7), at(13));
        write!(
            text,
            "(if (local.get 0) (then (local.set {to} (i64.add (local.get {one}) (local.get {other})))))",
        )
        .expect("a string");
    }
    text.push_str("(br_if $again (local.get 0))) (local.get 1))))");
    wat::parse_str(text).expect("a component")
}

/// The process that compiles for this one, once there is one.
fn compiler_of(server: u32) -> Pid {
    let mut compiler = None;
    await_that("the server compiles", || {
        compiler = children_of(server).into_iter().find(|pid| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline"));
            line.is_ok_and(|line| line.contains("compile-policy-on-stdin"))
        });
        compiler.is_some()
    });
    compiler.expect("it was found")
}

/// The processes that the threads of this one have started (proc_pid_task(5)).
fn children_of(server: u32) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{server}/task")).expect("our child");
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|pids| {
            pids.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .map(|pid| Pid::from_raw(pid.parse().expect("a pid")))
        .collect()
}

/// Whether a process runs. One that has ended may wait for somebody to reap it.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// A server that compiles for longer than a test waits, and the process that does it.
fn compiling(pool: &TestPool) -> (Mcp, Pid) {
    fs::write(pool.root().join("heavy.wasm"), heavy()).expect("the component");
    let mut mcp = Mcp::start(pool.command(&["--policy", "heavy.wasm", "mcp"]));
    assert_eq!(mcp.initialize()["serverInfo"]["name"], "poolwarden");
    let compiler = compiler_of(mcp.pid());
    (mcp, compiler)
}

#[test]
fn the_end_of_the_input_ends_a_server_that_compiles_and_its_compiler() {
    let pool = TestPool::new();
    let (mut mcp, compiler) = compiling(&pool);
    assert!(runs(compiler));
    assert!(mcp.close().success());
    await_that("the compiler ends", || !runs(compiler));
}

#[test]
fn a_killed_server_leaves_no_compiler_behind() {
    let pool = TestPool::new();
    let (mcp, compiler) = compiling(&pool);
    let server = Pid::from_raw(i32::try_from(mcp.pid()).expect("a pid"));
    kill(server, Signal::SIGKILL).expect("our child");
    await_that("the compiler ends", || !runs(compiler));
}

#[test]
fn what_becomes_of_the_kept_code_does_not_reach_a_server_that_runs_it() {
    type Damage = fn(&PathBuf);
    let damages: [Damage; 3] = [
        |entry| fs::write(entry, "").expect("it is cut off"),
        |entry| {
            let size = fs::metadata(entry).expect("the entry").len();
            let ones = vec![0xff; usize::try_from(size).expect("a size")];
            fs::write(entry, ones).expect("it is overwritten");
        },
        |entry| fs::remove_file(entry).expect("it is removed"),
    ];
    for damage in damages {
        let pool = TestPool::with(&[]);
        let compiled = pool.ask(&["policy", "compile", SHIPPED]);
        let entry = PathBuf::from(compiled["compiled"].as_str().expect("a path"));
        let mut mcp = Mcp::open(pool.command(&["--policy", SHIPPED, "mcp"]));
        mcp.answer("pool_status", json!({}));
        damage(&entry);
        mcp.answer("pool_status", json!({}));
        mcp.answer("pool_stop", json!({"grace_ms": 0}));
        assert!(mcp.close().success());
    }
}

/// Has a command run where no memory can be made executable, as under systemd's
/// MemoryDenyWriteExecute=; false where the kernel cannot do that (before Linux 6.3).
fn deny_executable_memory(command: &mut Command) -> bool {
    const PR_SET_MDWE: libc::c_int = 65;
    const PR_GET_MDWE: libc::c_int = 66;
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    const NONE: libc::c_ulong = 0;
    // SAFETY: it reads a flag of this process, and takes no address.
    let known = unsafe { libc::prctl(PR_GET_MDWE, NONE, NONE, NONE, NONE) } >= 0;
    // SAFETY: between fork and exec only async-signal-safe functions may be called; prctl is a
    // bare system call.
    unsafe {
        command.pre_exec(move || {
            match libc::prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, NONE, NONE, NONE) {
                -1 if known => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
    known
}

#[test]
fn a_system_that_denies_executable_memory_is_named_with_the_way_out() {
    let pool = TestPool::with(&[]);
    for arguments in [&["status"][..], &["--policy", SHIPPED, "status"]] {
        let mut command = pool.command(arguments);
        if !deny_executable_memory(&mut command) {
            eprintln!("this kernel has no PR_SET_MDWE; nothing was tested");
            return;
        }
        let ran = Ran::of(command);
        let error = ran.error(7);
        for told in ["MemoryDenyWriteExecute=no", "execmem", "Permission denied"] {
            assert!(error.contains(told), "{error}");
        }
        assert!(!error.contains("damaged"), "{error}");
    }
}
