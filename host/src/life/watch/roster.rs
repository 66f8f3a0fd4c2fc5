//! Who was in the pool when it was last read, and what a new reading changes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::process::{
    Claim, Finding, IdentifyError, Inquiry, Process, Processes, Proof, Question, Record, Standing,
    Strength,
};

use super::{Event, EventKind};

/// One entry as a reading of the pool found it.
pub(super) struct Seen {
    pub(super) claim: Claim,
    pub(super) finding: Finding,
    /// Its process, where it is alive and could be held.
    pub(super) process: Option<Arc<dyn Process>>,
}

/// The entries as they were last told of, in the order of the registry.
#[derive(Default)]
pub(super) struct Roster {
    entries: Vec<Entry>,
    /// Whether the pool was read at all.
    begun: bool,
}

struct Entry {
    claim: Claim,
    standing: Standing,
    evidence: String,
    /// The process whose end is to be told.
    held: Option<Arc<dyn Process>>,
    /// Whether its end was told.
    exited: bool,
    /// Whether it was tried to hold the process of an entry that is unproven.
    tried: bool,
}

impl Roster {
    /// Whether the pool was ever read.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The processes that are held, with the index of their entry.
    pub(super) fn held(&self) -> impl Iterator<Item = (usize, &Arc<dyn Process>)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(index, entry)| Some((index, entry.held.as_ref()?)))
    }

    /// How many running processes are not held.
    pub(super) fn unheld(&self) -> usize {
        let unheld = |entry: &&Entry| match entry.standing {
            Standing::Alive => entry.held.is_none() && !entry.exited,
            Standing::Unproven => entry.held.is_none() && !entry.tried,
            _ => false,
        };
        self.entries.iter().filter(unheld).count()
    }

    /// Takes note that a process which was held has ended. An event tells it where it was
    /// proven to be the worker; of another one the pool has to be read again.
    pub(super) fn end(&mut self, index: usize, processes: &dyn Processes) -> Option<Event> {
        let entry = self.entries.get_mut(index)?;
        if entry.standing == Standing::Alive {
            return entry.end(processes);
        }
        entry.held = None;
        entry.tried = false;
        None
    }

    /// Takes over a new reading, and says what it changes. At most `limit` processes are
    /// held.
    pub(super) fn update(
        &mut self,
        seen: Vec<Seen>,
        processes: &dyn Processes,
        limit: usize,
    ) -> Vec<Event> {
        let Matches { same, replaced } = self.match_up(&seen);
        let mut old: Vec<Option<Entry>> = self.entries.drain(..).map(Some).collect();
        let mut events = Vec::new();

        let mut fates = vec![Fate::Gone; old.len()];
        for &index in same.iter().flatten() {
            fates[index] = Fate::Same;
        }
        for &index in replaced.iter().flatten() {
            fates[index] = Fate::Replaced;
        }
        for (entry, fate) in old.iter_mut().flatten().zip(fates) {
            // It ended before its entry went, though nobody has noticed yet.
            let ended = entry.held.as_ref().is_some_and(ended);
            if fate != Fate::Same && ended && entry.standing == Standing::Alive {
                events.extend(entry.end(processes));
            }
            if fate == Fate::Gone {
                events.push(entry.event(EventKind::Removed));
            }
        }

        let mut room = limit;
        for (index, seen) in seen.into_iter().enumerate() {
            let known = same[index].and_then(|at| old[at].take());
            let mut entry = match known {
                Some(mut entry) => {
                    events.extend(entry.look_again(seen));
                    entry
                }
                None => {
                    let entry = Entry::new(seen);
                    let previous = replaced[index].and_then(|at| old[at].take());
                    let kind = match &previous {
                        Some(_) => EventKind::Replaced,
                        None if self.begun => EventKind::Appeared,
                        None => EventKind::Present,
                    };
                    events.push(Event {
                        previous: previous.map(|entry| entry.claim),
                        ..entry.event(kind)
                    });
                    entry
                }
            };
            if entry.held.is_some() {
                match room.checked_sub(1) {
                    Some(left) => room = left,
                    None => entry.held = None,
                }
            }
            self.entries.push(entry);
        }
        self.begun = true;
        events
    }

    /// Holds the processes of entries that are unproven: such a process runs too, and its
    /// end changes the standing. True when the pool has to be read once more: what was
    /// found is not about the process that is held from now on.
    pub(super) fn hold_unproven(&mut self, processes: &dyn Processes, limit: usize) -> bool {
        let unproven = |entry: &Entry| entry.standing == Standing::Unproven;
        let held = self.entries.iter().filter(|entry| entry.held.is_some());
        let (mut all, mut unproven_held) = (0, 0);
        for entry in held {
            all += 1;
            unproven_held += usize::from(unproven(entry));
        }
        // They are held for the watch alone, while those of the living are held anyway.
        let mut room = limit.saturating_sub(all);
        room = room.min((limit / 4).saturating_sub(unproven_held));
        let mut again = false;
        for entry in &mut self.entries {
            if room == 0 {
                break;
            }
            if unproven(entry) && entry.held.is_none() && !entry.tried {
                entry.tried = true;
                match processes.identify(entry.claim.pid) {
                    Ok(identified) => {
                        entry.held = Some(identified.process);
                        room -= 1;
                        again = true;
                    }
                    Err(IdentifyError::NoSuchProcess { .. } | IdentifyError::Exited { .. }) => {
                        again = true;
                    }
                    // Nothing that a second look could change.
                    Err(_) => {}
                }
            }
        }
        again
    }

    /// The pool is no more.
    pub(super) fn clear(&mut self, processes: &dyn Processes) -> Vec<Event> {
        self.update(Vec::new(), processes, 0)
    }

    /// Finds the entry before of each one that was seen.
    fn match_up(&self, seen: &[Seen]) -> Matches {
        let mut by_claim: HashMap<&Claim, VecDeque<usize>> = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            by_claim.entry(&entry.claim).or_default().push_back(index);
        }
        let same: Vec<Option<usize>> = seen
            .iter()
            .map(|seen| by_claim.get_mut(&seen.claim)?.pop_front())
            .collect();

        let mut by_sid: HashMap<&str, VecDeque<usize>> = HashMap::new();
        let mut gone: Vec<usize> = by_claim.into_values().flatten().collect();
        gone.sort_unstable();
        for index in gone {
            let sid = self.entries[index].claim.sid.as_str();
            by_sid.entry(sid).or_default().push_back(index);
        }
        let replaced = seen.iter().zip(&same).map(|(seen, same)| match same {
            Some(_) => None,
            None => by_sid.get_mut(seen.claim.sid.as_str())?.pop_front(),
        });
        let replaced = replaced.collect();
        Matches { same, replaced }
    }
}

