//! What was asked of a disk, and what a loss of power leaves of it.
//!
//! The live image is what every program sees: the real directory. The durable one is
//! what is on the disk for certain: contents that were synced, under names whose
//! directory was synced afterwards. What lies between the two may or may not be there
//! after a loss of power, each change of a name and each piece of contents for itself,
//! in whatever order: some file systems do bring changes of one directory to the disk in
//! another order than they were made in. Only a rename is one change and not two.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};

use super::chance::Chance;

/// What a name leads to. Numbers of inodes are given out again when a file is gone; these
/// are not.
type Id = usize;

/// The state of a pool's directory, live and durable.
#[derive(Clone)]
pub(crate) struct Journal {
    pool: PathBuf,
    /// Directories that were made and whose names are not durable yet.
    made: BTreeSet<PathBuf>,
    durable: BTreeMap<String, Id>,
    pending: Vec<Change>,
    files: Vec<Contents>,
    ids: HashMap<(u64, u64), Id>,
    /// Keeps the numbers of inodes from being given out again.
    held: Vec<Arc<OwnedFd>>,
}

/// A change of names that is not durable yet.
#[derive(Clone)]
enum Change {
    Name(String, Id),
    Rename(String, String, Id),
    Remove(String),
}

#[derive(Clone, PartialEq)]
enum Contents {
    Bytes {
        live: Arc<Vec<u8>>,
        durable: Arc<Vec<u8>>,
    },
    Socket,
}

/// What is there after a loss of power: names and contents, or not even the directory.
#[derive(PartialEq)]
pub(crate) struct Image(Option<Vec<(String, Contents)>>);

/// How much of what is not durable survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survives {
    /// Nothing.
    Nothing,
    /// Everything, as if the power had not been lost.
    Everything,
    /// All changes of names, and no contents.
    Names,
    /// All contents, and no changes of names.
    Contents,
    /// What chance leaves, begun from this seed.
    Chance(u64),
}

impl Journal {
    /// The pool at this path as it is, all of it durable.
    pub(super) fn of(pool: &Path) -> Self {
        let mut journal = Self {
            pool: pool.to_owned(),
            made: BTreeSet::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
            files: Vec::new(),
            ids: HashMap::new(),
            held: Vec::new(),
        };
        let entries = fs::read_dir(pool).into_iter().flatten();
        for entry in entries.map(|entry| entry.expect("an entry of the pool")) {
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let kind = entry.file_type().expect("its type");
            let path = entry.path();
            let contents = if kind.is_socket() {
                Contents::Socket
            } else {
                let bytes = Arc::new(fs::read(&path).expect("its contents"));
                Contents::Bytes {
                    live: bytes.clone(),
                    durable: bytes,
                }
            };
            let id = journal.id_at(&path, contents);
            journal.durable.insert(name, id);
        }
        journal
    }

    pub(super) fn make_directory(&mut self, path: &Path) {
        self.made.insert(path.to_owned());
    }

    /// A new name for an open file.
    pub(super) fn name(&mut self, name: &str, file: &File) {
        let id = self.id_of(file);
        self.pending.push(Change::Name(name.to_owned(), id));
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        // What other programs put there is no concern of ours.
        if let Some(&id) = self.live().get(from) {
            let (from, to) = (from.to_owned(), to.to_owned());
            self.pending.push(Change::Rename(from, to, id));
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.pending.push(Change::Remove(name.to_owned()));
    }

    /// All that is written is written at the end of what is there.
    pub(super) fn write(&mut self, file: &File, bytes: &[u8]) {
        self.update(file, |live| live.extend(bytes));
    }

    pub(super) fn cut(&mut self, file: &File, size: u64) {
        let size = usize::try_from(size).expect("a size in memory");
        self.update(file, |live| live.truncate(size));
    }

    pub(super) fn sync(&mut self, file: &File) {
        let id = self.id_of(file);
        if let Contents::Bytes { live, durable } = &mut self.files[id] {
            *durable = live.clone();
        }
    }

    pub(super) fn sync_directory(&mut self, path: &Path) {
        if path == self.pool {
            self.durable = self.live();
            self.pending.clear();
        }
        self.made.retain(|made| made.parent() != Some(path));
    }

    /// What is there after a loss of power.
    pub(crate) fn image(&self, survives: Survives) -> Image {
        let mut chance = Chance::new(match survives {
            Survives::Chance(seed) => seed,
            _ => 0,
        });
        if self.made.iter().any(|_| !survives.name(&mut chance)) {
            return Image(None);
        }
        let mut names = self.durable.clone();
        for change in &self.pending {
            if survives.name(&mut chance) {
                change.apply(&mut names);
            }
        }
        let files = names.into_iter().map(|(name, id)| {
            let contents = match &self.files[id] {
                Contents::Bytes { live, durable } if live != durable => {
                    let bytes = match survives {
                        Survives::Chance(_) => chance.between(durable, live),
                        Survives::Everything | Survives::Contents => live.to_vec(),
                        Survives::Nothing | Survives::Names => durable.to_vec(),
                    };
                    Contents::whole(bytes)
                }
                contents => contents.clone(),
            };
            (name, contents)
        });
        Image(Some(files.collect()))
    }

    /// Whether the two images are the same now.
    pub(crate) fn is_durable(&self) -> bool {
        let dirty = |contents: &Contents| match contents {
            Contents::Bytes { live, durable } => live != durable,
            Contents::Socket => false,
        };
        self.made.is_empty() && self.pending.is_empty() && !self.files.iter().any(dirty)
    }

    /// The names as every program sees them.
    fn live(&self) -> BTreeMap<String, Id> {
        let mut names = self.durable.clone();
        for change in &self.pending {
            change.apply(&mut names);
        }
        names
    }

    fn update(&mut self, file: &File, update: impl FnOnce(&mut Vec<u8>)) {
        let id = self.id_of(file);
        if let Contents::Bytes { live, .. } = &mut self.files[id] {
            update(Arc::make_mut(live));
        }
    }

    /// The number of an open file, empty when it is a new one.
    fn id_of(&mut self, file: &File) -> Id {
        let link = PathBuf::from(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()));
        self.id_at(&link, Contents::whole(Vec::new()))
    }

