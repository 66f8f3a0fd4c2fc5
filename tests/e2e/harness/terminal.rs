//! A pseudoterminal, for what the program does only when somebody looks.

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::ioctl::{Getter, Setter, ioctl, opcode};

use super::PATIENCE;

/// `TIOCSPTLCK` and `TIOCGPTN` of ioctl_tty(2).
const SET_LOCK: rustix::ioctl::Opcode = opcode::write::<c_int>(b'T', 0x31);
const GET_NUMBER: rustix::ioctl::Opcode = opcode::read::<c_int>(b'T', 0x30);

/// A pseudoterminal (pty(7)): what is written to its far end is read here.
pub(crate) struct Terminal {
    near: File,
    far: File,
}

impl Terminal {
    /// Opens one.
    pub(crate) fn open() -> Self {
        let mut options = OpenOptions::new();
        // Not to become the controlling terminal of this process.
        options
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NOCTTY);
        let near = options.open("/dev/ptmx").expect("a pseudoterminal");
        // SAFETY: TIOCSPTLCK reads one int; 0 unlocks the far end.
        unsafe { ioctl(&near, Setter::<SET_LOCK, c_int>::new(0)) }.expect("it is unlocked");
        // SAFETY: TIOCGPTN writes one int, the number of the far end.
        let number = unsafe { ioctl(&near, Getter::<GET_NUMBER, c_int>::new()) };
        let number = number.expect("its number");
        let far = options
            .open(format!("/dev/pts/{number}"))
            .expect("its far end");
        Self { near, far }
    }

    /// Runs a command whose standard output and error are this terminal; what it showed.
    pub(crate) fn show(self, mut command: Command) -> String {
        let Self { mut near, far } = self;
        let error = far.try_clone().expect("a second descriptor");
        command.stdin(Stdio::null()).stdout(far).stderr(error);
        let mut child = command.spawn().expect("the program starts");
        // The far end has to be closed here too: reading ends when nobody has it open.
        drop(command);
        let mut shown = Vec::new();
        let mut buffer = [0; 4096];
        // The end is EIO on Linux, and not an empty read.
        while let Ok(read @ 1..) = near.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..read]);
        }
        child.wait().expect("our child");
        String::from_utf8(shown).expect("a terminal shows text")
    }

    /// Starts a command that somebody at this terminal talks to.
    pub(crate) fn talk(self, mut command: Command) -> Conversation {
        let Self { near, far } = self;
        let copy = || far.try_clone().expect("another descriptor");
        command.stdin(copy()).stdout(copy()).stderr(copy());
        let child = command.spawn().expect("the program starts");
        Conversation {
            near,
            child,
            shown: String::new(),
        }
    }
}

/// A program at a terminal. It is killed when the test ends before it.
pub(crate) struct Conversation {
    near: File,
    child: Child,
    shown: String,
}

impl Conversation {
    /// Waits until the terminal shows this.
    #[track_caller]
    pub(crate) fn await_text(&mut self, wanted: &str) {
        while !self.shown.contains(wanted) {
            assert!(
                self.read(),
                "it ended before it showed {wanted:?}: {}",
                self.shown
            );
        }
    }

    /// What was shown so far.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.near
            .write_all(format!("{line}\n").as_bytes())
            .expect("the terminal takes it");
    }

    /// Waits for the program's end; its exit code, and all that was shown.
    #[track_caller]
    pub(crate) fn finish(mut self) -> (i32, String) {
        while self.read() {}
        let status = self.child.wait().expect("our child");
        let code = status.code().expect("it exits by itself");
        (code, std::mem::take(&mut self.shown))
    }

    /// Reads what is shown next; false at the end.
    #[track_caller]
    fn read(&mut self) -> bool {
        let patience = PollTimeout::try_from(PATIENCE).expect("it can be counted");
        let mut fds = [PollFd::new(self.near.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, patience).expect("poll(2)");
        assert_ne!(ready, 0, "nothing was shown within {PATIENCE:?}");
        let mut buffer = [0; 4096];
        // The end is EIO on Linux, and not an empty read.
        match self.near.read(&mut buffer) {
            Ok(read @ 1..) => {
                let text = std::str::from_utf8(&buffer[..read]);
                self.shown.push_str(text.expect("a terminal shows text"));
                true
            }
            _ => false,
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
