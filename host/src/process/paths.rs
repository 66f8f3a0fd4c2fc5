//! What is at the paths of sockets, without waiting for a file system that does not answer.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;

use super::inquiry::{Inquiry, PoolPlace};
use super::kernel::{FileKind, Kernel};
use super::reach::{Directory, Mounts};

/// How many symlinks are followed from one to the next, as by path_resolution(7).
const MOST_LINKS: usize = 40;

/// Looks at paths for one inspection: the way to each directory is gone once, or again
/// when it is not the one that was looked at last.
pub(super) struct Paths<'a> {
    kernel: &'a dyn Kernel,
    pool: Option<PoolPlace<'a>>,
    /// Whether a path may lead to whatever file system.
    anywhere: bool,
    mounts: Option<Mounts>,
    /// The real path of each directory, where it can be told.
    real: HashMap<PathBuf, Option<PathBuf>>,
    /// One descriptor is held, and not one for each directory.
    last: Option<(PathBuf, Rc<Directory>)>,
}

/// What a path leads to, and a path to it that leads through no other directory.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: FileKind,
    pub(super) at: PathBuf,
    /// Keeps `at` valid.
    _directory: Rc<Directory>,
}

impl<'a> Paths<'a> {
    /// For paths of a registry: apart from the pool's own directory, only file systems that
    /// are sure to answer are looked at.
    pub(super) fn of_registry(kernel: &'a dyn Kernel, inquiry: &Inquiry<'a>) -> Self {
        Self {
            kernel,
            pool: inquiry.pool(),
            anywhere: false,
            mounts: None,
            real: HashMap::new(),
            last: None,
        }
    }

    /// For a path that the user named, who waits alone.
    pub(super) fn of_user(kernel: &'a dyn Kernel) -> Self {
        Self {
            kernel,
            pool: None,
            anywhere: true,
            mounts: None,
            real: HashMap::new(),
            last: None,
        }
    }

    /// Looks at what is at an absolute path, a symlink for itself.
    pub(super) fn look(&mut self, path: &Path) -> io::Result<Found> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::ENOENT.into());
        };
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(Errno::ENOTDIR.into());
        }
        let directory = self.directory(parent)?;
        let at = directory.at(name);
        Ok(Found {
            kind: self.kernel.kind(&at)?,
            at,
            _directory: directory,
        })
    }

    /// The same, with symlinks followed.
    pub(super) fn follow(&mut self, path: &Path) -> io::Result<Found> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let found = self.look(&path)?;
            if found.kind != FileKind::Symlink {
                return Ok(found);
            }
            let link = found.at.to_str().ok_or(io::ErrorKind::InvalidData)?;
            let target = self.kernel.link(link)?;
            // An absolute target takes the place of all before it.
            path = path.parent().unwrap_or(&path).join(target);
        }
        Err(Errno::ELOOP.into())
    }

    /// The real path of a directory, where it can be told without waiting.
    pub(super) fn real(&mut self, directory: &Path) -> Option<PathBuf> {
        if let Some(known) = self.real.get(directory) {
            return known.clone();
        }
        let found = self.open(directory).ok().map(|found| found.real);
        self.real.insert(directory.to_owned(), found.clone());
        found
    }

    fn directory(&mut self, path: &Path) -> io::Result<Rc<Directory>> {
        if let Some((last, directory)) = &self.last
            && last == path
        {
            return Ok(directory.clone());
        }
        let opened = Rc::new(self.open(path)?);
        self.real.insert(path.to_owned(), Some(opened.real.clone()));
        self.last = Some((path.to_owned(), opened.clone()));
        Ok(opened)
    }

    fn open(&mut self, path: &Path) -> io::Result<Directory> {
        if let Some(pool) = self.pool {
            let link = format!("/proc/self/fd/{}", pool.directory.as_raw_fd());
            let real = self.kernel.link(&link);
            let real = real.unwrap_or_else(|_| pool.path.to_owned());
            if path == pool.path || path == real {
                let fd = Some(pool.directory.try_clone_to_owned()?);
                return Ok(Directory { real, fd });
            }
        }
        if self.anywhere {
            let real = self.kernel.canonical(path)?;
            return Ok(Directory { real, fd: None });
        }
        let kernel = self.kernel;
        let mounts = self.mounts.get_or_insert_with(|| {
            // Without them, nothing beyond the root's file system is entered.
            let text = kernel.read("/proc/self/mountinfo").unwrap_or_default();
            Mounts::parse(&text)
        });
        kernel.directory(path, mounts)
    }
}
