//! One round: a worker, a request, and its pid given away at one point of it.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::LinuxProcesses;
use crate::process::kernel::Kernel;
use crate::process::linux::Linux;
use crate::process::procfs::Stat;
use crate::process::time::Calendar;
use crate::{Cancel, Policy, Pool, PoolBuilder, Register, Request, Stop};

use super::hooked::{Hooked, Point, Struck};
use super::nursery::{Nursery, Report};
use super::offspring::Manners;
use super::scenario::{Basis, Scenario, Server, Taker, Verb};
use super::tally::Tally;

/// The worker whose pid is given away.
const SID: &str = "worker";
/// One that lives through everything.
const BYSTANDER: &str = "bystander";
/// The stranger, once it is registered for a worker in its own right.
const HEIR: &str = "heir";

/// How much younger than its entry a worker may be, as the documentation has it.
const SLACK: Duration = Duration::from_secs(3);
/// How many workers are started at once, to be old enough when they are used.
const LITTER: usize = 24;
/// How often a round is repeated in which pid or clock tick did not fall as they should.
const TRIES: usize = 12;

/// What all rounds share.
pub(super) struct Suite {
    nursery: Arc<Mutex<Nursery>>,
    kernel: Arc<Hooked>,
    policy: Arc<Policy>,
    root: TempDir,
    directory: PathBuf,
    /// A server that runs all the time.
    long_lived: Pool,
    bystander: Born,
    bystander_entry: Value,
    stock: HashMap<(bool, bool), VecDeque<Born>>,
    serial: usize,
    pub(super) tally: Tally,
}

/// A process that was started to be a worker.
#[derive(Clone, Debug)]
struct Born {
    pid: i32,
    sock: Option<PathBuf>,
    start_ticks: u64,
}

impl Born {
    /// When it started, by the clock as it is set now.
    fn started(&self) -> SystemTime {
        Calendar::new(&Linux).at(self.start_ticks)
    }
}

/// The pid's next owner.
struct Stranger {
    /// 0 if there is none.
    pid: i32,
    start_ticks: u64,
}

/// What one round came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// The call before or during which the pid was given away; none if that was after
    /// the last one.
    pub(super) struck: Option<Struck>,
    /// Whether pid and clock tick fell as the scenario wants them.
    counts: bool,
}

