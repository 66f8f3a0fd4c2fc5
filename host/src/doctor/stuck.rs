//! Entries that a verb refuses to touch: why, and the command that gets the user out.
//!
//! Every verb that refuses something about a session takes its advice from here, and so does
//! the page of the doctor. So none of them advises what another refuses.

use std::cell::OnceCell;
use std::path::Path;

use crate::command;
use crate::process::{
    Claim, Elsewhere, Forbidden, IdentifyError, Inspection, LinuxProcesses, Process, Processes,
    Record, Standing,
};

use super::freezer::{self, Frozen};

/// What there is to do about one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WayOut {
    /// What is the matter; nothing where a plain stop does.
    pub(super) what: Option<String>,
    /// What to do, with the whole commands in backticks.
    pub(super) remedy: String,
    /// Whether that is wrong with the pool, and does not only need the operator's word.
    pub(super) is_problem: bool,
}

/// An entry with what was found about it.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) claim: &'a Claim,
    pub(super) record: Option<&'a Record>,
    pub(super) inspection: &'a Inspection,
    /// How many entries that may live have its sid.
    pub(super) with_sid: usize,
}

/// Finds the way out for the entries of one pool.
pub(super) struct Guide<'a> {
    pool: &'a Path,
    processes: &'a LinuxProcesses,
    /// The mounts of this program, read when they are first needed.
    mounts: OnceCell<String>,
}

impl<'a> Guide<'a> {
    /// For the pool in this directory.
    pub(super) fn new(pool: &'a Path, processes: &'a LinuxProcesses) -> Self {
        Self {
            pool,
            processes,
            mounts: OnceCell::new(),
        }
    }

    /// What keeps a process frozen.
    fn frozen(&self, pid: u32) -> Option<Frozen> {
        freezer::look(pid, self.mounts.get_or_init(freezer::mounts))
    }

    /// What there is to do about an entry; nothing about one of a dead process, which every
    /// `ensure` collects.
    pub(super) fn way_out(&self, entry: Entry<'_>) -> Option<WayOut> {
        let Entry { claim, .. } = entry;
        if entry.with_sid > 1 && !entry.inspection.finding.standing.is_dead() {
            return Some(self.ambiguous(entry));
        }
        Some(match entry.inspection.finding.standing {
            Standing::Reused | Standing::Exited | Standing::Gone => return None,
            Standing::Alive => {
                let process = entry.inspection.process.clone();
                let process =
                    process.or_else(|| Some(self.processes.identify(claim.pid).ok()?.process));
                self.alive(claim, process.as_deref())
            }
            Standing::Unproven => self.unproven(claim),
            Standing::Foreign => self.foreign(entry),
            Standing::Unknown => WayOut {
                what: None,
                remedy: format!(
                    "mend what its evidence names, and look again: `{}`; or, once you know that \
                     its worker is no more, drop its entry: `{}`",
                    command::on_pool(self.pool, &["doctor"]),
                    self.forget(&claim.sid)
                ),
                is_problem: false,
            },
        })
    }

    fn forget(&self, sid: &str) -> String {
        command::on_session(self.pool, &["forget", "--even-if-alive"], sid)
    }

    fn stop(&self, sid: &str) -> String {
        command::on_session(self.pool, &["stop"], sid)
    }

    fn alive(&self, claim: &Claim, process: Option<&dyn Process>) -> WayOut {
        let Claim { sid, pid, .. } = claim;
        let stop = self.stop(sid);
        if let Some(why) = process.and_then(Process::forbidden) {
            return self.forbidden(claim, &why);
        }
        if let Some(frozen) = self.frozen(*pid) {
            return WayOut {
                what: Some(format!("sid={sid}: pid {pid} is {}", frozen.words())),
                remedy: format!("let it go on: `{}`; then `{stop}`", frozen.thaw()),
                is_problem: true,
            };
        }
        WayOut {
            what: None,
            remedy: format!(
                "stop it: `{stop}`; where it does not end by itself, kill it: `{}`",
                command::on_session(self.pool, &["stop", "--force"], sid)
            ),
            is_problem: false,
        }
    }

