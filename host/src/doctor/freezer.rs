//! Processes that a cgroup has frozen: they run no instruction, and act on no signal but,
//! with cgroup2, SIGKILL.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{as_root, quoted_path};

/// The cgroup that keeps a process frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frozen {
    /// Its directory.
    cgroup: PathBuf,
    /// What a shell runs to let it go on.
    thaw: String,
}

impl Frozen {
    /// What is the matter.
    pub(super) fn words(&self) -> String {
        format!(
            "frozen by the cgroup {}, so that it acts on no request to end",
            self.cgroup.display()
        )
    }

    /// The command that lets it go on.
    pub(super) fn thaw(&self) -> &str {
        &self.thaw
    }
}

/// What keeps the process with this pid frozen; none when nothing does, as far as can be seen.
/// `mounts` is what [`mounts`] read.
pub(super) fn look(pid: u32, mounts: &str) -> Option<Frozen> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    frozen(&cgroups, mounts, &|path| fs::read_to_string(path).ok())
}

/// What is mounted where (proc_pid_mountinfo(5)).
pub(super) fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// The same, of the texts of `/proc/PID/cgroup` (cgroups(7)) and `/proc/PID/mountinfo`
/// (proc_pid_mountinfo(5)), with the files of the cgroups read by `read`.
fn frozen(cgroups: &str, mounts: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<Frozen> {
    cgroups.lines().find_map(|line| {
        // ID:CONTROLLERS:PATH, the first two being `0` and nothing with cgroup2.
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_second = controllers.is_empty();
        if !is_second && !controllers.split(',').any(|one| one == "freezer") {
            return None;
        }
        let cgroup = place(mounts, is_second, path)?;
        // The group itself, or one above it, was told to freeze.
        let mut line = cgroup.ancestors();
        if is_second {
            let events = read(&cgroup.join("cgroup.events"))?;
            if !events.lines().any(|line| line == "frozen 1") {
                return None;
            }
            let told = |group: &&Path| {
                read(&group.join("cgroup.freeze")).is_some_and(|text| text.trim() == "1")
            };
            let group = line.find(told)?.to_owned();
            let file = quoted_path(&group.join("cgroup.freeze"));
            Some(Frozen {
                cgroup: group,
                thaw: as_root(&format!("sh -c \"echo 0 > {file}\"")),
            })
        } else {
            let state = read(&cgroup.join("freezer.state"))?;
            if state.trim() == "THAWED" {
                return None;
            }
            let told = |group: &&Path| {
                let itself = read(&group.join("freezer.self_freezing"));
                itself.is_some_and(|text| text.trim() == "1")
            };
            let group = line.find(told)?.to_owned();
            let file = quoted_path(&group.join("freezer.state"));
            Some(Frozen {
                cgroup: group,
                thaw: as_root(&format!("sh -c \"echo THAWED > {file}\"")),
            })
        }
    })
}

/// Where the files of a cgroup are: below the mount of its hierarchy.
fn place(mounts: &str, is_second: bool, path: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let (kind, options) = (file_system.next()?, file_system.nth(1)?);
        let fits = match is_second {
            true => kind == "cgroup2",
            false => kind == "cgroup" && options.split(',').any(|option| option == "freezer"),
        };
        // What is mounted may be a part of the hierarchy alone.
        let below = Path::new(path).strip_prefix(root).ok()?;
        fits.then(|| Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        30 20 0:26 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
        31 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_group_that_was_told_to_freeze_is_named() {
        let cgroups = "5:memory:/m\n3:freezer:/\n0::/a/b\n";
        let files = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/unified/a/b/cgroup.events" => "populated 1\nfrozen 1\n",
                "/sys/fs/cgroup/unified/a/b/cgroup.freeze" => "0\n",
                "/sys/fs/cgroup/unified/a/cgroup.freeze" => "1\n",
                "/sys/fs/cgroup/freezer/freezer.state" => "THAWED\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let found = frozen(cgroups, MOUNTS, &files).expect("it is frozen");
        assert_eq!(found.cgroup, Path::new("/sys/fs/cgroup/unified/a"));
        let thaw = "sh -c \"echo 0 > /sys/fs/cgroup/unified/a/cgroup.freeze\"";
        assert!(found.thaw().ends_with(thaw), "{}", found.thaw());
    }

    #[test]
    fn the_first_version_of_cgroups_is_looked_at_too() {
        let files = |path: &Path| {
            let text = match path.to_str()? {
                "/sys/fs/cgroup/freezer/w/freezer.state" => "FROZEN\n",
                "/sys/fs/cgroup/freezer/w/freezer.self_freezing" => "1\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let found = frozen("3:freezer:/w\n0::/\n", MOUNTS, &files).expect("it is frozen");
        let thaw = "sh -c \"echo THAWED > /sys/fs/cgroup/freezer/w/freezer.state\"";
        assert!(found.thaw().ends_with(thaw), "{}", found.thaw());
        assert_eq!(frozen("3:freezer:/\n", MOUNTS, &|_| None), None);
    }
}