impl Suite {
    pub(super) fn new(mut nursery: Nursery) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("pool");
        let kernel = Arc::new(Hooked::default());
        let policy = Arc::new(Policy::shipped().expect("the shipped policy"));
        let long_lived = pool(&directory, &kernel, &policy);
        let bystander = birth(&mut nursery, Manners::Counting, None);
        let bystander_entry = entry(&bystander, BYSTANDER, bystander.started());
        let suite = Self {
            nursery: Arc::new(Mutex::new(nursery)),
            kernel,
            policy,
            root,
            directory,
            long_lived,
            bystander,
            bystander_entry,
            stock: HashMap::new(),
            serial: 0,
            tally: Tally::default(),
        };
        // It makes the directory.
        suite.call(&suite.long_lived, Request::Ensure { dry_run: false });
        suite
    }

    /// One round, repeated until the pid was given away as the scenario wants it.
    pub(super) fn round(&mut self, scenario: Scenario, point: Point) -> Round {
        let mut round = self.one_round(scenario, point);
        for _ in 1..TRIES {
            if round.counts {
                return round;
            }
            round = self.one_round(scenario, point);
        }
        self.tally.missed += usize::from(!round.counts);
        round
    }

    fn one_round(&mut self, scenario: Scenario, point: Point) -> Round {
        let worker = self.take_worker(scenario);
        self.enter(scenario, &worker);
        let fresh;
        let server = match scenario.server {
            Server::Holding => &self.long_lived,
            Server::Fresh => {
                fresh = pool(&self.directory, &self.kernel, &self.policy);
                &fresh
            }
        };

        let given = Arc::new(Mutex::new(None));
        let give_away = {
            let (nursery, given) = (self.nursery.clone(), given.clone());
            let (pid, sock) = (worker.pid, worker.sock.clone());
            let sock = sock.filter(|_| scenario.is_served_on());
            move || {
                let mut nursery = lock(&nursery);
                *lock(&given) = nursery.replace(pid, scenario.taker, sock.as_deref());
            }
        };
        self.kernel
            .arm(worker.pid, point, Box::new(give_away.clone()));
        let answer = server.call(scenario.request(SID, point), &cancel());
        let struck = self.kernel.disarm();
        if struck.is_none() {
            self.check_unhit(scenario);
            give_away();
        }
        let stranger = lock(&given).take().map(|pid| Stranger {
            start_ticks: start_ticks(pid).unwrap_or(0),
            pid: if scenario.taker == Taker::Nobody {
                0
            } else {
                pid
            },
        });
        let Some(stranger) = stranger else {
            self.call(&self.long_lived, Request::Ensure { dry_run: false });
            let counts = false;
            return Round { struck, counts };
        };

        let told = match &answer {
            Ok(answer) => outcome(&answer.value()),
            Err(error) => {
                self.broken(scenario, point, &format!("the request failed: {error}"));
                "failed".to_owned()
            }
        };
        self.check_told(scenario, point, struck, &told);
        self.check_after(scenario, point, struck, &stranger);
        let as_wanted = match scenario.basis {
            _ if scenario.taker != Taker::Process => true,
            Basis::RowSameTick => stranger.start_ticks == worker.start_ticks,
            Basis::Socket | Basis::Time => stranger.start_ticks > worker.start_ticks,
            _ => true,
        };
        if stranger.pid != 0 {
            lock(&self.nursery).end(stranger.pid);
        }
        self.check_end(scenario, point);
        if !as_wanted {
            let counts = false;
            return Round { struck, counts };
        }
        let place = struck.map_or("after the last call", |struck| match point {
            Point::During(_) => "during a wait",
            Point::Before(_) => struck.call,
        });
        self.tally.count(scenario, place, told);
        Round {
            struck,
            counts: true,
        }
    }

    /// A worker as the scenario needs it: in a tick of its own if its start has to be
    /// told from the stranger's, in one that has just begun if they are to share it.
    fn take_worker(&mut self, scenario: Scenario) -> Born {
        let (manners, serves) = (scenario.manners(), scenario.has_socket());
        if scenario.basis == Basis::RowSameTick {
            await_tick_after(ticks_now());
            return birth(&mut lock(&self.nursery), manners, None);
        }
        let key = (manners == Manners::Obedient, serves);
        let stock = self.stock.entry(key).or_default();
        if stock.is_empty() {
            for _ in 0..LITTER {
                self.serial += 1;
                let sock = self.root.path().join(format!("{}.sock", self.serial));
                let sock = serves.then_some(sock);
                stock.push_back(birth(&mut lock(&self.nursery), manners, sock));
            }
            await_tick_after(stock[LITTER - 1].start_ticks);
        }
        stock.pop_front().expect("it was filled")
    }

    /// Brings the worker into the pool in the way that the scenario's proof needs.
    fn enter(&self, scenario: Scenario, worker: &Born) {
        let ledger = self.directory.join("ledger.json");
        // Always the same bytes: for whoever remembers claims it is one worker.
        let mut entries = vec![self.bystander_entry.clone()];
        let registers = matches!(scenario.basis, Basis::Row | Basis::RowSameTick);
        if !registers {
            let created_at = if scenario.is_on_the_edge() {
                // Half a tick after the worker started, seen across the slack.
                worker.started() + Duration::from_millis(5) - SLACK
            } else {
                worker.started()
            };
            entries.push(entry(worker, SID, created_at));
        }
        self.seed(&entries);
        // Not there in the first round.
        let _ = fs::remove_file(&ledger);

        if registers {
            let request = Request::Register(Register {
                sid: SID.into(),
                pid: worker.pid.try_into().expect("positive"),
                sock: String::new(),
                version: String::new(),
            });
            self.call(&self.long_lived, request);
        }
        if scenario.has_row() && !registers || scenario.server == Server::Holding {
            self.call(&self.long_lived, Request::Status { sid: None });
        }
        if !scenario.has_row() {
            let _ = fs::remove_file(&ledger);
        }
    }

    /// The worker lived until now.
    fn check_unhit(&mut self, scenario: Scenario) {
        let kept = self.sids().iter().any(|sid| sid == SID);
        if !kept && scenario.verb == Verb::Ensure {
            self.tally.lost += 1;
            self.tally
                .broken
                .push(format!("{scenario:?}: a living worker was collected"));
        }
    }

    /// Nothing that was read of a process counts once it has ended.
    fn check_told(&mut self, scenario: Scenario, point: Point, struck: Option<Struck>, told: &str) {
        let undecided = !scenario.is_decided_while_the_stranger_lives();
        let right = match told {
            // That it ran when it was last looked at.
            "running" => !struck.is_some_and(|struck| struck.looked),
            "unproven" | "foreign" | "refused" => undecided,
            "failed" | "unknown" | "absent" | "invalid-pid" | "would-signal" => false,
            _ => true,
        };
        if !right {
            self.broken(
                scenario,
                point,
                &format!("{struck:?}: the answer says {told}"),
            );
        }
    }

    /// What holds while the stranger lives.
    fn check_after(
        &mut self,
        scenario: Scenario,
        point: Point,
        struck: Option<Struck>,
        stranger: &Stranger,
    ) {
        let call = struck.map_or("none", |struck| struck.call);
        self.check_untouched(scenario, point, call, stranger);
        let kept = self.sids().iter().any(|sid| sid == SID);
        if scenario.is_served_on() && scenario.verb == Verb::Ensure && !kept {
            self.broken(scenario, point, "collected though its socket answers");
        }
        // Another request, by those who know nothing and by those who know it all.
        let fresh = pool(&self.directory, &self.kernel, &self.policy);
        for server in [&self.long_lived, &fresh] {
            self.call(server, Request::Ensure { dry_run: false });
        }
        let kept_on = self.sids().iter().any(|sid| sid == SID);
        if kept_on && scenario.is_decided_while_the_stranger_lives() {
            self.broken(scenario, point, "its entry is not collected");
        }
        if kept && !kept_on && scenario.is_served_on() {
            self.broken(scenario, point, "collected later though its socket answers");
        }
        self.check_untouched(scenario, point, call, stranger);
        if struck.is_none() && scenario.taker == Taker::Process {
            self.check_heir(scenario, point, stranger);
        }
    }

    fn check_untouched(
        &mut self,
        scenario: Scenario,
        point: Point,
        call: &str,
        stranger: &Stranger,
    ) {
        for (pid, who) in [
            (stranger.pid, "the stranger"),
            (self.bystander.pid, BYSTANDER),
        ] {
            if pid == 0 {
                continue;
            }
            let report = lock(&self.nursery).report(pid);
            if report != Report::UNTOUCHED {
                self.tally.signals += match report {
                    Report::Runs { signals, .. } => signals as usize,
                    Report::Hit(_) => 1,
                };
                self.broken(
                    scenario,
                    point,
                    &format!("before {call}: {who} got {report:?}"),
                );
            }
        }
    }

    /// The stranger can be a worker too: then it is listed, and a stop reaches it. That
    /// shows as well that a signal would have been counted.
    fn check_heir(&mut self, scenario: Scenario, point: Point, stranger: &Stranger) {
        let pid = u32::try_from(stranger.pid).expect("positive");
        let register = Register {
            sid: HEIR.into(),
            pid,
            sock: String::new(),
            version: String::new(),
        };
        self.call(&self.long_lived, Request::Register(register));
        self.call(&self.long_lived, Request::Ensure { dry_run: false });
        if !self.sids().iter().any(|sid| sid == HEIR) {
            self.tally.lost += 1;
            self.broken(
                scenario,
                point,
                "the pid's next owner was registered and lost",
            );
        }
        let stop = Stop {
            sid: Some(SID.into()),
            grace: Duration::ZERO,
            ..Stop::default()
        };
        self.call(&self.long_lived, Request::Stop(stop.clone()));
        self.check_untouched(scenario, point, "the heir", stranger);
        let stop = Stop {
            sid: Some(HEIR.into()),
            ..stop
        };
        self.call(&self.long_lived, Request::Stop(stop));
        let report = lock(&self.nursery).report(stranger.pid);
        // SIGTERM, and SIGCONT after it.
        let expected = Report::Runs {
            signals: 2,
            first: nix::libc::SIGTERM.unsigned_abs(),
        };
        if report != expected {
            self.broken(
                scenario,
                point,
                &format!("a stop of the heir gave {report:?}"),
            );
        }
    }

    /// What holds when nobody is left but the bystander.
    fn check_end(&mut self, scenario: Scenario, point: Point) {
        self.call(&self.long_lived, Request::Ensure { dry_run: false });
        let sids = self.sids();
        if sids != [BYSTANDER] {
            if !sids.iter().any(|sid| sid == BYSTANDER) {
                self.tally.lost += 1;
            }
            self.broken(scenario, point, &format!("in the end there are {sids:?}"));
        }
    }

    fn broken(&mut self, scenario: Scenario, point: Point, what: &str) {
        self.tally
            .broken
            .push(format!("{scenario:?}, {point:?}: {what}"));
    }

    fn call(&self, pool: &Pool, request: Request) -> Value {
        pool.call(request, &cancel())
            .expect("a request that nothing disturbs")
            .value()
    }

    fn seed(&self, entries: &[Value]) {
        let path = self.directory.join("registry.json");
        fs::write(&path, json!({ "sessions": entries }).to_string()).expect("the registry");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    fn sids(&self) -> Vec<String> {
        let text = fs::read(self.directory.join("registry.json")).expect("the registry");
        let registry: Value = serde_json::from_slice(&text).expect("JSON");
        let sessions = registry["sessions"].as_array().expect("a list");
        let sids = sessions.iter().map(|session| session["sid"].as_str());
        sids.map(|sid| sid.expect("a sid").to_owned()).collect()
    }
}