    /// About a living worker that is never signalled.
    fn forbidden(&self, claim: &Claim, why: &Forbidden) -> WayOut {
        let Claim { sid, pid, .. } = claim;
        let forget = self.forget(sid);
        let (remedy, is_problem) = match why {
            // As root, this program refuses the directory of another user, and another user's
            // process too: what is left is the signal itself.
            Forbidden::OtherUser { real, .. } => {
                let kill = command::as_root(&format!("kill {pid}"));
                let ensure = command::on_pool(self.pool, &["ensure"]);
                let remedy = format!(
                    "look whether it is the worker: `ps -o user,pid,lstart,args -p {pid}`; then, \
                     as root or as user {real}, end it: `{kill}`, and collect its entry: \
                     `{ensure}`"
                );
                (remedy, true)
            }
            Forbidden::Init | Forbidden::Reserved { .. } => {
                (format!("drop its entry: `{forget}`"), true)
            }
            // Somewhere else it is neither.
            Forbidden::Itself { .. } | Forbidden::Ancestor { .. } => (
                format!(
                    "stop it from a terminal that it did not start: `{}`",
                    self.stop(sid)
                ),
                false,
            ),
            Forbidden::NoGroupLeader { .. } | Forbidden::InGroup { .. } => (
                format!("stop it without its group: `{}`", self.stop(sid)),
                false,
            ),
            Forbidden::Unclear { .. } => (
                format!("end it yourself: `kill {pid}`, or drop its entry: `{forget}`"),
                true,
            ),
        };
        WayOut {
            what: Some(format!("sid={sid}: nobody can stop it here: {why}")),
            remedy,
            is_problem,
        }
    }

    fn unproven(&self, claim: &Claim) -> WayOut {
        let Claim { sid, pid, .. } = claim;
        let forget = self.forget(sid);
        let drop_it = |what: String| WayOut {
            what: Some(what),
            remedy: format!("no proof can be given for it; drop its entry: `{forget}`"),
            is_problem: true,
        };
        if *pid == 1 {
            return drop_it(format!("sid={sid}: pid 1 is never taken for a worker"));
        }
        match self.processes.identify(*pid) {
            Ok(identified) => match identified.process.forbidden() {
                Some(why @ (Forbidden::Itself { .. } | Forbidden::Ancestor { .. })) => WayOut {
                    what: None,
                    remedy: format!(
                        "{why}: from a terminal that it did not start, adopt it if it is the \
                         worker: `{}`; if it is not, drop its entry: `{forget}`",
                        command::on_session(self.pool, &["adopt"], sid)
                    ),
                    is_problem: false,
                },
                Some(why) => drop_it(format!("sid={sid}: it is never taken for a worker: {why}")),
                None => {
                    let adopt = command::on_session(self.pool, &["adopt", "--yes"], sid);
                    WayOut {
                        what: None,
                        remedy: format!(
                            "look at what runs there: `{}`; if it is the worker, adopt it: \
                             `{adopt}`; if it is not, drop its entry: `{forget}`",
                            command::on_session(self.pool, &["adopt"], sid)
                        ),
                        is_problem: false,
                    }
                }
            },
            Err(IdentifyError::NoSuchProcess { .. } | IdentifyError::Exited { .. }) => WayOut {
                what: None,
                remedy: format!(
                    "it has ended; collect its entry: `{}`",
                    command::on_pool(self.pool, &["ensure"])
                ),
                is_problem: false,
            },
            Err(why) => drop_it(format!("sid={sid}: {why}")),
        }
    }

