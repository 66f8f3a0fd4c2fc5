//! Watching: what happens to the workers, as it happens.

use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Entry, Stream, Terminal, TestPool, Worker, await_that};

fn watch(pool: &TestPool) -> Stream {
    Stream::start(pool.command(&["watch"]))
}

/// A process that is killed when the test ends before it.
struct Ours(Child);

impl Ours {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    /// Waits for its end.
    #[track_caller]
    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        await_that("the watch ends", || {
            status = self.0.try_wait().expect("our child");
            status.is_some()
        });
        status.expect("it ended")
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Checks the next line, and that it has a time.
#[track_caller]
fn expect(stream: &Stream, event: &str, sid: &str, standing: &str) -> Value {
    let line = stream.next();
    let at = line["at"].as_str().expect("a time");
    at.parse::<jiff::Timestamp>().expect("RFC 3339");
    let found = ["event", "sid", "standing"].map(|field| line[field].as_str().expect("text"));
    assert_eq!(found, [event, sid, standing], "{line}");
    line
}

/// Ends a watch as Ctrl-C does; it must have had no more to say.
#[track_caller]
fn end(stream: Stream) {
    stream.signal(Signal::SIGINT);
    let ran = stream.finish();
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
}

#[test]
fn the_life_of_a_worker_is_told_line_by_line() {
    let (first, second) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let stream = watch(&pool);
    let present = expect(&stream, "present", "init", "unproven");
    assert!(
        present["evidence"]
            .as_str()
            .expect("evidence")
            .contains("init")
    );
    let stamp = pool.stamp();

    pool.ask(&["register", "--sid", "a", "--pid", &first.pid().to_string()]);
    let appeared = expect(&stream, "appeared", "a", "alive");
    assert_eq!(appeared["pid"], first.pid());
    assert_eq!(appeared["evidence"], Value::Null);

    first.become_zombie();
    expect(&stream, "exited", "a", "exited");
    pool.ask(&["register", "--sid", "a", "--pid", &second.pid().to_string()]);
    let replaced = expect(&stream, "replaced", "a", "alive");
    assert_eq!(replaced["pid"], second.pid());
    assert_eq!(replaced["previous_pid"], first.pid());

    // Told in this order also when both are seen at once.
    pool.ask(&["stop", "a"]);
    expect(&stream, "exited", "a", "exited");
    expect(&stream, "removed", "a", "exited");
    end(stream);
    assert_ne!(pool.stamp(), stamp);
}

#[test]
fn a_worker_that_is_forgotten_is_removed_alive() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stream = watch(&pool);
    expect(&stream, "present", "a", "alive");
    pool.ask(&["forget", "a", "--even-if-alive"]);
    expect(&stream, "removed", "a", "alive");
    worker.become_zombie();
    // It is nobody's any more.
    end(stream);
}

#[test]
fn an_adoption_changes_the_standing() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a").created_at("some day")]);
    let stream = watch(&pool);
    expect(&stream, "present", "a", "unproven");
    pool.ask(&["adopt", "a", "--yes"]);
    expect(&stream, "changed", "a", "alive");
    worker.become_zombie();
    expect(&stream, "exited", "a", "exited");
    end(stream);
}

#[test]
fn watching_leaves_the_registry_alone() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", 0)]);
    let stamp = pool.stamp();
    let stream = watch(&pool);
    expect(&stream, "present", "a", "alive");
    expect(&stream, "present", "dead", "gone");
    worker.become_zombie();
    expect(&stream, "exited", "a", "exited");
    stream.signal(Signal::SIGTERM);
    assert_eq!(stream.finish().code, 0);
    assert_eq!(pool.stamp(), stamp);
}

#[test]
fn ends_are_told_while_somebody_holds_the_lock_and_changes_afterwards() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let entries = [one.entry("a"), two.entry("b")];
    let pool = TestPool::with(&entries[..1]);
    let stream = Stream::start(pool.command(&["watch", "--lock-wait", "50ms"]));
    expect(&stream, "present", "a", "alive");
    let held = pool.hold_lock();
    // A program that changes the registry under the lock, slowly.
    let new = pool.directory().join("registry.json.new");
    let entries = entries.map(|entry| entry.text());
    std::fs::write(&new, format!("{{\"sessions\":[{}]}}", entries.join(","))).expect("written");
    std::fs::rename(&new, pool.registry()).expect("renamed");
    let busy = stream.next_error();
    assert!(busy.starts_with("warning: the pool is busy"), "{busy}");
    one.become_zombie();
    expect(&stream, "exited", "a", "exited");
    drop(held);
    expect(&stream, "appeared", "b", "alive");
    end(stream);
}

