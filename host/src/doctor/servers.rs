//! Workers that serve a socket in the pool's directory and have no entry, as one whose starter
//! gave up too early.

use std::collections::HashSet;
use std::path::Path;

use nix::sys::stat::stat;

use crate::command;
use crate::process::{Claim, Forbidden, LinuxProcesses, Server, Standing};
use crate::store::{Facts, PoolDir};

use super::date;
use super::report::Orphan;
use super::rewrite::Rewrite;

/// The servers of sockets in the pool that no entry accounts for. `known` are processes that
/// the report tells of otherwise.
pub(super) fn orphans(
    processes: &LinuxProcesses,
    pool: &PoolDir,
    rewrite: &Rewrite<'_>,
    known: &HashSet<u32>,
) -> Vec<Orphan> {
    let judged = rewrite.claims().zip(&rewrite.inspections);
    let living: Vec<&Claim> = judged
        .filter(|(_, inspection)| {
            let standing = inspection.finding.standing;
            !standing.is_dead() && standing != Standing::Foreign
        })
        .map(|(claim, _)| claim)
        .collect();
    let workers: HashSet<u32> = living.iter().map(|claim| claim.pid).collect();
    let sids: HashSet<&str> = rewrite.claims().map(|claim| claim.sid.as_str()).collect();
    let named: HashSet<&Path> = rewrite
        .claims()
        .map(|claim| Path::new(&claim.sock))
        .collect();
    let servers = find(processes, pool).into_iter();
    servers
        .filter(|server| {
            let pid = server.identified.process.pid();
            // A worker's child may serve for it.
            let of_group = processes.group_and_session(pid);
            let of_worker = of_group.is_some_and(|(group, session)| {
                workers.contains(&group) || workers.contains(&session)
            });
            let of_worker = of_worker
                || processes
                    .line_of(pid)
                    .iter()
                    .any(|above| workers.contains(above) || known.contains(above));
            !of_worker && !named.contains(server.socket.as_path())
        })
        .map(|server| {
            let pid = server.identified.process.pid();
            let sock = server.socket.display().to_string();
            let stem = server.socket.file_stem();
            let stem = stem.map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            let sid = match sids.contains(stem.as_str()) || stem.is_empty() {
                true => format!("{stem}-{pid}"),
                false => stem,
            };
            let register = command::register(pool.path(), &sid, pid, &sock);
            Orphan {
                pid,
                version: String::new(),
                running_since: date::seconds(server.identified.started),
                command: server.identified.command.clone(),
                standing: Standing::Alive.name(),
                evidence: format!("it has the socket {sock} in the pool's directory"),
                kept_out: Some(match server.identified.process.forbidden() {
                    Some(why) => format!("it can be nobody's worker here: {why}"),
                    None => format!(
                        "a socket does not prove that it is a worker; if it is, give it an \
                         entry: `{register}`; if it is not, end it: `kill {pid}`"
                    ),
                }),
                sid,
                sock,
            }
        })
        .collect()
}

/// Who has a socket in the pool's directory. This program's own ancestors are left out: they
/// are nobody's worker for whoever asks from below them.
fn find(processes: &LinuxProcesses, pool: &PoolDir) -> Vec<Server> {
    let Ok(facts) = pool.facts() else {
        return Vec::new();
    };
    let is_there = |path: &Path| {
        let directory = path.parent();
        directory.is_some_and(|directory| {
            directory == pool.path()
                || stat(directory).is_ok_and(|seen| Facts::from(seen).id == facts.id)
        })
    };
    let mut servers = processes.servers(is_there).unwrap_or_default();
    servers.retain(|server| {
        !matches!(
            server.identified.process.forbidden(),
            Some(Forbidden::Ancestor { .. } | Forbidden::Itself { .. })
        )
    });
    servers
}
