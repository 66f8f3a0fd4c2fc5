//! The files that take what workers write.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::check::{check_directory, check_file, check_only_name};
use super::danger::Danger;
use super::directory::PoolDir;
use super::disk::{Disk, again};
use super::error::StoreError;
use super::facts::{Facts, FileKind};
use super::system_disk::SystemDisk;

/// The directory of the logs within the pool.
pub(crate) const LOGS: &str = "logs";
/// Longest file name, in bytes, of every file system in use (statfs(2), `f_namelen`).
const LONGEST_NAME: usize = 255;

/// A log, open for appending, found safe, and not inherited by other programs.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// Opens the log of a session in its pool, `logs/SID.log`, and makes it where it is
    /// missing: the directory with mode 0700, the file with 0600. In the file's name,
    /// every byte of the sid but `A-Z a-z 0-9 . _ -` stands as `%` and two digits, and so
    /// does a dot in front.
    ///
    /// # Errors
    /// [`StoreError::UnsafeLog`] when either is a symbolic link or of another kind,
    /// belongs to another user, or can be written by others, or when the file has another
    /// name; [`StoreError::Step`] when the
    /// system refuses, or the sid is too long for a file's name.
    pub fn of_session(pool: &PoolDir, sid: &str) -> Result<Self, StoreError> {
        let path = pool.path_of(LOGS);
        let name = file_name(sid);
        if name.len() > LONGEST_NAME {
            let error = io::Error::other("the sid is too long for it; name another log");
            return Err(StoreError::step(
                "make a file name of a sid in",
                &path,
                error,
            ));
        }
        let (disk, logs) = (pool.disk(), Path::new(LOGS));
        match again(|| disk.make_directory(pool.as_fd(), logs)) {
            // The umask may have taken away permissions of our own.
            Ok(()) => again(|| disk.set_directory_mode(pool.as_fd(), logs))
                .map_err(|error| StoreError::step("set the mode of", &path, error))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::step("create", &path, error)),
        }
        let log = Place {
            disk,
            path: path.join(name),
            named: false,
        };
        let directory = again(|| disk.open_directory(pool.as_fd(), logs))
            .map_err(|error| log.not_opened(&path, FileKind::Directory, error))?;
        check_directory(&log.facts(directory.as_fd(), &path)?, geteuid().as_raw())
            .map_err(|danger| log.refused(&path, danger))?;
        log.open(directory.as_fd())
    }

    /// Opens a log that the operator named, and makes it with mode 0600 where it is
    /// missing. Its directory has to exist, and may be reached through symbolic links.
    /// `/dev/null` is for a worker whose words nobody wants.
    ///
    /// # Errors
    /// As with a session's own log.
    pub fn at(path: &Path) -> Result<Self, StoreError> {
        Self::at_on(&SystemDisk, path)
    }

    /// The same, reached through `disk`.
    pub(super) fn at_on(disk: &dyn Disk, path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path)
            .map_err(|error| StoreError::step("make an absolute path of", path, error))?;
        let log = Place {
            disk,
            path,
            named: true,
        };
        let Some(parent) = log.path.parent() else {
            return Err(log.refused(
                &log.path,
                Danger::Kind {
                    found: FileKind::Directory,
                    wanted: FileKind::Regular,
                },
            ));
        };
        let directory = again(|| disk.follow_directory(parent))
            .map_err(|error| StoreError::step("open the log's directory", parent, error))?;
        log.open(directory.as_fd())
    }

    /// Its path, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another descriptor of the same open file, for a worker to write to.
    ///
    /// # Errors
    /// When this program may open no more files.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// How many bytes it holds now.
    ///
    /// # Errors
    /// When the system refuses to say.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The end of what was written behind the first `since` bytes, at most `limit` bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tail(&self, since: u64, limit: u64) -> io::Result<Vec<u8>> {
        let size = self.size()?;
        let start = since.max(size.saturating_sub(limit));
        let length = usize::try_from(size.saturating_sub(start)).unwrap_or(0);
        let mut bytes = vec![0; length];
        let mut read = 0;
        while read < length {
            match self.file.read_at(&mut bytes[read..], start + read as u64) {
                // Somebody made it shorter meanwhile.
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// Where a log is to be.
struct Place<'a> {
    disk: &'a dyn Disk,
    path: PathBuf,
    /// Whether the operator named it.
    named: bool,
}

impl Place<'_> {
    /// Opens the file with the last name of the path in its directory.
    fn open(self, directory: BorrowedFd<'_>) -> Result<Log, StoreError> {
        let name = self.path.file_name().unwrap_or_default();
        let file = again(|| self.disk.open_log(directory, name))
            .map_err(|error| self.not_opened(&self.path, FileKind::Regular, error))?;
        let seen = self.facts(file.as_fd(), &self.path)?;
        if !(self.named && seen.is_null) {
            let of_directory = self.facts(directory, &self.path)?;
            check_file(&seen, &of_directory, geteuid().as_raw())
                .and_then(|()| check_only_name(&seen))
                .map_err(|danger| self.refused(&self.path, danger))?;
        }
        Ok(Log {
            file,
            path: self.path,
        })
    }

    fn facts(&self, fd: BorrowedFd<'_>, path: &Path) -> Result<Facts, StoreError> {
        again(|| self.disk.facts(fd)).map_err(|error| StoreError::step("look at", path, error))
    }

    /// Says why the file or its directory could not be opened: the system's own words do not
    /// tell a symbolic link from a directory.
    fn not_opened(&self, path: &Path, wanted: FileKind, error: io::Error) -> StoreError {
        match again(|| self.disk.look_at_path(path)) {
            Ok(Facts { kind: found, .. }) if found != wanted => {
                self.refused(path, Danger::Kind { found, wanted })
            }
            _ => StoreError::step("open", path, error),
        }
    }

    fn refused(&self, path: &Path, danger: Danger) -> StoreError {
        StoreError::UnsafeLog {
            path: path.to_owned(),
            danger,
            named: self.named,
        }
    }
}

