//! Something in the registry's place that cannot be read as one at all: it is said
//! everywhere in the same way, and a repair goes on from there.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::harness::{Detached, Mcp, Ran, TestPool, Worker};

/// One byte more than a registry may have.
const TOO_LARGE: u64 = (64 << 20) + 1;
/// How much of it is looked through.
const LOOKED_THROUGH: u64 = 32 << 20;

fn start(pool: &TestPool, sid: &str) -> Detached {
    let command = pool.run_command(&["--sid", sid], &["--", "sleep", "600"]);
    Detached::of(&Ran::of(command).answer(0))
}

/// Makes the registry larger than any; the rest is nothing that takes room on the disk.
fn enlarge(pool: &TestPool) {
    let registry = OpenOptions::new().write(true).open(pool.registry());
    let registry = registry.expect("the registry");
    registry.set_len(TOO_LARGE).expect("a sparse file");
}

fn put_aside(pool: &TestPool) -> std::path::PathBuf {
    let names = fs::read_dir(pool.directory()).expect("the pool");
    let mut paths = names.map(|entry| entry.expect("an entry").path());
    let aside = paths.find(|path| path.to_string_lossy().contains("registry.json.damaged-"));
    aside.expect("it was put aside")
}

/// Repairs the pool; what was wrong, and what it is then.
#[track_caller]
fn fix(pool: &TestPool) -> (Value, Value) {
    let before = pool.run(&["doctor"]).answer(6);
    let ran = pool.run(&["doctor", "--fix", "--yes"]);
    assert_eq!(ran.stderr, "");
    let after = ran.answer(0);
    assert_eq!(after["healthy"], true, "{after:#}");
    (before, after)
}

#[test]
fn every_verb_and_every_tool_names_the_command_and_the_code() {
    for make in [
        (|pool| enlarge(pool)) as fn(&TestPool),
        |pool| {
            fs::remove_file(pool.registry()).expect("remove");
            fs::create_dir(pool.registry()).expect("mkdir");
        },
        |pool| {
            fs::remove_file(pool.registry()).expect("remove");
            mkfifo(&pool.registry(), Mode::S_IRWXU).expect("a FIFO");
        },
    ] {
        let pool = TestPool::with(&[]);
        make(&pool);
        let path = pool.directory().to_str().expect("text").to_owned();
        let command = format!("poolwarden --state-dir {path} doctor");
        for verb in [
            &["status"][..],
            &["ensure", "--dry-run"],
            &["stop", "--all"],
            &["forget", "a"],
            &["wait", "a"],
            &["adopt", "a", "--yes"],
        ] {
            let ran = pool.run(verb);
            let error = ran.error(6);
            assert!(error.contains(&command), "{verb:?}: {error}");
            assert_eq!(error.matches("doctor").count(), 1, "{verb:?}: {error}");
        }
        let mut mcp = Mcp::open(pool.command(&["mcp"]));
        for tool in ["pool_status", "pool_ensure", "pool_stop"] {
            let result = mcp.call(tool, json!({}));
            assert_eq!(result["isError"], true, "{tool}: {result}");
            let text = result["content"][0]["text"].as_str().expect("a text");
            assert!(text.contains(&command), "{tool}: {text}");
        }
        // The doctor sends its reader to the repair, and not to itself.
        let report = pool.run(&["doctor"]).answer(6);
        let problem = &report["problems"][0];
        assert_eq!(problem["repairable"], true, "{report:#}");
        let remedy = problem["remedy"].as_str().expect("words");
        assert!(remedy.contains(&format!("`{command} --fix`")), "{remedy}");
        assert_eq!(
            problem.to_string().matches("doctor").count(),
            1,
            "{problem}"
        );
        fix(&pool);
        let answer = mcp.answer("pool_status", json!({}));
        assert_eq!(answer["sessions"], json!([]));
    }
}

/// What the policy says is noted as it says it, so that it can be replayed.
#[test]
fn a_recording_of_it_is_replayed() {
    let pool = TestPool::with(&[]);
    enlarge(&pool);
    let file = pool.root().join("recording");
    let path = file.to_str().expect("text");
    pool.run(&["--record", path, "status"]).error(6);
    let ran = pool.run(&["policy", "replay", "shipped", path]);
    let answer = ran.answer(0);
    assert_eq!(
        (&answer["requests"], &answer["different"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn the_entries_of_a_registry_that_grew_are_kept() {
    let (registered, foreign) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::new();
    let text = format!(
        "{{\"of\":\"us\",\"sessions\":[{},{}]}}",
        foreign.entry("foreign").text(),
        registered.entry("registered").text()
    );
    pool.write(&text);
    let lost = start(&pool, "lost");
    pool.write(&text);
    enlarge(&pool);
    let (before, after) = fix(&pool);
    assert_eq!(before["registry"]["state"], "damaged");
    assert_eq!(before["entries"].as_array().map(Vec::len), Some(2));
    assert_eq!(before["orphans"][0]["pid"], lost.pid());
    assert_eq!(after["registry"]["state"], "healthy");
    assert_eq!(pool.sids(), ["foreign", "registered", "lost"]);
    let aside = put_aside(&pool);
    assert_eq!(fs::metadata(&aside).expect("metadata").len(), TOO_LARGE);
    let mut kept = vec![0; text.len()];
    let file = fs::File::open(&aside).expect("open");
    file.read_exact_at(&mut kept, 0).expect("read");
    assert_eq!(kept, text.as_bytes());
    pool.ask(&["stop", "lost"]);
}

/// What lies further behind costs too much; who lives and is known otherwise is listed.
#[test]
fn what_is_not_looked_through_is_told_and_kept() {
    let foreign = Worker::obedient();
    let pool = TestPool::new();
    let worker = start(&pool, "ours");
    let text = format!("{{\"sessions\":[{}]}}", foreign.entry("foreign").text());
    pool.write("");
    let registry = OpenOptions::new().write(true).open(pool.registry());
    let registry = registry.expect("the registry");
    registry
        .write_all_at(text.as_bytes(), TOO_LARGE)
        .expect("write");
    let (before, _) = fix(&pool);
    let lost = &before["registry"]["lost"][0];
    assert_eq!(lost["offset"], LOOKED_THROUGH, "{lost}");
    let rest = TOO_LARGE + text.len() as u64 - LOOKED_THROUGH;
    assert_eq!(lost["length"], rest, "{lost}");
    let remedy = before["problems"][0]["remedy"].as_str().expect("words");
    assert!(remedy.contains(&LOOKED_THROUGH.to_string()), "{remedy}");
    assert_eq!(pool.sids(), ["ours"]);
    let aside = fs::File::open(put_aside(&pool)).expect("open");
    let mut kept = vec![0; text.len()];
    aside.read_exact_at(&mut kept, TOO_LARGE).expect("read");
    assert_eq!(kept, text.as_bytes());
    pool.ask(&["stop", "--all"]);
    worker.await_end();
}
