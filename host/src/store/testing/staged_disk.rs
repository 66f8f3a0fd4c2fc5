//! A disk whose every call follows a plan.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use nix::errno::Errno;

use super::super::check::Facts;
use super::super::disk::{Access, Disk};
use super::super::system_disk::SystemDisk;
use super::journal::Journal;
use super::step::{Call, Step};
use super::verdict::{Plan, Verdict};

/// The real file system, but that calls follow a plan and are noted. Nothing is synced to
/// the real disk: what a loss of power leaves is worked out from the [`Journal`].
#[derive(Clone)]
pub(crate) struct StagedDisk(Arc<Mutex<State>>);

struct State {
    plan: Plan,
    steps: Vec<Step>,
    pool: PathBuf,
    journal: Journal,
    /// What each file was to hold, by its name, in the order of writing.
    intended: Vec<(String, Vec<u8>)>,
    /// The file that was locked last.
    locked: Option<Facts>,
    postponed: Vec<(OwnedFd, String, String)>,
}

impl StagedDisk {
    /// For the pool at this path.
    pub(crate) fn new(
        pool: &Path,
        plan: impl FnMut(usize, &Step) -> Verdict + Send + 'static,
    ) -> Self {
        Self::continuing(Journal::of(pool), pool, plan)
    }

    /// The same, where not everything is durable that is there.
    pub(crate) fn continuing(
        journal: Journal,
        pool: &Path,
        plan: impl FnMut(usize, &Step) -> Verdict + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(State {
            plan: Box::new(plan),
            steps: Vec::new(),
            pool: pool.to_owned(),
            journal,
            intended: Vec::new(),
            locked: None,
            postponed: Vec::new(),
        })))
    }

    /// Fails at these calls, for want of room.
    pub(crate) fn failing(pool: &Path, calls: &'static [Call]) -> Self {
        Self::new(pool, |_, step| {
            if calls.contains(&step.call) {
                Verdict::Fail(Errno::ENOSPC)
            } else {
                Verdict::Go
            }
        })
    }

    /// What it was asked, in order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// What it was asked to change, in order.
    pub(crate) fn changes(&self) -> Vec<&'static str> {
        let state = self.state();
        let changes = state.steps.iter().filter(|step| step.call.changes());
        changes.map(|step| step.call.name()).collect()
    }

    /// What was to be written into new files of this name, in order.
    pub(crate) fn intended(&self, name: &str) -> Vec<Vec<u8>> {
        let state = self.state();
        let named = state.intended.iter().filter(|(file, _)| file == name);
        named.map(|(_, bytes)| bytes.clone()).collect()
    }

    /// What was done so far.
    pub(crate) fn journal(&self) -> Journal {
        self.state().journal.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no plan panics")
    }

    /// Notes the step and says what becomes of it.
    fn ask(&self, call: Call, name: String, to: Option<&str>) -> Verdict {
        let mut state = self.state();
        let state = &mut *state;
        let step = Step {
            call,
            name,
            to: to.map(Into::into),
        };
        let verdict = (state.plan)(state.steps.len(), &step);
        state.steps.push(step);
        verdict
    }

    /// Carries out a step that is done or not.
    fn carry_out<T>(
        &self,
        verdict: Verdict,
        call: impl FnOnce() -> io::Result<T>,
        pretend: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match verdict {
            Verdict::Fail(errno) | Verdict::Half(errno) => Err(errno.into()),
            Verdict::Late(errno) => call().and(Err(errno.into())),
            Verdict::Pretend => pretend(),
            Verdict::Go | Verdict::Short | Verdict::Copy | Verdict::Postpone => call(),
        }
    }

    /// A step that only looks.
    fn look_with<T>(
        &self,
        call: Call,
        name: String,
        look: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let verdict = self.ask(call, name, None);
        self.carry_out(verdict, look, || Err(io::ErrorKind::Unsupported.into()))
    }

    /// A step that is noted in the journal when it is done.
    fn change(
        &self,
        verdict: Verdict,
        change: impl FnOnce() -> io::Result<()>,
        note: impl FnOnce(&mut Journal),
    ) -> io::Result<()> {
        let noted = || {
            change()?;
            note(&mut self.state().journal);
            Ok(())
        };
        self.carry_out(verdict, noted, || Ok(()))
    }

    /// What a file or directory is called in the list of steps.
    fn name_of(&self, fd: impl AsFd) -> String {
        self.name_at(&path_of(fd))
    }

    /// The same of what is at a path. Where the pool is differs from run to run.
    fn name_at(&self, path: &Path) -> String {
        let mut above = self.state().pool.clone();
        for level in 0.. {
            match (above == path, level) {
                (true, 0) => return "pool".to_owned(),
                (true, level) => return format!("{level} above pool"),
                (false, _) if above.pop() => {}
                (false, _) => break,
            }
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        // So the kernel marks what has no name any more (proc_pid_fd(5)).
        let name = name.to_string_lossy();
        name.trim_end_matches(" (deleted)").to_owned()
    }

    fn copy_over(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        let bytes = fs::read(path_of(dir).join(from))?;
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path_of(dir).join(to))?;
        let journal = &mut self.state().journal;
        journal.name(to, &file);
        journal.cut(&file, 0);
        SystemDisk.write(&file, &bytes)?;
        journal.write(&file, &bytes);
        SystemDisk.remove(dir, from)?;
        journal.remove(from);
        Ok(())
    }

    /// Does what was put off until now.
    fn catch_up(&self) -> io::Result<()> {
        let postponed = std::mem::take(&mut self.state().postponed);
        for (dir, from, to) in postponed {
            SystemDisk.rename(dir.as_fd(), &from, &to)?;
            self.state().journal.rename(&from, &to);
        }
        Ok(())
    }
}

/// Where an open file or directory is.
fn path_of(fd: impl AsFd) -> PathBuf {
    let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    fs::read_link(link).expect("a descriptor of this process")
}

impl Disk for StagedDisk {
    fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        self.look_with(Call::OpenDirectory, self.name_at(path), || {
            SystemDisk.open_directory(path)
        })
    }

    fn open_parent(&self, dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        self.look_with(Call::OpenParent, self.name_of(dir), || {
            SystemDisk.open_parent(dir)
        })
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let verdict = self.ask(Call::MakeDirectory, self.name_at(path), None);
        let make = || SystemDisk.make_directory(path);
        self.change(verdict, make, |journal| journal.make_directory(path))
    }

    fn set_directory_mode(&self, path: &Path) -> io::Result<()> {
        let verdict = self.ask(Call::SetDirectoryMode, self.name_at(path), None);
        self.change(verdict, || SystemDisk.set_directory_mode(path), |_| ())
    }

    fn look_at_path(&self, path: &Path) -> io::Result<Facts> {
        self.look_with(Call::LookAtPath, self.name_at(path), || {
            SystemDisk.look_at_path(path)
        })
    }

    fn follow_path(&self, path: &Path) -> io::Result<Facts> {
        self.look_with(Call::FollowPath, self.name_at(path), || {
            SystemDisk.follow_path(path)
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
