//! The way on which the kernel finds a file.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// How many symbolic links the kernel follows in one path (path_resolution(7)).
const LINKS: usize = 40;

/// A place where a change can make the path lead to something else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The directory in which a name is looked up; at the end of the way, the file.
    pub(super) place: PathBuf,
    /// The name; none at the end.
    pub(super) name: Option<OsString>,
}

/// The steps to a file, component by component and through every symbolic link
/// (path_resolution(7)). They end at the file, or at the first name that is not there.
///
/// A name is looked up when the step after it is asked for: whoever begins to watch a place
/// as soon as it is told misses no change of the way.
pub(super) struct Lookup {
    place: PathBuf,
    /// The name that was told and not looked up yet.
    told: Option<OsString>,
    /// The names after it, the next one last.
    ahead: Vec<OsString>,
    links: usize,
    ended: bool,
}

impl Lookup {
    /// Begins at the root or, for a relative path, in the working directory.
    pub(super) fn of(path: &Path) -> Self {
        let mut lookup = Self {
            place: PathBuf::from("."),
            told: None,
            ahead: Vec::new(),
            links: 0,
            ended: false,
        };
        lookup.prepend(path);
        lookup
    }

    /// Puts a path before what is left of the way.
    fn prepend(&mut self, path: &Path) {
        if path.has_root() {
            self.place = PathBuf::from("/");
        }
        let names = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            Component::ParentDir => Some(OsStr::new("..")),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        });
        self.ahead.extend(names.map(OsStr::to_owned));
    }

    /// Looks a name up, and goes on from where it leads; none when it leads nowhere.
    fn follow(&mut self, name: &OsStr) -> Option<()> {
        let path = self.place.join(name);
        match fs::read_link(&path) {
            Ok(target) => {
                self.links += 1;
                (self.links <= LINKS).then(|| self.prepend(&target))
            }
            // It is there and no link (readlink(2)).
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                self.place = path;
                Some(())
            }
            Err(_) => None,
        }
    }
}

impl Iterator for Lookup {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.ended {
            return None;
        }
        if let Some(name) = self.told.take()
            && self.follow(&name).is_none()
        {
            self.ended = true;
            return None;
        }
        self.told = self.ahead.pop();
        self.ended = self.told.is_none();
        Some(Step {
            place: self.place.clone(),
            name: self.told.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A directory with the file `real/file`.
    fn root() -> (TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().canonicalize().expect("its real path");
        fs::create_dir(path.join("real")).expect("a directory");
        fs::write(path.join("real/file"), "").expect("a file");
        (root, path)
    }

    /// The steps from the root on, as `place:name`.
    fn steps(root: &Path, path: impl AsRef<Path>) -> Vec<String> {
        Lookup::of(&root.join(path))
            .filter_map(|step| {
                let place = step.place.strip_prefix(root).ok()?;
                let name = step.name.unwrap_or_default();
                Some(format!("{}:{}", place.display(), name.display()))
            })
            .collect()
    }

    #[test]
    fn every_directory_on_the_way_is_a_step() {
        let (_kept, root) = root();
        let all: Vec<_> = Lookup::of(&root.join("real/file")).collect();
        let (end, names) = all.split_last().expect("steps");
        assert_eq!(
            (end.place.as_path(), &end.name),
            (root.join("real/file").as_path(), &None)
        );
        assert_eq!(names[0].place, Path::new("/"));
        let mut walked = PathBuf::from("/");
        for step in names {
            assert_eq!(step.place, walked);
            walked.push(step.name.as_ref().expect("a name"));
        }
        assert_eq!(walked, root.join("real/file"));
    }

    #[test]
    fn a_relative_path_begins_in_the_working_directory() {
        let first = Lookup::of(Path::new("no-such-name/file")).next();
        let expected = Step {
            place: PathBuf::from("."),
            name: Some("no-such-name".into()),
        };
        assert_eq!(first, Some(expected));
    }

    #[test]
    fn the_first_name_that_is_not_there_is_the_last_step() {
        let (_kept, root) = root();
        assert_eq!(steps(&root, "real/none/file"), [":real", "real:none"]);
        assert_eq!(steps(&root, "real/none"), [":real", "real:none"]);
        // A file is no directory.
        let beyond = [":real", "real:file", "real/file:beyond"];
        assert_eq!(steps(&root, "real/file/beyond"), beyond);
    }

    #[test]
    fn links_are_steps_and_lead_on() {
        let (_kept, root) = root();
        symlink("real", root.join("current")).expect("a link");
        symlink("current/file", root.join("first")).expect("a link");
        symlink(root.join("first"), root.join("real/second")).expect("a link");
        assert_eq!(
            steps(&root, "real/second"),
            [
                ":real",
                "real:second",
                // The link is absolute: the whole way down again.
                ":first",
                ":current",
                ":real",
                "real:file",
                "real/file:",
            ]
        );
    }

    #[test]
    fn the_way_up_is_the_way_of_the_directory_that_was_reached() {
        let (_kept, root) = root();
        fs::create_dir(root.join("links")).expect("a directory");
        symlink("../real", root.join("links/up")).expect("a link");
        assert_eq!(
            steps(&root, "links/up/../real/file"),
            [
                ":links",
                "links:up",
                "links:..",
                "links/..:real",
                "links/../real:..",
                "links/../real/..:real",
                "links/../real/../real:file",
                "links/../real/../real/file:",
            ]
        );
    }

    #[test]
    fn a_circle_of_links_ends() {
        let (_kept, root) = root();
        symlink("b", root.join("a")).expect("a link");
        symlink("a", root.join("b")).expect("a link");
        assert_eq!(steps(&root, "a").len(), LINKS + 1);
    }

    #[test]
    fn what_comes_before_the_next_step_is_asked_for_is_seen() {
        let (_kept, root) = root();
        let mut lookup = Lookup::of(&root.join("late"));
        let last = lookup
            .by_ref()
            .find(|step| step.name.as_deref() == Some(OsStr::new("late")));
        assert_eq!(last.map(|step| step.place), Some(root.clone()));
        symlink("real/file", root.join("late")).expect("a link");
        let next = lookup.next().expect("it leads on");
        assert_eq!((next.place, next.name), (root, Some("real".into())));
    }
}
