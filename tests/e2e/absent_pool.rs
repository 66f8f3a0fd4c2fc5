//! A pool that is not there: an empty one, and no reason to make it.

use serde_json::json;

use crate::harness::{Mcp, Ran, Terminal, TestPool, Worker};

/// What is said on standard error about a pool that is not there.
fn hint(pool: &TestPool) -> String {
    format!(
        "hint: there is no directory {} yet, which is an empty pool\n",
        pool.directory().display()
    )
}

/// A directory whose name is misspelt would otherwise be there from then on.
#[test]
fn looking_makes_no_pool() {
    let pool = TestPool::absent_at("misspelt/pool");
    for (arguments, code) in [
        (&["status"][..], 0),
        (&["status", "a"], 3),
        (&["ensure"], 0),
        (&["ensure", "--dry-run"], 0),
        (&["stop", "--all"], 0),
        (&["wait", "a"], 0),
        (&["log"], 0),
        (&["doctor"], 0),
        (&["forget", "a"], 1),
        (&["adopt", "a"], 1),
    ] {
        let ran = pool.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        let parent = pool.directory().parent().expect("a parent");
        assert!(!parent.exists(), "{arguments:?}");
    }
    let ask = |arguments: &[&str]| {
        let ran = pool.run(arguments);
        assert_eq!(ran.stderr, hint(&pool), "{arguments:?}");
        ran.answer(0)
    };
    assert_eq!(ask(&["status"])["sessions"], json!([]));
    assert_eq!(ask(&["wait", "a"])["outcome"], "absent");
}

/// Also where a program reads the answer, in which an empty pool looks like any other.
#[test]
fn a_pool_that_was_named_and_is_not_there_is_told_beside_the_answer() {
    let pool = TestPool::absent_at("misspelt");
    let told = hint(&pool);
    let unknown = "hint: no session has the sid \"a\"\n";
    let failed = "error: sid=a: the pool has no such session; its sessions are listed by status\n";
    for (arguments, code, before) in [
        (&["status"][..], 0, ""),
        (&["ensure"], 0, ""),
        (&["stop", "--all"], 0, ""),
        (&["status", "a"], 3, unknown),
        (&["wait", "a"], 0, ""),
        (&["log"], 0, ""),
        (&["forget", "a"], 1, failed),
    ] {
        let ran = pool.run(arguments);
        let expected = format!("{before}{told}");
        assert_eq!((ran.code, ran.stderr), (code, expected), "{arguments:?}");
    }
    // As somebody names it for all programs.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_poolwarden"));
    command
        .env_clear()
        .env("POOLWARDEN_STATE_DIR", pool.directory())
        .arg("status");
    assert_eq!(Ran::of(command).stderr, told);
    // Nobody named this one, and nobody has had a worker yet.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_poolwarden"));
    command.env_clear().env("HOME", pool.root()).arg("status");
    assert_eq!(Ran::of(command).stderr, "");
}

#[test]
fn a_person_is_told_that_it_is_not_there() {
    let worker = Worker::obedient();
    let pool = TestPool::absent();
    let told = format!(
        "hint: there is no directory {} yet, which is an empty pool\r\n",
        pool.directory().display()
    );
    for (arguments, shown) in [
        (&["status"][..], "no workers\r\n"),
        (&["stop", "--all"], "no workers\r\n"),
        (&["log"], "nothing was done\r\n"),
    ] {
        let found = Terminal::open().show(pool.command(arguments));
        assert_eq!(found, format!("{shown}{told}"), "{arguments:?}");
    }
    pool.ask(&["register", "--sid", "a", "--pid", &worker.pid().to_string()]);
    let found = Terminal::open().show(pool.command(&["status"]));
    assert!(!found.contains("hint"), "{found}");
}

#[test]
fn a_watch_says_that_it_makes_one() {
    let pool = TestPool::absent();
    let mut watching = Terminal::open().talk(pool.command(&["watch"]));
    watching.await_text("it is made, as an empty pool");
}

#[test]
fn a_server_may_start_before_its_pool() {
    let worker = Worker::obedient();
    let pool = TestPool::absent();
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    assert_eq!(mcp.answer("pool_status", json!({}))["sessions"], json!([]));
    assert_eq!(mcp.answer("pool_ensure", json!({}))["removed"], json!([]));
    assert_eq!(mcp.answer("pool_stop", json!({}))["stopped"], json!([]));
    assert!(!pool.directory().exists());
    let register = ["register", "--sid", "a", "--pid", &worker.pid().to_string()];
    Ran::of(pool.command(&register)).answer(0);
    assert_eq!(
        mcp.answer("pool_status", json!({}))["sessions"][0]["sid"],
        "a"
    );
    assert_eq!(
        mcp.answer("pool_stop", json!({"sid": "a"}))["stopped"],
        json!(["a"])
    );
    assert!(mcp.close().success());
}