    /// The number of the file at a path, with these contents when it is a new one.
    fn id_at(&mut self, path: &Path, contents: Contents) -> Id {
        // Such a descriptor keeps the inode, and neither a lock nor a connection.
        let held = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("open");
        let stat = fstat(&held).expect("look at it");
        let next = self.files.len();
        let id = *self.ids.entry((stat.st_dev, stat.st_ino)).or_insert(next);
        if id == next {
            self.files.push(contents);
            self.held.push(Arc::new(held));
        }
        id
    }
}

impl Survives {
    /// Whether a change of names does.
    fn name(self, chance: &mut Chance) -> bool {
        match self {
            Self::Nothing | Self::Contents => false,
            Self::Everything | Self::Names => true,
            Self::Chance(_) => chance.one_in(2),
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Id>) {
        match self {
            Self::Name(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Rename(from, to, id) => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Contents {
    fn whole(bytes: Vec<u8>) -> Self {
        let bytes = Arc::new(bytes);
        Self::Bytes {
            live: bytes.clone(),
            durable: bytes,
        }
    }
}

impl Image {
    /// Lays the image out in a directory, which is made where there is to be one.
    pub(crate) fn lay_out(&self, pool: &Path) {
        let Some(files) = &self.0 else { return };
        fs::create_dir(pool).expect("the pool's directory");
        for (name, contents) in files {
            let path = pool.join(name);
            match contents {
                Contents::Bytes { live, .. } => fs::write(path, &**live).expect("write"),
                Contents::Socket => drop(UnixListener::bind(path).expect("bind")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A directory with a file that is durable, and its journal.
    fn begun() -> (tempfile::TempDir, PathBuf, Journal) {
        let root = tempfile::tempdir().expect("a temporary directory");
        let pool = root.path().join("pool");
        fs::create_dir(&pool).expect("mkdir");
        fs::write(pool.join("old"), "old").expect("write");
        let journal = Journal::of(&pool);
        (root, pool, journal)
    }

    /// What survives, as text.
    fn left(journal: &Journal, survives: Survives) -> Vec<(String, String)> {
        let files = journal.image(survives).0.expect("a directory");
        let text = |contents| match contents {
            Contents::Bytes { live, .. } => String::from_utf8_lossy(&live).into_owned(),
            Contents::Socket => "a socket".to_owned(),
        };
        let files = files.into_iter();
        files.map(|(name, kept)| (name, text(kept))).collect()
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn names_and_contents_last_when_each_is_synced() {
        let (_root, pool, mut journal) = begun();
        let mut file = File::create(pool.join("new")).expect("create");
        journal.name("new", &file);
        file.write_all(b"new").expect("write");
        journal.write(&file, b"new");
        journal.rename("new", "old");
        let old = [pair("old", "old")];
        assert_eq!(left(&journal, Survives::Nothing), old);
        assert_eq!(left(&journal, Survives::Contents), old);
        assert_eq!(left(&journal, Survives::Names), [pair("old", "")]);
        assert_eq!(left(&journal, Survives::Everything), [pair("old", "new")]);
        assert!(!journal.is_durable());

        journal.sync(&file);
        assert_eq!(left(&journal, Survives::Nothing), old);
        assert_eq!(left(&journal, Survives::Names), [pair("old", "new")]);
        journal.sync_directory(&pool);
        assert_eq!(left(&journal, Survives::Nothing), [pair("old", "new")]);
        assert!(journal.is_durable());
    }

    #[test]
    fn chance_tries_every_outcome_and_spares_what_is_durable() {
        let (_root, pool, mut journal) = begun();
        let mut file = File::options().append(true).open(pool.join("old"));
        let file = file.as_mut().expect("open");
        file.write_all(b" and more").expect("write");
        journal.write(file, b" and more");
        journal.name("other", file);
        let mut seen = BTreeSet::new();
        for seed in 0..500 {
            for (name, text) in left(&journal, Survives::Chance(seed)) {
                assert!(text.starts_with("old"), "{text:?}");
                seen.insert((name, text));
            }
        }
        for text in ["old", "old an", "old and more"] {
            assert!(seen.contains(&pair("old", text)), "{text:?} in {seen:?}");
            assert!(seen.contains(&pair("other", text)), "{text:?} in {seen:?}");
        }
        assert!(seen.iter().any(|(_, text)| text.contains('\0')), "{seen:?}");
    }

    #[test]
    fn a_directory_whose_name_is_not_synced_may_be_gone() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let pool = root.path().join("pool");
        let mut journal = Journal::of(&pool);
        journal.make_directory(&pool);
        assert!(journal.image(Survives::Nothing).0.is_none());
        assert!(journal.image(Survives::Everything).0.is_some());
        journal.sync_directory(root.path());
        assert!(journal.image(Survives::Nothing).0.is_some());
    }
}
