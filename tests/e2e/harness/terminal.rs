//! A pseudoterminal, for what the program does only when somebody looks.

use std::ffi::c_int;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use rustix::ioctl::{Getter, Setter, ioctl, opcode};

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
}
