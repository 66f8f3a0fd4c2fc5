//! A client that asks for anything, on the command line or of a server of its own.

use std::time::Instant;

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::crowd::Started;
use crate::harness::{Mcp, Ran, TestPool};
use crate::lifeline::Lifeline;
use crate::listing::listed;
use crate::tally::Tally;

/// How many session ids there are: fewer than clients, so that they meet.
const SIDS: usize = 40;

/// What all clients share.
pub(crate) struct Place {
    pub(crate) pool: TestPool,
    pub(crate) lifeline: Lifeline,
    pub(crate) started: Started,
    pub(crate) tally: Tally,
}

/// One client.
pub(crate) struct Client<'a> {
    place: &'a Place,
    chance: Chance,
    server: Option<Mcp>,
}

impl<'a> Client<'a> {
    /// One that runs a program for each request.
    pub(crate) fn of_programs(place: &'a Place, chance: Chance) -> Self {
        Self {
            place,
            chance,
            server: None,
        }
    }

    /// One that has a server all the time. There is no tool to start workers.
    pub(crate) fn of_a_server(place: &'a Place, chance: Chance) -> Self {
        Self {
            place,
            chance,
            server: Some(Mcp::open(place.pool.command(&["mcp"]))),
        }
    }

    /// Makes one request, checks its answer and notes it.
    pub(crate) fn act(&mut self) {
        let begun = Instant::now();
        let choice = self.chance.below(100);
        let (verb, outcome) = match self.server.take() {
            Some(mut server) => {
                let noted = self.call(&mut server, choice);
                self.server = Some(server);
                noted
            }
            None if choice < 45 => ("run", self.run()),
            None if choice < 75 => ("stop", self.stop()),
            None if choice < 76 => ("stop --all", self.stop_all()),
            None if choice < 90 => ("status", self.status()),
            None => ("ensure", self.ensure()),
        };
        self.place.tally.note(verb, outcome, begun.elapsed());
    }

    /// Starts a worker, or replaces one.
    fn run(&mut self) -> &'static str {
        let (place, sid) = (self.place, self.sid());
        let replace: &[_] = match self.chance.below(6) {
            0 => &["--replace", "--force", "--grace", "50ms"],
            1 => &["--replace"],
            _ => &[],
        };
        let deaf = self.chance.once_in(8);
        let mut command = place.pool.command(&["run", "--sid", &sid]);
        command.args(replace).arg("--");
        if deaf {
            command.args(place.lifeline.deaf());
        } else {
            command.args(place.lifeline.obedient());
        }
        let ran = Ran::of(command);
        if ran.code == 0 {
            let pid = ran.answer(0)["started"]["pid"].as_u64();
            let pid = u32::try_from(pid.expect("a pid")).expect("a pid");
            place.started.add(pid);
            return "started";
        }
        // These reasons are documented; each says what to do.
        let reasons = [
            (": taken: ", "taken"),
            (" is taken: ", "taken"),
            ("the present worker was not stopped", "not replaced"),
            ("somebody ended it before its program ran", "ended at once"),
        ];
        let error = ran.error(1);
        let known = reasons.iter().find(|(text, _)| error.contains(text));
        known.unwrap_or_else(|| panic!("{ran:?}")).1
    }

    fn stop(&mut self) -> &'static str {
        let sid = self.sid();
        let manners = self.chance.one_of(&[
            "--grace=0s",
            "--grace=1s",
            "--grace=1s --group",
            "--grace=50ms --force",
        ]);
        let mut arguments = vec!["stop", &sid];
        arguments.extend(manners.split(' '));
        let ran = self.place.pool.run(&arguments);
        let stopped = stopped(&ran);
        if stopped == "still running" {
            let advice = format!(" stop --force {sid}`\n");
            assert!(ran.stderr.ends_with(&advice), "{ran:?}");
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        } else {
            assert_nothing_wrong(&ran, &sid);
        }
        stopped
    }

    fn stop_all(&mut self) -> &'static str {
        let all = ["stop", "--all", "--grace", "1s", "--force"];
        let ran = self.place.pool.run(&all);
        assert_eq!(ran.stderr, "");
        stopped(&ran)
    }

    fn status(&mut self) -> &'static str {
        if self.chance.once_in(2) {
            listed(&self.place.pool.ask(&["status"]));
            return "listed";
        }
        let sid = self.sid();
        let ran = self.place.pool.run(&["status", &sid]);
        assert_nothing_wrong(&ran, &sid);
        // 4 would be: not decidable.
        match listed(&ran.answer(ran.code)).len() {
            0 if ran.code == 3 => "not running",
            1 if ran.code == 0 => "listed",
            _ => panic!("{ran:?}"),
        }
    }

    fn ensure(&mut self) -> &'static str {
        collected(&self.place.pool.ask(&["ensure"]))
    }

    /// Asks the server.
    fn call(&mut self, server: &mut Mcp, choice: usize) -> (&'static str, &'static str) {
        if choice < 40 {
            listed(&server.answer("pool_status", json!({})));
            return ("pool_status", "listed");
        }
        if choice < 80 {
            let answer = server.answer("pool_ensure", json!({}));
            return ("pool_ensure", collected(&answer));
        }
        let force = self.chance.once_in(2);
        let stop = json!({"sid": self.sid(), "grace_ms": 500, "force": force});
        // An error of the tool where the worker outlives its grace period.
        let result = server.call("pool_stop", stop);
        ("pool_stop", outcome(&result["structuredContent"]))
    }

    fn sid(&mut self) -> String {
        format!("s{}", self.chance.below(SIDS))
    }
}

/// Asserts that nothing was said, or that nobody has this sid.
#[track_caller]
fn assert_nothing_wrong(ran: &Ran, sid: &str) {
    let nobody = format!("hint: no session has the sid \"{sid}\"\n");
    assert!(ran.stderr.is_empty() || ran.stderr == nobody, "{ran:?}");
}

#[track_caller]
fn stopped(ran: &Ran) -> &'static str {
    let outcome = outcome(&ran.answer(ran.code));
    assert_eq!(ran.code, i32::from(outcome == "still running"), "{ran:?}");
    outcome
}

/// What a stop came to. The only error is a worker that outlives its grace period.
#[track_caller]
fn outcome(answer: &Value) -> &'static str {
    let errors = answer["errors"].as_array().expect("errors");
    let mut errors = errors.iter().map(|error| error.as_str().expect("a text"));
    if errors.len() > 0 {
        let known = |error: &str| error.contains("did not exit within");
        assert!(errors.all(known), "{answer}");
        return "still running";
    }
    match answer["outcomes"][0]["outcome"].as_str() {
        None => "nobody there",
        Some("already-dead") => "dead before",
        Some("exited") => "exited",
        Some("killed") => "killed",
        Some("signalled") => "signalled",
        Some(_) => panic!("{answer}"),
    }
}

#[track_caller]
fn collected(answer: &Value) -> &'static str {
    listed(answer);
    match answer["removed"].as_array().map(Vec::len) {
        Some(0) => "nothing to do",
        Some(_) => "collected",
        None => panic!("{answer}"),
    }
}
