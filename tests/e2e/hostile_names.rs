//! What is refused, in which words, and that they say what to change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::json;

use crate::harness::{Detached, Entry, Impostor, Mcp, NO_PROCESS, Ran, TestPool, Victim, Worker};

/// A user that is not root and owns nothing: the kernel's overflow id.
const NOBODY: u32 = 65534;

/// Checks that a run was refused with this code, in words that name the path and hold these.
#[track_caller]
fn refused(ran: &Ran, code: i32, path: &Path, parts: &[&str]) {
    let error = ran.error(code);
    let path = path.to_str().expect("text");
    for part in parts.iter().chain([&path]) {
        assert!(error.contains(part), "wanted {part:?}: {ran:#?}");
    }
}

/// Runs the program, which must not wait for what stands in the way.
#[track_caller]
fn run(pool: &TestPool, arguments: &[&str]) -> Ran {
    Ran::within_patience(pool.command(arguments))
}

/// Runs a command without root's power over permissions.
fn as_its_owner(pool: &TestPool, arguments: &[&str]) -> Ran {
    let mut command = pool.command(arguments);
    if geteuid().is_root() {
        // SAFETY: these are two calls of prctl(2), which may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                remove_capability_from_bounding_set(CapabilitySet::DAC_OVERRIDE)?;
                remove_capability_from_bounding_set(CapabilitySet::DAC_READ_SEARCH)?;
                Ok(())
            });
        }
    }
    Ran::of(command)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode is set");
}

#[test]
fn what_is_no_file_is_named_and_left_for_you_to_move_away() {
    for name in ["registry.json", "registry.lock"] {
        for (impostor, kind) in Impostor::NO_FILES {
            let pool = TestPool::new();
            let at = pool.directory().join(name);
            impostor.put(&at, &Victim::new(pool.root()));
            let (code, way_out) = match (name, impostor) {
                ("registry.json", Impostor::Link) => (
                    6,
                    format!(
                        "cp --remove-destination \"$(readlink -f {})\"",
                        at.display()
                    ),
                ),
                // It says more about a registry, and puts it aside itself.
                ("registry.json", _) => (6, format!("{} doctor", pool.directory().display())),
                _ => (1, format!("move it away: mv {0} {0}.aside", at.display())),
            };
            let wanted = format!("it is {kind} and not a regular file");
            for verb in [&["status"][..], &["register", "--sid", "a", "--pid", "1"]] {
                refused(&run(&pool, verb), code, &at, &[&wanted, &way_out]);
            }
            fs::rename(&at, at.with_extension("aside")).expect("it is moved away");
            pool.ask(&["status"]);
        }
    }
}

/// The part of an error that a shell runs: from this word on, up to what is said behind it.
fn command_in<'a>(error: &'a str, word: &str) -> &'a str {
    let (_, rest) = error.split_once(word).expect("a command");
    let end = rest.find([';', '\n']).expect("an end");
    &error[error.len() - rest.len() - word.len()..][..word.len() + end]
}

#[test]
fn a_linked_registry_keeps_its_workers_when_the_advice_is_followed() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let elsewhere = pool.root().join("the real one.json");
    fs::rename(pool.registry(), &elsewhere).expect("it is moved");
    symlink("../the real one.json", pool.registry()).expect("a link");
    let ran = pool.run(&["status"]);
    let command = command_in(ran.error(6), "cp ");
    let done = Command::new("sh").args(["-c", command]).status();
    assert!(done.expect("sh").success(), "{command}");
    assert_eq!(pool.ask(&["status"])["sessions"][0]["sid"], "a");
}

#[test]
fn a_registry_that_links_to_nothing_is_made_anew_of_the_workers_that_live() {
    let pool = TestPool::with(&[]);
    let started = pool.run_command(&["--sid", "a", "--"], &["sleep", "600"]);
    let _worker = Detached::of(&Ran::of(started).answer(0));
    let gone = pool.root().join("gone.json");
    fs::rename(pool.registry(), &gone).expect("it is moved");
    symlink(pool.root().join("nowhere"), pool.registry()).expect("a link");
    refused(&run(&pool, &["status"]), 6, &pool.registry(), &["doctor"]);
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    assert_eq!(pool.ask(&["status"])["sessions"][0]["sid"], "a");
}

#[test]
fn what_is_in_the_way_of_a_new_file_goes_unless_it_is_a_directory() {
    for name in ["registry.json.new", "ledger.json.new"] {
        for impostor in Impostor::ALL {
            let worker = Worker::obedient();
            let pid = worker.pid().to_string();
            let pool = TestPool::new();
            let victim = Victim::new(pool.root());
            let at = pool.directory().join(name);
            impostor.put(&at, &victim);
            let ran = run(&pool, &["register", "--sid", "a", "--pid", &pid]);
            victim.assert_untouched(name);
            let mv = format!("move it away: mv {0} {0}.aside", at.display());
            match (impostor, name) {
                (Impostor::Directory, "registry.json.new") => {
                    refused(&ran, 1, &at, &["cannot remove the leftover", &mv]);
                    assert!(!pool.registry().exists());
                }
                // A ledger that is not written costs proof, and never the request.
                (Impostor::Directory, _) => {
                    ran.answer(0);
                    assert!(
                        ran.stderr.contains("the ledger was not written"),
                        "{ran:#?}"
                    );
                    assert!(ran.stderr.contains(&mv), "{ran:#?}");
                }
                _ => {
                    assert_eq!(ran.stderr, "", "{impostor:?}");
                    ran.answer(0);
                    assert!(!at.exists(), "{impostor:?}");
                }
            }
        }
    }
}

