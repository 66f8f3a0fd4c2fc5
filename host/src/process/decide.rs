//! What follows from the facts about a running process. Pure.

use std::time::SystemTime;

use super::ledger::Agreement;
use super::quoted::quoted;
use super::socket::Service;
use super::time::{Relation, text};
use super::{Proof, Standing, Strength};

/// The proof that a claim's process was found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    /// The ledger names this very process.
    Ledger,
    /// It holds the socket.
    Socket,
    /// It had started when the entry was made.
    Time,
}

impl Rung {
    /// The evidence of a living worker.
    pub(super) fn evidence(self) -> &'static str {
        match self {
            Self::Ledger => "ledger: its row names this very process",
            Self::Socket => "socket: the process holds the entry's socket listening",
            Self::Time => "time: the process had started when the entry was made",
        }
    }
}

/// Everything that was found out about a running process and its claim.
pub(super) struct Facts<'a> {
    pub(super) pid: u32,
    pub(super) sock: &'a str,
    pub(super) created_at: &'a str,
    pub(super) started: SystemTime,
    pub(super) boot: SystemTime,
    /// What the ledger's row says, if there is one.
    pub(super) row: Option<Row>,
    pub(super) service: Service,
    pub(super) relation: Relation,
    pub(super) strength: Strength,
}

/// What the ledger adds to the facts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) agreement: Agreement,
    pub(super) proof: Proof,
}

impl Row {
    /// Whether the row proves the claim on its own.
    pub(super) fn suffices(self, strength: Strength) -> bool {
        self.agreement == Agreement::Same && accepts(strength, self.proof)
    }
}

/// What the facts prove: the rung that a living process stands on, or another standing
/// with its evidence.
pub(super) type Decision = Result<Rung, (Standing, String)>;

/// Climbs the proofs from the strongest to the weakest.
///
/// A row that names another process is no matter for this: it is reused before the
/// socket and the time are even looked at.
pub(super) fn decide(facts: &Facts<'_>) -> Decision {
    let pid = facts.pid;
    match facts.row {
        Some(row) if row.suffices(facts.strength) => return Ok(Rung::Ledger),
        Some(row) if row.agreement == Agreement::Contradiction => {
            return unproven(format!(
                "ledger: its row has the pidfs inode of pid {pid} but another start time: the \
                 row is damaged or from another time namespace"
            ));
        }
        _ => {}
    }
    match &facts.service {
        Service::Held => Ok(Rung::Socket),
        Service::Elsewhere => Err((
            Standing::Foreign,
            format!(
                "socket: {} answers, but pid {pid} does not hold it: another process serves it",
                facts.sock
            ),
        )),
        Service::Unclear(reason) => unproven(format!("socket: pid {pid} runs, and {reason}")),
        Service::Unanswered => by_time(facts, true),
        Service::NoSocket => by_time(facts, false),
    }
}

/// The last rung. With a socket there that nobody serves, time can only show that the
/// process is not the claim's, never that it is.
fn by_time(facts: &Facts<'_>, unanswered: bool) -> Decision {
    let pid = facts.pid;
    let since = text(facts.started);
    let why = if unanswered {
        format!(
            "pid {pid} does not hold the socket {} and nobody answers there; ",
            facts.sock
        )
    } else {
        String::new()
    };
    if facts.strength == Strength::Strong {
        return unproven(format!(
            "{why}pid {pid} runs since {since}, and the entry is from {}: the proof by time, \
             which the setting proof = strong does not accept, is all there is",
            quoted(facts.created_at)
        ));
    }
    match facts.relation {
        Relation::Before if unanswered => unproven(format!(
            "socket: {why}it runs since {since}, not after the entry was made"
        )),
        Relation::Before => match facts.row {
            Some(Row {
                agreement: Agreement::OtherTick,
                ..
            }) => unproven(format!(
                "ledger: pid {pid} runs since {since}, which is not when the process of its row \
                 started, but not after the entry was made"
            )),
            _ => Ok(Rung::Time),
        },
        Relation::Unreadable => unproven(format!(
            "time: {why}pid {pid} runs since {since}, but the entry's created_at {:?} is no \
             RFC 3339 time",
            quoted(facts.created_at)
        )),
        Relation::Future { created } => unproven(format!(
            "time: {why}pid {pid} runs since {since}, but the entry is from {}, which is still \
             to come",
            text(created)
        )),
        Relation::After { created } | Relation::BeforeBoot { created }
            if matches!(
                facts.row,
                Some(Row {
                    agreement: Agreement::SameTick,
                    ..
                })
            ) =>
        {
            unproven(format!(
                "time: {why}pid {pid} runs since {since} and the entry is from {}, but the \
                 ledger's row agrees with the process: the clock was stepped",
                text(created)
            ))
        }
        Relation::After { created } => Err((
            Standing::Reused,
            format!(
                "time: {why}pid {pid} runs since {since}, the entry is from {}{ASSUMED}",
                text(created)
            ),
        )),
        Relation::BeforeBoot { created } => Err((
            Standing::Gone,
            format!(
                "time: {why}the entry is from {}, this machine booted at {}{ASSUMED}",
                text(created),
                text(facts.boot)
            ),
        )),
    }
}

/// What the proof by time takes for granted, named wherever an entry may go for it.
const ASSUMED: &str = " (assuming one pid namespace and a clock that was not stepped)";

fn unproven(evidence: String) -> Decision {
    Err((Standing::Unproven, evidence))
}

/// Whether what rests on this proof is accepted.
pub(super) fn accepts(strength: Strength, proof: Proof) -> bool {
    strength == Strength::Any || proof != Proof::Time
}
