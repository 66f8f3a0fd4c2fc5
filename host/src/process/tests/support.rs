//! What these tests share.

use std::sync::Arc;

use crate::process::fake::FakeKernel;
use crate::process::kernel::Kernel;
use crate::process::{
    Claim, Finding, Identity, Inquiry, Inspection, LinuxProcesses, Processes, Proof, Question,
    Record, Standing, Strength,
};

/// The worker that most tests are about.
pub(super) const PID: u32 = 4711;
/// Ticks at which it starts: 11:00:00.
pub(super) const START: u64 = 360_000;
/// Where its socket is.
pub(super) const SOCK: &str = "/run/pool/w.sock";

/// A machine where the worker runs.
pub(super) fn machine() -> Arc<FakeKernel> {
    let fake = FakeKernel::new();
    fake.run(PID, START, 1);
    Arc::new(fake)
}

/// The worker's entry, made when it started, without a socket.
pub(super) fn claim() -> Claim {
    Claim {
        sid: "w".into(),
        pid: PID,
        created_at: "2026-11-23T11:00:00Z".into(),
        sock: String::new(),
    }
}

/// The entry as it would be from another time.
pub(super) fn claim_from(created_at: &str) -> Claim {
    Claim {
        created_at: created_at.into(),
        ..claim()
    }
}

/// The entry with a socket.
pub(super) fn claim_with_sock() -> Claim {
    Claim {
        sock: SOCK.into(),
        ..claim()
    }
}

/// The ledger's row of the worker.
pub(super) fn record() -> Record {
    let identity = Identity {
        place: FakeKernel::place(),
        inode: Some(1000 + u64::from(PID)),
        start_ticks: START,
    };
    Record {
        identity,
        proof: Proof::Registered,
    }
}

pub(super) fn processes(fake: &Arc<FakeKernel>) -> LinuxProcesses {
    LinuxProcesses::with_kernel(fake.clone() as Arc<dyn Kernel>, 100)
}

/// Asks one question of fresh processes, that remember nothing.
pub(super) fn inspect(
    fake: &Arc<FakeKernel>,
    claim: &Claim,
    record: Option<&Record>,
    strength: Strength,
) -> Inspection {
    ask(&processes(fake), claim, record, strength)
}

pub(super) fn ask(
    processes: &LinuxProcesses,
    claim: &Claim,
    record: Option<&Record>,
    strength: Strength,
) -> Inspection {
    let mut inspections = processes
        .inspect(&[Question { claim, record }], &Inquiry::new(strength))
        .expect("nobody gives up");
    assert_eq!(inspections.len(), 1);
    let inspection = inspections.remove(0);
    let alive = inspection.finding.standing == Standing::Alive;
    assert_eq!(inspection.process.is_some(), alive, "{inspection:?}");
    assert!(alive || inspection.learned.is_none(), "{inspection:?}");
    assert!(!inspection.finding.evidence.is_empty(), "{inspection:?}");
    inspection
}

/// The finding on a claim without a row, with every proof accepted.
pub(super) fn find(fake: &Arc<FakeKernel>, claim: &Claim) -> Finding {
    inspect(fake, claim, None, Strength::Any).finding
}

/// Asserts a standing and a part of the evidence.
#[track_caller]
pub(super) fn assert_finding(finding: &Finding, standing: Standing, evidence: &str) {
    assert_eq!(finding.standing, standing, "{finding:?}");
    assert!(
        finding.evidence.contains(evidence),
        "{:?} lacks {evidence:?}",
        finding.evidence
    );
}
