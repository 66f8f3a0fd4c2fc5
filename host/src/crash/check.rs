//! What has to hold of a pool, whatever became of the request before.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::audit::History;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::request::Request;

use super::run::{Files, Outcome, Run};
use super::world::{CANARY, Worker};

/// A rule that a pool keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// The registry is the old one or the new one, byte for byte.
    Registry,
    /// What was answered as done is done, and stays.
    Durability,
    /// The ledger is an old one or a new one, whole; it has every row of a live worker
    /// that it had, and one for an entry that came, unless it could not be written.
    Ledger,
    /// The ledger does not offer whom the registry was to lose while he lives, and does
    /// offer whom it has.
    Withdrawal,
    /// A signal is in the trail before it is sent.
    Signal,
    /// A removal is in the trail before the entry is gone.
    Removal,
    /// The trail can be read and appended to; at most one line of it is torn.
    Trail,
    /// The next request gets the lock.
    Lock,
    /// The next request is answered, with everybody who lives.
    NextRequest,
    /// The next request leaves no temporary file.
    Leftover,
    /// The error says what was to be done, to which file, and why it was not.
    Error,
}

/// A rule that was not kept, and how that shows.
pub(super) struct Violation {
    pub(super) rule: Rule,
    detail: String,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn check(&mut self, rule: Rule, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            let detail = detail();
            self.0.push(Violation { rule, detail });
        }
    }
}

/// Which image of the pool is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The directory itself: the machine went on.
    Live,
    /// What a loss of power left of it.
    Durable,
}

/// Checks every rule but that about errors on the pool that a request left in this
/// directory. Ends a worker and makes the next request, which has to notice.
pub(super) fn check(run: &Run, pool: &Path, seen: Seen) -> Vec<Violation> {
    let mut findings = Findings::default();
    let files = Files::in_directory(pool);
    check_files(&mut findings, run, &files);
    check_withdrawals(&mut findings, run, &files, pool);
    check_removals(&mut findings, run, &files, pool);
    if seen == Seen::Live {
        findings.check(Rule::Signal, run.unrecorded.is_empty(), || {
            format!("not in the trail when sent: {:?}", run.unrecorded)
        });
    }
    check_next_request(&mut findings, run, &files, pool);
    check_offers(&mut findings, run, pool);
    check_trail(&mut findings, run, &files, pool, seen);
    check_names(&mut findings, pool);
    findings.0
}

fn check_files(findings: &mut Findings, run: &Run, files: &Files) {
    let is_old = files.registry == run.before.registry;
    let is_new = |registry: &Vec<u8>| run.written.registry.contains(registry);
    let whole = is_old || files.registry.as_ref().is_some_and(is_new);
    findings.check(Rule::Registry, whole, || {
        format!("it is neither old nor new: {}", shown(&files.registry))
    });
    if matches!(run.outcome, Outcome::Done) {
        let sids = sids(&files.registry);
        findings.check(
            Rule::Durability,
            sids.iter().eq(run.scenario.after()),
            || format!("answered as done, but there is {sids:?}"),
        );
    }

    let is_old = files.ledger == run.before.ledger;
    let is_new = |ledger: &Vec<u8>| run.written.ledger.contains(ledger);
    let whole = is_old || files.ledger.as_ref().is_some_and(is_new);
    findings.check(Rule::Ledger, whole, || {
        format!("it is neither old nor new: {}", shown(&files.ledger))
    });
    let (had, has) = (rows(&run.before.ledger), rows(&files.ledger));
    for sid in sids(&files.registry) {
        let (had, has) = (had.contains(&sid), has.contains(&sid));
        let came = !run.scenario.before().contains(sid.as_str());
        let needed = had || (came && !run.is_disturbed) || (came && is_ended(run));
        findings.check(Rule::Ledger, has || !needed, || {
            format!("{sid} has an entry and no row")
        });
    }
}

/// Nothing of what the ledger says brings back an entry that was dropped: not to those who
/// read it without a registry.
fn check_withdrawals(findings: &mut Findings, run: &Run, files: &Files, pool: &Path) {
    let (has, offered) = (sids(&files.registry), offered(&files.ledger));
    let lines = trail_lines(pool);
    for sid in run.scenario.before() {
        let dropped_alive = || {
            lines.iter().any(|line| {
                line["event"] == "removal" && line["standing"] == "alive" && line["sid"] == sid
            })
        };
        let comes_back = !has.contains(sid) && offered.contains(sid) && dropped_alive();
        findings.check(Rule::Withdrawal, !comes_back, || {
            format!("{sid} has no entry any more, and the ledger offers one")
        });
    }
}

/// Whether nothing went wrong but that the process ended.
fn is_ended(run: &Run) -> bool {
    matches!(run.outcome, Outcome::Ended)
}

fn check_removals(findings: &mut Findings, run: &Run, files: &Files, pool: &Path) {
    let lines = trail_lines(pool);
    let has = sids(&files.registry);
    for sid in run.scenario.before() {
        let recorded = || {
            lines.iter().any(|line| {
                line["event"] == "removal" && line["phase"] == "before" && line["sid"] == sid
            })
        };
        findings.check(Rule::Removal, has.contains(sid) || recorded(), || {
            format!("{sid} has no entry any more, and the trail does not say so")
        });
    }
}

