//! Verified processes, remembered between requests.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};

use super::decide::{Rung, accepts};
use super::handle::LinuxProcess;
use super::kernel::{Kernel, has_ended};
use super::ladder::Proven;
use super::ledger::{Agreement, Whereabouts, agreement, whereabouts};
use super::parked::LinuxParked;
use super::watch::Watch;
use super::{Claim, Identity, Process, Proof, Question, Record, Strength};

/// Processes that were proven to be their claims', each under its whole claim.
///
/// As long as its pidfd is not readable, a process is still the one that was proven. So
/// one `poll(2)` answers for a whole pool: of what watches all of them. Where there are
/// more processes than descriptors, the others are parked, and found again by their inode
/// on pidfs: a few system calls for each, and nothing is read or proven anew.
pub(super) struct Cache {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Arc<Claim>, Entry>,
    /// Whose descriptor is held, by the token that the watch knows it by.
    held: HashMap<u64, Arc<Claim>>,
    last_token: u64,
    watch: Watch,
    /// Counts calls, to tell what was asked for last.
    call: u64,
    /// Held entries that can be parked: when they were asked for last, and their token.
    /// The longest unused is the last one.
    unused: Vec<(u64, u64)>,
    /// The call in which `unused` was last filled.
    filled_in: u64,
    /// The call in which unused parked entries were last forgotten.
    swept_in: u64,
}

struct Entry {
    kept: Kept,
    rung: Rung,
    proof: Proof,
    started: SystemTime,
    used: u64,
}

enum Kept {
    Held {
        process: Arc<LinuxProcess>,
        token: u64,
        watched: bool,
    },
    Parked(LinuxParked),
}

/// A call that has begun.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    /// Whether it could be told which of the watched processes have ended.
    told: bool,
}

/// The most descriptors ever held, whatever the system would allow. Each costs the kernel
/// about a kilobyte.
const MOST_HELD: u64 = 65_536;

/// The most processes remembered without a descriptor, each in some 300 bytes.
const MOST_PARKED: usize = 131_072;

