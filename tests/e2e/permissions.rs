//! Who may read and write a pool, and which directories are none.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

use crate::harness::{Entry, NO_PROCESS, Ran, TestPool, Worker};

/// A user that is not root and owns nothing: the kernel's overflow id.
const NOBODY: u32 = 65534;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it exists").mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode is set");
}

/// The same command with a umask that takes nothing away.
fn with_open_umask(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "umask 0; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    shell
}

/// Checks that the pool is refused for this reason, and that nothing is made in it but
/// perhaps the lock file, under which the registry is looked at.
#[track_caller]
fn refused(pool: &TestPool, reason: &str) {
    refused_with(pool, 1, reason);
}

/// The same, with this exit code.
#[track_caller]
fn refused_with(pool: &TestPool, code: i32, reason: &str) {
    let names = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path)
            .expect("the directory")
            .map(|entry| entry.expect("an entry").file_name())
            .filter(|name| name != "registry.lock")
            .collect();
        names.sort();
        names
    };
    let before = names(pool.directory());
    for verb in [&["status"][..], &["ensure"], &["stop", "--all"]] {
        let ran = pool.run(verb);
        let error = ran.error(code);
        assert!(error.contains(reason), "{verb:?}: wanted {reason}: {error}");
        assert!(
            error.contains(pool.directory().to_str().expect("a path")),
            "{error}"
        );
    }
    assert_eq!(names(pool.directory()), before);
}

#[test]
fn directories_are_0700_and_files_0600_also_when_the_umask_is_0() {
    let worker = Worker::obedient();
    let outer = TestPool::absent();
    let pid = worker.pid().to_string();
    let directory = outer.root().join("made/with/parents");
    let command = outer.command_on(&directory, &["register", "--sid", "a", "--pid", &pid]);
    Ran::of(with_open_umask(&command)).answer(0);

    for made in ["made", "made/with", "made/with/parents"] {
        assert_eq!(mode(&outer.root().join(made)), 0o700, "{made}");
    }
    let mut files = 0;
    for file in fs::read_dir(&directory).expect("the pool") {
        let path = file.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 2, "a registry and a lock at least");
}

#[test]
fn a_rewrite_takes_permissions_away() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    set_mode(&pool.registry(), 0o644);
    Ran::of(with_open_umask(&pool.command(&["ensure"]))).answer(0);
    assert_eq!(mode(&pool.registry()), 0o600);
}

#[test]
fn a_symlink_is_no_pool() {
    let real = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let pool = TestPool::absent();
    symlink(real.directory(), pool.directory()).expect("a link");
    let bytes = real.bytes();
    refused(&pool, "symbolic link");
    let with_slash = format!("{}/", pool.directory().display());
    let command = pool.command_on(with_slash.as_ref(), &["ensure"]);
    assert!(Ran::of(command).error(1).contains("symbolic link"));
    assert_eq!(real.bytes(), bytes);
}

#[test]
fn a_parent_may_be_a_symlink() {
    let real = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let outer = TestPool::absent();
    let link = outer.root().join("link");
    symlink(real.root(), &link).expect("a link");
    Ran::of(outer.command_on(&link.join("pool"), &["ensure"])).answer(0);
    assert_eq!(real.sids(), Vec::<String>::new());
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    for open in [0o770, 0o720, 0o702, 0o777, 0o1777] {
        set_mode(pool.directory(), open);
        refused(&pool, "others can write it");
        assert_eq!(
            mode(pool.directory()),
            open,
            "the mode is left to its owner"
        );
    }
    set_mode(pool.directory(), 0o755);
    pool.ask(&["ensure"]);
}

#[test]
fn the_directory_of_somebody_else_is_refused() {
    if geteuid().is_root() {
        let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
        chown(pool.directory(), Some(NOBODY), None).expect("root gives it away");
        refused(&pool, "belongs to user 65534");
    } else {
        // It belongs to root everywhere.
        let pool = TestPool::absent();
        let command = pool.command_on(Path::new("/usr"), &["ensure"]);
        assert!(Ran::of(command).error(1).contains("belongs to user 0"));
    }
}

#[test]
fn a_registry_that_is_a_symlink_is_refused() {
    let real = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let pool = TestPool::new();
    symlink(real.registry(), pool.registry()).expect("a link");
    refused_with(&pool, 6, "symbolic link");
    assert_eq!(real.sids(), ["dead"]);
}

/// Opening a FIFO waits for its other end, unless one takes care.
#[test]
fn a_registry_that_is_no_file_is_refused() {
    let pool = TestPool::new();
    mkfifo(&pool.registry(), Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    refused_with(&pool, 6, "FIFO");
    let pool = TestPool::new();
    fs::create_dir(pool.registry()).expect("a directory");
    refused_with(&pool, 6, "directory");
}

#[test]
fn a_lock_file_that_is_a_symlink_is_refused() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let elsewhere = pool.root().join("elsewhere");
    symlink(&elsewhere, pool.directory().join("registry.lock")).expect("a link");
    refused(&pool, "symbolic link");
    assert!(!elsewhere.exists());
}

#[test]
fn a_leftover_of_a_writer_that_was_killed_is_no_trap() {
    let pool = TestPool::with(&[Entry::new("dead", NO_PROCESS)]);
    let victim = pool.root().join("victim");
    fs::write(&victim, "precious").expect("a file");
    symlink(&victim, pool.directory().join("registry.json.new")).expect("a link");
    pool.ask(&["ensure"]);
    assert_eq!(fs::read(&victim).expect("it is still there"), b"precious");
    assert_eq!(pool.sids(), Vec::<String>::new());
    assert!(
        fs::symlink_metadata(pool.registry())
            .expect("the registry")
            .is_file()
    );
}