fn check_next_request(findings: &mut Findings, run: &Run, files: &Files, pool: &Path) {
    run.world.fake.reap(CANARY.pid);
    let next = run.world.fresh_pool_at(pool, run.lie);
    let cancel = Cancel::new().expect("an eventfd");
    let living = sids(&files.registry)
        .into_iter()
        .filter(|sid| lives(run, sid));
    let expected: BTreeSet<String> = living.collect();
    match next.call(Request::Status { sid: None }, &cancel) {
        Ok(answer) => {
            let sessions = answer.value()["sessions"].as_array().cloned();
            let sessions = sessions.unwrap_or_default();
            let listed: BTreeSet<String> = sessions
                .iter()
                .filter_map(|session| session["sid"].as_str().map(Into::into))
                .collect();
            findings.check(Rule::NextRequest, listed == expected, || {
                format!("{listed:?} are listed, {expected:?} live")
            });
        }
        Err(Error::Busy(text)) => findings.check(Rule::Lock, false, || text),
        Err(error) => findings.check(Rule::NextRequest, false, || error.to_string()),
    }
}

/// Whoever lives and has an entry can be found by his row once more, whoever was about to
/// drop that entry.
fn check_offers(findings: &mut Findings, run: &Run, pool: &Path) {
    let files = Files::in_directory(pool);
    let (rows, offered) = (rows(&files.ledger), offered(&files.ledger));
    for sid in sids(&files.registry)
        .into_iter()
        .filter(|sid| lives(run, sid))
    {
        let withdrawn = rows.contains(&sid) && !offered.contains(&sid);
        findings.check(Rule::Withdrawal, !withdrawn, || {
            format!("{sid} has an entry, and its row is withdrawn")
        });
    }
}

fn check_trail(findings: &mut Findings, run: &Run, files: &Files, pool: &Path, seen: Seen) {
    let history = match History::read(pool) {
        Ok(history) => history,
        Err(error) => {
            return findings.check(Rule::Trail, false, || error.to_string());
        }
    };
    // What was not synced may be anything, so anything can be wrong with it.
    let allowed = usize::from(run.is_disturbed);
    let readable = seen == Seen::Durable || history.problems.len() <= allowed;
    findings.check(Rule::Trail, readable, || format!("{:?}", history.problems));
    let lost: Vec<_> = run
        .before
        .effects
        .iter()
        .filter(|id| !history.actions.iter().any(|action| action.id == **id))
        .collect();
    findings.check(Rule::Trail, lost.is_empty(), || format!("lost: {lost:?}"));
    let removed = |sid: &String| {
        history.actions.iter().any(|action| {
            action.sid == *sid && action.entry.is_some() && action.result == "removed"
        })
    };
    // The next request has removed those who do not live, and their entries stand there.
    let gone = sids(&files.registry)
        .into_iter()
        .filter(|sid| !lives(run, sid));
    let unsaid: Vec<_> = gone.filter(|sid| !removed(sid)).collect();
    findings.check(Rule::Trail, unsaid.is_empty(), || {
        let problems = &history.problems;
        format!("the removals of {unsaid:?} cannot be read from it: {problems:?}")
    });
}

fn lives(run: &Run, sid: &str) -> bool {
    run.world.fake.is_there(Worker::named(sid).pid)
}

fn check_names(findings: &mut Findings, pool: &Path) {
    for entry in fs::read_dir(pool).into_iter().flatten() {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        let known = ["registry.json", "registry.lock", "ledger.json"].contains(&&*name)
            || name.starts_with("audit.jsonl")
            || name.ends_with(".sock");
        findings.check(Rule::Leftover, known, || format!("{name} stays"));
    }
}

/// Checks that an error names a step, a file below `root` and the system's reason.
pub(super) fn check_error(text: &str, root: &Path, reason: &str) -> Option<Violation> {
    let mut findings = Findings::default();
    let root = root.to_str().expect("UTF-8");
    for part in ["cannot ", root, reason] {
        // A name that may not last is told in other words.
        let said = text.contains(part) || (part == "cannot " && text.contains("could not be "));
        findings.check(Rule::Error, said, || format!("{part:?} is not in {text:?}"));
    }
    findings.0.pop()
}

/// The lines of the trail that can be read, from any of its files.
pub(super) fn trail_lines(pool: &Path) -> Vec<Value> {
    let names = (1..=8).map(|number| format!("audit.jsonl.{number}"));
    let files = names.chain(["audit.jsonl".into()]);
    let texts = files.filter_map(|name| fs::read(pool.join(name)).ok());
    let lines = texts.flat_map(|text| {
        let lines = text.split(|byte| *byte == b'\n');
        let values = lines.filter_map(|line| serde_json::from_slice(line).ok());
        values.collect::<Vec<Value>>()
    });
    lines.collect()
}

/// Whose entries a registry has; nobody's where it cannot be read.
fn sids(registry: &Option<Vec<u8>>) -> BTreeSet<String> {
    names_in(registry, "sessions")
}

/// For whom a ledger has a row.
fn rows(ledger: &Option<Vec<u8>>) -> BTreeSet<String> {
    names_in(ledger, "rows")
}

/// Who could get an entry by the ledger.
fn offered(ledger: &Option<Vec<u8>>) -> BTreeSet<String> {
    named(ledger, "rows", |row| row["withdrawn"] != true)
}

fn names_in(file: &Option<Vec<u8>>, list: &str) -> BTreeSet<String> {
    named(file, list, |_| true)
}

fn named(file: &Option<Vec<u8>>, list: &str, which: fn(&Value) -> bool) -> BTreeSet<String> {
    let parsed = file.as_deref().map(serde_json::from_slice);
    let Some(Ok(Value::Object(parsed))) = parsed else {
        return BTreeSet::new();
    };
    let entries = parsed[list].as_array().cloned().unwrap_or_default();
    let sids = entries.iter().filter(|entry| which(entry));
    let sids = sids.filter_map(|entry| entry["sid"].as_str());
    sids.map(Into::into).collect()
}

fn shown(file: &Option<Vec<u8>>) -> String {
    match file {
        Some(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        None => "it is missing".into(),
    }
}
