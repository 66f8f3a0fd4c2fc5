//! No advice leads to another refusal for ever: from each refusal, its own commands are run in a
//! shell, as they are printed, until the request that was refused succeeds.
//!
//! What takes root or namespaces is walked in the suite `mounts`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use jiff::SignedDuration;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{
    Detached, Entry, Ran, TestPool, Worker, advice, ago, as_worker, await_that, shell, walk,
};

/// Walks from a refused command line.
#[track_caller]
fn walk_from(pool: &TestPool, arguments: &[&str]) -> Vec<String> {
    walk(pool, &mut || pool.run(arguments))
}

/// Walks until no entry has the sid.
#[track_caller]
fn walk_until_gone(pool: &TestPool, arguments: &[&str], sid: &str) {
    walk(pool, &mut || {
        let mut ran = pool.run(arguments);
        if pool.sids().iter().all(|one| one != sid) {
            ran.code = 0;
        }
        ran
    });
}

#[test]
fn a_taken_sid_is_freed() {
    let (worker, next) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[worker.entry("a b")]);
    let pid = next.pid().to_string();
    let ran = walk_from(&pool, &["register", "--sid", "a b", "--pid", &pid]);
    assert_eq!(ran.len(), 1, "{ran:?}");
    assert!(!worker.is_running() && next.is_running());
}

#[test]
fn a_taken_sid_is_freed_for_run() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("-a")]);
    walk(&pool, &mut || {
        let command = pool.run_command(&["--sid=-a"], &["--", "sleep", "600"]);
        let ran = Ran::of(command);
        if ran.code == 0 {
            drop(Detached::of(&ran.answer(0)));
        }
        ran
    });
    assert!(!worker.is_running());
}

#[test]
fn a_worker_that_ignores_the_request_to_end_is_killed() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    walk_from(&pool, &["stop", "a", "--grace", "10ms"]);
    assert!(!worker.is_running());
}

#[test]
fn a_worker_that_is_not_replaced_is_stopped() {
    let worker = Worker::deaf();
    let pool = TestPool::with(&[worker.entry("a")]);
    walk(&pool, &mut || {
        let options = ["--sid", "a", "--replace", "--grace", "10ms"];
        let ran = Ran::of(pool.run_command(&options, &["--", "sleep", "600"]));
        if ran.code == 0 {
            drop(Detached::of(&ran.answer(0)));
        }
        ran
    });
    assert!(!worker.is_running());
}

#[test]
fn an_unproven_worker_is_adopted_or_dropped() {
    let worker = Worker::obedient();
    let unproven = || TestPool::with(&[worker.entry("a").created_at("some day")]);
    for arguments in [
        &["forget", "a"][..],
        &["adopt", "a"],
        &["register", "--sid", "a", "--pid", "2"],
    ] {
        let pool = unproven();
        walk(&pool, &mut || {
            let mut ran = pool.run(arguments);
            // Adopted or dropped: neither is refused anything any more.
            let status = pool.status("a").map(|(status, _)| status);
            if status.is_none_or(|status| status == "running") {
                ran.code = 0;
            }
            ran
        });
    }
    let pool = unproven();
    walk_from(&pool, &["stop", "a"]);
    assert!(!worker.is_running());
}

#[test]
fn an_entry_of_pid_1_is_dropped() {
    for arguments in [&["stop", "a"][..], &["adopt", "a"], &["forget", "a"]] {
        let pool = TestPool::with(&[Entry::new("a", 1)]);
        walk_until_gone(&pool, arguments, "a");
    }
}

#[test]
fn an_entry_whose_socket_another_process_serves_is_dropped() {
    let pool = TestPool::new();
    let sock = pool.directory().join("a.sock");
    let (named, server) = (Worker::obedient(), Worker::serving(&sock));
    for arguments in [&["stop", "a"][..], &["adopt", "a"]] {
        pool.seed(&[named.entry("a").sock(&sock)]);
        assert_eq!(pool.status("a").expect("it is listed").0, "foreign");
        walk_until_gone(&pool, arguments, "a");
        assert!(named.is_running() && server.is_running());
    }
    // All of the advice: the server gets the entry, and can be stopped.
    pool.seed(&[named.entry("a").sock(&sock)]);
    for command in advice(&pool.run(&["stop", "a"])) {
        assert_eq!(shell(&pool, &command).code, 0, "{command}");
    }
    pool.ask(&["stop", "a"]);
    assert!(named.is_running() && !server.is_running());
}

