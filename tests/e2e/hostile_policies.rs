//! Policies that try to break every rule, through the built program: each ends with its own
//! exit code and words, and the next request on the same pool is answered.
//!
//! The attacks are those of `tests/hostile`, here within the limits that the program has.
//! Those that would take minutes to meet such a limit are left to that suite.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::{Ran, Running, TestPool, Worker};

#[expect(dead_code, reason = "the program tells a fault by its words alone")]
#[path = "../hostile/attacks/mod.rs"]
mod attacks;
#[expect(dead_code, reason = "this suite needs only a part of it")]
#[path = "../loading/guest.rs"]
mod guest;

use attacks::{Attack, Ends, Guest, How};

/// How often each attack is tried, one round of all after another: once, unless this says more.
const ROUNDS: &str = "POOLWARDEN_TEST_ROUNDS";

/// A little more than a policy may write to the log in one request.
const LOG_LINES: usize = 1010;

/// What poolwarden does not know of each entry.
const NOTE: &str = ", \"note\":[\"kept\", 1.50]";
/// What another program keeps beside `sessions`.
const OTHER: &str = "\"other\": {\"kept\":1e2}";

/// A registry whose entries are kept as they are written.
#[derive(Deserialize)]
struct Registry<'a> {
    #[serde(borrow)]
    sessions: Vec<&'a RawValue>,
}

/// A pool with the two workers that are attacked.
struct Attacked {
    pool: TestPool,
    workers: [Worker; 2],
}

impl Attacked {
    fn new() -> Self {
        let attacked = Self {
            pool: TestPool::new(),
            workers: [Worker::obedient(), Worker::obedient()],
        };
        attacked.register();
        attacked
    }

    fn register(&self) {
        let [first, second] = &self.workers;
        let [first, second] = [first.entry("w0"), second.entry("w1")].map(|entry| {
            let bare = entry.text();
            let open = bare.strip_suffix('}').expect("an object");
            format!("{open}{NOTE}}}")
        });
        let registry = format!("{{{OTHER},\"sessions\":[{first},{second}]}}");
        self.pool.write(registry);
    }

    /// The command line of an attack.
    fn command(&self, attack: &Attack) -> Command {
        let mut words = vec!["--policy".to_owned(), text(&self.policy(attack))];
        let grants: &[&str] = match attack.how {
            How::Ungranted => &[],
            How::Undismissing => &["registry-write", "signal-term", "signal-kill"],
            _ => &["registry-write", "dismiss", "signal-term", "signal-kill"],
        };
        for grant in grants {
            words.extend(["--grant".to_owned(), (*grant).to_owned()]);
        }
        if let Guest::Hostile(name, settings) = attack.guest {
            let named = [("attack", name.to_owned())].into_iter();
            let filled = settings
                .iter()
                .map(|(name, value)| (*name, self.fill(value)));
            for (name, value) in named.chain(filled) {
                words.extend(["--setting".to_owned(), format!("{name}={value}")]);
            }
        }
        let pid1 = self.workers[1].pid().to_string();
        let verb: &[&str] = match attack.how {
            How::Forgetting => &["forget", "w0", "--even-if-alive"],
            How::AskedForStatus => &["status"],
            How::AskedToStop | How::AskedToStopStubborn => &["stop", "w0"],
            How::AskedToStopAnother => &["stop", "w1"],
            How::Registering => &["register", "--sid", "new", "--pid", &pid1],
            _ => &["ensure"],
        };
        words.extend(verb.iter().map(|word| (*word).to_owned()));
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        self.pool.command(&words)
    }

    /// The component that tries it.
    fn policy(&self, attack: &Attack) -> PathBuf {
        match attack.guest {
            Guest::Hostile(..) => {
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/hostile.wasm")
            }
            Guest::Text(imports, ensure) => {
                let path = self.pool.root().join("attack.wasm");
                let component = guest::Guest { imports, ensure }.build();
                fs::write(&path, component).expect("the component");
                path
            }
        }
    }

    fn fill(&self, value: &str) -> String {
        let bytes = self.pool.bytes();
        let Registry { sessions: entries } = serde_json::from_slice(&bytes).expect("a registry");
        let first: Value = serde_json::from_str(entries[0].get()).expect("an entry");
        let made = first["created_at"].as_str().expect("a time");
        value
            .replace("$pid0", &self.workers[0].pid().to_string())
            .replace("$pid1", &self.workers[1].pid().to_string())
            .replace("$entry0", entries[0].get())
            .replace("$entry1", entries[1].get())
            .replace("$bare0", &entries[0].get().replace(NOTE, ""))
            .replace("$other", OTHER)
            .replace("$made0", made)
    }

