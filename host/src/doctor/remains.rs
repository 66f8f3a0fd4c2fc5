//! Processes that outlive the worker that started them: what a wrapper such as `npx` or
//! `sh -c` leaves behind when it alone is ended.

use crate::process::Remaining;

use super::date;
use super::plan::counted;
use super::report::{About, Problem, Remains};

/// What is left of workers, as the report tells of it.
pub(super) fn of(found: &[Remaining]) -> Vec<Remains> {
    let found = found.iter();
    found
        .map(|one| Remains {
            sid: one.sid.clone(),
            leader: one.leader,
            pid: one.identified.process.pid(),
            running_since: date::seconds(one.identified.started),
            command: one.identified.command.clone(),
        })
        .collect()
}

/// What is wrong with that: a problem for each worker.
pub(super) fn problems(remains: &[Remains]) -> Vec<Problem> {
    let mut workers: Vec<(&str, u32)> = Vec::new();
    for one in remains {
        if !workers.contains(&(&one.sid, one.leader)) {
            workers.push((&one.sid, one.leader));
        }
    }
    let problem = |(sid, leader): (&str, u32)| {
        let left = remains
            .iter()
            .filter(|one| one.sid == sid && one.leader == leader);
        let pids: Vec<_> = left.map(|one| one.pid.to_string()).collect();
        let pids = pids.join(" ");
        Problem {
            about: About::Remains,
            what: format!(
                "sid={sid}: the worker's own process, pid {leader}, has ended, and {} that it \
                 started {} on: pid {pids}",
                counted(pids.split(' ').count(), "process", "processes"),
                if pids.contains(' ') { "run" } else { "runs" },
            ),
            remedy: format!(
                "a stop of the session does not reach it: look at it: `ps -o pid,lstart,args -p \
                 {}`; then end it: `kill {pids}`",
                pids.replace(' ', ",")
            ),
            repairable: false,
        }
    };
    workers.into_iter().map(problem).collect()
}
