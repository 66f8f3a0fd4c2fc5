//! All attacks again and again, on pools that stay: each ends in its own error, the next
//! request of the same pool is answered, and nothing piles up.

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use poolwarden::{
    Answer, Cancel, Error, Grants, Limits, Mandate, Policy, Pool, PoolBuilder, Register, Request,
    Stop,
};
use serde_json::Value;

use crate::attacks::{self, Attack, Ends, Guest, How};
use crate::guest::Guest as Text;
use crate::harness::{Attacked, HOSTILE, SHIPPED, Worker, answer, call};

/// How often each attack is tried.
const ROUNDS: &str = "POOLWARDEN_TEST_ROUNDS";
/// Makes the program of this file more than a test that does nothing.
const OWN_PROCESS: &str = "POOLWARDEN_TEST_ENDURANCE";
/// What the memory may grow by after the first rounds, in bytes: what the allocator keeps
/// or gives back by its own lights.
const SLACK: u64 = 4 << 20;

/// Memory is a process's own: the rounds run in one where nothing else does.
#[test]
fn nothing_piles_up() {
    let program = env::current_exe().expect("this program's path");
    let name = "endurance::rounds_of_attacks";
    let ran = Command::new(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(OWN_PROCESS, "1")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{text}{ran:?}");
    let said = |what: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(what));
        line.and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("it does not say {what:?}: {text}"))
    };
    let (early, late) = (said("early: "), said("late: "));
    assert!(late <= early + SLACK, "from {early} to {late} bytes");
    assert_eq!(said("descriptors gained: "), 0);
}

/// In a run of the tests it does nothing.
#[test]
fn rounds_of_attacks() {
    if env::var_os(OWN_PROCESS).is_none() {
        return;
    }
    let rounds = env::var(ROUNDS).map_or(10, |text| text.parse().expect("a number"));
    let mut attacked = Attacked::shared();
    let pools = Pools::of(&attacked);
    let attacks: Vec<_> = attacks::all().map(|one| (one, policy(one))).collect();
    let (mut early, mut descriptors) = (0, 0);
    // Ends the line on which the test runner named the test.
    println!();
    for round in 0..rounds {
        for (attack, policy) in &attacks {
            try_once(&mut attacked, pools.of_attack(attack), attack, policy);
        }
        if round == rounds / 10 {
            (early, descriptors) = (resident(), open_files());
        }
    }
    println!("attacks: {}", attacks.len());
    println!("early: {early}\nlate: {}", resident());
    println!("descriptors gained: {}", open_files() - descriptors);
}

/// Tries an attack, and what comes after it.
pub(crate) fn try_once(
    attacked: &mut Attacked,
    pool: &Pool,
    attack: &Attack,
    policy: &Arc<Policy>,
) {
    let cancel = Cancel::new().expect("an eventfd");
    if attack.how == How::AskedToStopStubborn {
        attacked.put(0, Worker::start_stubborn());
    }
    let grants = match attack.how {
        How::Ungranted => Grants::none(),
        How::Undismissing => Grants::shipped(),
        _ => Grants::shipped().with_dismiss(),
    };
    let mut mandate = Mandate::new(policy.clone()).with_grants(grants);
    if let Guest::Hostile(name, settings) = attack.guest {
        mandate = mandate.with_setting("attack", name);
        for (name, value) in settings {
            mandate = mandate.with_setting(*name, attacked.fill(value));
        }
    }
    pool.swap(mandate, &cancel).expect("it describes itself");
    let before = attacked.registry_file();
    check(attack, call(pool, request(attacked, attack.how)));
    if !matches!(attack.how, How::EndsWorker | How::Forgetting) {
        let (inode, content) = attacked.registry_file();
        assert_eq!(content, before.1, "{}", attack.tries);
        // This attack may replace the file once, by the same bytes; no other may.
        if attack.tries != "replacing twice" {
            assert_eq!(inode, before.0, "{}", attack.tries);
        }
    }
    if attack.how == How::AskedToStopStubborn {
        assert!(attacked.worker(0).is_running(), "after {}", attack.tries);
        attacked.renew(0);
    }

    // The next request of the same pool, by a policy that means well.
    pool.swap(Mandate::new(SHIPPED.clone()), &cancel)
        .expect("it describes itself");
    if attack.how == How::EndsWorker {
        attacked.worker(0).ended();
    }
    let left = match attack.how {
        How::EndsWorker | How::Forgetting => &[1][..],
        _ => &[0, 1],
    };
    let answer = call(pool, Request::Status { sid: None });
    let answer = answer.unwrap_or_else(|e| panic!("after {}: {e}", attack.tries));
    let sessions = answer.value()["sessions"].as_array().map(Vec::len);
    assert_eq!(sessions, Some(left.len()), "after {}", attack.tries);
    attacked.assert_sound(left);
    if left.len() < 2 {
        attacked.renew(0);
    }
}

