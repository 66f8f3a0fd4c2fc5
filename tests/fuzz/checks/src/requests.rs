//! Requests on a pool whose registry holds anything, by the shipped policy.
//!
//! An input is a request a line, as recordings write them, an empty line, and the registry.
//! Each process is found as its pid says, by turns all that can be found.

mod processes;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use poolwarden::answer::{Ensured, Forgotten, Listed, Registered, Stopped};
use poolwarden::audit::History;
use poolwarden::process::{Claim, Signal};
use poolwarden::{Answer, Cancel, Error, Grants, Policy, PoolBuilder, Register, Request, fuzzing};

use crate::directory::{empty_pool, write};
use crate::program::{assert_harmless, line, render};
use processes::ByPid;

/// How many requests of an input are carried out.
const REQUESTS: usize = 4;

static SHIPPED: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::shipped().expect("the shipped policy")));

/// A registry before and after a request.
struct Change<'a> {
    request: &'a Request,
    before: &'a [u8],
    after: &'a [u8],
    processes: &'a ByPid,
}

/// No request makes the policy fail. What is no registry keeps every byte. An entry goes only
/// when its process is dead or the request says that it goes; those that stay keep every byte;
/// what went stands whole in the trail. Only who is to be stopped gets a signal.
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
    let processes = Arc::new(ByPid::default());
    let pool = PoolBuilder::new(&directory)
        .processes(processes.clone())
        .grants(Grants::named(&Grants::all_names()).expect("known grants"))
        .build(SHIPPED.clone());
    for mut request in requests {
        if let Request::Stop(stop) = &mut request {
            // Those who do not end are not worth a wait.
            stop.grace = stop.grace.min(Duration::from_millis(1));
        }
        let before = fs::read(&file).expect("the registry");
        let answered = pool.call(request.clone(), &Cancel::new().expect("a request"));
        let after = fs::read(&file).expect("the registry");
        let change = Change {
            request: &request,
            before: &before,
            after: &after,
            processes: &processes,
        };
        match &answered {
            Ok(answer) => check_answer(&request, answer),
            Err(error) => check_error(error),
        }
        change.check(&directory, answered.is_err());
    }
}

/// The answer has the fields that callers rely on, and can be shown.
fn check_answer(request: &Request, answer: &Answer) {
    let text = answer.text();
    let read = match request {
        Request::Ensure { .. } => serde_json::from_str(text).map(|_: Ensured| ()),
        Request::Status { .. } => serde_json::from_str(text).map(|_: Listed| ()),
        Request::Stop(_) => serde_json::from_str(text).map(|_: Stopped| ()),
        Request::Register(_) => serde_json::from_str(text).map(|_: Registered| ()),
        Request::Forget { .. } => serde_json::from_str(text).map(|_: Forgotten| ()),
    };
    read.unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_harmless(&render(request, &answer.value()));
}

fn check_error(error: &Error) {
    let expected = matches!(
        error,
        Error::Corrupted { .. } | Error::Rejected(_) | Error::Refused(_)
    );
    assert!(expected, "{error:?}");
    assert_harmless(&line(&error.to_string()));
}

impl Change<'_> {
    fn check(&self, pool: &Path, failed: bool) {
        assert!(!pool.join("registry.json.new").exists());
        let old = fuzzing::entries(self.before);
        let claims: Vec<_> = old.iter().flatten().map(|(claim, _)| claim).collect();
        for (pid, signal) in self.processes.take_heard() {
            assert!(self.is_asked(&claims, pid, signal), "{signal} to {pid}");
        }
        let Ok(old) = &old else {
            assert!(failed, "it is no registry");
            assert!(self.before == self.after);
            return;
        };
        if self.before == self.after {
            return;
        }
        assert!(!self.request.is_dry_run());
        let new = fuzzing::entries(self.after).expect("it is a registry still");
        let mut left: HashMap<&str, usize> = HashMap::new();
        for (_, raw) in &new {
            *left.entry(raw).or_default() += 1;
        }
        let history = History::read(pool).expect("the trail");
        assert!(history.problems.is_empty(), "{:?}", history.problems);
        for (claim, raw) in old {
            match left.get_mut(raw.as_str()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => {
                    assert!(self.may_go(claim), "{claim:?} is lost");
                    let recorded = history.actions.iter().any(|action| {
                        let entry = action.entry.as_ref();
                        action.sid == claim.sid && entry.is_some_and(|entry| same(entry.get(), raw))
                    });
                    assert!(recorded, "the trail lacks {raw}");
                }
            }
        }
        let came = new
            .iter()
            .filter(|(_, raw)| left.get(raw.as_str()).is_some_and(|count| *count > 0));
        for (claim, _) in came {
            assert!(self.is_registered(claim), "{claim:?} came");
        }
        assert!(left.values().sum::<usize>() <= 1, "{left:?} came");
    }

    /// Whether the request asks for this signal to this process.
    fn is_asked(&self, claims: &[&Claim], pid: u32, signal: Signal) -> bool {
        let Request::Stop(stop) = self.request else {
            return false;
        };
        let is_named = claims.iter().any(|claim| {
            let same_sid = claims.iter().filter(|other| other.sid == claim.sid);
            claim.pid == pid
                && stop.sid.as_ref().is_none_or(|sid| *sid == claim.sid)
                && stop.pid.is_none_or(|only| only == pid)
                // Who of two is meant, nobody can know.
                && same_sid.count() == 1
        });
        let fits =
            signal == stop.signal || signal == Signal::Cont || signal == Signal::Kill && stop.force;
        is_named && fits && !stop.dry_run
    }

    fn may_go(&self, claim: &Claim) -> bool {
        self.processes.standing(claim.pid).is_dead()
            || matches!(self.request, Request::Forget { sid, even_if_alive: true, .. }
                if *sid == claim.sid)
    }

    fn is_registered(&self, claim: &Claim) -> bool {
        matches!(self.request, Request::Register(Register { sid, pid, sock, .. })
            if (sid, *pid, sock) == (&claim.sid, claim.pid, &claim.sock))
    }
}

/// Whether two texts of an entry are the same but for line breaks: the trail has lines.
fn same(recorded: &str, raw: &str) -> bool {
    recorded == raw || recorded == raw.replace(['\n', '\r'], " ")
}
