//! A policy that does not say what it is: refused by whoever checks it and by every request.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use poolwarden::{Cancel, Error, Fault, Limits, Policy, PolicyLoader, Pool, PoolBuilder, Request};
use tempfile::TempDir;

use crate::guest::describing;

/// What a description does that never ends.
const LOOP: &str = "(loop $again (br $again)) unreachable";

/// A pool's directory and, beside it, a policy whose description does this.
fn prepared(describe: &str) -> (TempDir, PathBuf, PathBuf) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let (pool, policy) = (root.path().join("pool"), root.path().join("policy.wasm"));
    let made = fs::DirBuilder::new().mode(0o700).create(&pool);
    made.expect("the pool");
    fs::write(&policy, describing(describe)).expect("the policy");
    (root, pool, policy)
}

fn pool(directory: &Path, policy: &Path, guest_cpu: Duration) -> Pool {
    let limits = Limits {
        guest_cpu,
        ..Limits::default()
    };
    PoolBuilder::new(directory)
        .limits(limits)
        .build(Policy::from_file(policy).expect("it loads"))
}

fn ensure(pool: &Pool, cancel: &Cancel) -> Error {
    let done = pool.call(Request::Ensure { dry_run: false }, cancel);
    done.expect_err("the policy does not say what it is")
}

#[test]
fn a_check_and_a_request_agree_about_a_policy_that_does_not_say_what_it_is() {
    let (_root, directory, policy) = prepared("unreachable");
    let inspected = PolicyLoader::new().inspect(&policy).expect("a component");
    let unusable = inspected.verdict.expect_err("it traps").to_string();
    assert!(unusable.contains("does not describe itself"), "{unusable}");
    let pool = pool(&directory, &policy, Duration::from_secs(10));
    let cancel = Cancel::new().expect("an eventfd");
    for _ in 0..2 {
        let error = ensure(&pool, &cancel);
        assert!(matches!(error, Error::Policy(Fault::Trap(_))), "{error}");
    }
    assert!(pool.check_settings(&cancel).is_err());
    // Not even the lock file was made.
    assert_eq!(fs::read_dir(&directory).expect("the pool").count(), 0);
}

#[test]
fn a_description_is_small_and_its_settings_are_the_policys_own() {
    let settings = |count: u32, name: u32, length: u32| {
        let one = |at: u32| {
            format!(
                "(i32.store (i32.const {at}) (i32.const {name}))
                 (i32.store (i32.const {}) (i32.const {length}))",
                at + 4
            )
        };
        format!(
            "(i32.store (i32.const 600) (i32.const 0x6f6f7270))
             (i32.store8 (i32.const 604) (i32.const 0x66))
             (i32.store (i32.const 528) (i32.const 640))
             (i32.store (i32.const 532) (i32.const {count}))
             {} {} (i32.const 512)",
            one(640),
            one(656)
        )
    };
    for (describe, told) in [
        (
            settings(1, 600, 5),
            "a setting `proof`, which is the host's",
        ),
        (settings(2, 601, 4), "two settings `roof`"),
        (settings(1, 65_536, 70_000), "more than 65536 bytes"),
        (settings(100_000, 0, 0), "more than 65536 bytes"),
    ] {
        let (_root, directory, policy) = prepared(&describe);
        let pool = pool(&directory, &policy, Duration::from_secs(10));
        let error = ensure(&pool, &Cancel::new().expect("an eventfd")).to_string();
        assert_eq!(
            error,
            format!("the policy failed: it describes itself with {told}")
        );
        let inspected = PolicyLoader::new().inspect(&policy).expect("a component");
        assert!(inspected.verdict.is_err(), "{told}");
    }
    let (_root, directory, policy) = prepared(&settings(1, 601, 4));
    let pool = pool(&directory, &policy, Duration::from_secs(10));
    let said = pool.describe(&Cancel::new().expect("an eventfd"));
    assert_eq!(said.expect("it says what it is").settings[0].name, "roof");
}

#[test]
fn a_description_that_never_ends_is_asked_for_once() {
    let (_root, directory, policy) = prepared(LOOP);
    let limit = Duration::from_millis(100);
    let pool = pool(&directory, &policy, limit);
    let cancel = Cancel::new().expect("an eventfd");
    let error = ensure(&pool, &cancel);
    assert!(
        matches!(error, Error::Policy(Fault::Cpu(l)) if l == limit),
        "{error}"
    );
    // Were it asked again, this would end it before the limit does.
    cancel.cancel();
    let error = ensure(&pool, &cancel);
    assert!(matches!(error, Error::Policy(Fault::Cpu(_))), "{error}");
}

#[test]
fn a_request_is_withdrawn_while_its_policy_describes_itself() {
    let (_root, directory, policy) = prepared(LOOP);
    // Were the cancellation not seen, the test would not end.
    let pool = pool(&directory, &policy, Duration::from_secs(1_000_000));
    let cancel = Cancel::new().expect("an eventfd");
    let withdrawn = cancel.clone();
    let asking = thread::spawn(move || ensure(&pool, &cancel));
    withdrawn.cancel();
    let error = asking.join().expect("no panic");
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(fs::read_dir(&directory).expect("the pool").count(), 0);
}
