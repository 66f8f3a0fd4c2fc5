//! Where the configuration is, and whether it is safe to follow.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::file::place;
use super::{Config, ConfigError};

/// The configuration's name, in the pool and in the user's configuration directory.
const NAME: &str = "poolwarden.toml";

/// More is no configuration, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Write permission for the group and for others.
const OTHERS_WRITE: u32 = 0o022;

/// What is wrong with anything but a file.
const NO_FILE: &str = "it is no regular file; look at it, then move it away";

/// Whether a symbolic link may stand for the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Follow,
    Refuse,
}

impl Config {
    /// The configuration of a pool: the one in the pool's directory, else the one in
    /// `poolwarden/` below the user's configuration directory, else an empty one. The first
    /// that is there counts, whole.
    ///
    /// # Errors
    /// When there is one that cannot be used. It is never passed over: it may deny what
    /// the next one grants.
    pub fn of_pool(pool: &Path, user: Option<&Path>) -> Result<Self, ConfigError> {
        // The user's own files are often links to where they are kept.
        let links = [Links::Refuse, Links::Follow];
        for (path, links) in Self::places(pool, user).iter().zip(links) {
            if let Some(config) = Self::read(path, links)? {
                return Ok(config);
            }
        }
        Ok(Self::default())
    }

    /// The files in which [`of_pool`](Self::of_pool) looks, in that order.
    pub fn places(pool: &Path, user: Option<&Path>) -> Vec<PathBuf> {
        let of_user = user.map(|directory| directory.join("poolwarden").join(NAME));
        std::iter::once(pool.join(NAME)).chain(of_user).collect()
    }

    fn read(path: &Path, links: Links) -> Result<Option<Self>, ConfigError> {
        let unreadable = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let file = match open(path, links) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return Err(not_safe(
                    path,
                    "it is a symbolic link; put the file itself there",
                ));
            }
            // A socket (open(2)).
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                return Err(not_safe(path, NO_FILE));
            }
            Err(error) => return Err(unreadable(error)),
        };
        check(&file, path)?;
        let mut bytes = Vec::new();
        let size = file
            .take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let wrong = |(line, column), detail| ConfigError::Syntax {
            path: path.to_owned(),
            line,
            column,
            detail,
        };
        if size as u64 > LIMIT {
            let detail = format!("it has more than {LIMIT} bytes");
            return Err(wrong((0, 0), detail));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[valid];
            // What is replaced comes behind the place.
            let text = String::from_utf8_lossy(error.as_bytes());
            let detail = format!(
                "the byte 0x{byte:02x} is no UTF-8, in which a configuration is written; remove \
                 it, or save the file in UTF-8"
            );
            wrong(place(&text, valid), detail)
        })?;
        Self::parse(&text, path).map(Some)
    }
}

fn open(path: &Path, links: Links) -> io::Result<File> {
    // Without waiting, should it be a FIFO.
    let flags = libc::O_NONBLOCK
        | match links {
            Links::Follow => 0,
            Links::Refuse => libc::O_NOFOLLOW,
        };
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whoever can write it decides what a policy may do.
fn check(file: &File, path: &Path) -> Result<(), ConfigError> {
    let facts = file.metadata().map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let own = geteuid().as_raw();
    if !facts.is_file() {
        return Err(not_safe(path, NO_FILE));
    }
    if facts.uid() != own && facts.uid() != 0 {
        let owner = facts.uid();
        let danger = format!("it belongs to user {owner}; make it your own (chown(1))");
        return Err(not_safe(path, &danger));
    }
    if facts.mode() & OTHERS_WRITE != 0 {
        let danger = format!(
            "others can write it; take that away: chmod go-w {}",
            path.display()
        );
        return Err(not_safe(path, &danger));
    }
    Ok(())
}

fn not_safe(path: &Path, danger: &str) -> ConfigError {
    ConfigError::Unsafe {
        path: path.to_owned(),
        danger: danger.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    use super::*;

    /// A directory with a pool and a user's configuration directory in it.
    struct Places {
        root: TempDir,
    }

    impl Places {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("temporary directory");
            fs::create_dir_all(root.path().join("pool")).expect("mkdir");
            fs::create_dir_all(root.path().join("user/poolwarden")).expect("mkdir");
            Self { root }
        }

        fn of_pool(&self) -> PathBuf {
            self.root.path().join("pool").join(NAME)
        }

        fn of_user(&self) -> PathBuf {
            self.root.path().join("user/poolwarden").join(NAME)
        }

        fn find(&self) -> Result<Config, ConfigError> {
            let user = self.root.path().join("user");
            Config::of_pool(&self.root.path().join("pool"), Some(&user))
        }
    }

    fn write(path: &Path, name: &str) {
        fs::write(path, format!("[settings]\nname = \"{name}\"")).expect("write");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("chmod");
    }

    #[test]
    fn the_pools_counts_before_the_users() {
        let places = Places::new();
        assert_eq!(places.find().expect("none is fine"), Config::default());
        write(&places.of_user(), "user");
        assert_eq!(places.find().expect("found").settings["name"], "user");
        write(&places.of_pool(), "pool");
        assert_eq!(places.find().expect("found").settings["name"], "pool");
    }

    #[test]
    fn one_that_cannot_be_used_is_not_passed_over() {
        let places = Places::new();
        write(&places.of_user(), "user");
        fs::write(places.of_pool(), "[polcy]").expect("write");
        assert!(matches!(places.find(), Err(ConfigError::Syntax { .. })));
        fs::set_permissions(places.of_pool(), fs::Permissions::from_mode(0o666)).expect("chmod");
        assert!(matches!(places.find(), Err(ConfigError::Unsafe { .. })));
    }

    #[test]
    fn only_a_plain_file_counts_and_only_the_users_may_be_a_link() {
        let places = Places::new();
        let elsewhere = places.root.path().join("kept.toml");
        write(&elsewhere, "kept");
        symlink(&elsewhere, places.of_user()).expect("symlink");
        assert_eq!(places.find().expect("found").settings["name"], "kept");

        symlink(&elsewhere, places.of_pool()).expect("symlink");
        let error = places.find().expect_err("a link").to_string();
        assert!(error.contains("symbolic link"), "{error}");

        fs::remove_file(places.of_pool()).expect("unlink");
        mkfifo(&places.of_pool(), Mode::S_IRWXU).expect("mkfifo");
        let error = places.find().expect_err("a FIFO").to_string();
        assert!(error.contains("no regular file"), "{error}");
    }

    #[test]
    fn what_is_not_utf_8_is_told_with_its_place() {
        let places = Places::new();
        for (bytes, told) in [
            (
                &b"[settings]\nb\xc3\xa4r = \"x\xff\""[..],
                "at line 2, column 9: the byte 0xff",
            ),
            (b"\xfe", "at line 1, column 1: the byte 0xfe"),
            (b"a = \"\xc3", "at line 1, column 6: the byte 0xc3"),
        ] {
            fs::write(places.of_pool(), bytes).expect("write");
            let error = places.find().expect_err("no text").to_string();
            assert!(
                error.contains(told) && error.contains("save the file in UTF-8"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let places = Places::new();
        let size = usize::try_from(LIMIT).expect("small");
        fs::write(places.of_pool(), " ".repeat(size + 1)).expect("write");
        let error = places.find().expect_err("too large").to_string();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
    }
}
