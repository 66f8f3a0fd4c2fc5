//! The requests.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::request::{Register, Request, Stop};
use crate::store::testing::{FULL_TRAIL, Step};

use super::world::{CANARY, DEAD, DEAF, KEEPER, NEW, POLITE, UNKNOWN, Worker, World};

/// A pool and a request to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// Registers the first worker, where there is not even a directory.
    First,
    /// Registers one more.
    Register,
    /// Collects one that is dead.
    Ensure,
    /// The same, asking for the state of all.
    Status,
    /// Stops one that ends when it is asked to, and that leaves its socket behind.
    Stop,
    /// Stops one that has to be killed.
    Kill,
    /// Forgets one that is alive.
    Forget,
    /// Collects one that is dead, when the trail's file is full.
    Rotate,
}

impl Scenario {
    pub(super) const ALL: [Self; 8] = [
        Self::First,
        Self::Register,
        Self::Ensure,
        Self::Status,
        Self::Stop,
        Self::Kill,
        Self::Forget,
        Self::Rotate,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Register => "register",
            Self::Ensure => "ensure",
            Self::Status => "status",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Forget => "forget",
            Self::Rotate => "rotate",
        }
    }

    /// The pool, before the request.
    pub(super) fn world(self) -> World {
        match self {
            Self::First => World::bare(),
            Self::Rotate => {
                let world = World::new();
                world.write("audit.jsonl", &full_trail());
                for number in 1..=3 {
                    let line = trail_line(&format!("old-{number}"), "");
                    world.write(&format!("audit.jsonl.{number}"), line.as_bytes());
                }
                world
            }
            _ => World::new(),
        }
    }

    pub(super) fn request(self) -> Request {
        let stop = |worker: Worker, grace, force| {
            Request::Stop(Stop {
                sid: Some(worker.sid.into()),
                grace,
                force,
                ..Stop::default()
            })
        };
        match self {
            Self::First | Self::Register => Request::Register(Register {
                sid: NEW.sid.into(),
                pid: NEW.pid,
                sock: String::new(),
                version: "1".into(),
            }),
            Self::Ensure | Self::Rotate => Request::Ensure { dry_run: false },
            Self::Status => Request::Status { sid: None },
            Self::Stop => stop(POLITE, Duration::from_secs(60), false),
            Self::Kill => stop(DEAF, Duration::from_millis(1), true),
            Self::Forget => Request::Forget {
                sid: KEEPER.sid.into(),
                even_if_alive: true,
                pid: None,
            },
        }
    }

    /// Whose entries are there before.
    pub(super) fn before(self) -> BTreeSet<&'static str> {
        match self {
            Self::First => BTreeSet::new(),
            _ => [KEEPER, UNKNOWN, DEAD, POLITE, DEAF, CANARY]
                .map(|worker| worker.sid)
                .into(),
        }
    }

    /// Whose entries are there when it has been answered.
    pub(super) fn after(self) -> BTreeSet<&'static str> {
        let mut sids = self.before();
        match self {
            Self::First | Self::Register => {
                sids.insert(NEW.sid);
            }
            Self::Ensure | Self::Status | Self::Rotate => {
                sids.remove(DEAD.sid);
            }
            Self::Stop => {
                sids.remove(POLITE.sid);
            }
            Self::Kill => {
                sids.remove(DEAF.sid);
            }
            Self::Forget => {
                sids.remove(KEEPER.sid);
            }
        }
        sids
    }

    /// Whether this step is one that the other requests do not have.
    pub(super) fn is_about(self, step: &Step) -> bool {
        self != Self::Rotate || step.name.starts_with("audit.jsonl")
    }
}

/// One line that is as long as a whole file of the trail.
fn full_trail() -> Vec<u8> {
    let short = trail_line("full", "").len();
    let full = usize::try_from(FULL_TRAIL).expect("a size in memory");
    trail_line("full", &"x".repeat(full - short)).into_bytes()
}

fn trail_line(id: &str, evidence: &str) -> String {
    format!(
        r#"{{"at":"t","id":"{id}","event":"removal","phase":"after","sid":"s","pid":7,"evidence":"{evidence}","result":"removed"}}"#
    ) + "\n"
}

impl Scenario {
    /// The calls that it makes when nothing goes wrong, a line each.
    pub(super) fn steps(self) -> &'static str {
        match self {
            Self::First => include_str!("steps/first.txt"),
            Self::Register => include_str!("steps/register.txt"),
            Self::Ensure => include_str!("steps/ensure.txt"),
            Self::Status => include_str!("steps/status.txt"),
            Self::Stop => include_str!("steps/stop.txt"),
            Self::Kill => include_str!("steps/kill.txt"),
            Self::Forget => include_str!("steps/forget.txt"),
            Self::Rotate => include_str!("steps/rotate.txt"),
        }
    }
}
