//! Settings that nobody reads, and values that there are not: a limit or a proof that was
//! misspelt is refused, and never taken for none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Mcp, TestPool, Worker, await_that, said};

/// A policy that tries what its setting `attack` names, and answers in its own way.
const TALKING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/hostile.wasm");
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/policy.wasm");

/// The last of [`VERBS`], which ask no policy.
const NO_POLICY: usize = 3;
/// Every verb that goes by what is proven, on the session `a`.
const VERBS: [&[&str]; 8] = [
    &["status"],
    &["ensure"],
    &["stop", "a"],
    &["forget", "a", "--even-if-alive"],
    &["run", "--sid", "b", "--", "/bin/true"],
    &["wait", "a", "--timeout", "0s"],
    &["adopt", "a", "--yes"],
    &["watch"],
];

fn configuration(pool: &TestPool) -> PathBuf {
    pool.directory().join("poolwarden.toml")
}

fn configure(pool: &TestPool, text: &str) {
    let (file, aside) = (configuration(pool), pool.root().join("configuration.new"));
    fs::write(&aside, text).expect("the configuration");
    fs::set_permissions(&aside, Permissions::from_mode(0o600)).expect("its mode");
    fs::rename(aside, file).expect("it is in place");
}

/// Whether everything is as it was, with nothing begun.
#[track_caller]
fn assert_untouched(pool: &TestPool, worker: &Worker, stamp: [i64; 5]) {
    assert_eq!(pool.stamp(), stamp);
    assert!(worker.is_running());
    for made in ["ledger.json", "audit.jsonl", "logs"] {
        assert!(!pool.directory().join(made).exists(), "{made} was made");
    }
}

#[test]
fn a_proof_that_there_is_not_is_wrong_usage() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stamp = pool.stamp();
    let more: [&[&str]; 3] = [&["doctor"], &["mcp"], &["policy", "inspect", SHIPPED]];
    for value in ["strng", "Strong", ""] {
        for verb in VERBS.iter().chain(&more) {
            let setting = format!("proof={value}");
            let ran = pool.run(&[&["--setting", &setting], *verb].concat());
            let error = ran.error(2);
            assert!(
                error.contains("`strong`") && error.contains("`any`"),
                "{error}"
            );
        }
    }
    assert_untouched(&pool, &worker, stamp);
    let answer = pool.ask(&["--setting", "proof=any", "status"]);
    assert_eq!(answer["sessions"][0]["status"], "running");
}

#[test]
fn a_configured_proof_that_there_is_not_is_an_error_of_the_configuration() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stamp = pool.stamp();
    configure(&pool, "[settings]\nproof = \"Strong\"\n");
    let file = configuration(&pool).display().to_string();
    let inspect: &[&str] = &["policy", "inspect", SHIPPED];
    for verb in VERBS.iter().chain([&inspect]) {
        let ran = pool.run(verb);
        let error = ran.error(2);
        assert!(error.contains(&file), "{error}");
        assert!(error.contains("`proof` is \"Strong\""), "{error}");
    }
    assert_untouched(&pool, &worker, stamp);
    // Whoever only explains the pool takes it for the stronger one.
    let report = pool.run(&["doctor"]).answer(1);
    assert_eq!(report["entries"][0]["standing"], "unproven");
    let problem = &report["problems"][0]["what"];
    assert!(
        problem
            .as_str()
            .is_some_and(|what| what.contains("`proof`")),
        "{report:#}"
    );
}

#[test]
fn a_setting_that_nobody_reads_is_refused_with_the_names_that_are_read() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    let stamp = pool.stamp();
    for (index, verb) in VERBS.iter().enumerate() {
        let misspelt = ["--setting", "prof=strong", "--setting", "proof=strong"];
        let ran = pool.run(&[&misspelt, *verb].concat());
        let (code, told) = if index < VERBS.len() - NO_POLICY {
            let told = "nobody reads the setting `prof`: the policy default reads none, and the \
                        host `proof`";
            (7, told)
        } else {
            let told = "of the settings it uses the host's own, `proof`, and does not use `prof`";
            (2, told)
        };
        let error = ran.error(code);
        assert!(error.contains(told), "{error}");

        configure(&pool, "[settings]\nProof = \"strong\"\n");
        let ran = pool.run(verb);
        assert!(ran.error(7).contains("the setting `Proof`"), "{ran:?}");
        fs::remove_file(configuration(&pool)).expect("the configuration");
    }
    let ran = pool.run(&["--policy", TALKING, "--setting", "atack=signal", "ensure"]);
    let error = ran.error(7);
    assert!(
        error.contains("the policy hostile reads `attack`, `sid`"),
        "{error}"
    );
    assert_untouched(&pool, &worker, stamp);
}

