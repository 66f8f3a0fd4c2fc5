//! A machine with a few processes, and a pool in memory that names some of them.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use wasmtime::component::Resource;

use crate::cancel::Cancel;
use crate::capabilities::bindings::poolwarden::pool::processes::Host as _;
use crate::capabilities::bindings::poolwarden::pool::registry::{Host as _, HostTransaction};
use crate::capabilities::bindings::poolwarden::pool::signals::{Host as _, HostTarget as _};
use crate::capabilities::bindings::poolwarden::pool::types;
use crate::capabilities::registry::Transaction;
use crate::capabilities::{HostError, RequestState, View};
use crate::clock::Clock;
use crate::floor::Grants;
use crate::pool::{Pool, PoolBuilder};
use crate::process::fake::FakeKernel;
use crate::process::{LinuxProcesses, Signal};
use crate::request::Request;
use crate::runtime::Policy;
use crate::store::MemoryStore;

use super::actions::{Action, Edit};

/// An entry, and what its process is like.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) sid: &'static str,
    pub(super) pid: u32,
    /// Whether it is proven to be the worker, as long as it runs.
    pub(super) is_proven: bool,
    created_at: &'static str,
}

const fn proven(sid: &'static str, pid: u32) -> Entry {
    Entry {
        sid,
        pid,
        is_proven: true,
        created_at: "2026-11-23T11:00:00Z",
    }
}

const fn of_nobody(sid: &'static str, pid: u32) -> Entry {
    Entry {
        is_proven: false,
        ..proven(sid, pid)
    }
}

/// What the registry holds at first.
pub(super) const ENTRIES: [Entry; 7] = [
    // Ends by TERM.
    proven("obedient", 11),
    // Ends by KILL only.
    proven("deaf", 12),
    proven("other", 13),
    // There is no such process.
    of_nobody("gone", 14),
    of_nobody("impossible", 0),
    // It runs, and nobody knows who it is.
    Entry {
        created_at: "some day",
        ..of_nobody("unproven", 15)
    },
    // It runs, and is younger than its entry.
    Entry {
        created_at: "2026-11-23T10:00:01Z",
        ..of_nobody("reused", 16)
    },
];

/// Who is to be registered.
pub(super) const NEWCOMER: Entry = Entry {
    created_at: "2026-11-23T12:00:00Z",
    ..proven("newcomer", 20)
};

static POLICY: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::shipped().expect("the shipped policy loads")));

/// It is 12:00, as on the fake machine.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> std::time::SystemTime {
        let noon: jiff::Timestamp = NEWCOMER.created_at.parse().expect("a time");
        noon.into()
    }
}

/// The machine, and one request on its pool.
pub(super) struct Machine {
    pub(super) fake: Arc<FakeKernel>,
    store: MemoryStore,
    state: RequestState,
    transaction: Option<Resource<Transaction>>,
    targets: Vec<u32>,
}

impl Machine {
    pub(super) fn new(request: Request, grants: Grants) -> Self {
        let fake = Arc::new(FakeKernel::new());
        for pid in [11, 12, 13, 15, 16, 20] {
            fake.run(pid, 360_000, 1);
            fake.join(pid, pid);
        }
        fake.end_on(11, Signal::Term);
        for pid in [11, 12, 13] {
            fake.end_on(pid, Signal::Kill);
        }
        let store = MemoryStore::with_registry(registry());
        let processes = LinuxProcesses::with_kernel(fake.clone(), 100);
        let pool: Pool = PoolBuilder::new("a pool in memory")
            .store(Arc::new(store.clone()))
            .processes(Arc::new(processes))
            .clock(Arc::new(Noon))
            .grants(grants)
            .build(POLICY.clone());
        let cancel = Cancel::new().expect("an eventfd");
        Self {
            fake,
            store,
            state: pool.requested(request, &cancel),
            transaction: None,
            targets: Vec::new(),
        }
    }

    /// What is on the disk.
    pub(super) fn registry(&self) -> String {
        let bytes = self.store.registry().expect("a registry");
        String::from_utf8(bytes).expect("text")
    }

    /// What the trail holds: a JSON object a line.
    pub(super) fn trail(&self) -> String {
        String::from_utf8(self.store.trail()).expect("text")
    }

    /// Whether its process runs.
    pub(super) fn runs(&self, pid: u32) -> bool {
        self.fake.is_there(pid)
    }

