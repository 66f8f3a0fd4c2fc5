//! A server whose policy or configuration changes because a path leads elsewhere.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Mcp, TestPool, Worker, await_that, said};
use crate::hot_swap::{command, configured, is_talk, put, shipped, status, talking};

/// A pool with a worker, so that the shipped policy's answers can be told.
struct Scene {
    _worker: Worker,
    pool: TestPool,
}

impl Scene {
    fn new() -> Self {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry("a")]);
        Self {
            _worker: worker,
            pool,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.pool.root().join(name)
    }

    /// Makes a directory with a policy in it.
    fn directory(&self, name: &str, policy: &Path) -> PathBuf {
        let directory = self.path(name);
        fs::create_dir(&directory).expect("mkdir");
        fs::copy(policy, directory.join("policy.wasm")).expect("copy");
        directory
    }

    /// A server that has answered by the shipped policy, in this file.
    fn serve(&self, policy: &Path) -> Mcp {
        let mut mcp = Mcp::open(command(&self.pool, policy));
        assert!(!is_talk(&status(&mut mcp)));
        mcp
    }
}

#[track_caller]
fn await_talk(mcp: &mut Mcp, talk: bool) {
    await_that("the other policy answers", || is_talk(&status(mcp)) == talk);
}

#[track_caller]
fn turn(link: &Path, target: impl AsRef<Path>) {
    let aside = link.with_extension("new");
    symlink(target, &aside).expect("symlink");
    fs::rename(&aside, link).expect("rename");
}

#[test]
fn a_directory_that_is_removed_and_made_anew() {
    let scene = Scene::new();
    let directory = scene.directory("dist", &shipped());
    let policy = directory.join("policy.wasm");
    let mut mcp = scene.serve(&policy);
    for (next, talk) in [(talking(), true), (shipped(), false)] {
        fs::remove_dir_all(&directory).expect("rm -rf");
        // The old one answers meanwhile.
        assert_eq!(is_talk(&status(&mut mcp)), !talk);
        scene.directory("dist", &next);
        await_talk(&mut mcp, talk);
    }
    put(&talking(), &policy);
    await_talk(&mut mcp, true);
}

#[test]
fn a_directory_that_is_moved_into_place() {
    let scene = Scene::new();
    let directory = scene.directory("dist", &shipped());
    let next = scene.directory("next", &talking());
    // Also by a relative path: the server's working directory is the scene's.
    let mut mcp = scene.serve(Path::new("dist/policy.wasm"));
    fs::rename(&directory, scene.path("old")).expect("mv");
    fs::rename(&next, &directory).expect("mv");
    await_talk(&mut mcp, true);
    put(&shipped(), &directory.join("policy.wasm"));
    await_talk(&mut mcp, false);
}

#[test]
fn a_link_to_a_directory_that_is_turned() {
    let scene = Scene::new();
    scene.directory("v1", &shipped());
    scene.directory("v2", &talking());
    let current = scene.path("current");
    symlink("v1", &current).expect("symlink");
    let mut mcp = scene.serve(&current.join("policy.wasm"));
    turn(&current, "v2");
    await_talk(&mut mcp, true);
    turn(&current, "v1");
    await_talk(&mut mcp, false);
}

#[test]
fn a_link_in_the_middle_of_a_chain_that_is_turned() {
    let scene = Scene::new();
    let (link, middle) = (scene.path("policy.wasm"), scene.path("links/middle"));
    fs::create_dir(scene.path("links")).expect("mkdir");
    put(&shipped(), &scene.path("one"));
    put(&talking(), &scene.path("other"));
    symlink("../one", &middle).expect("symlink");
    symlink("links/middle", &link).expect("symlink");
    let mut mcp = scene.serve(&link);
    turn(&middle, "../other");
    await_talk(&mut mcp, true);
    put(&shipped(), &scene.path("other"));
    await_talk(&mut mcp, false);
}

#[test]
fn a_policy_that_appears_with_all_of_its_directories() {
    let scene = Scene::new();
    let policy = scene.path("a/b/policy.wasm");
    let mut mcp = Mcp::open(command(&scene.pool, &policy));
    assert_eq!(mcp.call("pool_status", json!({}))["isError"], true);
    fs::create_dir_all(scene.path("a/b")).expect("mkdir");
    fs::copy(talking(), &policy).expect("copy");
    await_that("there is a policy", || {
        said(&mcp.call("pool_status", json!({}))).is_some()
    });
    assert!(is_talk(&status(&mut mcp)));
}

/// As the shipped policy answers about an empty pool.
#[track_caller]
fn assert_shipped(mcp: &mut Mcp) {
    assert_eq!(status(mcp)["sessions"], json!([]));
}

#[track_caller]
fn await_configured(mcp: &mut Mcp) {
    await_that("the configured policy answers", || {
        status(mcp) == json!({"said": "nothing was tried"})
    });
}

#[test]
fn a_configuration_in_a_pool_that_came_later() {
    let pool = TestPool::absent();
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    // Asked nothing that makes the pool.
    mcp.request("tools/list", json!({}));
    let mut directory = DirBuilder::new();
    let directory = directory.recursive(true).mode(0o700);
    directory.create(pool.directory()).expect("mkdir");
    assert_shipped(&mut mcp);
    let file = pool.directory().join("poolwarden.toml");
    fs::write(file, configured(&talking())).expect("write");
    await_configured(&mut mcp);
}

#[test]
fn a_configuration_in_a_users_directory_that_came_later() {
    let pool = TestPool::new();
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    assert_shipped(&mut mcp);
    let directory = pool.root().join(".config/poolwarden");
    fs::create_dir_all(&directory).expect("mkdir");
    let file = directory.join("poolwarden.toml");
    fs::write(&file, configured(&talking())).expect("write");
    await_configured(&mut mcp);
    // What it gives is taken back with it.
    fs::remove_dir_all(pool.root().join(".config")).expect("rm -rf");
    await_that("the shipped policy answers", || {
        status(&mut mcp)["sessions"] == json!([])
    });
}

#[test]
fn a_configuration_that_is_made_safe() {
    let pool = TestPool::new();
    let file = pool.directory().join("poolwarden.toml");
    fs::write(&file, configured(&talking())).expect("write");
    fs::set_permissions(&file, Permissions::from_mode(0o622)).expect("chmod");
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let result = mcp.call("pool_status", json!({}));
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("chmod go-w"), "{text}");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("chmod");
    await_that("the configured policy answers", || {
        said(&mcp.call("pool_status", json!({}))).is_some()
    });
    await_configured(&mut mcp);
}