#[test]
fn what_is_inspected_has_every_setting_with_who_reads_it() {
    let pool = TestPool::new();
    configure(&pool, "[settings]\nproof = \"strong\"\natack = \"loop\"\n");
    let inspect = ["policy", "inspect", TALKING, "--setting", "attack=loop"];
    let inspected = pool.ask(&inspect);
    let settings = inspected["settings"].as_array().expect("settings");
    let row = |name: &str| {
        let found = settings.iter().find(|setting| setting["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name}: {inspected:#}"));
        (found["read_by"].clone(), found["given"].clone())
    };
    assert_eq!(row("proof"), (json!("host"), json!("strong")));
    assert_eq!(row("attack"), (json!("policy"), json!("loop")));
    assert_eq!(row("signal"), (json!("policy"), Value::Null));
    assert_eq!(row("atack"), (json!("nobody"), json!("loop")));
    assert_eq!(inspected["loads"], false);
    let told = "nobody reads the setting `atack`";
    let problem = |answer: &Value| answer["problem"].as_str().expect("a problem").to_owned();
    assert!(problem(&inspected).starts_with(told), "{inspected:#}");

    let check = ["policy", "check", TALKING];
    let checked = pool.run(&check).answer(7);
    assert!(problem(&checked).starts_with(told), "{checked:#}");
    configure(
        &pool,
        "[settings]\nproof = \"strong\"\nattack = \"describe-only\"\n",
    );
    assert_eq!(pool.ask(&check)["loads"], true);
}

#[test]
fn a_configured_policys_settings_are_for_it_alone() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let configured =
        |settings: &str| format!("[policy]\npath = {TALKING:?}\n[settings]\n{settings}");
    configure(&pool, &configured("attack = \"describe-only\"\n"));
    let talk = json!({"said": "nothing was tried"});
    assert_eq!(pool.run(&["status"]).reported(), talk);
    // Another one has none of them, and neither has this one where the command line names it.
    configure(&pool, &configured("attack = \"trap\"\n"));
    pool.run(&["status"]).error(7);
    let ran = pool.run(&["--policy", SHIPPED, "status"]);
    assert_eq!(ran.answer(0)["sessions"][0]["status"], "running");
    let told = format!("not for {SHIPPED}, which is not given attack");
    assert!(ran.stderr.contains(&told), "{ran:#?}");
    let ran = pool.run(&["--policy", TALKING, "status"]);
    assert_eq!(ran.reported(), talk);
    assert_eq!(pool.ask(&["policy", "inspect", SHIPPED])["loads"], true);
    // What is the host's counts whoever decides.
    configure(&pool, &configured("proof = \"strong\"\n"));
    let answer = pool.ask(&["--policy", SHIPPED, "status"]);
    assert_eq!(answer["sessions"][0]["status"], "unproven");
}

#[test]
fn a_server_takes_no_policy_with_a_setting_that_it_does_not_read() {
    let pool = TestPool::new();
    let configured = |name: &str| {
        format!("[policy]\npath = {TALKING:?}\n[settings]\n{name} = \"describe-only\"\n")
    };
    configure(&pool, &configured("atack"));
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    let result = mcp.call("pool_status", json!({}));
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("the setting `atack`"), "{text}");
    assert!(text.contains("reads `attack`"), "{text}");

    configure(&pool, &configured("attack"));
    await_that("the policy is taken", || {
        said(&mcp.call("pool_status", json!({}))).is_some()
    });
    // From now on there is one that stays.
    configure(&pool, &configured("atack"));
    let talk = json!({"said": "nothing was tried"});
    assert_eq!(mcp.said(), talk);
    fs::remove_file(configuration(&pool)).expect("the configuration");
    await_that("the shipped policy is taken", || mcp.said() != talk);
}

#[test]
fn a_replay_sets_what_its_policy_reads() {
    let pool = TestPool::new();
    let file = pool.root().join("recordings.jsonl");
    let file = file.to_str().expect("a path that is text");
    let recorded = ["--policy", TALKING, "--setting", "attack=describe-only"];
    let ran = pool.run(&[&recorded[..], &["--record", file, "status"]].concat());
    ran.reported();
    let replay = ["policy", "replay", "shipped", file];
    let ran = pool.run(&[&replay[..], &["--setting", "max-age=8h"]].concat());
    assert!(ran.error(7).contains("`max-age`"), "{ran:?}");
    // What was set for the recorded one does not keep another from being tried.
    assert_eq!(pool.run(&replay).answer(1)["different"], 1);
}

#[test]
fn a_policy_that_does_not_say_what_it_reads_is_given_nothing() {
    let pool = TestPool::new();
    let ran = pool.run(&[
        "--policy",
        TALKING,
        "--setting",
        "attack=describe-trap",
        "status",
    ]);
    assert!(ran.error(7).contains("it trapped"), "{ran:?}");
}