/// What a new reading makes of an entry from before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Same,
    Replaced,
    Gone,
}

/// For each entry that was seen, the index of one from before.
struct Matches {
    /// The one that makes the same claim.
    same: Vec<Option<usize>>,
    /// Else, the one whose sid it has taken over.
    replaced: Vec<Option<usize>>,
}

impl Entry {
    fn new(seen: Seen) -> Self {
        Self {
            exited: seen.finding.standing.is_dead(),
            claim: seen.claim,
            standing: seen.finding.standing,
            evidence: seen.finding.evidence.into_owned(),
            held: seen.process,
            tried: false,
        }
    }

    /// The process that was proven to be the worker has ended.
    fn end(&mut self, processes: &dyn Processes) -> Option<Event> {
        let process = self.held.take()?;
        if self.exited {
            return None;
        }
        // What became of it: unreaped, gone, or its pid another process's already. Its
        // socket may be served on, by a child for one.
        let record = Record {
            identity: process.identity().clone(),
            proof: Proof::Registered,
        };
        let question = Question {
            claim: &self.claim,
            record: Some(&record),
        };
        let inquiry = Inquiry::new(Strength::Any);
        let found = processes
            .inspect(&[question], &inquiry)
            .unwrap_or_default()
            .pop();
        let found = found.filter(|found| found.finding.standing != Standing::Alive);
        (self.standing, self.evidence) = found.map_or_else(
            || (Standing::Gone, format!("pid {} has ended", process.pid())),
            |found| (found.finding.standing, found.finding.evidence.into_owned()),
        );
        self.exited = true;
        Some(self.event(EventKind::Exited))
    }

    /// Compares with a new finding about the same claim.
    fn look_again(&mut self, seen: Seen) -> Option<Event> {
        let standing = seen.finding.standing;
        let runs = self.held.as_ref().map(|held| !ended(held));
        if standing == Standing::Alive {
            // It may have been found while it still ran: its end was told, or is about to be.
            let late = if self.exited {
                seen.process.as_ref().is_none_or(ended)
            } else {
                runs == Some(false)
            };
            if late {
                return None;
            }
        }
        let (before, exited) = (self.standing, self.exited);
        self.standing = standing;
        self.evidence = seen.finding.evidence.into_owned();
        match standing {
            Standing::Alive => self.held = seen.process.or(self.held.take()),
            Standing::Unproven => {}
            _ => self.held = None,
        }
        self.tried &= standing == Standing::Unproven;
        // An entry can be found dead though its process runs on, by another proof than
        // the one before.
        let ends = standing.is_dead() && runs != Some(true);
        self.exited = standing != Standing::Alive && (exited || ends);
        if ends && !exited {
            return Some(self.event(EventKind::Exited));
        }
        // A zombie that is reaped, or whose pid is given away, is as dead as before.
        let same = before == standing || before.is_dead() && standing.is_dead();
        (!same).then(|| self.event(EventKind::Changed))
    }

    fn event(&self, kind: EventKind) -> Event {
        Event {
            at: SystemTime::now(),
            kind,
            claim: self.claim.clone(),
            previous: None,
            standing: self.standing,
            evidence: self.evidence.clone(),
        }
    }
}

/// Whether a process is no more, as far as can be told.
fn ended(process: &Arc<dyn Process>) -> bool {
    process.has_ended().unwrap_or(false)
}
