//! What is asked of the pool, what the claim rests on, and who takes the pid.

use std::time::Duration;

use crate::request::{Request, Stop};

use super::hooked::Point;
use super::offspring::Manners;

/// What is asked about the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    /// `ensure`.
    Ensure,
    /// `stop` of a worker that obeys.
    Stop,
    /// The same without a grace period.
    StopAtOnce,
    /// `stop` of a worker that stays.
    StopDeaf,
    /// The same with force.
    StopForce,
    /// The same without a grace period.
    StopForceAtOnce,
}

/// What proves, before its pid is given away, that the worker is the claim's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Basis {
    /// The ledger's row: it was registered.
    Row,
    /// The same, and the pid's next owner starts in the same clock tick.
    RowSameTick,
    /// Its socket, in a claim that says it is older than the pid's next owner.
    Socket,
    /// Its socket, in a claim that is as young as the pid's next owner. Once the socket
    /// is not served any more nothing tells the two apart: who has the pid is unproven.
    SocketYoung,
    /// The row that its socket earned it. The pid's next owner serves the socket too.
    SocketServed,
    /// Time alone: the pid's next owner starts more than 3 s after the entry was made.
    Time,
    /// The row that time earned it, and the next owner starts within these 3 s.
    TimeSighted,
}

/// Who takes the pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taker {
    /// Another process.
    Process,
    /// A thread of another process, which `kill(pid)` would reach.
    Thread,
    /// Nobody: it becomes free.
    Nobody,
}

/// What the program that serves the request knows beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    /// Nothing: it has just started.
    Fresh,
    /// It runs for long and holds the worker's pidfd.
    Holding,
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scenario {
    pub(super) verb: Verb,
    pub(super) basis: Basis,
    pub(super) taker: Taker,
    pub(super) server: Server,
}

impl Scenario {
    /// Every combination that there can be.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        use Basis::*;
        let verbs = [
            Verb::Ensure,
            Verb::Stop,
            Verb::StopAtOnce,
            Verb::StopDeaf,
            Verb::StopForce,
            Verb::StopForceAtOnce,
        ];
        let bases = [
            Row,
            RowSameTick,
            Socket,
            SocketYoung,
            SocketServed,
            Time,
            TimeSighted,
        ];
        let takers = [Taker::Process, Taker::Thread, Taker::Nobody];
        let servers = [Server::Fresh, Server::Holding];
        verbs
            .into_iter()
            .flat_map(move |verb| bases.map(|basis| (verb, basis)))
            .flat_map(move |(verb, basis)| takers.map(|taker| (verb, basis, taker)))
            .flat_map(move |(verb, basis, taker)| {
                servers.map(|server| Self {
                    verb,
                    basis,
                    taker,
                    server,
                })
            })
            // Only a process has a start time, and serves sockets.
            .filter(|one| {
                one.taker == Taker::Process || !matches!(one.basis, RowSameTick | SocketServed)
            })
    }

    /// The request about the session `sid`, for a pid that is given away at this point.
    pub(super) fn request(self, sid: &str, point: Point) -> Request {
        // A worker that stays is to cost no time, unless the pid is given away during
        // the wait, which ends it.
        let short = match point {
            Point::Before(_) => Duration::from_millis(1),
            Point::During(_) => LONG,
        };
        let (grace, force) = match self.verb {
            Verb::Ensure => return Request::Ensure { dry_run: false },
            Verb::Stop => (LONG, false),
            Verb::StopAtOnce => (Duration::ZERO, false),
            Verb::StopDeaf => (short, false),
            Verb::StopForce => (short, true),
            Verb::StopForceAtOnce => (Duration::ZERO, true),
        };
        Request::Stop(Stop {
            sid: Some(sid.into()),
            grace,
            force,
            dry_run: false,
            ..Stop::default()
        })
    }

    /// What the worker does when it is asked to end.
    pub(super) fn manners(self) -> Manners {
        match self.verb {
            Verb::Ensure | Verb::Stop | Verb::StopAtOnce => Manners::Obedient,
            Verb::StopDeaf | Verb::StopForce | Verb::StopForceAtOnce => Manners::Counting,
        }
    }

    /// Whether the worker listens on a socket.
    pub(super) fn has_socket(self) -> bool {
        matches!(
            self.basis,
            Basis::Socket | Basis::SocketYoung | Basis::SocketServed
        )
    }

    /// Whether the pid's next owner listens on the same socket.
    pub(super) fn is_served_on(self) -> bool {
        self.basis == Basis::SocketServed
    }

    /// Whether the entry says that it was made nearly 3 s before the worker started, so
    /// that whoever starts in a later tick is too young for it.
    pub(super) fn is_on_the_edge(self) -> bool {
        matches!(self.basis, Basis::Socket | Basis::Time)
    }

    /// Whether the ledger has a row of the claim when the request comes.
    pub(super) fn has_row(self) -> bool {
        !matches!(self.basis, Basis::Socket | Basis::SocketYoung | Basis::Time)
    }

    /// Whether the claim must have gone after one more `ensure`, with the pid's next
    /// owner still there.
    pub(super) fn is_decided_while_the_stranger_lives(self) -> bool {
        match self.basis {
            Basis::SocketServed => false,
            Basis::SocketYoung => self.taker != Taker::Process,
            _ => true,
        }
    }
}

/// A grace period that a test which waits for it has failed.
const LONG: Duration = Duration::from_secs(30);