#[test]
fn a_registry_that_is_broken_is_told_once_and_watched_on() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stream = watch(&pool);
    expect(&stream, "present", "a", "alive");
    let replace = |text: &str| {
        let new = pool.directory().join("registry.json.new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(&new, pool.registry()).expect("renamed");
    };
    replace("{");
    let broken = stream.next_error();
    assert!(broken.starts_with("warning: the registry"), "{broken}");
    replace("{");
    replace("{\"sessions\":[]}");
    expect(&stream, "removed", "a", "alive");
    end(stream);
}

#[test]
fn a_pool_that_is_moved_away_ends_the_watch() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stream = watch(&pool);
    expect(&stream, "present", "a", "alive");
    std::fs::rename(pool.directory(), pool.root().join("elsewhere")).expect("it is moved");
    expect(&stream, "removed", "a", "alive");
    let ran = stream.finish();
    assert!(ran.error(1).contains("moved, removed"), "{ran:?}");
    assert!(!pool.directory().exists(), "it is not made anew");
}

/// `poolwarden watch | head -1` ends at once, though nothing more happens.
#[test]
fn a_reader_that_goes_away_ends_the_watch() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let mut command = pool.command(&["watch"]);
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut watch = Ours::start(command);
    let mut line = String::new();
    let mut reader = BufReader::new(watch.0.stdout.take().expect("its output"));
    reader.read_line(&mut line).expect("a line");
    assert!(line.contains("present"), "{line}");
    drop(reader);
    assert!(watch.ended().success());
    let errors = watch.0.stderr.take().expect("its errors");
    assert_eq!(std::io::read_to_string(errors).expect("a text"), "");
}

/// Nobody reads and the pipe is full: it can be asked to end all the same.
#[test]
fn a_reader_that_is_stuck_does_not_keep_it() {
    let pool = TestPool::with(&[Entry::new("one", 1), Entry::new("two", 1)]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // One page, which is taken as long as anything is in it (pipe(7)).
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).expect("its size is set");
    let mut command = pool.command(&["watch"]);
    command.stdin(Stdio::null()).stdout(writer);
    let mut watch = Ours::start(&mut command);
    drop(command);
    await_that("it writes", || {
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).expect("poll(2)") > 0
    });
    let pid = nix::unistd::Pid::from_raw(i32::try_from(watch.0.id()).expect("a pid"));
    nix::sys::signal::kill(pid, Signal::SIGTERM).expect("our child");
    assert!(watch.ended().success());
    let told = std::io::read_to_string(reader).expect("a text");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn workers_that_cannot_be_held_are_told_with_the_registry() {
    let workers: Vec<_> = (0..20).map(|_| Worker::obedient()).collect();
    let entries = workers.iter().enumerate();
    let entries = entries.map(|(n, worker)| worker.entry(&format!("w{n}")));
    let entries: Vec<_> = entries.collect();
    let pool = TestPool::with(&entries);
    // What the watch learned itself would have it look again, and see more than it holds.
    pool.ask(&["status"]);
    // Half of these are for processes.
    let mut command = Command::new("sh");
    let program = pool.command(&["watch"]);
    command
        .env_clear()
        .args(["-c", "ulimit -n 32; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args());
    let stream = Stream::start(command);
    for (n, _) in workers.iter().enumerate() {
        expect(&stream, "present", &format!("w{n}"), "alive");
    }
    let warning = stream.next_error();
    assert!(warning.contains("4 of the running"), "{warning}");
    workers[19].become_zombie();
    workers[0].become_zombie();
    expect(&stream, "exited", "w0", "exited");
    // Whatever changes the registry has the rest looked at.
    pool.seed(&[entries.as_slice(), &[Entry::new("init", 1)]].concat());
    expect(&stream, "exited", "w19", "exited");
    expect(&stream, "appeared", "init", "unproven");
    stream.signal(Signal::SIGINT);
    let ran = stream.finish();
    assert_eq!(ran.code, 0);
    assert!(
        !ran.stderr.contains("not watched"),
        "it is told once: {ran:?}"
    );
}

#[test]
fn a_terminal_shows_lines_for_people() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a\u{1b}[2J")]);
    let mut terminal = Terminal::open().talk(pool.command(&["watch"]));
    terminal.await_text("  present   a\\u{1b}[2J  pid ");
    pool.write("{\"sessions\":[]}");
    terminal.await_text("  removed   a\\u{1b}[2J  pid ");
}

#[test]
fn a_pool_that_cannot_be_used_is_an_error() {
    let pool = TestPool::new();
    let link = pool.root().join("link");
    std::os::unix::fs::symlink(pool.directory(), &link).expect("a link");
    let ran = Stream::start(pool.command_on(&link, &["watch"])).finish();
    assert!(ran.error(1).contains("symbolic link"), "{ran:?}");
    let lock = pool.directory().join("registry.lock");
    std::os::unix::fs::symlink("nowhere", lock).expect("a link");
    let ran = watch(&pool).finish();
    assert!(ran.error(1).contains("registry.lock"), "{ran:?}");
}
