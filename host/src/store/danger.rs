//! What makes a directory or a file unsafe, and what to do about it.

use std::fmt;
use std::path::Path;

use super::facts::FileKind;
use crate::command::{self, quoted_path as quoted};
use crate::pool::REGISTRY;

/// What makes a directory or a file unsafe to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    /// It is not what it has to be.
    Kind {
        /// What it is.
        found: FileKind,
        /// What it has to be.
        wanted: FileKind,
    },
    /// It belongs to another user.
    Owner {
        /// User id of the owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Its group or others can write it.
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// It is to be written in place, and has other names: they are hard links, and what is
    /// written to it stands under all of them.
    Linked {
        /// How many names it has.
        links: u64,
    },
}

impl Danger {
    /// What the operator can do about it.
    pub(super) fn remedy(self, path: &Path) -> String {
        match self {
            Self::Kind {
                wanted: FileKind::Regular,
                ..
            } if path.ends_with(REGISTRY) => self.of_registry(path),
            Self::Kind {
                found: FileKind::SymbolicLink,
                wanted: FileKind::Directory,
            } => "name the directory that it leads to".to_owned(),
            Self::Kind {
                wanted: FileKind::Directory,
                ..
            } => "name another directory".to_owned(),
            Self::Kind { .. } | Self::Linked { .. } => move_away(path),
            Self::Owner { owner, user } => {
                let path = quoted(path);
                format!(
                    "run as user {owner}, or, when you trust what is there: chown {user} {path}"
                )
            }
            Self::Writable { .. } => {
                format!("when you trust what is there: chmod go-w {}", quoted(path))
            }
        }
    }

    /// What to do about a registry of another kind. Moved away by hand, it would leave an
    /// empty pool behind, and nobody who knows the workers.
    fn of_registry(self, path: &Path) -> String {
        self.put_in_place(path).unwrap_or_else(|| {
            let doctor = command::on_pool(path.parent().unwrap_or(path), &["doctor"]);
            format!(
                "{doctor} explains it, with --fix it puts it aside and writes a registry of the \
                 workers that live"
            )
        })
    }

    /// What to do about a symbolic link that leads to a file: the workers are in that.
    pub(super) fn put_in_place(self, path: &Path) -> Option<String> {
        let is_link = matches!(
            self,
            Self::Kind {
                found: FileKind::SymbolicLink,
                ..
            }
        );
        (is_link && path.is_file()).then(|| {
            let path = quoted(path);
            format!(
                "put the file that it leads to in its place: \
                 cp --remove-destination \"$(readlink -f {path})\" {path}"
            )
        })
    }

    /// What to do where a worker was to write there. `named` is whether the operator asked for
    /// this very file, which may be anybody's; the others are the pool's own.
    pub(super) fn remedy_for_log(self, path: &Path, named: bool) -> String {
        match self {
            _ if named => "name another file with --log".to_owned(),
            Self::Kind { .. } => move_away(path),
            other => other.remedy(path),
        }
    }
}

/// What to do about a file of the pool that nobody misses for long.
pub(super) fn move_away(path: &Path) -> String {
    let path = quoted(path);
    format!("look at it, then move it away: mv {path} {path}.aside")
}

impl Danger {
    /// What was found, without what could come of it.
    pub(crate) fn finding(self) -> String {
        match self {
            Self::Kind { found, wanted } => format!("it is {found} and not {wanted}"),
            Self::Owner { owner, user } => {
                format!("it belongs to user {owner} and not to user {user}")
            }
            Self::Writable { mode } => format!("others can write it (mode {mode:04o})"),
            Self::Linked { links } => {
                format!("it has {links} names (hard links), and would be written under all of them")
            }
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding())?;
        match self {
            Self::Kind { .. } | Self::Linked { .. } => Ok(()),
            Self::Owner { .. } | Self::Writable { .. } => {
                f.write_str(", and whoever writes the registry could aim the signals")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn remedies_name_the_command() {
        let remedy = |danger: Danger| danger.remedy(Path::new("/srv/my pool's"));
        assert_eq!(
            remedy(Danger::Writable { mode: 0o770 }),
            r"when you trust what is there: chmod go-w '/srv/my pool'\''s'"
        );
        assert!(
            remedy(Danger::Owner { owner: 1, user: 7 }).ends_with(r"chown 7 '/srv/my pool'\''s'")
        );
    }

    /// The command itself is run: whoever follows the advice keeps the workers.
    #[test]
    fn a_linked_registry_is_put_where_its_link_is() {
        let root = tempfile::tempdir().expect("temporary directory");
        let pool = root.path().join("it's my pool");
        fs::create_dir(&pool).expect("mkdir");
        let (path, target) = (pool.join(REGISTRY), root.path().join("real file.json"));
        symlink("../real file.json", &path).expect("symlink");
        let danger = Danger::Kind {
            found: FileKind::SymbolicLink,
            wanted: FileKind::Regular,
        };
        let dangling = danger.remedy(&path);
        assert!(dangling.contains(" doctor explains it"), "{dangling}");

        fs::write(&target, "the workers").expect("write");
        let remedy = danger.remedy(&path);
        let (_, command) = remedy.split_once(": ").expect("a command");
        let ran = Command::new("sh").args(["-c", command]).status();
        assert!(ran.expect("sh").success(), "{command}");
        let kind = fs::symlink_metadata(&path).expect("metadata");
        assert!(kind.is_file(), "{command}");
        for file in [path, target] {
            assert_eq!(fs::read(file).expect("read"), b"the workers");
        }
    }

    #[test]
    fn a_log_that_was_named_is_never_moved() {
        for (found, path) in [(FileKind::Device, "/dev/zero"), (FileKind::Directory, "/")] {
            let danger = Danger::Kind {
                found,
                wanted: FileKind::Regular,
            };
            let path = Path::new(path);
            let named = danger.remedy_for_log(path, true);
            assert_eq!(named, "name another file with --log");
        }
        let danger = Danger::Kind {
            found: FileKind::Regular,
            wanted: FileKind::Directory,
        };
        let own = danger.remedy_for_log(Path::new("/pool/logs"), false);
        assert!(own.ends_with("mv /pool/logs /pool/logs.aside"), "{own}");
    }
}
