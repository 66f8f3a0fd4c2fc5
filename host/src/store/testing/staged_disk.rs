//! A disk whose every call follows a plan.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use nix::errno::Errno;

use super::super::disk::Disk;
use super::super::facts::Facts;
use super::super::system_disk::SystemDisk;
use super::journal::Journal;
use super::step::{Call, Step};
use super::verdict::{Plan, Verdict};

/// The real file system, but that calls follow a plan and are noted. Nothing is synced to
/// the real disk: what a loss of power leaves is worked out from the [`Journal`].
#[derive(Clone)]
pub(crate) struct StagedDisk(Arc<Mutex<State>>);

pub(super) struct State {
    plan: Plan,
    steps: Vec<Step>,
    pool: PathBuf,
    pub(super) journal: Journal,
    /// What each file was to hold, by its name, in the order of writing.
    pub(super) intended: Vec<(String, Vec<u8>)>,
    /// The file that was locked last.
    pub(super) locked: Option<Facts>,
    pub(super) postponed: Vec<(OwnedFd, String, String)>,
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no plan panics")
    }

    /// Notes the step and says what becomes of it.
    pub(super) fn ask(&self, call: Call, name: String, to: Option<&str>) -> Verdict {
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
    pub(super) fn carry_out<T>(
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
    pub(super) fn look_with<T>(
        &self,
        call: Call,
        name: String,
        look: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let verdict = self.ask(call, name, None);
        self.carry_out(verdict, look, || Err(io::ErrorKind::Unsupported.into()))
    }

    /// A step that is noted in the journal when it is done.
    pub(super) fn change(
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
    pub(super) fn name_of(&self, fd: impl AsFd) -> String {
        self.name_at(&path_of(fd))
    }

    /// The same of what is at a path. Where the pool is differs from run to run.
    pub(super) fn name_at(&self, path: &Path) -> String {
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

    pub(super) fn copy_over(&self, dir: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
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
    pub(super) fn catch_up(&self) -> io::Result<()> {
        let postponed = std::mem::take(&mut self.state().postponed);
        for (dir, from, to) in postponed {
            SystemDisk.rename(dir.as_fd(), &from, &to)?;
            self.state().journal.rename(&from, &to);
        }
        Ok(())
    }
}

/// Where an open file or directory is.
pub(super) fn path_of(fd: impl AsFd) -> PathBuf {
    let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    fs::read_link(link).expect("a descriptor of this process")
}
