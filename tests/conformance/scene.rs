//! The pool and the processes of one case.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;

use crate::case::{Case, EntryOf, Manners};
use crate::harness::{Entry, NO_PROCESS, TestPool, Worker, await_that, now};

/// A case, set up.
pub(crate) struct Scene {
    pub(crate) pool: TestPool,
    processes: BTreeMap<String, Process>,
    /// When the case began, as an entry has it.
    now: String,
    /// Sockets that the test itself serves.
    sockets: Vec<UnixListener>,
}

struct Process {
    worker: Worker,
    running: bool,
}

impl Process {
    fn start(manners: Manners, pool: &TestPool) -> Self {
        let worker = match manners {
            Manners::Obedient | Manners::Zombie => Worker::obedient(),
            Manners::Deaf => Worker::deaf(),
            Manners::Orderly => Worker::orderly(pool.directory()),
        };
        let running = manners != Manners::Zombie;
        if !running {
            worker.become_zombie();
        }
        Self { worker, running }
    }
}

impl Scene {
    /// A pool without a registry, and nobody.
    pub(crate) fn empty() -> Self {
        Self {
            pool: TestPool::new(),
            processes: BTreeMap::new(),
            now: now(),
            sockets: Vec::new(),
        }
    }

    /// The processes started, the registry written.
    pub(crate) fn of(case: &Case) -> Self {
        let mut scene = Self::empty();
        for (name, manners) in &case.processes {
            let process = Process::start(*manners, &scene.pool);
            scene.processes.insert(name.clone(), process);
        }
        // Whoever is registered has started by then.
        scene.now = now();
        if let Some(entries) = &case.entries {
            let entries: Vec<_> = entries.iter().map(|entry| scene.entry(entry)).collect();
            scene.pool.seed(&entries);
        }
        if let Some(text) = &case.file {
            scene.pool.write(bytes(&scene.fill_in(text)));
        }
        scene
    }

    /// The pid of a process; of `nobody`, one that no process has.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        match self.processes.get(name) {
            Some(process) => process.worker.pid(),
            None if name == "nobody" => NO_PROCESS,
            None => panic!("the case has no process {name}"),
        }
    }

    /// The pid that is meant, by a process or as a number.
    pub(crate) fn named_pid(&self, process: Option<&str>, pid: Option<u32>) -> u32 {
        match (process, pid) {
            (Some(name), None) => self.pid(name),
            (None, Some(pid)) => pid,
            _ => panic!("either a process or a pid is named"),
        }
    }

    /// A text of the case with its placeholders replaced: `$pid(NAME)`, and `$now` for the
    /// time at which the case began.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        let names = self.processes.keys().map(String::as_str);
        let filled = names.chain(["nobody"]).fold(text.to_owned(), |text, name| {
            text.replace(&format!("$pid({name})"), &self.pid(name).to_string())
        });
        filled.replace("$now", &self.now)
    }

    /// Waits until these processes have ended, each by what is said, and checks that no
    /// other one has.
    pub(crate) fn check_ends(&mut self, ends: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, by) in ends {
            let process = self.processes.get_mut(name).expect("a process of the case");
            // A request that does not wait may answer before.
            await_that(&format!("the process {name} ends"), || {
                !process.worker.is_running()
            });
            let status = process.worker.reap();
            process.running = false;
            let found = match status.signal() {
                Some(2) => "INT",
                Some(9) => "KILL",
                Some(15) => "TERM",
                None if status.code() == Some(0) => "exit",
                _ => "something else",
            };
            if found != by {
                return Err(format!(
                    "the process {name} should have ended by {by}: {status}"
                ));
            }
        }
        for (name, process) in &self.processes {
            if process.running && !process.worker.is_running() {
                return Err(format!("the process {name} should run, and has ended"));
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &EntryOf) -> Entry {
        let pid = self.named_pid(entry.process.as_deref(), entry.pid);
        let mut made = Entry::new(&entry.sid, pid);
        if let Some(time) = &entry.created_at {
            made = made.created_at(time);
        }
        if entry.strange_socket {
            let path = self.pool.root().join(format!("{}.sock", entry.sid));
            self.sockets
                .push(UnixListener::bind(&path).expect("a socket"));
            made = made.sock(&path);
        }
        made
    }
}

/// A text as bytes, with `$byte(ff)` for a byte that belongs to no text.
fn bytes(text: &str) -> Vec<u8> {
    let parts: Vec<_> = text.split("$byte(ff)").map(str::as_bytes).collect();
    parts.join(&0xff)
}
