//! What can stand at a name in place of a file.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// A file that is nobody's business, and the name of one that there is not.
pub(crate) struct Victim {
    path: PathBuf,
    absent: PathBuf,
    before: Metadata,
}

const BYTES: &[u8] = b"precious\n";

impl Victim {
    /// Makes it in this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        let path = directory.join("victim");
        fs::write(&path, BYTES).expect("a file");
        Self {
            before: fs::metadata(&path).expect("its facts"),
            absent: directory.join("absent"),
            path,
        }
    }

    /// Checks that it is as it was, and that there is still no other.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, what: &str) {
        let after = fs::metadata(&self.path).expect("its facts");
        let facts = |of: &Metadata| (of.ino(), of.mode(), of.mtime(), of.mtime_nsec());
        assert_eq!(facts(&after), facts(&self.before), "{what}");
        assert_eq!(fs::read(&self.path).expect("it"), BYTES, "{what}");
        assert!(self.absent.symlink_metadata().is_err(), "{what}");
    }
}

/// Something else than a file of the pool's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Impostor {
    /// A symbolic link to the victim.
    Link,
    /// A symbolic link to nothing.
    Dangling,
    /// A FIFO with nobody at its other end.
    Fifo,
    /// A directory with something in it.
    Directory,
    /// A socket that nobody serves.
    Socket,
    /// Another name of the victim.
    HardLink,
}

impl Impostor {
    /// Each of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Link,
        Self::Dangling,
        Self::Fifo,
        Self::Directory,
        Self::Socket,
        Self::HardLink,
    ];

    /// Those that are no regular files, and what they are called.
    pub(crate) const NO_FILES: [(Self, &str); 5] = [
        (Self::Link, "a symbolic link"),
        (Self::Dangling, "a symbolic link"),
        (Self::Fifo, "a FIFO"),
        (Self::Directory, "a directory"),
        (Self::Socket, "a socket"),
    ];

    /// Puts it there.
    pub(crate) fn put(self, at: &Path, victim: &Victim) {
        match self {
            Self::Link => symlink(&victim.path, at).expect("a symbolic link"),
            Self::Dangling => symlink(&victim.absent, at).expect("a symbolic link"),
            Self::Fifo => mkfifo(at, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO"),
            Self::Directory => {
                fs::create_dir(at).expect("a directory");
                fs::write(at.join("kept"), BYTES).expect("a file in it");
            }
            Self::Socket => drop(UnixListener::bind(at).expect("a socket")),
            Self::HardLink => fs::hard_link(&victim.path, at).expect("a hard link"),
        }
    }

    /// Whether it is still there.
    pub(crate) fn is_at(self, at: &Path) -> bool {
        use std::os::unix::fs::FileTypeExt;
        let Ok(facts) = at.symlink_metadata() else {
            return false;
        };
        let kind = facts.file_type();
        match self {
            Self::Link | Self::Dangling => kind.is_symlink(),
            Self::Fifo => kind.is_fifo(),
            Self::Directory => kind.is_dir() && at.join("kept").exists(),
            Self::Socket => kind.is_socket(),
            Self::HardLink => kind.is_file() && facts.nlink() > 1,
        }
    }
}