#[test]
fn a_ledger_that_is_no_file_is_warned_of() {
    for (impostor, kind) in Impostor::NO_FILES {
        let worker = Worker::obedient();
        let pool = TestPool::with(&[worker.entry("a")]);
        let at = pool.directory().join("ledger.json");
        impostor.put(&at, &Victim::new(pool.root()));
        let ran = run(&pool, &["status"]);
        assert_eq!(ran.answer(0)["sessions"][0]["status"], "running");
        let mv = format!("move it away: mv {0} {0}.aside", at.display());
        for part in ["weaker proofs take its place", kind, &mv] {
            assert!(ran.stderr.contains(part), "wanted {part:?}: {ran:#?}");
        }
        assert!(impostor.is_at(&at));
    }
}

#[test]
fn a_configuration_that_is_no_file_is_not_passed_over() {
    for (impostor, _) in Impostor::NO_FILES {
        let pool = TestPool::with(&[]);
        let at = pool.directory().join("poolwarden.toml");
        impostor.put(&at, &Victim::new(pool.root()));
        let wanted = match impostor {
            Impostor::Link | Impostor::Dangling => "put the file itself there",
            _ => "it is no regular file; look at it, then move it away",
        };
        refused(
            &run(&pool, &["status"]),
            2,
            &at,
            &["is not safe to use", wanted],
        );
    }
}

#[test]
fn a_recording_that_is_no_file_stops_everything() {
    for impostor in Impostor::ALL {
        let pool = TestPool::with(&[]);
        let victim = Victim::new(pool.root());
        let at = pool.root().join("recordings");
        impostor.put(&at, &victim);
        if impostor == Impostor::HardLink {
            set_mode(&at, 0o600);
        }
        let record = ["--record", at.to_str().expect("text"), "status"];
        refused(&run(&pool, &record), 1, &at, &["so name a new file"]);
        assert!(impostor.is_at(&at));
    }
}

#[test]
fn a_log_that_is_no_file_of_its_own_starts_nobody() {
    for name in ["logs", "logs/w.log"] {
        for impostor in Impostor::ALL {
            if (name, impostor) == ("logs", Impostor::Directory) {
                continue;
            }
            let pool = TestPool::with(&[]);
            let victim = Victim::new(pool.root());
            let at = pool.directory().join(name);
            if name != "logs" {
                fs::create_dir(pool.directory().join("logs")).expect("mkdir");
            }
            impostor.put(&at, &victim);
            let ran = Ran::within_patience(pool.run_command(&["--sid", "w", "--"], &["true"]));
            refused(&ran, 1, &at, &["cannot be a worker's log"]);
            victim.assert_untouched(name);
            assert_eq!(pool.sids(), [""; 0]);
        }
    }
}

#[test]
fn what_is_no_directory_is_no_pool() {
    for impostor in Impostor::ALL {
        if impostor == Impostor::Directory {
            continue;
        }
        let pool = TestPool::absent();
        impostor.put(pool.directory(), &Victim::new(pool.root()));
        let wanted = match impostor {
            Impostor::Link | Impostor::Dangling => "name the directory that it leads to",
            _ => "name another directory",
        };
        refused(&run(&pool, &["status"]), 1, pool.directory(), &[wanted]);
    }
}

#[test]
fn a_cache_that_is_no_directory_is_not_used_and_named() {
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/hostile.wasm");
    for impostor in Impostor::ALL {
        if impostor == Impostor::Directory {
            continue;
        }
        let pool = TestPool::with(&[]);
        let cache = pool.root().join(".cache/poolwarden");
        fs::create_dir_all(&cache).expect("mkdir");
        let at = cache.join("policies");
        let victim = Victim::new(pool.root());
        impostor.put(&at, &victim);
        let ran = run(&pool, &["policy", "compile", component]);
        assert!(ran.error(7).contains("remove it"), "{ran:#?}");
        assert!(ran.stderr.contains(at.to_str().expect("text")), "{ran:#?}");
        // A request does without.
        let arguments = [
            "--policy",
            component,
            "--setting",
            "attack=describe-only",
            "status",
        ];
        let ran = run(&pool, &arguments);
        assert!(
            ran.stderr.contains("the cache of compiled policies"),
            "{ran:#?}"
        );
        ran.reported();
        victim.assert_untouched("the cache");
        assert!(impostor.is_at(&at));
    }
}

