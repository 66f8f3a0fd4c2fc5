//! One entry: opened and found safe, or written.

use std::fs::File;
use std::io::Write;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use rustix::rand::{GetRandomFlags, getrandom};

use super::directory::CacheDir;
use super::error::CacheError;
use super::key::Key;
use super::seal;
use crate::store::{Danger, Facts, FileKind, check_file};

/// How names of files end that are being written.
const UNFINISHED: &str = ".new";

/// Whether a file is named as one that is being written.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).is_some_and(|random| {
        random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Opens the entry of this key and checks whose it is; none when there is none.
pub(super) fn open(directory: &CacheDir, key: &Key) -> Result<Option<File>, CacheError> {
    let name = key.name();
    // Without O_NONBLOCK, opening a FIFO would wait for its other end.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let file = match openat(directory, name.as_str(), flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(not_opened(directory, &name, errno)),
    };
    let facts = fstat(&file)
        .map(Facts::from)
        .map_err(|errno| CacheError::step("look at", &directory.path_of(&name), errno))?;
    match check_file(&facts, &directory.facts, geteuid().as_raw()) {
        Ok(()) => Ok(Some(file)),
        Err(danger) => Err(CacheError::Unsafe {
            path: directory.path_of(&name),
            danger,
        }),
    }
}

/// Remembers that an entry was used, in its time of modification: who sweeps looks at that.
/// An entry that cannot be marked is only swept earlier.
pub(super) fn note_use(file: &File) {
    let now = TimeSpec::UTIME_NOW;
    if let Err(errno) = nix::sys::stat::futimens(file, &now, &now) {
        tracing::debug!("the use of an entry was not noted: {errno}");
    }
}

/// Writes an entry, readable by the user alone. It gets its name when it is whole, so that
/// nobody ever reads a part, and whoever is quicker is replaced by the same code.
///
/// It is not synced: after a loss of power, an entry that did not reach the disk is noticed
/// by its checksum, and compiled again.
pub(super) fn write(directory: &CacheDir, key: &Key, code: &[u8]) -> Result<(), CacheError> {
    let name = key.name();
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())
        .map_err(|errno| CacheError::step("find a name in", &directory.path_of(""), errno))?;
    let unfinished = format!("{:016x}{UNFINISHED}", u64::from_ne_bytes(random));
    let failed = |step| {
        let path = directory.path_of(&unfinished);
        move |source: std::io::Error| CacheError::Step { step, path, source }
    };
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let fd = openat(directory, unfinished.as_str(), flags, mode)
        .map_err(|errno| failed("create")(errno.into()))?;
    let written = (|| {
        let mut file = File::from(fd);
        // The umask may have taken away permissions of our own.
        fchmod(&file, mode).map_err(|errno| failed("set the mode of")(errno.into()))?;
        file.write_all(code).map_err(failed("write"))?;
        file.write_all(&seal::of(code, key))
            .map_err(failed("write"))?;
        renameat(directory, unfinished.as_str(), directory, name.as_str())
            .map_err(|errno| failed("rename")(errno.into()))
    })();
    if written.is_err() {
        // The error to report is the first one. What stays is swept.
        let _ = unlinkat(directory, unfinished.as_str(), UnlinkatFlags::NoRemoveDir);
    }
    written
}

/// Says why an entry could not be opened: the system's own words do not name the cause.
fn not_opened(directory: &CacheDir, name: &str, errno: Errno) -> CacheError {
    let path = directory.path_of(name);
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(Facts::from) {
        Ok(facts) if facts.kind != FileKind::Regular => CacheError::Unsafe {
            path,
            danger: Danger::Kind {
                found: facts.kind,
                wanted: FileKind::Regular,
            },
        },
        _ => CacheError::step("open", &path, errno),
    }
}
