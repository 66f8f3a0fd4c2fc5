//! Workers that no entry names, as the report tells of them.

use std::path::Path;

use crate::command;

use super::candidate::Candidate;
use super::date;
use super::decide::Verdict;
use super::plan::counted;
use super::report::{About, Orphan, Problem};
use super::rewrite::Rewrite;

/// Those of the candidates that have no entry.
pub(super) fn of(rewrite: &Rewrite<'_>, candidates: &[Candidate]) -> Vec<Orphan> {
    let decided = candidates.iter().zip(&rewrite.verdicts);
    let without_entry =
        decided.filter(|(_, verdict)| !matches!(verdict, Verdict::Named | Verdict::Ended));
    without_entry
        .map(|(candidate, verdict)| Orphan {
            sid: candidate.claim.sid.clone(),
            pid: candidate.claim.pid,
            sock: candidate.claim.sock.clone(),
            version: candidate.version.clone(),
            running_since: candidate.started.and_then(date::seconds),
            command: candidate.command.clone(),
            standing: candidate.standing.name(),
            evidence: candidate.words(),
            kept_out: match verdict {
                Verdict::KeptOut(why) => Some(why.clone()),
                Verdict::Named | Verdict::Ended | Verdict::Added => None,
            },
        })
        .collect()
}

/// What is wrong with that.
pub(super) fn problem(pool: &Path, orphans: &[Orphan]) -> Option<Problem> {
    if orphans.is_empty() {
        return None;
    }
    let kept_out = orphans.iter().find(|orphan| orphan.kept_out.is_some());
    Some(Problem {
        about: About::Orphans,
        what: format!(
            "no entry names {} that the pool's own evidence says it has",
            match orphans.iter().filter(|one| one.standing != "alive").count() {
                0 => counted(orphans.len(), "living worker", "living workers"),
                others => format!(
                    "{} ({others} of them not known to live)",
                    counted(orphans.len(), "worker", "workers")
                ),
            }
        ),
        remedy: match kept_out {
            Some(Orphan {
                kept_out: Some(why),
                pid,
                ..
            }) if why.contains('`') => {
                format!("pid {pid} is left to you: {why}")
            }
            Some(Orphan { sid, pid, sock, .. }) => format!(
                "pid {pid} is kept out and left to you: give it an entry under a sid that is \
                 free: `{}`; or end it: `kill {pid}`",
                command::register(pool, &format!("{sid}-{pid}"), *pid, sock)
            ),
            None => {
                "it runs on whatever you do; with an entry it is listed and can be stopped".into()
            }
        },
        repairable: orphans.iter().any(|orphan| orphan.kept_out.is_none()),
    })
}