    /// About one that runs elsewhere, or whose socket somebody else serves.
    fn foreign(&self, entry: Entry<'_>) -> WayOut {
        let Claim { sid, pid, sock, .. } = entry.claim;
        let forget = self.forget(sid);
        let here = self.processes.place();
        let elsewhere = here
            .zip(entry.record)
            .filter(|(here, record)| *here != record.identity.place);
        let Some((here, record)) = elsewhere else {
            return self.served_by_another(sid, sock);
        };
        let row = &record.identity.place;
        if here.boot != row.boot || here.pid_namespace == row.pid_namespace {
            return WayOut {
                what: None,
                remedy: format!(
                    "stop it on the machine {} where it runs; or, once you know that it is no \
                     more, drop its entry: `{forget}`",
                    row.machine
                ),
                is_problem: false,
            };
        }
        let namespace = row.pid_namespace;
        let what = |words: &str| {
            Some(format!(
                "sid={sid}: its worker ran in pid namespace {namespace}, {words}"
            ))
        };
        let drop_it = format!("drop its entry: `{forget}`");
        match self.processes.elsewhere(*pid, record) {
            Ok(Elsewhere::Here { pid }) => WayOut {
                what: None,
                remedy: format!(
                    "stop it from within its pid namespace; from here, where it has pid {pid}, \
                     end it: `kill {pid}`, then {drop_it}"
                ),
                is_problem: false,
            },
            Ok(Elsewhere::Ended) => WayOut {
                what: what(
                    "which has ended with all its processes, as that of a sandbox or container \
                     does with its command",
                ),
                remedy: drop_it,
                is_problem: true,
            },
            Ok(Elsewhere::NotThere { others }) => WayOut {
                what: what(&format!(
                    "where {others} processes run and none of them is the worker: it has ended, \
                     or its namespace has and the kernel gave its number away again"
                )),
                remedy: drop_it,
                is_problem: true,
            },
            Ok(Elsewhere::OutOfSight) | Err(_) => WayOut {
                what: None,
                remedy: format!(
                    "look from the machine's own pid namespace, outside of this container: `{}`; \
                     or, once you know that its worker is no more, {drop_it}",
                    command::on_pool(self.pool, &["doctor"])
                ),
                is_problem: false,
            },
        }
    }

    fn served_by_another(&self, sid: &str, sock: &str) -> WayOut {
        let forget = self.forget(sid);
        let path = Path::new(sock);
        let servers = self.processes.servers(|bound| same_file(bound, path));
        let server = servers.unwrap_or_default().into_iter().next();
        let what = format!("sid={sid}: another process than its own serves the socket {sock}");
        match server {
            Some(server) => {
                let pid = server.identified.process.pid();
                WayOut {
                    what: Some(format!("{what}: pid {pid}")),
                    remedy: format!(
                        "drop the entry: `{forget}`; and where that process is the worker, give \
                         it one: `{}`",
                        command::register(self.pool, sid, pid, sock)
                    ),
                    is_problem: true,
                }
            }
            None => WayOut {
                what: Some(format!("{what}, in a place that cannot be seen from here")),
                remedy: format!("stop that process where it runs, or drop the entry: `{forget}`"),
                is_problem: true,
            },
        }
    }

    /// About one of several entries with one sid.
    fn ambiguous(&self, entry: Entry<'_>) -> WayOut {
        let Claim { sid, pid, sock, .. } = entry.claim;
        WayOut {
            what: None,
            remedy: format!(
                "drop all entries of this sid: `{}`; then give each worker one of its own, as \
                 this one: `{}`",
                self.forget(sid),
                command::register(self.pool, &format!("{sid}-{pid}"), *pid, sock)
            ),
            is_problem: true,
        }
    }
}

/// Whether two paths name one place. The last part is not followed.
fn same_file(a: &Path, b: &Path) -> bool {
    let resolved = |path: &Path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    a == b || a.file_name() == b.file_name() && resolved(a).is_some_and(|a| Some(a) == resolved(b))
}
