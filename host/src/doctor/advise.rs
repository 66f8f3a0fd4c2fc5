//! What there is to do about one session, for a verb that refused something about it.

use crate::command;
use crate::pool::REGISTRY;
use crate::process::{Inquiry, Inspection, Processes, Question};
use crate::store::{MAX_REGISTRY, Seen};

use super::stuck::{Entry, Guide};
use super::{Doctor, directory, files, registry};

impl Doctor {
    /// What there is to do about the session with this id, with the whole commands in
    /// backticks; nothing where no worker with it may live. It looks without the pool's lock,
    /// so what it says may be a moment old.
    pub fn way_out(&self, sid: &str) -> Option<String> {
        let directory = directory::look(&self.path);
        let pool = directory.pool.as_ref()?;
        let seen: Seen = pool.see(REGISTRY, MAX_REGISTRY);
        let ledger = files::ledger(Some(pool)).ledger;
        let held = registry::held_by(&seen);
        let claims = held.entries.iter().map(|entry| &entry.claim);
        let claims: Vec<_> = claims.filter(|claim| claim.sid == sid).collect();
        let record = |claim| ledger.get(claim).map(|row| &row.record);
        let questions: Vec<_> = claims
            .iter()
            .map(|&claim| Question {
                claim,
                record: record(claim),
            })
            .collect();
        // Nothing withdraws it, so it does not fail.
        let inquiry = Inquiry::new(self.strength());
        let inspections = self
            .processes
            .inspect(&questions, &inquiry)
            .unwrap_or_default();
        let may_live = |(_, one): &(&Question<'_>, &Inspection)| !one.finding.standing.is_dead();
        let living: Vec<_> = questions
            .iter()
            .zip(&inspections)
            .filter(may_live)
            .collect();
        let Some((question, inspection)) = living.first() else {
            return self.of_orphan(sid);
        };
        let guide = Guide::new(pool.path(), &self.processes);
        let way_out = guide.way_out(Entry {
            claim: question.claim,
            record: question.record,
            inspection,
            with_sid: living.len(),
        })?;
        Some(match way_out.what {
            Some(what) => format!("{what}; {}", way_out.remedy),
            None => way_out.remedy,
        })
    }

    /// What there is to do about a worker that has no entry and would have this id.
    fn of_orphan(&self, sid: &str) -> Option<String> {
        let report = self.examine().report;
        let mut orphans = report.orphans.into_iter();
        let orphan = orphans.find(|orphan| orphan.sid == sid)?;
        let fix = command::on_pool(&self.path, &["doctor", "--fix"]);
        let what = format!("pid {} has no entry: {}", orphan.pid, orphan.evidence);
        Some(match orphan.kept_out {
            Some(why) => format!("{what}; {why}"),
            None => format!("{what}; give it one: `{fix}`"),
        })
    }
}