/// How many pidfds may be held: half of what this program may open (getrlimit(2)).
pub(super) fn default_capacity() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((limit / 2).min(MOST_HELD))
        .unwrap_or(1)
        .max(1)
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::default(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Begins a call: forgets the processes that have ended. Makes one system call for all
    /// whose descriptors are held, and one more where some have ended.
    pub(super) fn begin(&self, kernel: &dyn Kernel) -> Begun {
        let mut inner = self.inner();
        inner.call += 1;
        Begun {
            told: inner.drop_ended(kernel),
        }
    }

    /// The remembered process of a question, if it still ran when the call began and
    /// nothing speaks against it.
    pub(super) fn recall(
        &self,
        kernel: &dyn Kernel,
        question: &Question<'_>,
        strength: Strength,
        begun: Begun,
    ) -> Option<Proven> {
        self.inner().recall(kernel, question, strength, begun)
    }

    /// Remembers a process for its claim. When there is no descriptor left to hold it by,
    /// what was not asked for in the latest call is parked for it, longest unused first;
    /// if all of it was, the process is parked itself.
    pub(super) fn remember(&self, kernel: &dyn Kernel, claim: &Claim, proven: &Proven) {
        let mut inner = self.inner();
        inner.forget(claim);
        let claim = Arc::new(claim.clone());
        let process = &proven.process;
        let kept = if inner.make_room(self.capacity) {
            inner.last_token += 1;
            let token = inner.last_token;
            inner.held.insert(token, claim.clone());
            Kept::Held {
                watched: inner.watch.add(kernel, process.as_fd(), token),
                process: process.clone(),
                token,
            }
        } else {
            match LinuxParked::of(process) {
                Some(parked) if inner.has_room_for_parked() => Kept::Parked(parked),
                _ => return,
            }
        };
        let entry = Entry {
            kept,
            rung: proven.rung,
            proof: proven.proof,
            started: proven.started,
            used: inner.call,
        };
        inner.entries.insert(claim, entry);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets the processes that have ended, as far as they are watched. Says whether
    /// that could be told.
    fn drop_ended(&mut self, kernel: &dyn Kernel) -> bool {
        let Ok(ended) = self.watch.ended(kernel, self.held.len()) else {
            return false;
        };
        for token in ended {
            if let Some(claim) = self.held.get(&token).cloned() {
                self.forget(&claim);
            }
        }
        true
    }

    fn recall(
        &mut self,
        kernel: &dyn Kernel,
        question: &Question<'_>,
        strength: Strength,
        begun: Begun,
    ) -> Option<Proven> {
        let call = self.call;
        let entry = self.entries.get_mut(question.claim)?;
        entry.used = call;
        if !entry.agrees(question.record, strength) {
            return None;
        }
        let process = match &entry.kept {
            Kept::Held {
                process, watched, ..
            } => {
                let runs = *watched && begun.told
                    || matches!(has_ended(kernel, process.as_fd()), Ok(false));
                runs.then(|| process.clone())
            }
            Kept::Parked(parked) => parked.find().ok(),
        };
        let Some(process) = process else {
            // Ended, or it cannot be told: to be judged anew.
            self.forget(question.claim);
            return None;
        };
        Some(Proven {
            process,
            rung: entry.rung,
            proof: entry.proof,
            started: entry.started,
            unrecorded: question.record.is_none(),
        })
    }

    fn forget(&mut self, claim: &Claim) {
        if let Some(entry) = self.entries.remove(claim) {
            self.let_go(&entry.kept);
        }
    }

    /// Stops watching a process whose descriptor is not to be held any more.
    fn let_go(&mut self, kept: &Kept) {
        if let Kept::Held {
            process,
            token,
            watched,
        } = kept
        {
            self.held.remove(token);
            if *watched {
                self.watch.remove(process.as_fd());
            }
        }
    }

    /// Whether one more descriptor may be held, if need be because another is let go.
    fn make_room(&mut self, capacity: usize) -> bool {
        while self.held.len() >= capacity {
            let Some((used, token)) = self.longest_unused() else {
                return false;
            };
            let Some(claim) = self.held.get(&token).cloned() else {
                continue;
            };
            let entry = self.entries.get_mut(&claim);
            // It may have been asked for since it was put on the list.
            let Some(entry) = entry.filter(|entry| entry.used == used) else {
                continue;
            };
            let parked = match &entry.kept {
                Kept::Held { process, .. } => LinuxParked::of(process),
                Kept::Parked(_) => continue,
            };
            match parked {
                Some(parked) => {
                    let held = std::mem::replace(&mut entry.kept, Kept::Parked(parked));
                    self.let_go(&held);
                }
                None => self.forget(&claim),
            }
        }
        true
    }

    /// Takes the next candidate from the list, which is filled at most once in a call.
    fn longest_unused(&mut self) -> Option<(u64, u64)> {
        if self.unused.is_empty() && self.filled_in < self.call {
            self.filled_in = self.call;
            let call = self.call;
            let held = self.entries.values().filter_map(|entry| match entry.kept {
                Kept::Held { token, .. } if entry.used < call => Some((entry.used, token)),
                _ => None,
            });
            self.unused = held.collect();
            self.unused.sort_unstable_by(|one, other| other.cmp(one));
        }
        self.unused.pop()
    }

    /// Whether one more process may be parked. Where there are too many, those that were
    /// not asked for in the latest call are forgotten: no descriptor tells when they end.
    fn has_room_for_parked(&mut self) -> bool {
        let parked = |inner: &Self| inner.entries.len() - inner.held.len();
        if parked(self) >= MOST_PARKED && self.swept_in < self.call {
            self.swept_in = self.call;
            let call = self.call;
            self.entries
                .retain(|_, entry| entry.used == call || matches!(entry.kept, Kept::Held { .. }));
        }
        parked(self) < MOST_PARKED
    }
}

impl Entry {
    fn identity(&self) -> &Identity {
        match &self.kept {
            Kept::Held { process, .. } => process.identity(),
            Kept::Parked(parked) => parked.identity(),
        }
    }

    /// Whether the ledger's row names the same process, and what entry and row rest on is
    /// accepted. A row that was strengthened meanwhile is thus judged anew, once.
    fn agrees(&self, record: Option<&Record>, strength: Strength) -> bool {
        let fits = |record: &Record| self.is_of(record) && accepts(strength, record.proof);
        accepts(strength, self.proof) && record.is_none_or(fits)
    }

    fn is_of(&self, record: &Record) -> bool {
        let (row, process) = (&record.identity, self.identity());
        // All but always they are simply equal.
        row == process
            || whereabouts(&row.place, &process.place) == Whereabouts::Here
                && agreement(row, process) == Agreement::Same
    }
}
