//! The doctor, where pids are given away or mean other processes elsewhere.

use std::fs;

use serde_json::{Value, json};

use crate::harness::TestPool;
use crate::pids::PidNamespace;

/// Starts what outlives its parent, whose environment it has, and becomes a worker. What is
/// started waits for the cue, and then has a child that gets the parent's pid.
const PARENT: &str = "setsid sh -c '
    echo ready >told
    read cue <cue
    echo $((POOLWARDEN_PID - 1)) >/proc/sys/kernel/ns_last_pid
    sleep 600 & echo $! >told
    wait' & exec sleep 600";

/// Has a worker's pid go to a descendant that has the worker's environment: the pid.
fn give_away(here: &mut PidNamespace, pool: &TestPool) -> u64 {
    fs::write(pool.root().join("parent.sh"), PARENT).expect("write");
    here.run("mkfifo cue told");
    let started = here.ask("run --sid w -- sh parent.sh", 0);
    let pid = started["started"]["pid"].as_u64().expect("a pid");
    // Before, its parent may not have started it.
    assert_eq!(here.run("read ready <told").0, 0);
    // Each round reaps who has ended.
    let reap = format!("kill -9 {pid}; while [ -d /proc/{pid} ]; do /bin/true; done");
    assert_eq!(here.run(&reap).0, 0);
    let heir = here.number("echo go >cue; read heir <told; echo $heir");
    assert_eq!(heir, pid, "it was not given away");
    pid
}

fn orphans(report: &Value) -> Vec<(&str, &str, &str)> {
    let orphans = report["orphans"].as_array().expect("orphans").iter();
    orphans
        .map(|orphan| {
            let field = |name: &str| orphan[name].as_str().unwrap_or("nothing");
            (field("sid"), field("standing"), field("kept_out"))
        })
        .collect()
}

/// Whatever of the pool's files is still there.
#[test]
fn a_child_that_gets_the_workers_pid_is_not_the_worker() {
    let pool = TestPool::new();
    let mut here = PidNamespace::on(&pool);
    let pid = give_away(&mut here, &pool);
    let lost: [fn(&TestPool); 5] = [
        |_| (),
        // Its entry is collected, and the row stays.
        |pool| pool.seed(&[]),
        |pool| pool.write("{\"sessions\":["),
        |pool| fs::remove_file(pool.registry()).expect("remove"),
        |pool| fs::remove_file(pool.directory().join("ledger.json")).expect("remove"),
    ];
    for (step, lose) in lost.into_iter().enumerate() {
        lose(&pool);
        let (_, said) = here.run("pw doctor");
        let report: Value = serde_json::from_str(&said[0]).expect("JSON");
        assert_eq!(report["orphans"], json!([]), "{step}: {report:#}");
        here.run("pw doctor --fix --yes 2>&1");
        let (_, stopped) = here.run("pw stop --all");
        assert!(!stopped[0].contains("signalled"), "{step}: {stopped:?}");
        assert_eq!(
            here.run(&format!("kill -0 {pid}")).0,
            0,
            "{step}: it was ended"
        );
    }
    assert_eq!(here.ask("status", 0)["sessions"], json!([]));
}

/// Each has a worker of the same pid. What is lost is found again from there, and what is not
/// theirs stays.
#[test]
fn workers_of_two_namespaces_with_one_pid_are_two() {
    let pool = TestPool::new();
    let (mut here, mut there) = (PidNamespace::on(&pool), PidNamespace::on(&pool));
    let started = there.ask("run --sid theirs -- sleep 600", 0);
    let pid = started["started"]["pid"].as_u64().expect("a pid");
    let own = here.number(&format!(
        "echo {} >/proc/sys/kernel/ns_last_pid; sleep 600 >/dev/null & echo $!",
        pid - 1
    ));
    assert_eq!(own, pid);
    here.ask(&format!("register --sid ours --pid {pid}"), 0);

    // Cut off within our entry.
    let text = String::from_utf8(pool.bytes()).expect("text");
    let cut = text.find(",{").expect("two entries");
    pool.write(&text[..cut + 20]);
    let report = here.ask("doctor", 6);
    assert_eq!(
        orphans(&report),
        [("ours", "alive", "nothing")],
        "{report:#}"
    );
    here.ask("doctor --fix --yes", 0);
    assert_eq!(pool.sids(), ["theirs", "ours"]);
    assert_both(&mut here, &mut there);
}

/// Nobody who looks can say that these are dead.
#[test]
fn who_is_somewhere_else_is_restored_with_a_lost_registry() {
    let pool = TestPool::new();
    let (mut here, mut there) = (PidNamespace::on(&pool), PidNamespace::on(&pool));
    there.ask("run --sid theirs -- sleep 600", 0);
    here.ask("run --sid ours -- sleep 600", 0);
    for lost in [&b"{\"sessions\":["[..], b""] {
        pool.write(lost);
        let report = here.ask("doctor", 6);
        let mut found = orphans(&report);
        found.sort_unstable();
        let expected = [
            ("ours", "alive", "nothing"),
            ("theirs", "foreign", "nothing"),
        ];
        assert_eq!(found, expected, "{report:#}");
        let plan = report["plan"].to_string();
        assert!(plan.contains("theirs (pid 3"), "{plan}");
        assert!(plan.contains(", foreign)"), "{plan}");
        here.ask("doctor --fix --yes", 0);
        assert_both(&mut here, &mut there);
    }
    // From here both are somewhere else.
    fs::remove_file(pool.registry()).expect("remove");
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_both(&mut here, &mut there);
    let refused = pool.run(&["stop", "--all"]).answer(1);
    assert_eq!(refused["outcomes"][0]["outcome"], "refused", "{refused:#}");
    assert_eq!(refused["outcomes"][1]["outcome"], "refused", "{refused:#}");
    assert_both(&mut here, &mut there);
}

/// Each knows its own and keeps the other's.
#[track_caller]
fn assert_both(here: &mut PidNamespace, there: &mut PidNamespace) {
    let statuses = |namespace: &mut PidNamespace| {
        let answer = namespace.ask("status", 0);
        let sessions = answer["sessions"].as_array().expect("sessions").iter();
        let mut all: Vec<_> = sessions
            .map(|one| format!("{} {}", one["sid"], one["status"]).replace('"', ""))
            .collect();
        all.sort();
        all
    };
    assert_eq!(statuses(here), ["ours running", "theirs foreign"]);
    assert_eq!(statuses(there), ["ours foreign", "theirs running"]);
}
