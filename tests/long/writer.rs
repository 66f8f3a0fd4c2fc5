//! A writer that is killed at any moment, and knows what has to be there all the same.

use std::process::Output;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::echo::Echo;
use crate::fragile::{Fragile, Served};
use crate::harness::{Ran, TestPool};
use crate::lifeline::Lifeline;
use crate::listing::listed;
use crate::orphans::Orphan;
use crate::pace::Pace;
use crate::roll::{Entries, Roll, entries};
use crate::strike::End;
use crate::striker::{Moment, Sight, Striker};
use crate::tally::Tally;

/// How many entries a writer has at most of each kind.
const REGISTERED: usize = 8;
const STARTED: usize = 2;

/// What all writers share.
pub(crate) struct Place<'a> {
    pub(crate) pool: &'a TestPool,
    pub(crate) lifeline: Lifeline,
    pub(crate) striker: Striker,
    pub(crate) roll: Roll,
    pub(crate) pace: Pace,
    pub(crate) tally: Tally,
    /// Sessions whose removal was acknowledged.
    pub(crate) removed: Mutex<Vec<String>>,
}

/// One writer, and the workers that are its own. No session id is used twice.
pub(crate) struct Writer<'a> {
    place: &'a Place<'a>,
    name: String,
    serial: usize,
    chance: Chance,
    /// Nobody ever signals this one.
    shared: Echo,
    /// The sessions that it is registered for.
    registered: Vec<String>,
    /// One that is to be stopped.
    mortal: Option<(String, Echo)>,
    /// Those that were started by the program.
    started: Vec<(String, Orphan)>,
    server: Option<Fragile>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(place: &'a Place<'a>, name: String, chance: Chance) -> Self {
        Self {
            place,
            name,
            serial: 0,
            chance,
            shared: Echo::obedient(),
            registered: Vec::new(),
            mortal: None,
            started: Vec::new(),
            server: None,
        }
    }

    /// The processes that are its own.
    pub(crate) fn children(&self) -> Vec<u32> {
        let mut pids = vec![self.shared.pid()];
        pids.extend(self.mortal.iter().map(|(_, worker)| worker.pid()));
        pids.extend(self.started.iter().map(|(_, worker)| worker.pid()));
        pids.extend(self.server.iter().map(Fragile::pid));
        pids
    }

    /// Runs a program that is likely to be killed, and checks what it leaves behind.
    pub(crate) fn run_a_program(&mut self) {
        match self.chance.below(100) {
            0..35 if self.registered.len() < REGISTERED => self.register(),
            0..65 if !self.registered.is_empty() => self.forget(),
            0..72 => self.start(),
            72..80 => self.stop(),
            80..90 => self.ask("ensure", &["ensure"]),
            _ => self.ask("status", &["status"]),
        }
    }

    fn register(&mut self) {
        let (sid, pid) = (self.new_sid(), self.shared.pid());
        let register = ["register", "--sid", &sid, "--pid", &pid.to_string()];
        let done = self.strike("register", &register).is_some();
        match entries(self.place.pool).get(&sid) {
            Some(&there) => {
                assert_eq!(there, pid, "{sid}");
                self.place.roll.add(&sid, pid);
                self.registered.push(sid);
            }
            None => assert!(!done, "{sid} was registered and is not there"),
        }
    }

    fn forget(&mut self) {
        let which = self.chance.below(self.registered.len());
        let sid = self.registered.swap_remove(which);
        let pid = self.place.roll.withdraw(&sid);
        let forget = ["forget", &sid, "--even-if-alive"];
        let done = self.strike("forget", &forget).is_some();
        let there = entries(self.place.pool).get(&sid).copied();
        if done {
            assert_eq!(there, None, "{sid} was forgotten and is still there");
            self.note_removed(sid);
        } else if there.is_some() {
            assert_eq!(there, Some(pid), "{sid}");
            self.place.roll.add(&sid, pid);
            self.registered.push(sid);
        }
    }

    fn start(&mut self) {
        let sid = self.new_sid();
        let [cat, lifeline] = self.place.lifeline.obedient();
        let run = ["run", "--sid", &sid, "--", &cat, &lifeline];
        let done = self.strike("run", &run).is_some();
        // Nobody but us reaps it, so that the pid is its own.
        let there = entries(self.place.pool).get(&sid).copied();
        let worker = there.map(Orphan::hold);
        match worker.filter(|worker| worker.becomes("cat")) {
            Some(worker) => {
                self.place.roll.add(&sid, worker.pid());
                self.started.push((sid, worker));
            }
            None => assert!(!done, "{sid} was started and does not run"),
        }
        if self.started.len() > STARTED {
            let (sid, worker) = self.started.remove(0);
            self.place.roll.withdraw(&sid);
            drop(worker);
        }
    }

    fn stop(&mut self) {
        let (sid, worker) = self.take_mortal();
        let stop = ["stop", &sid, "--grace", "20ms", "--force"];
        let done = self.strike("stop", &stop).is_some();
        self.after_stop(sid, worker, done);
    }

    fn ask(&mut self, verb: &'static str, arguments: &[&str]) {
        let before = self.place.roll.now();
        if let Some(output) = self.strike(verb, arguments) {
            self.check_listing(&before, &Ran::from(output).answer(0));
        }
    }

    /// Makes some calls of a server that is likely to be killed, and checks what they leave
    /// behind.
    pub(crate) fn use_a_server(&mut self) {
        let place = self.place;
        let server = self.server.take();
        let server = server.unwrap_or_else(|| Fragile::open(place.pool.command(&["mcp"])));
        let mut calls = Vec::new();
        for _ in 0..=self.chance.below(6) {
            let tool = *self.chance.one_of(&["pool_ensure", "pool_status"]);
            calls.push(json!({"name": tool, "arguments": {}}));
        }
        // Before the others, so that these see what comes of it.
        let stopped = self.chance.once_in(3).then(|| self.take_mortal());
        if let Some((sid, _)) = &stopped {
            let arguments = json!({"sid": sid, "grace_ms": 20, "force": true});
            calls.insert(0, json!({"name": "pool_stop", "arguments": arguments}));
        }
        let before = place.roll.now();
        let (begun, moment) = (Instant::now(), self.moment("calls"));
        let Served { results, server } = server.serve(&calls, &place.striker, moment);
        self.note("calls", moment, server.is_some(), begun.elapsed());
        self.server = server;
        let mut results = results.into_iter();
        if let Some((sid, worker)) = stopped {
            let done = results.next().flatten().is_some();
            self.after_stop(sid, worker, done);
        }
        for result in results.flatten() {
            assert_eq!(result["isError"], false, "{result}");
            self.check_listing(&before, &result["structuredContent"]);
        }
    }

    /// A worker that is registered and may be stopped from now on.
    fn take_mortal(&mut self) -> (String, Echo) {
        let (sid, worker) = self.mortal.take().unwrap_or_else(|| {
            let (sid, worker) = (self.new_sid(), Echo::obedient());
            let pid = worker.pid();
            let register = ["register", "--sid", &sid, "--pid", &pid.to_string()];
            self.place.pool.ask(&register);
            self.place.roll.add(&sid, pid);
            (sid, worker)
        });
        self.place.roll.withdraw(&sid);
        (sid, worker)
    }

    /// Checks what a stop has left behind.
    fn after_stop(&mut self, sid: String, mut worker: Echo, done: bool) {
        let there = entries(self.place.pool).get(&sid).copied();
        if worker.answers() {
            // Nobody signals it any more, so it lives on.
            assert!(!done, "{sid} was stopped and runs");
            assert_eq!(there, Some(worker.pid()), "{sid} runs and is lost");
            self.place.roll.add(&sid, worker.pid());
            self.mortal = Some((sid, worker));
        } else {
            worker.reap();
            if done {
                assert_eq!(there, None, "{sid} was stopped and is still there");
                self.note_removed(sid);
            }
        }
    }

    /// Runs the program; what it gave, unless it was killed.
    fn strike(&mut self, verb: &'static str, arguments: &[&str]) -> Option<Output> {
        let place = self.place;
        let (begun, moment) = (Instant::now(), self.moment(verb));
        let end = place.striker.run(place.pool.command(arguments), moment);
        let done = match end {
            End::Killed => None,
            End::ByItself(output) => Some(output),
        };
        self.note(verb, moment, done.is_some(), begun.elapsed());
        if let Some(output) = &done {
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
        }
        done
    }

    fn note(&self, verb: &'static str, moment: Moment, done: bool, took: Duration) {
        if matches!(moment, Moment::Never) {
            self.place.pace.note(verb, took);
        }
        let outcome = if done { "done" } else { "killed" };
        self.place.tally.note(verb, outcome, took);
    }

    fn moment(&mut self, verb: &'static str) -> Moment {
        match self.chance.below(10) {
            0 => Moment::Never,
            1..6 => {
                let usual = self.place.pace.of(verb);
                Moment::After(self.chance.up_to(usual * 5 / 4))
            }
            _ => Moment::At(*self.chance.one_of(&Sight::ALL)),
        }
    }

    /// Checks that an answer lists whatever had to be there all the time.
    #[track_caller]
    fn check_listing(&self, before: &Entries, answer: &Value) {
        let listed = listed(answer).into_iter().collect();
        self.place.roll.check(before, &listed);
    }

    fn note_removed(&self, sid: String) {
        let mut removed = self.place.removed.lock().expect("no writer has failed");
        removed.push(sid);
    }

    fn new_sid(&mut self) -> String {
        self.serial += 1;
        format!("{}-{}", self.name, self.serial)
    }
}