/// A session's file name: no two sids share one, and none leaves its directory.
fn file_name(sid: &str) -> String {
    let mut name = String::with_capacity(sid.len() + 4);
    for (place, byte) in sid.bytes().enumerate() {
        match byte {
            b'.' if place > 0 => name.push('.'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name + ".log"
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::super::error::StoreErrorKind;
    use super::super::testing::TestPool;
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("metadata").mode() & 0o7777
    }

    #[test]
    fn no_two_sids_share_a_name_and_none_leads_elsewhere() {
        for (sid, expected) in [
            ("worker-1.a_B", "worker-1.a_B.log"),
            ("..", "%2e..log"),
            (".hidden", "%2ehidden.log"),
            ("a/../b", "a%2f..%2fb.log"),
            ("a%2fb", "a%252fb.log"),
            ("é\n ", "%c3%a9%0a%20.log"),
        ] {
            assert_eq!(file_name(sid), expected);
        }
    }

    #[test]
    fn a_log_is_the_users_own_and_grows() {
        let pool = TestPool::new();
        for words in ["one\n", "two\n"] {
            let log = Log::of_session(&pool.dir, "a/b").expect("log");
            let since = log.size().expect("size");
            assert_eq!(log.path(), pool.file("logs/a%2fb.log"));
            log.writer()
                .and_then(|mut file| file.write_all(words.as_bytes()))
                .expect("write");
            assert_eq!(log.tail(since, 100).expect("read"), words.as_bytes());
            assert_eq!(log.tail(since, 2).expect("read"), &words.as_bytes()[2..]);
        }
        let written = fs::read(pool.file("logs/a%2fb.log")).expect("read");
        assert_eq!(written, b"one\ntwo\n");
        assert_eq!(mode(&pool.file("logs")), 0o700);
        assert_eq!(mode(&pool.file("logs/a%2fb.log")), 0o600);
    }

    #[test]
    fn what_is_no_plain_file_of_ours_is_refused() {
        let pool = TestPool::new();
        Log::of_session(&pool.dir, "other").expect("log");
        let target = pool.root.path().join("target");
        fs::write(&target, "untouched").expect("write");
        let path = pool.file("logs/a.log");
        let refused = |because: &str| {
            for opened in [Log::of_session(&pool.dir, "a"), Log::at(&path)] {
                let error = opened.expect_err(because);
                assert_eq!(error.kind(), StoreErrorKind::Unsafe, "{error}");
                let text = error.to_string();
                assert!(text.contains(because) && text.contains("a.log"), "{text}");
                assert!(!text.contains("signals"), "{text}");
            }
        };
        for leads_to in [target.as_path(), Path::new("nowhere")] {
            symlink(leads_to, &path).expect("symlink");
            refused("a symbolic link");
            fs::remove_file(&path).expect("remove");
        }
        mkfifo(&path, Mode::S_IRWXU).expect("mkfifo");
        refused("a FIFO");
        fs::remove_file(&path).expect("remove");
        fs::create_dir(&path).expect("mkdir");
        refused("a directory");
        fs::remove_dir(&path).expect("remove");
        fs::hard_link(&target, &path).expect("link");
        refused("it has 2 names");
        fs::remove_file(&path).expect("remove");

        fs::write(&path, "").expect("write");
        fs::set_permissions(&path, Permissions::from_mode(0o622)).expect("chmod");
        Log::at(&path).expect("nobody else reaches it");
        fs::set_permissions(pool.file("logs"), Permissions::from_mode(0o755)).expect("chmod");
        refused("others can write it");
        assert_eq!(fs::read(&target).expect("read"), b"untouched");
        assert!(!pool.file("logs/nowhere").exists());
    }

    #[test]
    fn a_directory_of_logs_that_leads_elsewhere_or_is_open_to_others_is_refused() {
        let pool = TestPool::new();
        let target = pool.root.path().join("target");
        fs::create_dir(&target).expect("mkdir");
        symlink(&target, pool.file("logs")).expect("symlink");
        let refused = || {
            let error = Log::of_session(&pool.dir, "a").expect_err("unsafe");
            assert_eq!(error.kind(), StoreErrorKind::Unsafe, "{error}");
        };
        refused();
        assert_eq!(fs::read_dir(&target).expect("read").count(), 0);
        fs::remove_file(pool.file("logs")).expect("remove");
        fs::create_dir(pool.file("logs")).expect("mkdir");
        fs::set_permissions(pool.file("logs"), Permissions::from_mode(0o770)).expect("chmod");
        refused();
    }

    #[test]
    fn a_sid_that_makes_no_name_is_an_error() {
        let pool = TestPool::new();
        let longest = "x".repeat(LONGEST_NAME - ".log".len());
        Log::of_session(&pool.dir, &longest).expect("log");
        let error = Log::of_session(&pool.dir, &(longest + "x")).expect_err("too long");
        assert!(error.to_string().contains("file name"), "{error}");
    }

    #[test]
    fn nobody_is_told_to_move_away_what_was_named() {
        for path in ["/", "/dev", ".", "/dev/zero", "/proc/self/fd"] {
            let error = Log::at(Path::new(path)).expect_err(path);
            assert_eq!(error.kind(), StoreErrorKind::Unsafe, "{path}: {error}");
            let text = error.to_string();
            assert!(text.ends_with("; name another file with --log"), "{text}");
        }
    }

    /// And nothing else that is no file, whatever it is called.
    #[test]
    fn the_null_device_takes_what_nobody_wants_to_read() {
        let log = Log::at(Path::new("/dev/null")).expect("no log");
        log.writer()
            .and_then(|mut file| file.write_all(b"words"))
            .expect("written");
        assert_eq!(log.size().expect("a size"), 0);
        assert_eq!(log.tail(0, 100).expect("nothing"), b"");
    }
}
