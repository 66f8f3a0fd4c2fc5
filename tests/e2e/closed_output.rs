//! Standard output and standard error that are closed, or that nobody reads: nothing of what is
//! asked for goes wrong for that, and no verb panics.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::harness::{Entry, NO_PROCESS, TestPool, Worker};

/// What can be wrong with a stream.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// Its reader went away, as of `| head -1`.
    Unread,
    /// It is closed, as by `>&-`.
    Closed,
    /// It leads to a file system that is full.
    Full,
}

/// Each verb in a way that says something on standard error, or prints an answer.
const ALL: [&[&str]; 24] = [
    &["status"],
    &["status", "nosuch"],
    &["status", "nosuch", "none"],
    &["ensure", "--dry-run"],
    &["ensure"],
    &["stop", "nosuch"],
    &["stop", "init"],
    &["forget", "nosuch"],
    &["forget", "a"],
    &["register", "--sid", "a", "--pid", "1"],
    &["run", "--sid", "a", "--", "/no/such"],
    &["run", "--sid", "x", "--", "/no/such"],
    &["adopt", "nosuch"],
    &["adopt", "init"],
    &["wait", "nosuch"],
    &["wait", "a", "--timeout", "0s"],
    &["log", "nosuch"],
    &["log"],
    &["doctor"],
    &["doctor", "--fix"],
    &["policy", "inspect", "shipped"],
    &["policy", "check", "none.wasm"],
    &["--help"],
    &["start"],
];

/// Lets the stream with this number be wrong.
fn break_stream(command: &mut Command, stream: i32, wrong: Wrong) {
    let stdio = match wrong {
        Wrong::Unread => Stdio::from(std::io::pipe().expect("a pipe").1),
        Wrong::Closed => {
            // SAFETY: it is one system call.
            unsafe {
                command.pre_exec(move || {
                    nix::libc::close(stream);
                    Ok(())
                });
            }
            return;
        }
        Wrong::Full => Stdio::from(full()),
    };
    match stream {
        1 => command.stdout(stdio),
        _ => command.stderr(stdio),
    };
}

fn full() -> File {
    let mut options = OpenOptions::new();
    options.write(true).open("/dev/full").expect("/dev/full")
}

#[test]
fn no_verb_panics_when_standard_output_or_error_cannot_be_written() {
    let worker = Worker::obedient();
    let entries = [
        worker.entry("a"),
        Entry::new("init", 1),
        Entry::new("dead", NO_PROCESS),
    ];
    for wrong in [Wrong::Unread, Wrong::Closed, Wrong::Full] {
        for arguments in ALL {
            for streams in [&[1][..], &[2], &[1, 2]] {
                let pool = TestPool::with(&entries);
                let mut command = pool.command(arguments);
                command
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                for &stream in streams {
                    break_stream(&mut command, stream, wrong);
                }
                let status = command.status().expect("the program starts");
                let about = format!("{arguments:?}, {streams:?} {wrong:?}: {status}");
                assert_eq!(status.signal(), None, "{about}");
                assert!(status.code() <= Some(7), "{about}");
                // A panic goes the way of the log, and its exit code is 101.
            }
        }
    }
    assert!(worker.is_running());
}

/// What was done is told by the exit code, whoever reads what is said.
#[test]
fn an_error_that_nobody_reads_has_its_exit_code() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    for wrong in [Wrong::Unread, Wrong::Closed, Wrong::Full] {
        for (arguments, code) in [
            (&["status", "nosuch"][..], 3),
            (&["stop", "nosuch"], 0),
            (&["forget", "nosuch"], 1),
        ] {
            let mut command = pool.command(arguments);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            break_stream(&mut command, 2, wrong);
            let status = command.status().expect("the program starts");
            assert_eq!(status.code(), Some(code), "{arguments:?} {wrong:?}");
        }
    }
}

/// `poolwarden demo | head -1`
#[test]
fn the_demonstration_ends_and_cleans_up_though_its_reader_goes_away() {
    let place = TestPool::absent();
    let mut command = Command::new(env!("CARGO_BIN_EXE_poolwarden"));
    command
        .env_clear()
        .env("HOME", place.root())
        .env("TMPDIR", place.root())
        .arg("demo")
        .stdin(Stdio::null());
    for stream in [1, 2] {
        break_stream(&mut command, stream, Wrong::Unread);
    }
    let status = command.status().expect("the program starts");
    assert_eq!(status.code(), Some(0));
    let left: Vec<_> = std::fs::read_dir(place.root())
        .expect("the directory")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
