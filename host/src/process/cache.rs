//! Verified processes, remembered between requests.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Resource, getrlimit};

use super::decide::{Rung, accepts};
use super::handle::LinuxProcess;
use super::kernel::{Kernel, has_ended, poll_now, tells_end};
use super::ladder::Proven;
use super::ledger::{Agreement, Whereabouts, agreement, whereabouts};
use super::watch::Watch;
use super::{Claim, Process, Proof, Question, Record, Strength};

/// Processes that were proven to be their claims', each under its whole claim.
///
/// As long as its pidfd is not readable, a process is still the one that was proven. So
/// one `poll(2)` answers for a whole pool: of what watches all of them, and only when
/// that has heard of an end, of each.
pub(super) struct Cache {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By pid first: hashing the whole claim would cost more than everything else.
    entries: HashMap<u32, Vec<Entry>>,
    count: usize,
    watch: Watch,
    /// Counts calls, to tell what was asked for last.
    call: u64,
}

struct Entry {
    claim: Claim,
    process: Arc<LinuxProcess>,
    rung: Rung,
    proof: Proof,
    started: SystemTime,
    used: u64,
    watched: bool,
}

/// The most descriptors ever held, whatever the system would allow.
const MOST: u64 = 4096;

/// How many pidfds may be held: half of what this program may open (getrlimit(2)).
pub(super) fn default_capacity() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((limit / 2).min(MOST)).unwrap_or(1).max(1)
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

    /// The remembered process of each question, if it still runs and nothing speaks
    /// against it. Makes one system call, whatever the number of questions, unless some
    /// process has ended.
    pub(super) fn recall(
        &self,
        kernel: &dyn Kernel,
        questions: &[Question<'_>],
        strength: Strength,
    ) -> Vec<Option<Proven>> {
        let (mut found, quiet) = {
            let mut inner = self.inner();
            let (found, watched) = inner.look_up(questions, strength);
            (found, watched && inner.watch.is_quiet(kernel))
        };
        if quiet {
            return found;
        }
        let mut fds: Vec<PollFd<'_>> = found
            .iter()
            .flatten()
            .map(|proven| PollFd::from_borrowed_fd(proven.process.as_fd(), PollFlags::IN))
            .collect();
        if fds.is_empty() {
            return found;
        }
        let polled = poll_now(kernel, &mut fds).is_ok();
        // Taken out, because the processes go where the descriptors are borrowed from.
        let events: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        let mut events = events.into_iter();
        for (proven, question) in found.iter_mut().zip(questions) {
            let Some(process) = proven.as_ref().map(|proven| &proven.process) else {
                continue;
            };
            let ended = tells_end(events.next().unwrap_or(PollFlags::NVAL));
            if !(polled && matches!(ended, Ok(false))) {
                // Ended, or it cannot be told: to be judged anew.
                self.inner().drop_entry(question.claim, process);
                *proven = None;
            }
        }
        self.inner().drop_ended(kernel);
        found
    }

    /// Remembers a process for its claim. When there is no room, what was not asked for
    /// in the latest call makes room, longest unused first; if all of it was, the process
    /// is not remembered, since a pool that does not fit would only wash itself out.
    pub(super) fn remember(&self, kernel: &dyn Kernel, claim: &Claim, proven: &Proven) {
        let mut inner = self.inner();
        inner.drop_claim(claim);
        if inner.count >= self.capacity && !inner.drop_longest_unused() {
            return;
        }
        let entry = Entry {
            claim: claim.clone(),
            process: proven.process.clone(),
            rung: proven.rung,
            proof: proven.proof,
            started: proven.started,
            used: inner.call,
            watched: inner.watch.add(kernel, proven.process.as_fd()),
        };
        inner.entries.entry(claim.pid).or_default().push(entry);
        inner.count += 1;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The remembered process of each question, and whether all of them are watched.
    fn look_up(
        &mut self,
        questions: &[Question<'_>],
        strength: Strength,
    ) -> (Vec<Option<Proven>>, bool) {
        self.call += 1;
        let call = self.call;
        let mut watched = true;
        let found = questions
            .iter()
            .map(|question| {
                let entries = self.entries.get_mut(&question.claim.pid)?;
                let entry = entries
                    .iter_mut()
                    .find(|entry| entry.claim == *question.claim)?;
                entry.used = call;
                watched &= entry.watched;
                entry.answer(question.record, strength)
            })
            .collect();
        (found, watched)
    }

    /// Forgets the processes that have ended and were not asked for in the latest call:
    /// nobody may ever ask for them again, and they would be heard of each time.
    fn drop_ended(&mut self, kernel: &dyn Kernel) {
        let has_ended =
            |entry: &&Entry| !matches!(has_ended(kernel, entry.process.as_fd()), Ok(false));
        let ended: Vec<_> = self
            .entries
            .values()
            .flatten()
            .filter(|entry| entry.watched && entry.used < self.call)
            .filter(has_ended)
            .map(|entry| (entry.claim.pid, entry.process.clone()))
            .collect();
        for (pid, process) in ended {
            self.retain(pid, |entry| !Arc::ptr_eq(&entry.process, &process));
        }
    }

    fn drop_entry(&mut self, claim: &Claim, process: &Arc<LinuxProcess>) {
        self.retain(claim.pid, |entry| !Arc::ptr_eq(&entry.process, process));
    }

    fn drop_claim(&mut self, claim: &Claim) {
        self.retain(claim.pid, |entry| entry.claim != *claim);
    }

    fn drop_longest_unused(&mut self) -> bool {
        let entries = self.entries.values().flatten();
        let oldest = entries
            .filter(|entry| entry.used < self.call)
            .min_by_key(|entry| entry.used);
        let Some((pid, process)) = oldest.map(|entry| (entry.claim.pid, entry.process.clone()))
        else {
            return false;
        };
        self.retain(pid, |entry| !Arc::ptr_eq(&entry.process, &process));
        true
    }

    fn retain(&mut self, pid: u32, keep: impl Fn(&Entry) -> bool) {
        let Some(entries) = self.entries.get_mut(&pid) else {
            return;
        };
        let before = entries.len();
        for gone in entries.iter().filter(|entry| entry.watched && !keep(entry)) {
            self.watch.remove(gone.process.as_fd());
        }
        entries.retain(|entry| keep(entry));
        self.count -= before - entries.len();
        if entries.is_empty() {
            self.entries.remove(&pid);
        }
    }
}

impl Entry {
    /// The entry, if the ledger's row names the same process, and what entry and row rest
    /// on is accepted. A row that was strengthened meanwhile is thus judged anew, once.
    fn answer(&self, record: Option<&Record>, strength: Strength) -> Option<Proven> {
        let fits = |record: &Record| self.agrees(record) && accepts(strength, record.proof);
        if !accepts(strength, self.proof) || !record.is_none_or(fits) {
            return None;
        }
        Some(Proven {
            process: self.process.clone(),
            rung: self.rung,
            proof: self.proof,
            started: self.started,
            unrecorded: record.is_none(),
        })
    }

    fn agrees(&self, record: &Record) -> bool {
        let (row, process) = (&record.identity, self.process.identity());
        // All but always they are simply equal.
        row == process
            || whereabouts(&row.place, &process.place) == Whereabouts::Here
                && agreement(row, process) == Agreement::Same
    }
}