/// What is only read, locked, or replaced by another file may have other names: a backup
/// that is made of hard links gives it some.
#[test]
fn a_second_name_is_harmless_where_nothing_is_written_in_place() {
    for name in ["registry.json", "registry.lock", "ledger.json"] {
        let (worker, new) = (Worker::obedient(), Worker::obedient());
        let pool = TestPool::with(&[worker.entry("a")]);
        pool.ask(&["status"]);
        let at = pool.directory().join(name);
        let second = pool.root().join("second");
        fs::hard_link(&at, &second).expect("a hard link");
        let before = fs::read(&second).expect("the file");
        pool.ask(&["register", "--sid", "new", "--pid", &new.pid().to_string()]);
        assert_eq!(fs::read(&second).expect("the file"), before, "{name}");
        assert_eq!(pool.sids(), ["a", "new"], "{name}");
        let replaced = !Impostor::HardLink.is_at(&at);
        assert_eq!(replaced, name != "registry.lock", "{name}");
    }
}

/// A file that others can write is out of their reach in a directory that is closed to
/// them, unless it has another name elsewhere.
#[test]
fn a_second_name_is_within_reach_of_others() {
    let pool = TestPool::with(&[]);
    set_mode(&pool.registry(), 0o666);
    pool.ask(&["status"]);
    let second = pool.root().join("second");
    fs::hard_link(pool.registry(), &second).expect("a hard link");
    let chmod = format!("chmod go-w {}", pool.registry().display());
    let ran = run(&pool, &["status"]);
    refused(&ran, 1, &pool.registry(), &["others can write it", &chmod]);
    fs::remove_file(second).expect("remove");
    pool.ask(&["status"]);
}

#[test]
fn what_its_owner_may_not_use_is_said_with_the_way_to_look_at_it() {
    let user = geteuid();
    let pool = TestPool::with(&[Entry::new("init", 1)]);
    pool.ask(&["status"]);
    let directory = pool.directory();
    let pid = std::process::id().to_string();
    let register = ["register", "--sid", "new", "--pid", &pid];
    let bytes = pool.bytes();
    for (path, mode, arguments, step, at) in [
        (
            pool.registry(),
            0o000,
            &["status"][..],
            "cannot open",
            "registry.json",
        ),
        (
            directory.join("registry.lock"),
            0o000,
            &["status"],
            "cannot open",
            "registry.lock",
        ),
        (
            directory.into(),
            0o500,
            &register,
            "cannot create",
            "registry.json.new",
        ),
        (
            directory.into(),
            0o000,
            &["log"],
            "cannot open the pool directory",
            "",
        ),
    ] {
        let before = fs::metadata(&path).expect("metadata").permissions();
        set_mode(&path, mode);
        let ran = as_its_owner(&pool, arguments);
        fs::set_permissions(&path, before).expect("chmod");
        let at = directory.join(at);
        let at = at.to_str().expect("text").trim_end_matches('/');
        let look = format!("see which permission user {user} lacks: namei -l {at}");
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:#?}");
        let error = ran.stderr.lines().last().expect("an error");
        for part in ["error: ", step, &look, "Permission denied"] {
            assert!(error.contains(part), "wanted {part:?}: {ran:#?}");
        }
        assert_eq!(pool.bytes(), bytes, "{at}");
    }
    // The configuration is looked for first.
    set_mode(directory, 0o000);
    let ran = as_its_owner(&pool, &["status"]);
    set_mode(directory, 0o700);
    let file = directory.join("poolwarden.toml");
    refused(
        &ran,
        2,
        &file,
        &["cannot be read; see which permission", "namei -l"],
    );
    pool.ask(&["status"]);
}

/// Only root can give a file away; the store's own tests pretend.
#[test]
fn what_belongs_to_somebody_else_is_refused_with_both_ways_out() {
    if !geteuid().is_root() {
        return;
    }
    for (name, code) in [
        ("registry.json", 1),
        ("registry.lock", 1),
        ("poolwarden.toml", 2),
    ] {
        let pool = TestPool::with(&[]);
        drop(pool.hold_lock());
        let at = pool.directory().join(name);
        if name == "poolwarden.toml" {
            fs::write(&at, "").expect("a configuration");
        }
        chown(&at, Some(NOBODY), None).expect("root gives it away");
        let ran = run(&pool, &["status"]);
        refused(&ran, code, &at, &["belongs to user 65534", "chown"]);
    }
}

/// A server has the pool open while its directory changes under it.
#[test]
fn a_directory_that_others_come_to_write_is_refused_until_they_cannot() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let bytes = pool.bytes();
    let mut server = Mcp::open(pool.command(&["mcp"]));
    set_mode(pool.directory(), 0o770);
    for (tool, arguments) in [
        ("pool_ensure", json!({})),
        ("pool_status", json!({})),
        ("pool_stop", json!({"sid": "a"})),
    ] {
        let result = server.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        let chmod = format!("chmod go-w {}", pool.directory().display());
        assert!(text.contains("others can write it"), "{text}");
        assert!(text.contains(&chmod), "{text}");
    }
    assert_eq!(pool.bytes(), bytes);
    set_mode(pool.directory(), 0o700);
    let answer = server.answer("pool_ensure", json!({}));
    assert_eq!(answer["removed"][0]["sid"], "dead");
    assert!(worker.is_running());
}
