//! What a generated policy does, and the requests and grants that it does it under.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use crate::floor::Grants;
use crate::process::Signal;
use crate::request::{Register, Request, Stop};

use super::machine::{ENTRIES, NEWCOMER};

/// One call of a policy. Sessions and processes are named by their places in [`ENTRIES`].
#[derive(Clone, Debug)]
pub(super) enum Action {
    Begin,
    InspectAll,
    InspectNewcomer,
    Open {
        sid: usize,
        pid: usize,
    },
    Send {
        target: usize,
        signal: Signal,
        group: bool,
    },
    Replace(Vec<Edit>),
    End,
    Wait,
    /// Not the policy's: a worker ends of its own accord.
    Dies(usize),
}

/// One change that a policy makes to the registry that it read.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Drop(usize),
    Version(usize),
    Wipe(usize),
    Pid(usize),
    AddNewcomer,
    AddStranger,
    Top,
    Spaces,
}

pub(super) fn actions() -> impl Strategy<Value = Vec<Action>> {
    let place = 0..ENTRIES.len();
    let edit = prop_oneof![
        6 => place.clone().prop_map(Edit::Drop),
        1 => place.clone().prop_map(Edit::Version),
        1 => place.clone().prop_map(Edit::Wipe),
        1 => place.clone().prop_map(Edit::Pid),
        2 => Just(Edit::AddNewcomer),
        1 => Just(Edit::AddStranger),
        1 => Just(Edit::Top),
        2 => Just(Edit::Spaces),
    ];
    let open = (place.clone(), place.clone(), any::<bool>()).prop_map(|(sid, other, is_other)| {
        let pid = if is_other { other } else { sid };
        Action::Open { sid, pid }
    });
    let signal = prop_oneof![
        3 => select(vec![Signal::Term, Signal::Kill, Signal::Cont]),
        1 => select(Signal::ALL.to_vec()),
    ];
    let send =
        (0..4_usize, signal, prop::bool::weighted(0.2)).prop_map(|(target, signal, group)| {
            Action::Send {
                target,
                signal,
                group,
            }
        });
    let action = prop_oneof![
        2 => Just(Action::Begin),
        3 => Just(Action::InspectAll),
        1 => Just(Action::InspectNewcomer),
        4 => open,
        5 => send,
        5 => prop::collection::vec(edit, 0..4).prop_map(Action::Replace),
        1 => Just(Action::End),
        1 => Just(Action::Wait),
        1 => place.prop_map(Action::Dies),
    ];
    prop::collection::vec(action, 1..16).prop_map(|mut actions| {
        // Most of what follows needs one.
        actions.insert(0, Action::Begin);
        actions
    })
}

pub(super) fn grants() -> impl Strategy<Value = Grants> {
    let names = Grants::all_names();
    prop_oneof![
        prop::sample::subsequence(names.clone(), 0..=names.len()),
        Just(names),
    ]
    .prop_map(|names| Grants::named(&names).expect("known grants"))
}

pub(super) fn requests() -> impl Strategy<Value = Request> {
    let sid = || select(ENTRIES.map(|entry| entry.sid.to_owned()).to_vec());
    let pid = || prop::option::weighted(0.3, select(ENTRIES.map(|entry| entry.pid).to_vec()));
    let signal = select(vec![Signal::Term, Signal::Hup, Signal::Kill, Signal::Stop]);
    let stop = (prop::option::of(sid()), pid(), signal, any::<[bool; 3]>()).prop_map(
        |(sid, pid, signal, [group, force, rarely])| {
            Request::Stop(Stop {
                sid,
                pid,
                signal,
                group,
                grace: Duration::ZERO,
                force,
                dry_run: rarely && group,
            })
        },
    );
    prop_oneof![
        1 => any::<bool>().prop_map(|dry_run| Request::Ensure { dry_run }),
        1 => prop::option::of(sid()).prop_map(|sid| Request::Status { sid }),
        4 => stop,
        1 => (sid(), any::<bool>(), pid()).prop_map(|(sid, even_if_alive, pid)| Request::Forget {
            sid,
            even_if_alive,
            pid
        }),
        1 => Just(Request::Register(Register {
            sid: NEWCOMER.sid.into(),
            pid: NEWCOMER.pid,
            sock: String::new(),
            version: "1".into(),
        })),
    ]
}
