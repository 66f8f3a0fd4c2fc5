//! The command line: what it accepts, what it prints, and how it exits.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool, Worker};

#[test]
fn wrong_usage_exits_with_2_and_does_nothing() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stamp = pool.stamp();
    for wrong in [
        &[][..],
        &["start"],
        &["ensure", "a"],
        &["status", "--dry-run"],
        // Stopping everything must be said.
        &["stop"],
        &["stop", "--force"],
        &["stop", "a", "--all"],
        &["stop", "a", "--grace", "2"],
        &["stop", "a", "--grace", "-1s"],
        &["stop", "a", "--grace", "10d"],
        &["register", "--sid", "b"],
        &["register", "--pid", "2"],
        &["register", "--sid", "b", "--pid", "-1"],
        &["register", "--sid", "b", "--pid", "4294967296"],
        &["forget"],
        &["mcp", "--tool-prefix", "no spaces"],
        &["--lock-wait", "soon", "status"],
    ] {
        let ran = pool.run(wrong);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (2, ""),
            "{wrong:?}: {ran:?}"
        );
        assert!(!ran.stderr.is_empty(), "{wrong:?}");
    }
    assert!(worker.is_running());
    assert_eq!(pool.stamp(), stamp);
}

#[test]
fn a_stop_of_nobody_in_particular_is_told_how_to_stop_all() {
    let pool = TestPool::new();
    let ran = pool.run(&["stop"]);
    assert!(ran.error(2).contains("<SID|--all>"), "{ran:?}");
    let help = pool.run(&["stop", "--help"]).stdout;
    assert!(help.contains("--all"), "{help}");
}

#[test]
fn recording_is_for_verbs_that_ask_a_policy() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let file = pool.root().join("recordings.jsonl");
    let record = ["--record", "recordings.jsonl"];
    for (verb, arguments) in [
        ("adopt", &["a", "--yes"][..]),
        ("wait", &["a", "--timeout", "0s"]),
        ("watch", &[]),
        ("log", &[]),
        ("policy check", &["none.wasm"]),
        ("demo", &[]),
    ] {
        // Where none of them would go on for long.
        let words: Vec<_> = verb.split(' ').collect();
        let arguments = [&record[..], &words, arguments].concat();
        let ran = Ran::of(pool.command_on(Path::new("/dev/null"), &arguments));
        let error = ran.error(2);
        let told = format!(
            "error: `{verb}` asks no policy, and does not use --record; --record goes with mcp, \
             ensure, status, stop, run, register, forget\n"
        );
        assert!(error.starts_with(&told), "{error}");
        assert!(!file.exists(), "{verb}");
    }
    pool.ask(&[&record[..], &["status"]].concat());
    assert!(file.exists());
}

#[test]
fn exit_codes_tell_what_a_script_wants_to_know() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("init", 1)]);
    for (arguments, code) in [
        (&["status", "a"][..], 0),
        (&["status"], 0),
        (&["ensure"], 0),
        (&["status", "b"], 3),
        (&["status", "init"], 4),
        (&["stop", "init"], 1),
        (&["forget", "a"], 1),
    ] {
        assert_eq!(pool.run(arguments).code, code, "{arguments:?}");
    }
    pool.write("{");
    assert_eq!(pool.run(&["status"]).code, 6);
}

#[test]
fn a_dead_session_is_not_running() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let answer = pool.run(&["status", "dead"]).answer(3);
    assert_eq!(answer["sessions"], json!([]));
}

#[test]
fn options_stand_before_or_after_the_verb() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let directory = pool.directory().to_str().expect("a path");
    let ask = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_poolwarden"));
        command.env_clear().args(arguments);
        Ran::of(command).answer(0)
    };
    let before = ask(&["--state-dir", directory, "--json", "status"]);
    let after = ask(&["status", "--json", "--state-dir", directory]);
    assert_eq!(before["sessions"][0]["sid"], "init");
    assert_eq!(before, after);
}

#[test]
fn the_environment_can_name_the_pool() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let ask = |variable: &str, value: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_poolwarden"));
        command
            .env_clear()
            .env("HOME", "/nonexistent")
            .env(variable, value)
            .arg("status");
        Ran::of(command).answer(0)["sessions"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(ask("POOLWARDEN_STATE_DIR", pool.directory()), Some(1));

    let state = TestPool::absent();
    std::fs::rename(pool.directory(), state.root().join("poolwarden")).expect("it is moved");
    assert_eq!(ask("XDG_STATE_HOME", state.root()), Some(1));

    let home = TestPool::absent();
    std::fs::create_dir_all(home.root().join(".local/state")).expect("directories");
    std::fs::rename(
        state.root().join("poolwarden"),
        home.root().join(".local/state/poolwarden"),
    )
    .expect("it is moved");
    assert_eq!(ask("HOME", home.root()), Some(1));
}

