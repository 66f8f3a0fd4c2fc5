//! The calls of a [`StagedDisk`]: each is noted, and what becomes of it is as planned.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::super::disk::{Access, Disk};
use super::super::facts::Facts;
use super::super::system_disk::SystemDisk;
use super::staged_disk::{StagedDisk, path_of};
use super::step::Call;
use super::verdict::Verdict;

impl Disk for StagedDisk {
    fn open_directory(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
        self.look_with(Call::OpenDirectory, self.name_at(path), || {
            SystemDisk.open_directory(dir, path)
        })
    }

    fn follow_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        self.look_with(Call::FollowDirectory, self.name_at(path), || {
            SystemDisk.follow_directory(path)
        })
    }

    fn open_parent(&self, dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        self.look_with(Call::OpenParent, self.name_of(dir), || {
            SystemDisk.open_parent(dir)
        })
    }

    fn make_directory(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
        let verdict = self.ask(Call::MakeDirectory, self.name_at(path), None);
        let make = || SystemDisk.make_directory(dir, path);
        self.change(verdict, make, |journal| {
            // What is made in the pool is no pool.
            if path.is_absolute() {
                journal.make_directory(path);
            }
        })
    }

    fn set_directory_mode(&self, dir: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
        let verdict = self.ask(Call::SetDirectoryMode, self.name_at(path), None);
        let set = || SystemDisk.set_directory_mode(dir, path);
        self.change(verdict, set, |_| ())
    }

    fn look_at_path(&self, path: &Path) -> io::Result<Facts> {
        self.look_with(Call::LookAtPath, self.name_at(path), || {
            SystemDisk.look_at_path(path)
        })
    }

    fn facts(&self, fd: BorrowedFd<'_>) -> io::Result<Facts> {
        self.look_with(Call::Facts, self.name_of(fd), || SystemDisk.facts(fd))
    }

    fn look(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<Facts> {
        let verdict = self.ask(Call::Look, name.to_owned(), None);
        let locked = || self.state().locked.ok_or_else(|| Errno::ENOENT.into());
        self.carry_out(verdict, || SystemDisk.look(dir, name), locked)
    }

    fn open(&self, dir: BorrowedFd<'_>, name: &str, access: Access) -> io::Result<File> {
        self.look_with(Call::Open, name.to_owned(), || {
            SystemDisk.open(dir, name, access)
        })
    }

    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<File> {
        let verdict = self.ask(Call::Create, name.to_owned(), None);
        let create = || {
            let file = SystemDisk.create(dir, name)?;
            self.state().journal.name(name, &file);
            Ok(file)
        };
        // Takes whatever is there for a file that it has made.
        let take = || File::create(path_of(dir).join(name));
        self.carry_out(verdict, create, take)
    }

    /// Its contents are a worker's, so the journal does without them.
    fn open_log(&self, dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
        let named = name.to_string_lossy().into_owned();
        self.look_with(Call::OpenLog, named, || SystemDisk.open_log(dir, name))
    }

    fn set_mode(&self, file: &File) -> io::Result<()> {
        let verdict = self.ask(Call::SetMode, self.name_of(file), None);
        self.change(verdict, || SystemDisk.set_mode(file), |_| ())
    }

    fn read(&self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let verdict = self.ask(Call::Read, self.name_of(file), None);
        match verdict {
            Verdict::Pretend => {
                buffer.fill(b'\n');
                Ok(buffer.len())
            }
            _ => self.carry_out(verdict, || SystemDisk.read(file, buffer, at), || Ok(0)),
        }
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let name = self.name_of(file);
        let verdict = self.ask(Call::Write, name.clone(), None);
        self.state().intended.push((name, bytes.to_vec()));
        let write = |bytes: &[u8]| {
            let written = SystemDisk.write(file, bytes)?;
            self.state().journal.write(file, &bytes[..written]);
            Ok(written)
        };
        let half = &bytes[..bytes.len() / 2];
        match verdict {
            Verdict::Short => write(half),
            Verdict::Half(errno) => write(half).and(Err(errno.into())),
            _ => self.carry_out(verdict, || write(bytes), || Ok(bytes.len())),
        }
    }

    fn cut(&self, file: &File, size: u64) -> io::Result<()> {
        let verdict = self.ask(Call::Cut, self.name_of(file), None);
        let cut = || SystemDisk.cut(file, size);
        self.change(verdict, cut, |journal| journal.cut(file, size))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let verdict = self.ask(Call::Sync, self.name_of(file), None);
        self.change(verdict, || Ok(()), |journal| journal.sync(file))
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        let verdict = self.ask(Call::SyncData, self.name_of(file), None);
        self.change(verdict, || Ok(()), |journal| journal.sync(file))
    }

    fn rename(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        match self.ask(Call::Rename, from.to_owned(), Some(to)) {
            Verdict::Copy => self.copy_over(dir, from, to),
            Verdict::Postpone => {
                let later = (dir.try_clone_to_owned()?, from.to_owned(), to.to_owned());
                self.state().postponed.push(later);
                Ok(())
            }
            verdict => {
                let rename = || SystemDisk.rename(dir, from, to);
                self.change(verdict, rename, |journal| journal.rename(from, to))
            }
        }
    }

    /// No request exchanges files, so what a loss of power leaves of it is not worked out.
    fn exchange(&self, dir: BorrowedFd<'_>, one: &str, other: &str) -> io::Result<()> {
        let verdict = self.ask(Call::Exchange, one.to_owned(), Some(other));
        self.change(verdict, || SystemDisk.exchange(dir, one, other), |_| ())
    }

    fn rename_to_free(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        let verdict = self.ask(Call::RenameToFree, from.to_owned(), Some(to));
        let rename = || SystemDisk.rename_to_free(dir, from, to);
        self.change(verdict, rename, |journal| journal.rename(from, to))
    }

    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let verdict = self.ask(Call::Remove, name.to_owned(), None);
        let remove = || SystemDisk.remove(dir, name);
        self.change(verdict, remove, |journal| journal.remove(name))
    }

    fn sync_directory(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        let path = path_of(dir);
        let verdict = self.ask(Call::SyncDirectory, self.name_at(&path), None);
        self.change(verdict, || Ok(()), |journal| journal.sync_directory(&path))
    }

    fn try_lock(&self, file: &File) -> io::Result<()> {
        let verdict = self.ask(Call::TryLock, self.name_of(file), None);
        self.carry_out(verdict, || SystemDisk.try_lock(file), || Ok(()))?;
        self.state().locked = Some(SystemDisk.facts(file.as_fd())?);
        Ok(())
    }

    fn lock(&self, file: &File) -> io::Result<()> {
        let verdict = self.ask(Call::Lock, self.name_of(file), None);
        self.carry_out(verdict, || SystemDisk.lock(file), || Ok(()))
    }

    fn unlock(&self, file: &File) -> io::Result<()> {
        let name = self.name_of(file);
        let verdict = self.ask(Call::Unlock, name.clone(), None);
        if verdict == Verdict::Go && name == "registry.lock" {
            self.catch_up()?;
        }
        self.carry_out(verdict, || SystemDisk.unlock(file), || Ok(()))
    }

    fn connect(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        self.look_with(Call::Connect, name.to_owned(), || {
            SystemDisk.connect(dir, name)
        })
    }
}
