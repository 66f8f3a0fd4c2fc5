//! One round: a worker, a request, and its pid given away at one point of it.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::LinuxProcesses;
use crate::process::kernel::Kernel;
use crate::{Cancel, Policy, Pool, PoolBuilder, Register, Request};

use super::born::{Born, await_tick_after, birth, entry, start_ticks, ticks_now};
use super::hooked::{Hooked, Point, Struck};
use super::nursery::Nursery;
use super::offspring::Manners;
use super::scenario::{Basis, Scenario, Server, Taker};
use super::tally::Tally;

/// The worker whose pid is given away.
pub(super) const SID: &str = "worker";
/// One that lives through everything.
pub(super) const BYSTANDER: &str = "bystander";
/// The stranger, once it is registered for a worker in its own right.
pub(super) const HEIR: &str = "heir";

/// How much younger than its entry a worker may be, as the documentation has it.
const SLACK: Duration = Duration::from_secs(3);
/// How many workers are started at once, to be old enough when they are used.
const LITTER: usize = 24;
/// How often a round is repeated in which pid or clock tick did not fall as they should.
const TRIES: usize = 12;

/// What all rounds share.
pub(super) struct Suite {
    pub(super) nursery: Arc<Mutex<Nursery>>,
    kernel: Arc<Hooked>,
    policy: Arc<Policy>,
    root: TempDir,
    directory: PathBuf,
    /// A server that runs all the time.
    pub(super) long_lived: Pool,
    pub(super) bystander: Born,
    bystander_entry: Value,
    stock: HashMap<(bool, bool), VecDeque<Born>>,
    serial: usize,
    pub(super) tally: Tally,
}

/// The pid's next owner.
pub(super) struct Stranger {
    /// 0 if there is none.
    pub(super) pid: i32,
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
        let mut private = fs::DirBuilder::new();
        private.mode(0o700).create(&directory).expect("mkdir");
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
        // It makes the lock.
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
                fresh = self.fresh_server();
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

    /// A server that knows nothing yet.
    pub(super) fn fresh_server(&self) -> Pool {
        pool(&self.directory, &self.kernel, &self.policy)
    }

    /// A request that nothing disturbs.
    pub(super) fn call(&self, pool: &Pool, request: Request) -> Value {
        pool.call(request, &cancel())
            .expect("a request that nothing disturbs")
            .value()
    }

    fn seed(&self, entries: &[Value]) {
        let path = self.directory.join("registry.json");
        fs::write(&path, json!({ "sessions": entries }).to_string()).expect("the registry");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    /// Whom the registry names.
    pub(super) fn sids(&self) -> Vec<String> {
        let text = fs::read(self.directory.join("registry.json")).expect("the registry");
        let registry: Value = serde_json::from_slice(&text).expect("JSON");
        let sessions = registry["sessions"].as_array().expect("a list");
        let sids = sessions.iter().map(|session| session["sid"].as_str());
        sids.map(|sid| sid.expect("a sid").to_owned()).collect()
    }
}

fn pool(directory: &Path, kernel: &Arc<Hooked>, policy: &Arc<Policy>) -> Pool {
    let processes = LinuxProcesses::with_kernel(kernel.clone() as Arc<dyn Kernel>, 64);
    PoolBuilder::new(directory)
        .processes(Arc::new(processes))
        .build(policy.clone())
}

fn cancel() -> Cancel {
    Cancel::new().expect("an eventfd")
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