#[test]
fn two_entries_of_one_sid_are_told_apart() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    for arguments in [&["stop", "a"][..], &["adopt", "a"], &["forget", "a"]] {
        let pool = TestPool::with(&[one.entry("a"), two.entry("a")]);
        walk_until_gone(&pool, arguments, "a");
    }
    let pool = TestPool::with(&[one.entry("a"), two.entry("a")]);
    walk_from(&pool, &["doctor"]);
}

#[test]
fn a_registry_that_cannot_be_read_is_repaired() {
    let worker = Worker::obedient();
    type Break = fn(&TestPool);
    let breaks: [Break; 8] = [
        |pool| fs::remove_file(pool.registry()).expect("remove"),
        |pool| pool.write(""),
        |pool| pool.write("{\"sessions\":[{]}"),
        |pool| pool.write([0xff_u8; 3]),
        |pool| {
            let file = File::options().write(true).open(pool.registry());
            file.and_then(|file| file.set_len((64 << 20) + 1))
                .expect("a sparse file");
        },
        |pool| {
            fs::remove_file(pool.registry()).expect("remove");
            fs::create_dir(pool.registry()).expect("mkdir");
        },
        |pool| {
            fs::remove_file(pool.registry()).expect("remove");
            mkfifo(&pool.registry(), Mode::S_IRWXU).expect("a FIFO");
        },
        |pool| {
            fs::remove_file(pool.registry()).expect("remove");
            symlink("nowhere", pool.registry()).expect("symlink");
        },
    ];
    for (number, damage) in breaks.into_iter().enumerate() {
        let pool = TestPool::new();
        let pid = worker.pid().to_string();
        pool.ask(&["register", "--sid", "a", "--pid", &pid]);
        damage(&pool);
        let run = walk_from(&pool, &["status"]);
        let last = run.last().expect("a command");
        assert!(last.ends_with("doctor --fix --yes"), "{number}: {run:?}");
        assert_eq!(pool.sids(), ["a"], "{number}");
    }
}

#[test]
fn a_linked_registry_is_put_in_its_place() {
    let pool = TestPool::with(&[]);
    let elsewhere = pool.root().join("real.json");
    fs::rename(pool.registry(), &elsewhere).expect("rename");
    symlink(&elsewhere, pool.registry()).expect("symlink");
    walk_from(&pool, &["status"]);
}

#[test]
fn what_others_can_write_is_taken_from_them() {
    let set = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
    };
    let pool = TestPool::with(&[]);
    set(pool.directory(), 0o777);
    walk_from(&pool, &["status"]);
    set(&pool.registry(), 0o666);
    walk_from(&pool, &["status"]);
    set(pool.directory(), 0o777);
    walk_from(&pool, &["doctor"]);
    // The logs of workers.
    let logs = pool.directory().join("logs");
    fs::create_dir(&logs).expect("mkdir");
    set(&logs, 0o777);
    walk(&pool, &mut || {
        let ran = Ran::of(pool.run_command(&["--sid", "a"], &["--", "sleep", "600"]));
        if ran.code == 0 {
            drop(Detached::of(&ran.answer(0)));
        }
        ran
    });
}

#[test]
fn what_stands_in_the_place_of_the_pools_files_is_moved_away() {
    let worker = Worker::obedient();
    for name in ["registry.lock", "audit.jsonl"] {
        let pool = TestPool::with(&[worker.entry("a")]);
        fs::create_dir(pool.directory().join(name)).expect("mkdir");
        walk_from(&pool, &["forget", "a", "--even-if-alive"]);
    }
    let pool = TestPool::with(&[]);
    fs::create_dir(pool.directory().join("ledger.json")).expect("mkdir");
    walk_from(&pool, &["doctor"]);
}