/// What is asked of the policy.
fn request(attacked: &Attacked, how: How) -> Request {
    let stop = |sid: &str| {
        Request::Stop(Stop {
            sid: Some(sid.into()),
            ..Stop::default()
        })
    };
    match how {
        How::AskedForStatus => Request::Status { sid: None },
        How::AskedToStop | How::AskedToStopStubborn => stop("w0"),
        How::AskedToStopAnother => stop("w1"),
        How::Registering => Request::Register(Register {
            sid: "new".into(),
            pid: attacked.pid(1),
            ..Register::default()
        }),
        How::Forgetting => Request::Forget {
            sid: "w0".into(),
            even_if_alive: true,
            pid: None,
        },
        _ => Request::Ensure { dry_run: false },
    }
}

/// Checks that an attack ended as it has to.
fn check(attack: &Attack, outcome: Result<Answer, Error>) {
    let told = outcome.as_ref().map_or_else(Error::to_string, |_| {
        "it was answered as if it had meant well".into()
    });
    let reported = answer(&outcome).map(|answer| match &answer.value()["said"] {
        Value::String(said) => said.clone(),
        said => said.to_string(),
    });
    let as_expected = match (&attack.ends, &outcome) {
        (Ends::Fault(is, words), Err(Error::Policy(fault))) => is(fault) && told.contains(words),
        (Ends::Refused(words), Err(Error::Refused(_))) => told.contains(words),
        (Ends::Denied(words), Err(Error::Denied(_))) => told.contains(words),
        (Ends::Nothing(said), Err(_)) => reported.as_deref() == Some(*said),
        _ => false,
    };
    assert!(as_expected, "{} ended in {outcome:?}", attack.tries);
}

/// The policy that tries it, compiled once.
pub(crate) fn policy(attack: &Attack) -> Arc<Policy> {
    match attack.guest {
        Guest::Hostile(..) => HOSTILE.clone(),
        Guest::Text(imports, ensure) => {
            let component = Text { imports, ensure }.build();
            Arc::new(Policy::from_component(&component).expect("it loads"))
        }
    }
}

/// One pool, held as servers hold it that differ in how much time they give a policy.
pub(crate) struct Pools {
    enough: Pool,
    little_for_the_guest: Pool,
    little_for_the_host: Pool,
}

impl Pools {
    pub(crate) fn of(attacked: &Attacked) -> Self {
        let (enough, little) = (Duration::from_secs(60), Duration::from_millis(30));
        let pool = |guest_cpu, host_cpu| {
            let limits = Limits {
                guest_cpu,
                host_cpu,
                answer: 1 << 20,
                ..Limits::default()
            };
            PoolBuilder::new(attacked.directory())
                .limits(limits)
                .build(SHIPPED.clone())
        };
        Self {
            enough: pool(enough, enough),
            little_for_the_guest: pool(little, enough),
            little_for_the_host: pool(enough, little),
        }
    }

    pub(crate) fn of_attack(&self, attack: &Attack) -> &Pool {
        match attack.how {
            // What is not about time gets enough of it.
            How::Computes => &self.little_for_the_guest,
            How::HostWorks => &self.little_for_the_host,
            _ => &self.enough,
        }
    }
}

/// Resident memory in bytes (proc_pid_statm(5)).
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("our own");
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number of pages");
    pages * page_size()
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).expect("a small number")
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("our own").count()
}
