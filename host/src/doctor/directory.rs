//! What the pool's directory is.

use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::fstatat;
use nix::unistd::geteuid;

use crate::command;
use crate::error::chain;
use crate::store::{Danger, Facts, FileSystem, PoolDir, StoreError, check_directory};

use super::report::{About, DirectoryState, Problem, State};

/// The directory, opened where that is possible, and what is wrong with it.
pub(super) struct Directory {
    pub(super) state: DirectoryState,
    pub(super) pool: Option<PoolDir>,
    pub(super) problem: Option<Problem>,
    /// What it is, where taking permissions from it is what it needs.
    pub(super) restrict: Option<Facts>,
}

/// Below this many bytes a registry of some size cannot be replaced.
const SCARCE: u64 = 1 << 20;

/// Looks at the directory at this path.
pub(super) fn look(path: &Path) -> Directory {
    let mut found = Directory {
        state: DirectoryState {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            state: State::Absent,
            owner: None,
            mode: None,
            file_system: None,
            available: None,
            link_to: std::fs::read_link(path).ok(),
        },
        pool: None,
        problem: None,
        restrict: None,
    };
    match PoolDir::look(path) {
        Ok(None) => {}
        Ok(Some(pool)) => found.opened(pool),
        Err(error) => found.refused(path, &error),
    }
    found
}

impl Directory {
    fn opened(&mut self, pool: PoolDir) {
        self.state.path = pool.path().to_owned();
        self.state.state = State::Healthy;
        match pool.facts() {
            Ok(facts) => {
                self.state.owner = Some(facts.owner);
                self.state.mode = Some(format!("{:04o}", facts.mode));
                if let Err(danger) = check_directory(&facts, geteuid().as_raw()) {
                    self.endangered(&facts, danger);
                }
            }
            Err(error) => self.problem(chain(&error), "look at its file system", false),
        }
        if let Err(error) = pool.check_file_system() {
            self.state.state = State::Unusable;
            // The error says what to do.
            self.problem(chain(&error), "every request is refused until then", false);
        }
        if let Ok(FileSystem { magic, available }) = pool.file_system() {
            self.state.file_system = Some(file_system(magic));
            self.state.available = Some(available);
            if available < SCARCE && self.problem.is_none() {
                self.problem(
                    format!("only {available} bytes can be written on its file system"),
                    "make room: no change of the pool can be written",
                    false,
                );
            }
        }
        self.pool = Some(pool);
    }

    fn endangered(&mut self, facts: &Facts, danger: Danger) {
        let path = self.state.path.clone();
        let what = StoreError::Unsafe { path, danger };
        let ours = matches!(danger, Danger::Writable { .. });
        if ours {
            self.restrict = Some(*facts);
        }
        self.state.state = State::Unusable;
        // The error says what to do.
        self.problem(
            what.to_string(),
            "every request is refused until then",
            ours,
        );
    }

    fn refused(&mut self, path: &Path, error: &StoreError) {
        self.state.state = State::Unusable;
        let seen = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW).map(Facts::from);
        if let Ok(facts) = seen {
            self.state.owner = Some(facts.owner);
            self.state.mode = Some(format!("{:04o}", facts.mode));
        }
        let remedy = match &self.state.link_to {
            Some(target) => {
                let target = path.parent().map_or_else(PathBuf::new, |p| p.join(target));
                format!(
                    "name the directory itself: `{}`",
                    command::on_pool(&target, &["doctor"])
                )
            }
            None => "nothing in it could be looked at".into(),
        };
        self.problem(chain(error), &remedy, false);
    }

    fn problem(&mut self, what: String, remedy: &str, repairable: bool) {
        self.problem = Some(Problem {
            about: About::Directory,
            what,
            remedy: remedy.to_owned(),
            repairable,
        });
    }
}

/// The name of a file system by its magic number (statfs(2), `linux/magic.h`).
fn file_system(magic: u64) -> String {
    let name = match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x8584_58f6 => "ramfs",
        0x794c_7630 => "overlayfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0x6969 => "nfs",
        0xff53_4d42 | 0xfe53_4d42 => "cifs",
        0x0102_1997 => "9p",
        0x00c3_6400 => "ceph",
        0x6573_5546 => "fuse",
        0x4d44 => "vfat",
        0x2011_bab0 => "exfat",
        _ => return format!("{magic:#x}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the directory were on NFS.
    #[test]
    fn a_file_system_whose_locks_cannot_be_trusted_is_a_problem() {
        let root = tempfile::tempdir().expect("temporary directory");
        let pool = PoolDir::look_seen(root.path(), |_| Ok(0x6969)).expect("a directory");
        let mut found = look(root.path());
        assert!(found.problem.is_none());
        found.opened(pool.expect("a directory"));
        assert_eq!(found.state.state, State::Unusable);
        let problem = found.problem.expect("a problem");
        assert!(problem.what.contains("it is on NFS"), "{}", problem.what);
        assert!(!problem.repairable);
    }
}
