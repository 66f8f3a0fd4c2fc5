//! The system calls of the fake kernel.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use rustix::event::PollFd;

use super::{Call, FakeKernel, OWN_PID, OWN_UID};
use crate::process::Signal;
use crate::process::kernel::{Clocks, FileKind, Kernel};
use crate::process::linux::Linux;
use crate::process::reach::{Directory, Mounts};

fn entry<T: Clone>(map: &HashMap<String, Result<T, Errno>>, path: &str) -> io::Result<T> {
    Ok(map.get(path).cloned().unwrap_or(Err(Errno::ENOENT))?)
}

impl Kernel for FakeKernel {
    fn open_pidfd(&self, pid: i32) -> io::Result<OwnedFd> {
        let mut state = self.state();
        state.call(Call::OpenPidfd)?;
        let pid = u32::try_from(pid).expect("only possible pids are opened");
        let process = state.processes.get(&pid).filter(|process| !process.reaped);
        let process = process.ok_or(Errno::ESRCH)?;
        let inode = state.pidfs.then_some(process.inode);
        let pidfd = process.end.as_fd().try_clone_to_owned()?;
        state.opened.insert(pidfd.as_raw_fd(), (pid, inode));
        Ok(pidfd)
    }

    fn pidfs_inode(&self, pidfd: BorrowedFd<'_>) -> io::Result<Option<u64>> {
        let mut state = self.state();
        state.call(Call::PidfsInode)?;
        Ok(state.opened[&pidfd.as_raw_fd()].1)
    }

    fn poll(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
        self.state().call(Call::Poll)?;
        Linux.poll(fds, timeout)
    }

    fn watch(&self, epoll: BorrowedFd<'_>, pidfd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        Linux.watch(epoll, pidfd, token)
    }

    fn send_signal(&self, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SendSignal)?;
        let (pid, _) = state.opened[&pidfd.as_raw_fd()];
        if let Some(witness) = &mut state.witness {
            witness(pid, signal);
        }
        state.sent.push((pid, signal));
        if state.mortal.contains(&(pid, signal)) {
            state.reap(pid);
        }
        Ok(())
    }

    /// Reaches nobody.
    fn send_group_signal(&self, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SendSignal)?;
        let (pid, _) = state.opened[&pidfd.as_raw_fd()];
        state.sent_to_groups.push((pid, signal));
        Ok(())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.count();
        *state.reads.entry(path.to_owned()).or_default() += 1;
        let text = entry(&state.files, path);
        if let Some(pid) = state.races.remove(path) {
            state.reap(pid);
        }
        text
    }

    fn link(&self, path: &str) -> io::Result<PathBuf> {
        let mut state = self.state();
        state.count();
        entry(&state.links, path)
    }

    fn names(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.count();
        entry(&state.directories, directory)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(self
            .state()
            .canonical
            .get(path)
            .cloned()
            .unwrap_or_else(|| path.to_owned()))
    }

    fn directory(&self, path: &Path, _mounts: &Mounts) -> io::Result<Directory> {
        let mut state = self.state();
        state.count();
        if let Some(&error) = state.unreachable.get(path) {
            return Err(error.into());
        }
        let real = state.canonical.get(path).cloned();
        Ok(Directory {
            real: real.unwrap_or_else(|| path.to_owned()),
            fd: None,
        })
    }

    fn kind(&self, path: &Path) -> io::Result<FileKind> {
        let mut state = self.state();
        state.count();
        if let Some(&error) = state.unseen.get(path) {
            return Err(error.into());
        }
        Ok(state.sockets.get(path).ok_or(Errno::ENOENT)?.0)
    }

    fn connect(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.count();
        Ok(state.sockets.get(path).ok_or(Errno::ENOENT)?.1?)
    }

    fn clocks(&self) -> Clocks {
        self.state().clocks.expect("set when the fake is made")
    }

    fn process_group(&self, pid: u32) -> io::Result<u32> {
        Ok(self.state().groups.get(&pid).copied().unwrap_or(1))
    }

    fn ticks_per_second(&self) -> u64 {
        100
    }

    fn own_pid(&self) -> u32 {
        OWN_PID
    }

    fn effective_uid(&self) -> u32 {
        if self.state().is_root { 0 } else { OWN_UID }
    }
}
