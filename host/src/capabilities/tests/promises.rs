//! What has to be true after each action, told once more and in other words than the budget.

use std::collections::HashMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::floor::Grants;
use crate::process::Signal;
use crate::request::{Register, Request, Stop};

use super::actions::{Action, actions, grants, requests};
use super::machine::{ENTRIES, Entry, Machine, NEWCOMER};

/// The text of each entry of a registry.
pub(super) fn entries(registry: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct File<'a> {
        #[serde(borrow)]
        sessions: Vec<&'a RawValue>,
    }
    let file: File<'_> = serde_json::from_str(registry).expect("a registry");
    let texts = file.sessions.iter();
    texts.map(|entry| entry.get().to_owned()).collect()
}

fn is_granted(grants: &Grants, name: &str) -> bool {
    grants.names().iter().any(|granted| granted == name)
}

fn may_signal(grants: &Grants, signal: Signal) -> bool {
    let name = format!("signal-{}", signal.name().to_lowercase());
    let with_term = signal == Signal::Cont && is_granted(grants, "signal-term");
    with_term || is_granted(grants, &name)
}

/// Whether this request may send this signal to a worker which got `before` in it.
fn is_asked(
    request: &Request,
    grants: &Grants,
    entry: &Entry,
    signal: Signal,
    before: &[Signal],
) -> bool {
    match request {
        Request::Ensure { dry_run: false } => is_granted(grants, "dismiss"),
        Request::Stop(stop) if !stop.dry_run => {
            let is_meant = stop.sid.as_deref().is_none_or(|sid| sid == entry.sid)
                && stop.pid.is_none_or(|pid| pid == entry.pid);
            let follows = signal == Signal::Cont && before.contains(&stop.signal);
            let kills = signal == Signal::Kill && stop.force;
            is_meant && (signal == stop.signal || follows || kills)
        }
        _ => false,
    }
}

/// Whether this request may drop an entry whose process runs.
fn names(request: &Request, entry: &Entry) -> bool {
    match request {
        Request::Forget {
            sid,
            even_if_alive: true,
            pid,
        } => sid == entry.sid && pid.is_none_or(|pid| pid == entry.pid),
        _ => false,
    }
}

/// Whether nobody is behind an entry.
fn is_dead(machine: &Machine, entry: &Entry) -> bool {
    !machine.runs(entry.pid) || entry.sid == "reused"
}

struct Watched {
    machine: Machine,
    request: Request,
    grants: Grants,
    /// How many signals were seen.
    seen: usize,
    seen_of_groups: usize,
    got: HashMap<u32, Vec<Signal>>,
}

impl Watched {
    /// Carries an action out, and checks all that came of it.
    fn act(&mut self, action: &Action) {
        let before = self.machine.registry();
        let ran: Vec<bool> = ENTRIES.map(|entry| self.machine.runs(entry.pid)).to_vec();
        let said = self.machine.act(action);
        let (sent, to_groups) = (self.machine.fake.sent(), self.machine.fake.sent_to_groups());
        let news = sent[self.seen..].iter().map(|sent| (*sent, false));
        let of_groups = to_groups[self.seen_of_groups..].iter();
        let news: Vec<_> = news.chain(of_groups.map(|sent| (*sent, true))).collect();
        assert!(news.len() <= 1, "{news:?}");
        for ((pid, signal), group) in news {
            assert!(said.is_ok(), "{said:?}");
            self.check_signal(pid, signal, group, &ran);
        }
        (self.seen, self.seen_of_groups) = (sent.len(), to_groups.len());
        let after = self.machine.registry();
        if before != after {
            assert!(said.is_ok(), "{said:?}");
            self.check_change(&before, &after);
        }
    }

