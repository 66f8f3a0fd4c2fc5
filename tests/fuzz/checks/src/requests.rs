//! Requests on a pool whose registry holds anything, by the shipped policy.
//!
//! An input is a request a line, as recordings write them, an empty line, and the registry.
//! Each process is found as its pid says, by turns all that can be found.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use poolwarden::audit::History;
use poolwarden::process::{
    Claim, Finding, Identified, IdentifyError, Inspection, Process, Processes, Question, Standing,
    Strength, WaitError,
};
use poolwarden::{Cancel, Error, Policy, PoolBuilder, Request, Stop, fuzzing};

use crate::directory::{empty_pool, write};
use crate::program::{assert_harmless, line, render};

/// How many requests of an input are carried out.
const REQUESTS: usize = 4;

static SHIPPED: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::shipped().expect("the shipped policy")));

/// No request makes the policy fail. What is no registry keeps every byte. An entry goes only
/// when its process is dead or the request says that it goes; those that stay keep every byte;
/// and what went stands whole in the trail.
pub fn check(data: &[u8]) {
    let (head, registry) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (&b"{\"ensure\":{\"dry_run\":false}}"[..], data),
    };
    let requests = head.split(|&byte| byte == b'\n');
    let requests = requests.filter_map(|line| serde_json::from_slice::<Request>(line).ok());
    let requests: Vec<_> = requests.take(REQUESTS).collect();
    if requests.is_empty() {
        return;
    }
    let directory = empty_pool("requests");
    let file = write(&directory, "registry.json", registry);
    let pool = PoolBuilder::new(&directory)
        .processes(Arc::new(Fake))
        .build(SHIPPED.clone());
    for mut request in requests {
        if let Request::Stop(stop) = &mut request {
            // Nobody is there to wait for.
            stop.grace = stop.grace.min(Duration::from_millis(1));
        }
        let before = fs::read(&file).expect("the registry");
        let answered = pool.call(request.clone(), &Cancel::new().expect("a request"));
        let after = fs::read(&file).expect("the registry");
        match &answered {
            Ok(answer) => assert_harmless(&render(&request, &answer.value())),
            Err(error) => check_error(error),
        }
        check_change(&directory, &before, &after, &request, answered.is_err());
    }
}

fn check_error(error: &Error) {
    assert!(
        matches!(
            error,
            Error::Corrupted { .. } | Error::Rejected(_) | Error::Refused(_)
        ),
        "{error}"
    );
    assert_harmless(&line(&error.to_string()));
}

fn check_change(pool: &Path, before: &[u8], after: &[u8], request: &Request, failed: bool) {
    let names = fs::read_dir(pool).expect("the pool");
    let names = names.map(|file| file.expect("a file").file_name());
    assert!(!names.into_iter().any(|name| name == "registry.json.new"));
    let Ok(old) = fuzzing::entries(before) else {
        assert!(failed, "it is no registry");
        assert_eq!(before, after);
        return;
    };
    if before == after {
        return;
    }
    assert!(!request.is_dry_run());
    let mut left: HashMap<String, usize> = HashMap::new();
    for (_, raw) in fuzzing::entries(after).expect("it is a registry still") {
        *left.entry(raw).or_default() += 1;
    }
    let history = History::read(pool).expect("the trail");
    assert!(history.problems.is_empty(), "{:?}", history.problems);
    for (claim, raw) in &old {
        match left.get_mut(raw) {
            Some(count) if *count > 0 => *count -= 1,
            _ => {
                assert!(may_go(request, claim), "{claim:?} is lost");
                let recorded = history.actions.iter().any(|action| {
                    let entry = action.entry.as_ref();
                    action.sid == claim.sid && entry.is_some_and(|entry| same(entry.get(), raw))
                });
                assert!(recorded, "the trail lacks {raw}");
            }
        }
    }
    assert!(left.values().all(|&count| count == 0), "{left:?} came");
}

/// Whether two texts of an entry are the same but for line breaks: the trail has lines.
fn same(recorded: &str, raw: &str) -> bool {
    recorded == raw || recorded == raw.replace(['\n', '\r'], " ")
}

fn may_go(request: &Request, claim: &Claim) -> bool {
    let is_named = |sid: &Option<String>| sid.as_ref().is_none_or(|sid| *sid == claim.sid);
    standing(claim).is_dead()
        || match request {
            Request::Forget {
                sid,
                even_if_alive: true,
                ..
            } => *sid == claim.sid,
            Request::Stop(Stop { sid, .. }) => {
                (claim.pid == 0 || i32::try_from(claim.pid).is_err()) && is_named(sid)
            }
            _ => false,
        }
}

/// What is found about a claim: all the kinds there are, one after the other by the pid.
fn standing(claim: &Claim) -> Standing {
    [
        Standing::Alive,
        Standing::Gone,
        Standing::Unproven,
        Standing::Reused,
        Standing::Foreign,
        Standing::Exited,
        Standing::Unknown,
    ][claim.pid as usize % 7]
}

/// Processes that nobody can hold: nothing is ever signalled.
struct Fake;

impl Processes for Fake {
    fn inspect(&self, questions: &[Question<'_>], _: Strength) -> Vec<Inspection> {
        let inspection = |question: &Question<'_>| Inspection {
            finding: Finding {
                standing: standing(question.claim),
                evidence: "its pid says so".into(),
                started: None,
            },
            process: None,
            learned: None,
        };
        questions.iter().map(inspection).collect()
    }

    fn identify(&self, pid: u32) -> Result<Identified, IdentifyError> {
        Err(IdentifyError::NoSuchProcess { pid })
    }

    fn wait(
        &self,
        processes: &[Arc<Process>],
        _: Duration,
        _: &Cancel,
    ) -> Result<Vec<bool>, WaitError> {
        Ok(vec![false; processes.len()])
    }
}
