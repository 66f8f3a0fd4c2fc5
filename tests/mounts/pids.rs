//! A pid namespace with a shell in it.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::unistd::geteuid;
use serde_json::Value;

use crate::harness::{Lines, TestPool};

/// Ends what a command says, with its exit code behind it.
const END: &str = "= exit code ";

/// A shell that is the first process of a pid namespace of its own, where it can choose pids.
/// All that it has started ends with it.
pub(crate) struct PidNamespace {
    unshare: Child,
    input: ChildStdin,
    lines: Lines,
}

impl PidNamespace {
    /// Makes one, where `pw` is the program on this pool.
    #[track_caller]
    pub(crate) fn on(pool: &TestPool) -> Self {
        let mut command = Command::new("unshare");
        if !geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", pool.root())
            .current_dir(pool.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut unshare = command.spawn().expect("unshare(1) of util-linux");
        let input = unshare.stdin.take().expect("its input");
        let lines = Lines::of(unshare.stdout.take().expect("its output"));
        let mut namespace = Self {
            unshare,
            input,
            lines,
        };
        let program = env!("CARGO_BIN_EXE_poolwarden");
        let directory = pool.directory().display();
        let (code, said) = namespace.run(&format!(
            "echo 300 >/proc/sys/kernel/ns_last_pid && \
             pw() {{ {program} --state-dir {directory} --json \"$@\"; }}"
        ));
        assert_eq!(
            code, 0,
            "no pid can be chosen in a pid namespace of its own: run this suite as root, or where \
             user namespaces are open to everybody (user.max_user_namespaces above 0, no filter \
             on unshare(2)): {said:?}"
        );
        namespace
    }

    /// Runs a command there: its exit code, and the lines that it says.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> (i32, Vec<String>) {
        writeln!(self.input, "{command}\necho \"{END}$?\"").expect("the shell is there");
        self.input.flush().expect("the shell is there");
        let mut said = Vec::new();
        while let Some(line) = self.lines.next() {
            match line.strip_prefix(END) {
                Some(code) => return (code.parse().expect("an exit code"), said),
                None => said.push(line),
            }
        }
        panic!("the shell has ended: {said:?}")
    }

    /// The answer to a command of the program, once the exit code is this one.
    #[track_caller]
    pub(crate) fn ask(&mut self, arguments: &str, expected: i32) -> Value {
        let (code, said) = self.run(&format!("pw {arguments}"));
        assert_eq!(code, expected, "{arguments}: {said:?}");
        let answer = said.first().expect("an answer");
        serde_json::from_str(answer).expect("JSON")
    }

    /// A number that a command says.
    #[track_caller]
    pub(crate) fn number(&mut self, command: &str) -> u64 {
        let (code, said) = self.run(command);
        assert_eq!(code, 0, "{command}: {said:?}");
        let said = said.first().expect("a line");
        said.parse().expect("a number")
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}