    fn check_signal(&mut self, pid: u32, signal: Signal, group: bool, ran: &[bool]) {
        let place = ENTRIES.iter().position(|entry| entry.pid == pid);
        let place = place.unwrap_or_else(|| panic!("{pid} is no worker's"));
        let entry = ENTRIES[place];
        assert!(entry.is_proven, "nobody knows who {pid} is");
        // What is left of a group may be signalled when its leader is gone.
        assert!(ran[place] || group, "{pid} has ended");
        assert!(may_signal(&self.grants, signal), "{signal} is not granted");
        let before = self.got.entry(pid).or_default();
        let is_asked = is_asked(&self.request, &self.grants, &entry, signal, before);
        assert!(is_asked, "{signal} to {}", entry.sid);
        let asks_for_groups = matches!(&self.request, Request::Stop(Stop { group: true, .. }));
        assert!(!group || asks_for_groups);
        before.push(signal);
    }

    fn check_change(&self, before: &str, after: &str) {
        assert!(is_granted(&self.grants, "registry-write"));
        assert!(!self.request.is_dry_run());
        let around = |text: &str| {
            let (start, end) = (text.find('['), text.rfind(']'));
            let (start, end) = (start.expect("it opens"), end.expect("it closes"));
            format!("{}{}", &text[..start], &text[end..])
        };
        assert_eq!(around(before), around(after));
        let (old, mut new) = (entries(before), entries(after));
        for text in old {
            if let Some(at) = new.iter().position(|one| *one == text) {
                new.remove(at);
                continue;
            }
            let mut known = ENTRIES.iter().chain([&NEWCOMER]);
            let entry = known.find(|entry| text.contains(&format!("\"{}\"", entry.sid)));
            let entry = entry.expect("an entry of the test");
            let may_go = names(&self.request, entry) || is_dead(&self.machine, entry);
            assert!(may_go, "{} is lost", entry.sid);
        }
        if let [added] = new.as_slice() {
            let asked = matches!(&self.request, Request::Register(Register { pid, .. })
                if added.contains(&format!("\"pid\":{pid},")) && self.machine.runs(*pid));
            assert!(asked && added.contains("\"newcomer\""), "{added} came");
        } else {
            assert!(new.is_empty(), "{new:?} came");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_a_policy_does_lies_within_the_budget(
        request in requests(),
        grants in grants(),
        actions in actions(),
    ) {
        let mut watched = Watched {
            machine: Machine::new(request.clone(), grants.clone()),
            request,
            grants,
            seen: 0,
            seen_of_groups: 0,
            got: HashMap::new(),
        };
        for action in &actions {
            watched.act(action);
        }
    }
}

fn all_grants() -> Grants {
    Grants::named(&Grants::all_names()).expect("known grants")
}

fn place(sid: &str) -> usize {
    let place = ENTRIES.iter().position(|entry| entry.sid == sid);
    place.expect("an entry of the test")
}

/// Signals a worker in a stop, and drops its entry in the same transaction.
pub(super) fn stop_and_drop(sid: &str, signal: Signal) -> (Machine, bool) {
    use super::actions::Edit;
    let request = Request::Stop(Stop {
        force: true,
        ..Stop::default()
    });
    let mut machine = Machine::new(request, all_grants());
    let at = place(sid);
    for action in [
        Action::Begin,
        Action::Open { sid: at, pid: at },
        Action::Send {
            target: 0,
            signal,
            group: false,
        },
    ] {
        machine.act(&action).expect("it is within the budget");
    }
    let replaced = machine.act(&Action::Replace(vec![Edit::Drop(at)]));
    (machine, replaced.is_ok())
}

#[test]
fn a_worker_that_was_stopped_and_has_ended_may_go_in_the_same_transaction() {
    for (sid, signal) in [("obedient", Signal::Term), ("deaf", Signal::Kill)] {
        let (machine, is_gone) = stop_and_drop(sid, signal);
        assert!(is_gone, "{sid}");
        assert!(!machine.registry().contains(sid), "{sid}");
    }
}

#[test]
fn a_worker_that_was_signalled_and_runs_on_may_not_go() {
    let (machine, is_gone) = stop_and_drop("deaf", Signal::Term);
    assert!(!is_gone);
    assert!(machine.registry().contains("deaf"));
}