#[test]
fn what_is_piped_is_one_line_of_json() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let ran = pool.run(&["status"]);
    assert_eq!(ran.stdout.lines().count(), 1);
    assert!(ran.stdout.ends_with("}\n"));
    assert_eq!(ran.answer(0), pool.ask(&["status", "--json"]));
}

/// `poolwarden status | head -0` is no failure of the pool's.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let pool = TestPool::with(&[]);
    let mut command = pool.command(&["status"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let ran = child.wait_with_output().expect("its end");
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(ran.stderr, b"");
}

#[test]
fn the_log_stays_off_standard_output() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut command = pool.command(&["status"]);
    command.env("POOLWARDEN_LOG", "trace");
    assert_eq!(Ran::of(command).answer(0)["sessions"][0]["sid"], "a");
}

#[test]
fn help_and_version_are_answers() {
    let pool = TestPool::absent();
    let help = pool.run(&["--help"]);
    for verb in [
        "mcp", "ensure", "status", "stop", "run", "register", "forget", "demo",
    ] {
        assert!(
            help.stdout.contains(&format!("\n  {verb} ")),
            "{verb}: {}",
            help.stdout
        );
    }
    assert_eq!(help.code, 0);
    // Where the pool is when no variable says it.
    assert!(
        help.stdout.contains("~/.local/state/poolwarden"),
        "{help:?}"
    );
    let status = pool.run(&["status", "--help"]).stdout;
    assert!(status.contains("collected on the way"), "{status}");
    let version = pool.run(&["--version"]);
    assert_eq!(
        version.stdout,
        concat!("poolwarden ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert!(!pool.directory().exists());
}

/// A registry cannot put its lines between the program's.
#[test]
fn an_error_is_one_line_whatever_the_registry_says() {
    let worker = Worker::obedient();
    let sid = "a\nerror: forged\u{1b}[2J";
    let pool = TestPool::with(&[worker.entry(sid)]);
    let ran = pool.run(&["forget", sid]);
    let error = ran.error(1);
    assert_eq!(
        error
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count(),
        1,
        "{error:?}"
    );
    assert!(!error.contains('\u{1b}'), "{error:?}");
    // JSON escapes by itself and keeps the text.
    assert_eq!(pool.ask(&["status"])["sessions"][0]["sid"], sid);
}

#[test]
fn the_demonstration_runs_and_cleans_up() {
    let place = TestPool::absent();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_poolwarden"));
    command
        .env_clear()
        .env("HOME", place.root())
        .env("TMPDIR", place.root())
        .arg("demo");
    let ran = Ran::of(command);
    assert_eq!(ran.code, 0, "{ran:?}");
    for tool in ["pool_ensure", "pool_status", "pool_stop"] {
        assert!(ran.stdout.contains(tool), "{tool}: {}", ran.stdout);
    }
    let left: Vec<_> = std::fs::read_dir(place.root())
        .expect("the directory")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// It shows what poolwarden does, and not what somebody's own policy does.
#[test]
fn the_demonstration_needs_no_policy_of_the_users() {
    let place = TestPool::absent();
    let of_user = place.root().join(".config/poolwarden");
    std::fs::create_dir_all(&of_user).expect("mkdir");
    std::fs::write(
        of_user.join("poolwarden.toml"),
        "[policy]\npath = \"none.wasm\"\n",
    )
    .expect("the configuration");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_poolwarden"));
    command
        .env_clear()
        .env("HOME", place.root())
        .env("TMPDIR", place.root())
        .env("POOLWARDEN_POLICY", "none.wasm")
        .arg("demo");
    let ran = Ran::of(command);
    assert_eq!(ran.code, 0, "{ran:?}");
    let typed = ran.stdout.lines().filter(|line| line.starts_with('$'));
    for line in typed {
        let pool = format!("$ poolwarden --state-dir {}/", place.root().display());
        assert!(
            line.starts_with(&pool),
            "it would go to another pool: {line}"
        );
    }
}

#[test]
fn no_home_is_needed_where_the_directory_is_named() {
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    let mut command = pool.command(&["status"]);
    command.env_remove("HOME");
    assert_eq!(Ran::of(command).answer(0)["sessions"][0]["sid"], "init");
}
