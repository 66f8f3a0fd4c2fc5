//! What `policy inspect` and `policy check` say that a policy is given is what a request of
//! that pool gives it: by the command line, and by the configuration that counts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Ran, Terminal, TestPool};

/// A pool and a policy beside it, `policy.wasm`, that tries what its setting `attack` names.
fn pool() -> TestPool {
    let pool = TestPool::new();
    let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile.wasm");
    fs::copy(hostile, pool.root().join("policy.wasm")).expect("the policy");
    pool
}

fn configure(file: &Path, configuration: &str) {
    fs::create_dir_all(file.parent().expect("a directory")).expect("mkdir");
    fs::write(file, configuration).expect("the configuration");
    fs::set_permissions(file, Permissions::from_mode(0o600)).expect("its mode");
}

fn of_pool(pool: &TestPool) -> PathBuf {
    pool.directory().join("poolwarden.toml")
}

fn inspect(pool: &TestPool, options: &[&str]) -> Value {
    pool.ask(&[&["policy", "inspect", "policy.wasm"], options].concat())
}

const CONFIGURED: &str = "[policy]\npath = \"../policy.wasm\"\ngrants = [\"signal-term\"]\n\
    [settings]\nattack = \"describe-only\"\n";

#[test]
fn the_configured_policy_has_the_configurations_grants() {
    let pool = pool();
    configure(&of_pool(&pool), CONFIGURED);
    let inspected = inspect(&pool, &["--grant", "registry-write"]);
    let given = json!(["registry-write", "signal-term"]);
    assert_eq!(inspected["grants"]["given"], given);
    assert_eq!(inspected["configuration"], json!(of_pool(&pool)));
    assert_eq!(
        inspected["grants"]["by_configuration"],
        json!(["signal-term"])
    );
    // As a request says: what it may write, what it may signal, what it reads.
    let said = pool.run(&["status"]).reported();
    assert_eq!(said, json!({"said": "nothing was tried"}));
    let replace = [
        "--setting",
        "attack=replace",
        "--setting",
        "pass-on=yes",
        "ensure",
    ];
    let denied = pool.run(&replace);
    assert!(denied.error(7).contains("registry-write"), "{denied:?}");
}

#[test]
fn another_policy_has_none_of_them() {
    let pool = pool();
    let configured = CONFIGURED.replace("../policy.wasm", "other.wasm");
    configure(&of_pool(&pool), &configured);
    let inspected = inspect(&pool, &[]);
    assert_eq!(inspected["grants"]["given"], json!([]));
    assert_eq!(inspected["configuration"], json!(of_pool(&pool)));

    // Nor has the configured one, where the command line names it.
    configure(&of_pool(&pool), CONFIGURED);
    let policy = ["--policy", "policy.wasm"];
    let inspected = inspect(&pool, &policy);
    assert_eq!(inspected["grants"]["given"], json!([]));
    assert_eq!(inspected["grants"]["by_configuration"], json!([]));
    // Which a denial then says.
    let attack = ["--setting", "attack=replace", "--setting", "pass-on=yes"];
    configure(
        &of_pool(&pool),
        &CONFIGURED.replace("signal-term", "registry-write"),
    );
    let denied = pool.run(&[&policy[..], &attack, &["ensure"]].concat());
    assert_eq!(denied.code, 7, "{denied:#?}");
    let told = "for none that --policy names";
    assert!(denied.stderr.contains(told), "{denied:#?}");
}

#[test]
fn a_person_is_told_which_grants_are_the_configurations() {
    let pool = pool();
    configure(&of_pool(&pool), CONFIGURED);
    let inspect = |options: &[&str]| {
        let arguments = [&["policy", "inspect", "policy.wasm"], options].concat();
        Terminal::open().show(pool.command(&arguments))
    };
    let shown = inspect(&[]);
    let told = "THEREOF  by the configuration, and not with --policy: signal-term";
    assert!(shown.contains(told), "{shown}");
    let shown = inspect(&["--grant", "signal-term"]);
    assert!(!shown.contains("THEREOF"), "{shown}");
}

