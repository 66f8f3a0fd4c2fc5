//! Hearing of the end of many processes with one question.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;

use super::kernel::{Kernel, has_ended};

/// An epoll instance over pidfds: it is readable exactly when one of them is (epoll(7)),
/// that is, when one of their processes has ended.
pub(super) struct Watch {
    /// Absent where the system gives none; then nothing can be watched.
    epoll: Option<OwnedFd>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).ok(),
        }
    }
}

impl Watch {
    /// Watches a pidfd from now on, if that is possible. `token` is what
    /// [`ended`](Self::ended) calls it.
    pub(super) fn add(&self, kernel: &dyn Kernel, pidfd: BorrowedFd<'_>, token: u64) -> bool {
        self.epoll
            .as_ref()
            .is_some_and(|epoll| kernel.watch(epoll.as_fd(), pidfd, token).is_ok())
    }

    /// Stops watching a pidfd. Closing it would do, but others may hold it.
    pub(super) fn remove(&self, pidfd: BorrowedFd<'_>) {
        if let Some(epoll) = &self.epoll {
            // What cannot be taken out goes on to be told of, under a token that means
            // nothing any more: slower, and as right.
            let _ = epoll::delete(epoll, pidfd);
        }
    }

    /// The tokens of those whose processes have ended, of at most `watched` pidfds. One
    /// system call where none has.
    ///
    /// # Errors
    /// When it cannot be told.
    pub(super) fn ended(&self, kernel: &dyn Kernel, watched: usize) -> io::Result<Vec<u64>> {
        let epoll = self.epoll.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        if !has_ended(kernel, epoll.as_fd())? {
            return Ok(Vec::new());
        }
        // Room for all of them: one that is not taken out is told of again.
        let mut events = Vec::with_capacity(watched.max(1));
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        loop {
            match epoll::wait(
                epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&now),
            ) {
                Err(rustix::io::Errno::INTR) => {}
                waited => {
                    waited?;
                    break;
                }
            }
        }
        Ok(events.iter().map(|event| event.data.u64()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;
    use crate::process::linux::Linux;

    fn ended(watch: &Watch) -> Vec<u64> {
        watch.ended(&Linux, 3).expect("it can be told")
    }

    #[test]
    fn the_end_of_one_process_is_heard_of_until_it_is_taken_out() {
        let watch = Watch::default();
        assert_eq!(ended(&watch), [0; 0]);
        let mut children: Vec<_> = (0..3)
            .map(|_| Command::new("sleep").arg("600").spawn().expect("a process"))
            .collect();
        let pidfds: Vec<_> = children
            .iter()
            .map(|child| {
                let pid = Pid::from_child(child);
                pidfd_open(pid, PidfdFlags::empty()).expect("a pidfd")
            })
            .collect();
        for (token, pidfd) in (0..).zip(&pidfds) {
            assert!(watch.add(&Linux, pidfd.as_fd(), token));
        }
        assert_eq!(ended(&watch), [0; 0]);

        children[1].kill().expect("it is ours");
        children[1].wait().expect("it is ours");
        assert_eq!(ended(&watch), [1]);
        watch.remove(pidfds[0].as_fd());
        assert_eq!(ended(&watch), [1]);
        watch.remove(pidfds[1].as_fd());
        assert_eq!(ended(&watch), [0; 0]);

        for child in &mut children {
            // The one that was reaped already cannot be killed.
            let _ = child.kill();
            child.wait().expect("it is ours");
        }
        assert_eq!(ended(&watch), [2]);
    }
}
