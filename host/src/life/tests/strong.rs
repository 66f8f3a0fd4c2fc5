//! An adopted worker where only strong proofs count, with a real process.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::support::*;
use crate::pool::PoolBuilder;
use crate::process::{Claim, LinuxProcesses, Proof, Record, Standing};
use crate::request::{Request, Stop};

struct Worker(Child);

impl Worker {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        let command = command.arg("600").stdin(Stdio::null());
        Self(command.spawn().expect("a process"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail when it was reaped before, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn strong(claims: &[Claim]) -> Machine {
    Machine::configured(claims, |builder: PoolBuilder| {
        builder
            .setting("proof", "strong")
            .processes(Arc::new(LinuxProcesses::new()))
    })
}

fn claim_of(worker: &Worker) -> Claim {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    Claim {
        pid: worker.0.id(),
        created_at: now.to_string(),
        ..claim("a")
    }
}

fn status(machine: &Machine) -> String {
    let request = Request::Status { sid: None };
    let answer = machine.pool.call(request, &cancel()).expect("an answer");
    let status = answer.value()["sessions"][0]["status"].take();
    status.as_str().unwrap_or("not listed").to_owned()
}

#[test]
fn an_adopted_worker_runs_and_can_be_stopped() {
    let mut worker = Worker::start();
    let machine = strong(&[claim_of(&worker)]);
    assert_eq!(status(&machine), "unproven", "time proves nothing here");
    let examination = machine
        .pool
        .examine("a", &cancel())
        .expect("it is unproven");
    let adopted = machine
        .pool
        .adopt(&examination, &cancel())
        .expect("nothing changed");
    assert_eq!(adopted.standing, Standing::Alive);
    assert_eq!(status(&machine), "running");

    let stop = Request::Stop(Stop {
        sid: Some("a".into()),
        grace: LONG,
        ..Stop::default()
    });
    let answer = machine.pool.call(stop, &cancel()).expect("an answer");
    assert_eq!(answer.value()["outcomes"][0]["outcome"], "exited");
    worker.0.wait().expect("our child");
}

/// Whoever can write the ledger can write the registry: a row that says adopted proves
/// just what one that says registered does.
#[test]
fn a_forged_row_counts_as_any_other() {
    let worker = Worker::start();
    let (claim, machine) = (claim_of(&worker), strong(&[]));
    let processes = &machine.pool.context.processes;
    let found = processes.identify(claim.pid).expect("it runs");
    let right = found.process.identity().clone();
    let with = |change: fn(&mut crate::process::Identity)| {
        let mut identity = right.clone();
        change(&mut identity);
        identity
    };
    for (identity, expected) in [
        (right.clone(), Standing::Alive),
        (with(|it| it.start_ticks += 1), Standing::Unproven),
        (
            with(|it| it.inode = it.inode.map(|inode| inode + 1)),
            Standing::Reused,
        ),
        (with(|it| it.inode = None), Standing::Unproven),
        (with(|it| it.place.pid_namespace += 1), Standing::Foreign),
    ] {
        for proof in [Proof::Registered, Proof::Adopted] {
            let record = Record {
                identity: identity.clone(),
                proof,
            };
            let question = crate::process::Question {
                claim: &claim,
                record: Some(&record),
            };
            let found = LinuxProcesses::new();
            let found = crate::process::Processes::inspect(
                &found,
                &[question],
                &crate::process::Inquiry::new(crate::process::Strength::Strong),
            );
            let found = found.expect("nobody gives up");
            assert_eq!(found[0].finding.standing, expected, "{record:?}");
        }
    }
}