#[test]
fn a_stopped_holder_of_the_lock_is_made_to_let_go() {
    let pool = TestPool::with(&[]);
    drop(pool.hold_lock());
    let holder = Worker::holding(pool.directory());
    holder.suspend();
    walk(&pool, &mut || {
        let ran = pool.run(&["status", "--lock-wait", "20ms"]);
        // Who was told to let go may need a moment for it.
        if !holder.is_running() {
            await_that("the lock is free", || pool.lock_is_free());
        }
        ran
    });
}

#[test]
fn a_stale_socket_is_removed() {
    let pool = TestPool::new();
    drop(UnixListener::bind(pool.directory().join("old.sock")).expect("bind"));
    walk_from(&pool, &["doctor"]);
    // Outside of the pool it may be anybody's, and the hint leaves it to the operator.
    let sock = pool.root().join("a.sock");
    drop(UnixListener::bind(&sock).expect("bind"));
    let sock = sock.to_str().expect("text");
    walk(&pool, &mut || {
        let arguments = ["run", "--sid", "a", "--sock", sock, "--wait-sock", "5s"];
        let mut command = pool.command(&arguments);
        command.env("PATH", "/usr/bin:/bin");
        as_worker(&mut command, "serve", None);
        let ran = Ran::of(command);
        if ran.code == 0 {
            drop(Detached::of(&ran.answer(0)));
        }
        ran
    });
}

#[test]
fn a_worker_without_an_entry_gets_one() {
    let pool = TestPool::with(&[]);
    let _lost = Worker::serving(&pool.directory().join("lost.sock"));
    let run = walk_from(&pool, &["doctor"]);
    assert!(run[0].contains(" register --sid=lost "), "{run:?}");
    let pool = TestPool::with(&[]);
    let lost = Worker::serving(&pool.directory().join("lost.sock"));
    // An adoption needs an entry, and says how it comes.
    let refused = pool.run(&["adopt", "lost"]);
    let commands = advice(&refused);
    assert_eq!(shell(&pool, &commands[0]).code, 0, "{refused:?}");
    pool.ask(&["stop", "lost"]);
    assert!(!lost.is_running());
}

/// Who has said that time proves nothing has to look at each worker.
#[test]
fn what_a_strong_proof_refuses_is_adopted() {
    let worker = Worker::obedient();
    let entry = worker.entry("a").created_at(ago(SignedDuration::ZERO));
    let pool = TestPool::with(&[entry]);
    walk_from(&pool, &["--setting", "proof=strong", "stop", "a"]);
    assert!(!worker.is_running());
}

fn configure(pool: &TestPool, text: &str) {
    let file = pool.directory().join("poolwarden.toml");
    fs::write(&file, text).expect("the configuration");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
}

