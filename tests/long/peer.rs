//! algocline 0.44.4 as one more that writes, where there is one.

use std::fs;

use serde_json::json;

use crate::algocline::Algocline;
use crate::harness::Mcp;
use crate::roll::{Entries, entries};
use crate::writer::Place;

/// How many workers it has at most.
const WORKERS: usize = 3;

/// How many requests it makes between two starts or stops of a worker.
const CALM: usize = 50;

/// algocline, if the environment variable `ALC` names its binary.
pub(crate) fn algocline() -> Option<Algocline> {
    std::env::var_os("ALC").map(|_| Algocline::start())
}

/// Whether this process is algocline or a worker of it.
pub(crate) fn is_algocline(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).expect("our child");
    name.trim_end() == "alc"
}

/// What algocline does on the pool.
pub(crate) struct Peer<'a> {
    server: &'a mut Mcp,
    workers: Vec<String>,
    requests: usize,
    started: usize,
}

impl<'a> Peer<'a> {
    pub(crate) fn new(server: &'a mut Mcp) -> Self {
        Self {
            server,
            workers: Vec::new(),
            requests: 0,
            started: 0,
        }
    }

    /// Makes a request, which writes the registry in any case, and checks what it lists.
    pub(crate) fn act(&mut self, place: &Place<'_>) {
        self.requests += 1;
        if !self.requests.is_multiple_of(CALM) {
            let before = place.roll.now();
            let tools = ["alc_pool_ensure", "alc_pool_status"];
            let tool = tools[self.requests % tools.len()];
            let answer = self.server.answer(tool, json!({}));
            let sessions = answer["sessions"].as_array().expect("sessions").iter();
            let listed: Entries = sessions
                .map(|one| {
                    let pid = one["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
                    let sid = one["sid"].as_str().expect("a sid");
                    (sid.to_owned(), pid.expect("a pid"))
                })
                .collect();
            place.roll.check(&before, &listed);
        } else if self.workers.len() < WORKERS {
            if let Some(sid) = Algocline::try_to_start_worker(self.server) {
                let pid = entries(place.pool)[&sid];
                place.roll.add(&sid, pid);
                self.workers.push(sid);
                self.started += 1;
            }
        } else {
            let sid = self.workers.remove(0);
            place.roll.withdraw(&sid);
            self.server.answer("alc_pool_stop", json!({"sid": sid}));
        }
    }

    /// What it has done.
    pub(crate) fn line(&self) -> String {
        let (requests, started) = (self.requests, self.started);
        format!("algocline made {requests} requests and started {started} workers")
    }
}