    /// Checks how an attack ended, and that the pool is as before, or as the attack was
    /// allowed to leave it.
    #[track_caller]
    fn check(&mut self, attack: &Attack, ran: &Ran) {
        let tries = attack.tries;
        match attack.ends {
            Ends::Fault(_, words) | Ends::Refused(words) | Ends::Denied(words) => {
                assert_eq!(ran.code, 7, "{tries}: {ran:#?}");
                assert_eq!(ran.stdout, "", "{tries}");
                let errors = ran
                    .stderr
                    .lines()
                    .filter(|line| line.starts_with("error: "));
                let [error] = errors.collect::<Vec<_>>()[..] else {
                    panic!("{tries}: one error: {ran:#?}")
                };
                assert!(error.contains(words), "{tries}: {error}");
            }
            Ends::Nothing(said) => {
                let reported = match &ran.reported()["said"] {
                    Value::String(reported) => reported.clone(),
                    reported => reported.to_string(),
                };
                assert_eq!(reported, said, "{tries}: {ran:#?}");
            }
        }
        let logged = ran.stderr.lines().count();
        assert!(logged < LOG_LINES, "{tries}: {logged} lines of log");
        assert!(
            !ran.stderr.contains('\u{1b}'),
            "{tries}: it reaches a terminal"
        );
        if attack.how == How::EndsWorker {
            self.workers[0].reap();
        }
        if attack.how == How::AskedToStopStubborn {
            assert!(self.workers[0].is_running(), "after {tries}");
            assert_eq!(self.pool.sids(), ["w0", "w1"], "after {tries}");
            self.workers[0] = Worker::obedient();
            self.register();
        }
        let left = match attack.how {
            How::EndsWorker | How::Forgetting => &["w1"][..],
            _ => &["w0", "w1"],
        };
        assert!(self.pool.lock_is_free(), "after {tries}");
        let answer = self.pool.ask(&["status"]);
        let sessions = answer["sessions"].as_array().expect("sessions").iter();
        let running: Vec<_> = sessions
            .filter(|session| session["status"] == "running")
            .map(|session| session["sid"].as_str().expect("a sid"))
            .collect();
        assert_eq!(running, left, "after {tries}");
        assert!(self.workers[1].is_running(), "after {tries}");
        if attack.how == How::EndsWorker {
            self.workers[0] = Worker::obedient();
        }
        if left.len() < 2 {
            self.register();
        }
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}

#[test]
fn every_attack_ends_with_its_own_words_and_harms_nothing() {
    let rounds = env::var(ROUNDS).map_or(1, |text| text.parse().expect("a number"));
    let mut attacked = Attacked::new();
    let now =
        |attack: &&Attack| !matches!(attack.how, How::Computes | How::HostWorks | How::Shadowed);
    for _ in 0..rounds {
        for attack in attacks::all().filter(now) {
            if attack.how == How::AskedToStopStubborn {
                attacked.workers[0] = Worker::deaf();
                attacked.register();
            }
            let before = attacked.pool.bytes();
            let ran = Ran::of(attacked.command(attack));
            if !matches!(attack.how, How::EndsWorker | How::Forgetting) {
                assert_eq!(attacked.pool.bytes(), before, "{}", attack.tries);
            }
            attacked.check(attack, &ran);
        }
    }
}

/// They run at once, each on a pool of its own, and yield to every other test.
#[test]
fn whoever_computes_without_end_is_ended() {
    let computing = attacks::all().filter(|attack| attack.how == How::Computes);
    let started: Vec<_> = computing
        .map(|attack| {
            let attacked = Attacked::new();
            let running = Running::start(at_leisure(&attacked.command(attack)));
            (attack, attacked, running)
        })
        .collect();
    assert!(!started.is_empty());
    for (attack, mut attacked, running) in started {
        attacked.check(attack, &running.finish());
    }
}

/// The same command for when nobody else has something to do: processor time is what counts.
fn at_leisure(command: &Command) -> Command {
    let mut nice = Command::new("/usr/bin/nice");
    let directory = command.get_current_dir().expect("a directory of its own");
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    nice.args(["-n", "10"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(variables)
        .current_dir(directory);
    nice
}
