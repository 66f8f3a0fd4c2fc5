//! Entries beside what the host found about them, and the sorting of the dead from the
//! rest that `ensure` and `status` share.

use std::time::Duration;

use crate::decide::{self, Status};
use crate::host::{Claim, Failure, Finding, Host, Observe, Standing};
use crate::registry::{Entry, Registry};
use crate::rewrite::rewrite;

/// One entry with its finding.
#[derive(Clone, Debug)]
pub struct Surveyed<'a> {
    /// The entry's place in the file, from 0.
    pub index: usize,
    /// The entry.
    pub entry: &'a Entry<'a>,
    /// What was found about its claim.
    pub finding: Finding,
}

impl Surveyed<'_> {
    /// How long its process has run at the time `now`, in seconds since 1970; none where it
    /// does not run or nobody knows when it started. Zero where the clock was stepped back.
    pub fn age(&self, now: u64) -> Option<Duration> {
        let started = self.finding.started?;
        Some(Duration::from_secs(now.saturating_sub(started.seconds)))
    }

    /// How long ago, at the time `now`, its process was last sent a signal by any
    /// poolwarden on this pool; none where it never was.
    pub fn since_signal(&self, now: u64) -> Option<Duration> {
        let at = self.finding.last_signal?.at;
        Some(Duration::from_secs(now.saturating_sub(at.seconds)))
    }
}

/// Asks the host about these entries, in one call; no call for no entries.
pub fn survey<'a>(
    host: &dyn Observe,
    entries: impl Iterator<Item = (usize, &'a Entry<'a>)>,
) -> Vec<Surveyed<'a>> {
    let entries: Vec<_> = entries.collect();
    let claims: Vec<Claim<'_>> = entries.iter().map(|(_, entry)| entry.claim()).collect();
    let findings = if claims.is_empty() {
        Vec::new()
    } else {
        host.inspect(&claims)
    };
    // A finding that is missing proves nothing, so its entry is kept and listed.
    let findings = findings
        .into_iter()
        .map(Some)
        .chain(std::iter::repeat_with(|| None));
    entries
        .into_iter()
        .zip(findings)
        .map(|((index, entry), finding)| Surveyed {
            index,
            entry,
            finding: finding.unwrap_or_else(not_found_out),
        })
        .collect()
}

/// The pool, sorted.
#[derive(Debug)]
pub struct Sweep<'a> {
    /// Who stays, with how it is doing, in the order of the file.
    pub kept: Vec<(Surveyed<'a>, Status)>,
    /// Whose process is proven to be no more, in the order of the file.
    pub dead: Vec<Surveyed<'a>>,
}

impl<'a> Sweep<'a> {
    /// Surveys the whole pool and sorts it. Changes nothing.
    pub fn of(host: &dyn Observe, registry: &'a Registry<'a>) -> Self {
        let surveyed = survey(host, registry.select(None));
        let mut sweep = Self {
            kept: Vec::with_capacity(surveyed.len()),
            dead: Vec::new(),
        };
        for one in surveyed {
            match decide::status(&one.finding) {
                Some(status) => sweep.kept.push((one, status)),
                None => sweep.dead.push(one),
            }
        }
        sweep
    }
}

/// Drops these entries from the registry. No entries, no call.
///
/// # Errors
/// What the host says about the replace.
pub fn drop_entries<H: Host>(
    host: &H,
    transaction: &H::Transaction,
    registry: &Registry<'_>,
    indices: impl Iterator<Item = usize>,
) -> Result<(), Failure> {
    let mut remove = vec![false; registry.sessions.len()];
    let mut any = false;
    for index in indices {
        any |= !std::mem::replace(&mut remove[index], true);
    }
    if !any {
        return Ok(());
    }
    let bytes = rewrite(registry, &|index| remove[index], None)?;
    Ok(host.replace(transaction, &bytes)?)
}

fn not_found_out() -> Finding {
    Finding {
        standing: Standing::Unknown,
        evidence: Some("the host gave no finding for it".to_owned()),
        started: None,
        last_signal: None,
    }
}
