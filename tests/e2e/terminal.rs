//! What the program shows when somebody looks.

use crate::harness::{Entry, NO_PROCESS, Terminal, TestPool, Worker, assert_harmless, redact};

#[test]
fn an_answer_is_a_table() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("init", 1)]);
    let shown = Terminal::open().show(pool.command(&["status"]));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(
        lines[0].starts_with("SID") && lines[0].contains("STATUS"),
        "{shown}"
    );
    assert!(
        lines[1].contains("running") && lines[2].contains("unproven"),
        "{shown}"
    );
    assert!(
        redact(lines[1], &[(worker.pid(), "a")]).starts_with("a     [pid of a]"),
        "{shown}"
    );
}

#[test]
fn json_can_be_asked_for() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let shown = Terminal::open().show(pool.command(&["status", "--json"]));
    assert_eq!(shown.replace("\r\n", "\n"), pool.run(&["status"]).stdout);
}

/// Whoever can name a session could otherwise clear the screen, forge lines, or write
/// text that reads in another order than it stands.
#[test]
fn a_session_cannot_act_on_the_terminal() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[
        worker.entry("clear\u{1b}[2J"),
        worker.entry("bell\u{7}back\u{8}\u{9b}31m"),
        worker.entry("line\r\nfake  1  running"),
        worker.entry("reverse\u{202e}\u{2066}zero\u{200b}"),
    ]);
    for arguments in [
        &["status"][..],
        &["ensure"],
        &["stop", "--all", "--dry-run"],
    ] {
        let shown = Terminal::open().show(pool.command(arguments));
        assert_harmless(&shown);
        assert!(
            shown.contains("clear\\u{1b}[2J"),
            "{arguments:?}: {shown:?}"
        );
        assert_eq!(shown.lines().count(), 5, "{arguments:?}: {shown:?}");
    }
}

/// Whoever misspells a sid would otherwise believe that its worker is gone.
#[test]
fn a_sid_that_no_session_has_is_said_to_be_unknown() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("search"), Entry::new("dead", NO_PROCESS)]);
    let shown = |arguments: &[&str]| Terminal::open().show(pool.command(arguments));
    let unknown = "no session has the sid \"serch\"";
    // One that is collected on the way was no unknown one.
    let dead = shown(&["status", "dead"]);
    assert!(dead.starts_with("removed:\r\n"), "{dead}");
    for (arguments, code) in [(["status", "serch"], 3), (["stop", "serch"], 0)] {
        assert_eq!(shown(&arguments), format!("{unknown}\r\n"));
        // To a program it is said beside the answer, which stays what it was.
        let ran = pool.run(&arguments);
        ran.answer(code);
        assert_eq!(ran.stderr, format!("hint: {unknown}\n"));
    }
    let log = ["log", "--sid", "serch"];
    let nothing = "nothing was done to a session with the sid \"serch\"";
    assert_eq!(shown(&log), format!("{nothing}\r\n"));
    assert_eq!(pool.run(&log).stderr, format!("hint: {nothing}\n"));
    assert!(worker.is_running());
}

#[test]
fn an_empty_pool_is_said_to_be_empty() {
    let pool = TestPool::new();
    let shown = Terminal::open().show(pool.command(&["status"]));
    assert_eq!(shown, "no workers\r\n");
}