/// What is wrong with a policy is said with what to write, which no command does.
#[test]
fn what_a_policy_needs_is_what_its_refusal_names() {
    let pool = TestPool::with(&[]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/policy.wasm");
    let policy = pool.root().join("policy.wasm");
    fs::copy(shipped, &policy).expect("the policy");
    let path = policy.to_str().expect("text");

    // A grant: the option that the text names.
    let worker = Worker::obedient();
    pool.seed(&[worker.entry("a")]);
    let mut arguments = vec!["--policy".to_owned(), path.to_owned()];
    arguments.extend(["stop", "a"].map(str::to_owned));
    loop {
        let words: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ran = pool.run(&words);
        if ran.code == 0 {
            break;
        }
        let text = format!("{}{}", ran.stdout, ran.stderr);
        let (_, grant) = text.split_once("`--grant ").expect("the option");
        let (grant, _) = grant.split_once('`').expect("its end");
        assert!(!arguments.contains(&grant.to_owned()), "{ran:?}");
        arguments.extend(["--grant".to_owned(), grant.to_owned()]);
    }
    assert!(!worker.is_running());

    // A digest: the one that was found.
    let other = "0".repeat(64);
    let configuration =
        |digest: &str| format!("[policy]\npath = \"../policy.wasm\"\nsha256 = \"{digest}\"\n");
    configure(&pool, &configuration(&other));
    let refused = pool.run(&["status"]);
    let (_, digest) = refused.stderr.split_once("digest is ").expect("the digest");
    configure(&pool, &configuration(&digest[..64]));
    pool.ask(&["status"]);

    // A file: without a [policy] the shipped one decides.
    fs::remove_file(&policy).expect("remove");
    let report = pool.run(&["doctor"]).answer(1);
    let remedy = report["problems"][0]["remedy"].as_str().expect("words");
    assert!(
        remedy.contains("without a [policy] there the shipped one decides"),
        "{remedy}"
    );
    configure(&pool, "");
    pool.ask(&["status"]);
}

/// How a user gets out of one kind of refusal.
enum Way {
    /// This test walks it.
    Walked(fn()),
    /// There is nothing to walk, for this reason.
    None(&'static str),
}

use Way::{None as Nothing, Walked};

/// Every kind of refusal, by the enumeration and the variant that stand for it.
const WAYS: &[(&str, &str, &[(&str, Way)])] = &[
    (
        include_str!("../../host/src/error.rs"),
        "Error",
        &[
            (
                "Busy",
                Walked(a_stopped_holder_of_the_lock_is_made_to_let_go),
            ),
            (
                "Corrupted",
                Walked(a_registry_that_cannot_be_read_is_repaired),
            ),
            ("Rejected", Walked(a_taken_sid_is_freed)),
            (
                "Denied",
                Walked(what_a_policy_needs_is_what_its_refusal_names),
            ),
            (
                "Refused",
                Nothing("the author of the policy has to mend it"),
            ),
            (
                "System",
                Walked(what_stands_in_the_place_of_the_pools_files_is_moved_away),
            ),
            ("Cancelled", Nothing("the caller withdrew the request")),
            ("Grace", Nothing("the text names the limit")),
            ("Setting", Nothing("the text names what there is")),
            ("Policy", Nothing("the author of the policy has to mend it")),
        ],
    ),
    (
        include_str!("../../host/src/store/error.rs"),
        "StoreError",
        &[
            (
                "Busy",
                Walked(a_stopped_holder_of_the_lock_is_made_to_let_go),
            ),
            ("Cancelled", Nothing("the caller withdrew the request")),
            (
                "TooLarge",
                Walked(a_registry_that_cannot_be_read_is_repaired),
            ),
            ("Unsafe", Walked(what_others_can_write_is_taken_from_them)),
            (
                "UntrustedLocks",
                Nothing("no test can mount such a file system"),
            ),
            (
                "UnsafeLog",
                Walked(what_others_can_write_is_taken_from_them),
            ),
            ("Changed", Nothing("the next request looks again")),
            ("Moved", Nothing("the next request opens the pool again")),
            (
                "LockLost",
                Nothing("the next request takes the new lock file"),
            ),
            (
                "NotDurable",
                Nothing("the change was made; the disk has to be checked"),
            ),
            (
                "RegistryLost",
                Walked(a_registry_that_cannot_be_read_is_repaired),
            ),
            (
                "Exchanged",
                Nothing("the text says which names the files have"),
            ),
            (
                "Step",
                Nothing("the suite `mounts` walks what can be made to fail"),
            ),
            ("Own", Nothing("another store says what to do")),
        ],
    ),
    (
        include_str!("../../host/src/store/danger.rs"),
        "Danger",
        &[
            (
                "Kind",
                Walked(what_stands_in_the_place_of_the_pools_files_is_moved_away),
            ),
            (
                "Owner",
                Nothing("it takes another user: see the suite `mounts`"),
            ),
            ("Writable", Walked(what_others_can_write_is_taken_from_them)),
            ("Linked", Nothing("the text names the command of `Kind`")),
        ],
    ),
    (
        include_str!("../../host/src/life/refusal.rs"),
        "AdoptError",
        &[
            ("Pool", Walked(a_registry_that_cannot_be_read_is_repaired)),
            ("NoEntry", Walked(a_worker_without_an_entry_gets_one)),
            ("Ambiguous", Walked(two_entries_of_one_sid_are_told_apart)),
            (
                "NotUnproven",
                Walked(an_entry_whose_socket_another_process_serves_is_dropped),
            ),
            ("Unidentified", Walked(an_entry_of_pid_1_is_dropped)),
            (
                "Forbidden",
                Nothing("it takes another user: see the suite `mounts`"),
            ),
            ("Changed", Nothing("the next adoption looks again")),
            (
                "NewerLedger",
                Nothing("the text names the program that wrote it"),
            ),
        ],
    ),
    (
        include_str!("../../host/src/process/finding.rs"),
        "Standing",
        &[
            (
                "Alive",
                Walked(a_worker_that_ignores_the_request_to_end_is_killed),
            ),
            ("Unproven", Walked(an_unproven_worker_is_adopted_or_dropped)),
            ("Reused", Nothing("every request collects it")),
            ("Exited", Nothing("every request collects it")),
            ("Gone", Nothing("every request collects it")),
            (
                "Foreign",
                Walked(an_entry_whose_socket_another_process_serves_is_dropped),
            ),
            ("Unknown", Nothing("the suite `mounts` walks it")),
        ],
    ),
    (
        include_str!("../../host/src/process/forbidden.rs"),
        "Forbidden",
        &[
            ("Init", Walked(an_entry_of_pid_1_is_dropped)),
            ("Itself", Nothing("elsewhere it is not")),
            ("Ancestor", Nothing("from another terminal it is not")),
            (
                "OtherUser",
                Nothing("it takes another user: see the suite `mounts`"),
            ),
            (
                "NoGroupLeader",
                Nothing("the hint names the stop without a group"),
            ),
            (
                "InGroup",
                Nothing("the hint names the stop without a group"),
            ),
            (
                "Reserved",
                Nothing("another implementation of processes says why"),
            ),
            ("Unclear", Nothing("the hint names both ways")),
        ],
    ),
    (
        include_str!("../../host/src/cli/run/failure.rs"),
        "Reason",
        &[
            ("Taken", Walked(a_taken_sid_is_freed_for_run)),
            (
                "NotReplaced",
                Walked(a_worker_that_is_not_replaced_is_stopped),
            ),
            ("NoProgram", Nothing("the text names the program")),
            ("Pool", Walked(a_registry_that_cannot_be_read_is_repaired)),
            ("Store", Walked(what_others_can_write_is_taken_from_them)),
            (
                "Log",
                Nothing("the system refuses to look at a file that is open"),
            ),
            (
                "Spawn",
                Nothing("there are no processes left, which the text says"),
            ),
            (
                "Identify",
                Nothing("see the variant Unknown of the standings"),
            ),
            ("NoStart", Nothing("the text says to start it again")),
            ("Ended", Walked(a_stale_socket_is_removed)),
            ("Silent", Walked(a_stale_socket_is_removed)),
            ("Immortal", Nothing("the kernel has to let go of it")),
        ],
    ),
];

/// A refusal that comes to be without a way out fails here.
#[test]
fn every_kind_of_refusal_has_its_way_out() {
    for (source, name, ways) in WAYS {
        let (_, body) = source
            .split_once(&format!(" enum {name} {{"))
            .expect("an enumeration");
        let (body, _) = body.split_once("\n}").expect("its end");
        let variants: Vec<_> = body
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(|line| line.split([' ', '(', ',']).next().expect("a word"))
            .collect();
        let known: Vec<_> = ways.iter().map(|(variant, _)| *variant).collect();
        assert_eq!(variants, known, "which of them has no way out?");
        for (variant, way) in *ways {
            match way {
                Walked(test) => {
                    let _: fn() = *test;
                }
                Nothing(reason) => assert!(!reason.is_empty(), "{variant}"),
            }
        }
    }
}
