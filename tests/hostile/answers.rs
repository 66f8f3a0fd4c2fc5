//! What a policy says, held against what the host found and did.

use poolwarden::{Error, Fault, Grants, Request};
use serde_json::json;

use crate::attacks;
use crate::endurance::{Pools, policy, try_once};
use crate::harness::Attacked;

/// How often each is tried.
const ROUNDS: usize = 100;

const ENSURE: Request = Request::Ensure { dry_run: false };

#[test]
fn what_a_policy_makes_up_is_its_failure_a_hundred_times_in_a_row() {
    let mut attacked = Attacked::with_workers(2);
    let pools = Pools::of(&attacked);
    let attacks: Vec<_> = attacks::made_up().map(|one| (one, policy(one))).collect();
    assert!(attacks.len() > 20);
    for (attack, policy) in &attacks {
        // A text of 120 MiB takes a moment.
        let rounds = if attack.tries.contains("long text") {
            3
        } else {
            ROUNDS
        };
        for _ in 0..rounds {
            try_once(&mut attacked, pools.of_attack(attack), attack, policy);
        }
    }
}

/// What a client is shown of it stays short, and says how long it was.
#[test]
fn a_long_reason_is_cut_and_says_how_long_it_was() {
    let pool = Attacked::with_workers(1);
    for (attack, is_own) in [("fail-long", true), ("reject-long", false)] {
        let error = pool.attack(attack, &[], ENSURE).expect_err("it fails");
        assert_eq!(
            matches!(error, Error::Policy(Fault::Failed { .. })),
            is_own,
            "{error:.100}"
        );
        let text = error.to_string();
        assert!(text.ends_with("… (cut, of 125829120 bytes)"), "{text:.100}");
        assert!(
            !text.contains('\0') && text.len() < 12_000,
            "{}",
            text.len()
        );
    }
    pool.assert_sound(&[0]);
}

/// The host's own errors stay what they are when a policy passes them on.
#[test]
fn an_error_that_the_host_gave_stays_the_hosts() {
    let mut pool = Attacked::with_workers(1);
    let pid = pool.pid(0).to_string();
    let settings = [("sid", "w0"), ("pid", &*pid), ("pass-on", "yes")];
    let refused = pool.attack("begin-twice", &settings, ENSURE);
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    pool.grants = Grants::none();
    let denied = pool.attack("signal", &settings, ENSURE);
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
    pool.assert_sound(&[0]);
}

/// A registry that is none is reported by the host's own reading, whatever the policy says.
#[test]
fn a_corrupted_registry_is_the_hosts_finding() {
    let pool = Attacked::with_workers(1);
    pool.write(&json!({"sessions": [{"sid": 1}]}));
    // This one does not even look.
    let blind = pool.attack("fail-corrupted", &[("with", "all of it")], ENSURE);
    assert!(
        matches!(blind, Err(Error::Policy(Fault::Failed { .. }))),
        "{blind:?}"
    );
    let lie = [(
        "with",
        r#"ensure {"sessions":[],"pool_version":"1","removed":[]}"#,
    )];
    let untrue = pool.attack("answer", &lie, ENSURE).expect_err("a lie");
    assert!(
        untrue
            .to_string()
            .contains("the registry cannot be read: invalid type"),
        "{untrue}"
    );
}
