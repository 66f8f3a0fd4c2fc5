//! Hearing of the end of many processes with one question.

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
    /// Watches a pidfd from now on, if that is possible.
    pub(super) fn add(&self, kernel: &dyn Kernel, pidfd: BorrowedFd<'_>) -> bool {
        self.epoll
            .as_ref()
            .is_some_and(|epoll| kernel.watch(epoll.as_fd(), pidfd).is_ok())
    }

    /// Stops watching a pidfd. Closing it would do, but others may hold it.
    pub(super) fn remove(&self, pidfd: BorrowedFd<'_>) {
        if let Some(epoll) = &self.epoll {
            // What cannot be taken out goes on to be told of, and then each process is
            // asked for itself: slower, and as right.
            let _ = epoll::delete(epoll, pidfd);
        }
    }

    /// Whether none of the watched has ended. No, where it cannot be told.
    pub(super) fn is_quiet(&self, kernel: &dyn Kernel) -> bool {
        self.epoll
            .as_ref()
            .is_some_and(|epoll| matches!(has_ended(kernel, epoll.as_fd()), Ok(false)))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;
    use crate::process::linux::Linux;

    #[test]
    fn the_end_of_one_process_is_heard_of_until_it_is_taken_out() {
        let watch = Watch::default();
        assert!(watch.is_quiet(&Linux));
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
        for pidfd in &pidfds {
            assert!(watch.add(&Linux, pidfd.as_fd()));
        }
        assert!(watch.is_quiet(&Linux));

        children[1].kill().expect("it is ours");
        children[1].wait().expect("it is ours");
        assert!(!watch.is_quiet(&Linux));
        watch.remove(pidfds[0].as_fd());
        assert!(!watch.is_quiet(&Linux));
        watch.remove(pidfds[1].as_fd());
        assert!(watch.is_quiet(&Linux));

        for child in &mut children {
            // The one that was reaped already cannot be killed.
            let _ = child.kill();
            child.wait().expect("it is ours");
        }
        assert!(!watch.is_quiet(&Linux));
    }
}