    /// Carries one action out; what the host said to it.
    pub(super) fn act(&mut self, action: &Action) -> Result<(), HostError> {
        let mut view = View(&mut self.state);
        match action {
            Action::Begin => {
                self.transaction = Some(view.begin()?);
            }
            Action::InspectAll => {
                let claims = ENTRIES.iter().map(claim).collect();
                view.inspect(claims).expect("there are no errors");
            }
            Action::InspectNewcomer => {
                view.inspect(vec![claim(&NEWCOMER)])
                    .expect("there are no errors");
            }
            Action::Open { sid, pid } => {
                let (sid, pid) = (ENTRIES[*sid].sid.to_owned(), ENTRIES[*pid].pid);
                let target = view.open(Resource::new_borrow(0), sid, pid)?;
                self.targets.push(target.rep());
            }
            Action::Send {
                target,
                signal,
                group,
            } => {
                let Some(target) = self.targets.get(*target) else {
                    return Ok(());
                };
                let (target, signal) = (Resource::new_borrow(*target), (*signal).into());
                match group {
                    false => view.send(target, signal)?,
                    true => view.send_group(target, signal)?,
                }
            }
            Action::Replace(edits) => {
                let bytes = edited(&self.store, edits);
                view.replace(Resource::new_borrow(0), bytes)?;
            }
            Action::End => {
                if let Some(transaction) = self.transaction.take() {
                    HostTransaction::drop(&mut view, transaction).expect("it is there");
                }
            }
            Action::Wait => {
                let targets = self.targets.iter().map(|rep| Resource::new_borrow(*rep));
                view.wait(targets.collect(), 0)?;
            }
            Action::Dies(place) => {
                let pid = ENTRIES[*place].pid;
                if self.fake.is_there(pid) {
                    self.fake.reap(pid);
                }
            }
        }
        Ok(())
    }
}

fn claim(entry: &Entry) -> types::Claim {
    types::Claim {
        sid: entry.sid.into(),
        pid: entry.pid,
        created_at: entry.created_at.into(),
        sock: String::new(),
    }
}

/// The text of an entry, with something that poolwarden does not know.
fn text(entry: &Entry, pid: u32, version: &str, note: &str) -> String {
    let Entry {
        sid, created_at, ..
    } = entry;
    format!(
        "{{\"sid\":\"{sid}\",\"pid\":{pid},\"sock\":\"\",\"version\":\"{version}\",\
         \"created_at\":\"{created_at}\"{note}}}"
    )
}

const NOTE: &str = ", \"note\": 1.50";

/// The registry as it is at first.
pub(super) fn registry() -> String {
    let entries = ENTRIES.map(|entry| text(&entry, entry.pid, "1", NOTE));
    format!("{{\"other\":1e2, \"sessions\":[{}]}}\n", entries.join(","))
}

/// What a policy would write, from what is there.
fn edited(store: &MemoryStore, edits: &[Edit]) -> Vec<u8> {
    let now = store.registry().expect("a registry");
    let now = String::from_utf8(now).expect("text");
    let mut entries: Vec<String> = super::promises::entries(&now);
    let (mut head, mut gap) = ("{\"other\":1e2, \"sessions\":[", ",");
    for edit in edits {
        let with = |place: &usize| {
            let entry = ENTRIES[*place];
            let text = text(&entry, entry.pid, "1", NOTE);
            (entry, text)
        };
        let mut change = |place: &usize, to: &dyn Fn(&Entry) -> Option<String>| {
            let (entry, was) = with(place);
            if let Some(at) = entries.iter().position(|text| *text == was) {
                match to(&entry) {
                    Some(text) => entries[at] = text,
                    None => drop(entries.remove(at)),
                }
            }
        };
        match edit {
            Edit::Drop(place) => change(place, &|_| None),
            Edit::Version(place) => change(place, &|one| Some(text(one, one.pid, "2", NOTE))),
            Edit::Wipe(place) => change(place, &|one| Some(text(one, one.pid, "1", ""))),
            Edit::Pid(place) => change(place, &|one| Some(text(one, 99, "1", NOTE))),
            Edit::AddNewcomer => entries.push(text(&NEWCOMER, NEWCOMER.pid, "1", "")),
            Edit::AddStranger => entries.push(text(&NEWCOMER, 13, "1", "")),
            Edit::Top => head = "{\"sessions\":[",
            Edit::Spaces => gap = " ,\n  ",
        }
    }
    let mut out = String::from(head);
    writeln!(out, "{}]}}", entries.join(gap)).expect("a string takes all");
    out.into_bytes()
}