/// A server that knows nothing yet.
fn pool(directory: &Path, kernel: &Arc<Hooked>, policy: &Arc<Policy>) -> Pool {
    let processes = LinuxProcesses::with_kernel(kernel.clone() as Arc<dyn Kernel>, 64);
    PoolBuilder::new(directory)
        .processes(Arc::new(processes))
        .build(policy.clone())
}

fn cancel() -> Cancel {
    Cancel::new().expect("an eventfd")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn birth(nursery: &mut Nursery, manners: Manners, sock: Option<PathBuf>) -> Born {
    let pid = nursery.worker(manners, sock.as_deref());
    Born {
        pid,
        sock,
        start_ticks: start_ticks(pid).expect("it was just started"),
    }
}

fn entry(born: &Born, sid: &str, created_at: SystemTime) -> Value {
    let created_at = Timestamp::try_from(created_at).expect("a time");
    json!({
        "sid": sid,
        "pid": born.pid,
        "sock": born.sock.as_deref().map_or("", |path| path.to_str().expect("UTF-8")),
        "version": "",
        "created_at": created_at.to_string(),
    })
}

fn start_ticks(pid: i32) -> Option<u64> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    Some(Stat::parse(&text)?.start_ticks)
}

fn ticks_now() -> u64 {
    let per_second = u128::from(Linux.ticks_per_second());
    let ticks = Linux.clocks().since_boot.as_nanos() * per_second / 1_000_000_000;
    ticks.try_into().expect("some years")
}

/// Waits, for at most a tick, until the clock has left this one behind.
fn await_tick_after(ticks: u64) {
    while ticks_now() <= ticks {
        thread::yield_now();
    }
}

/// What the answer says became of the worker.
fn outcome(answer: &Value) -> String {
    let of = |list: &str| {
        let list = answer[list].as_array().into_iter().flatten();
        list.clone().find(|one| one["sid"] == SID).cloned()
    };
    if let Some(outcome) = of("outcomes") {
        return outcome["outcome"].as_str().unwrap_or("?").to_owned();
    }
    if let Some(removed) = of("removed") {
        return removed["standing"].as_str().unwrap_or("?").to_owned();
    }
    let listed = of("sessions");
    listed.map_or("absent".to_owned(), |session| {
        session["status"].as_str().unwrap_or("?").to_owned()
    })
}
