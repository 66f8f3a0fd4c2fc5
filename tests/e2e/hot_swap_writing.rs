//! A server whose configuration is being written: it says less than it will.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Lines, Mcp, TestPool, await_that};
use crate::hot_swap::{configured, put, status, talking};

/// A server under a configuration that lets the talking policy decide.
struct Scene {
    pool: TestPool,
    policy: PathBuf,
    configuration: PathBuf,
    mcp: Mcp,
    log: Lines,
}

impl Scene {
    fn new() -> Self {
        let pool = TestPool::new();
        let policy = pool.root().join("policy.wasm");
        put(&talking(), &policy);
        let configuration = pool.directory().join("poolwarden.toml");
        fs::write(&configuration, configured(&policy)).expect("write");
        let (mcp, log) = Mcp::open_with_log(pool.command(&["mcp"]));
        let mut scene = Self {
            pool,
            policy,
            configuration,
            mcp,
            log,
        };
        scene.await_news("policy hostile 0 decides now");
        scene.assert_unchanged();
        scene
    }

    /// Waits for the next that the log says about the policy, and holds it to these words.
    #[track_caller]
    fn await_news(&self, words: &str) {
        let news = ["decides now", "cannot be used", "being written"];
        let line = loop {
            let line = self.log.next().expect("the server goes on");
            if news.iter().any(|news| line.contains(news)) {
                break line;
            }
        };
        assert!(line.contains(words), "{line}");
    }

    #[track_caller]
    fn assert_unchanged(&mut self) {
        assert_eq!(status(&mut self.mcp), talk());
    }
}

fn talk() -> Value {
    json!({"said": "nothing was tried"})
}

#[test]
fn one_that_is_emptied_does_not_count_until_it_is_removed() {
    let mut scene = Scene::new();
    for empty in ["", "# To be filled.\n"] {
        fs::write(&scene.configuration, empty).expect("write");
        scene.await_news("says nothing any more");
        scene.assert_unchanged();
    }
    fs::remove_file(&scene.configuration).expect("unlink");
    scene.await_news("policy default");
    await_that("the shipped policy answers", || {
        status(&mut scene.mcp)["sessions"] == json!([])
    });
    // An empty one says as much as none.
    fs::write(&scene.configuration, "").expect("write");
    scene.await_news("policy default");
}

#[test]
fn one_that_is_half_written_does_not_count_while_the_policy_changes() {
    let mut scene = Scene::new();
    let whole = configured(&scene.policy);
    let (policy, settings) = whole.split_at(whole.find("[settings]").expect("settings"));
    let mut file = File::create(&scene.configuration).expect("it is emptied");
    for half in ["", settings] {
        file.write_all(half.as_bytes()).expect("write");
        put(&talking(), &scene.policy);
        if half.is_empty() {
            scene.await_news("being written");
        }
        scene.assert_unchanged();
    }
    file.write_all(policy.as_bytes()).expect("write");
    scene.assert_unchanged();
    drop(file);
    scene.await_news("policy hostile 0 decides now");
    scene.assert_unchanged();
    assert!(scene.pool.directory().exists());
}

#[test]
fn one_that_is_replaced_while_it_is_being_written_counts() {
    let mut scene = Scene::new();
    let file = File::create(&scene.configuration).expect("it is emptied");
    put(&talking(), &scene.policy);
    scene.await_news("being written");
    let aside = scene.pool.root().join("aside");
    fs::write(&aside, "[settings]\nproof = \"any\"\n").expect("write");
    put(&aside, &scene.configuration);
    scene.await_news("policy default");
    await_that("the shipped policy answers", || {
        status(&mut scene.mcp)["sessions"] == json!([])
    });
    drop(file);
}