#[test]
fn the_shipped_policy_is_inspected_by_its_name() {
    let pool = TestPool::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/policy.wasm");
    fs::copy(file, pool.root().join("policy.wasm")).expect("the policy");
    configure(&of_pool(&pool), "[settings]\nproof = \"strong\"\n");
    let by_name = ["policy", "inspect", "shipped", "--grant", "signal-hup"];
    let inspected = pool.ask(&by_name);
    let of_file = inspect(&pool, &[]);
    assert_eq!(inspected["file"], "shipped");
    assert_eq!(inspected["configuration"], json!(of_pool(&pool)));
    for field in ["name", "version", "imports", "exports", "loads", "settings"] {
        assert_eq!(inspected[field], of_file[field], "{field}");
    }
    // It has grants of its own, which a file with the same bytes has not.
    let given = ["registry-write", "signal-hup", "signal-term", "signal-kill"];
    let mut found = inspected["grants"]["given"]
        .as_array()
        .expect("grants")
        .clone();
    found.sort_by_key(|grant| given.iter().position(|given| grant == given));
    assert_eq!(json!(found), json!(given));
    assert_eq!(of_file["grants"]["given"], json!([]));

    let checked = pool.ask(&["policy", "check", "shipped"]);
    assert_eq!(checked["sha256"], inspected["sha256"]);
    assert_eq!(checked["loads"], true);
    // A file of that name is meant by a path.
    fs::write(pool.root().join("shipped"), "no component").expect("a file");
    assert_eq!(pool.ask(&["policy", "check", "shipped"])["loads"], true);
    pool.run(&["policy", "check", "./shipped"]).answer(7);
}

#[test]
fn the_users_configuration_counts_where_the_pool_has_none() {
    let pool = pool();
    let of_user = pool.root().join(".config/poolwarden/poolwarden.toml");
    let path = format!("path = {:?}", pool.root().join("policy.wasm"));
    configure(
        &of_user,
        &CONFIGURED.replace("path = \"../policy.wasm\"", &path),
    );
    let inspected = inspect(&pool, &[]);
    assert_eq!(inspected["grants"]["given"], json!(["signal-term"]));
    assert_eq!(inspected["configuration"], json!(of_user));
    configure(&of_pool(&pool), "");
    assert_eq!(inspect(&pool, &[])["grants"]["given"], json!([]));
}

#[test]
fn a_policy_describes_itself_with_the_settings_that_it_is_given() {
    let pool = pool();
    let check = ["policy", "check", "policy.wasm"];
    assert_eq!(pool.ask(&check)["loads"], true);
    configure(&of_pool(&pool), "[settings]\nattack = \"describe-trap\"\n");
    let problem = &pool.run(&check).answer(7)["problem"];
    let problem = problem.as_str().expect("a problem");
    let told = "the policy does not describe itself: the policy failed: it trapped: wasm trap";
    assert!(problem.starts_with(told), "{problem}");
    assert_eq!(problem.matches("trapped").count(), 1, "{problem}");
    assert_eq!(inspect(&pool, &[])["loads"], false);
    // The command line counts before it.
    let named = pool.ask(&[&check[..], &["--setting", "attack=describe-only"]].concat());
    assert_eq!(named["loads"], true);
}

#[test]
fn another_one_than_the_pinned_does_not_load() {
    let pool = pool();
    let sha256 = inspect(&pool, &[])["sha256"].clone();
    let sha256 = sha256.as_str().expect("a digest");
    let pinned = |pin: &str| CONFIGURED.replace("grants", &format!("sha256 = \"{pin}\"\ngrants"));
    configure(&of_pool(&pool), &pinned(sha256));
    let check = ["policy", "check", "policy.wasm"];
    assert_eq!(pool.ask(&check)["loads"], true);

    let other = "0".repeat(64);
    configure(&of_pool(&pool), &pinned(&other));
    let inspected = inspect(&pool, &[]);
    assert_eq!(
        (&inspected["loads"], &inspected["sha256"]),
        (&json!(false), &json!(sha256))
    );
    for problem in [
        &inspected["problem"],
        &pool.run(&check).answer(7)["problem"],
    ] {
        let problem = problem.as_str().expect("a problem");
        assert!(
            problem.contains(&other) && problem.contains(sha256),
            "{problem}"
        );
    }
    pool.run(&["status"]).error(7);
}

#[test]
fn a_configuration_that_cannot_be_used_is_told() {
    let pool = pool();
    configure(&of_pool(&pool), "[polcy]\n");
    for verb in ["inspect", "check"] {
        let ran = pool.run(&["policy", verb, "policy.wasm"]);
        assert!(ran.error(2).contains("unknown field `polcy`"), "{ran:?}");
    }
}

#[test]
fn without_a_pool_there_is_what_the_command_line_gives() {
    let pool = pool();
    let grant = ["policy", "inspect", "policy.wasm", "--grant", "signal-hup"];
    let mut homeless = std::process::Command::new(env!("CARGO_BIN_EXE_poolwarden"));
    homeless.env_clear().current_dir(pool.root()).args(grant);
    // Not a pool's, though it would be where an empty path leads.
    configure(&pool.root().join("poolwarden.toml"), "[polcy]\n");
    let inspected = Ran::of(homeless).answer(0);
    assert_eq!(inspected["grants"]["given"], json!(["signal-hup"]));
    assert_eq!(inspected["configuration"], Value::Null);
}
