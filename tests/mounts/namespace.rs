//! A mount namespace with a small tmpfs in it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::harness::{Lines, Ran, TestPool};

/// Where the tmpfs is mounted, in the namespace alone.
const PLACE: &str = "/mnt";

/// A shell in a user and a mount namespace of its own. What is mounted there is reached
/// through its `/proc/PID/root`, and is gone with it.
pub(crate) struct Namespace {
    shell: Child,
    input: ChildStdin,
    lines: Lines,
}

impl Namespace {
    /// Makes one, with a tmpfs that is mounted with these options.
    #[track_caller]
    pub(crate) fn with_tmpfs(options: &str) -> Self {
        let mut command = Command::new("unshare");
        command
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--propagation",
                "private",
            ])
            .args(["sh", "-c", "exec 2>&1; exec sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut shell = command.spawn().expect("unshare(1) of util-linux");
        let input = shell.stdin.take().expect("its input");
        let lines = Lines::of(shell.stdout.take().expect("its output"));
        let mut namespace = Self {
            shell,
            input,
            lines,
        };
        let mount = format!("mount -t tmpfs -o mode=700,{options} tmpfs {PLACE}");
        let done = namespace.try_run(&mount);
        assert!(
            done,
            "no tmpfs could be mounted in a namespace of its own ({mount}): run this suite as \
             root, or where user namespaces are open to everybody \
             (user.max_user_namespaces above 0, no filter on unshare(2) and mount(2))"
        );
        namespace
    }

    /// Runs a command in the namespace, in the directory that is mounted.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) {
        assert!(self.try_run(command), "it failed: {command}");
    }

    /// The same; whether it was successful. What it says goes to standard error.
    fn try_run(&mut self, command: &str) -> bool {
        let written = writeln!(
            self.input,
            "cd {PLACE} && {command} && echo done || echo failed"
        );
        // A shell that is gone says nothing any more.
        if written.and_then(|()| self.input.flush()).is_err() {
            return false;
        }
        while let Some(line) = self.lines.next() {
            match line.as_str() {
                "done" => return true,
                "failed" => return false,
                other => eprintln!("{other}"),
            }
        }
        false
    }

    /// Lets nobody write there any more.
    #[track_caller]
    pub(crate) fn make_read_only(&mut self) {
        // With the source named, the options that it has are not given once more: among them
        // may be a user that the namespace does not know.
        self.run(&format!("mount -o remount,ro tmpfs {PLACE}"));
    }

    /// The directory that is mounted, as it is reached from here.
    pub(crate) fn directory(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{PLACE}", self.shell.id()))
    }

    /// Runs the program in the namespace, on the pool that [`pool`](Self::pool) makes.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// The command for that.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--user", "--mount", "--preserve-credentials", "--target"])
            .arg(self.shell.id().to_string())
            .args([env!("CARGO_BIN_EXE_poolwarden"), "--state-dir"])
            .arg(format!("{PLACE}/pool"))
            .args(arguments)
            .env("HOME", PLACE);
        command
    }

    /// A pool in it, with nothing but its directory.
    pub(crate) fn pool(&self) -> TestPool {
        let path = self.directory().join("pool");
        let pool = TestPool::absent_at(path.to_str().expect("text"));
        fs::create_dir(pool.directory()).expect("mkdir");
        pool
    }

    /// Fills it to the last byte; the file to remove when it may be empty again.
    pub(crate) fn fill(&self) -> Filler {
        let path = self.directory().join("filler");
        let mut file = fs::File::create(&path).expect("a file");
        for size in [4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Filler(path)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// A file that takes up all the room.
pub(crate) struct Filler(PathBuf);

impl Filler {
    /// Makes room.
    pub(crate) fn remove(self) {
        fs::remove_file(&self.0).expect("the filler");
    }
}

/// The names in a directory, in order.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}
