//! Following the program's advice, as somebody does who pastes its commands into a shell.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Ran, TestPool};

/// How many pieces of advice lead to the next at most.
const DEPTH: usize = 5;

/// Programs that a piece of advice is to run. What else stands in backticks is no command.
const PROGRAMS: [&str; 13] = [
    "poolwarden",
    "kill",
    "sudo",
    "sh",
    "rm",
    "chmod",
    "chown",
    "mv",
    "cp",
    "ps",
    "tail",
    "truncate",
    "fuser",
];

/// The commands in a text: those in backticks, and one that ends a line of it.
pub(crate) fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        for (number, part) in line.split('`').enumerate() {
            if number % 2 == 1 {
                found.push(part.to_owned());
            } else if let Some(start) = bare(part) {
                let end = part[start..]
                    .find("; ")
                    .map_or(part.len(), |end| start + end);
                found.push(part[start..end].to_owned());
            }
        }
    }
    found.retain(|command| {
        let program = command.split(' ').next();
        PROGRAMS.contains(&program.unwrap_or_default()) && command.contains(' ')
    });
    found
}

/// Where a command without backticks begins: behind a colon.
fn bare(part: &str) -> Option<usize> {
    let starts = ["chmod ", "chown ", "mv ", "cp "];
    let mut starts = starts
        .iter()
        .filter_map(|start| part.find(&format!(": {start}")));
    starts.next().map(|start| start + 2)
}

/// Runs a command in a shell where `poolwarden` is the program, and nothing says which pool is
/// meant but the command itself.
pub(crate) fn shell(pool: &TestPool, command: &str) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_poolwarden"));
    let folder = program.parent().expect("a folder").display();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .env_clear()
        .env("PATH", format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("HOME", pool.root())
        .current_dir(pool.root())
        .stdin(Stdio::null());
    Ran::of(shell)
}

/// What a run of the program advises: on standard error, and in a report of the doctor.
pub(crate) fn advice(ran: &Ran) -> Vec<String> {
    let mut found = commands(&ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    for problem in report["problems"].as_array().into_iter().flatten() {
        found.extend(commands(problem["remedy"].as_str().unwrap_or_default()));
    }
    found
}

/// Makes a request that is refused, and follows the advice, and the advice of what is refused
/// on the way, until the request succeeds. Returns the commands that were run.
#[track_caller]
pub(crate) fn walk(pool: &TestPool, request: &mut dyn FnMut() -> Ran) -> Vec<String> {
    let refused = request();
    assert_ne!(refused.code, 0, "it was not refused: {refused:?}");
    let mut run = Vec::new();
    let is_free = follow(pool, &refused, request, &mut run, DEPTH);
    assert!(is_free, "its user stays stuck: {refused:#?}\n{run:#?}");
    run
}

fn follow(
    pool: &TestPool,
    refused: &Ran,
    request: &mut dyn FnMut() -> Ran,
    run: &mut Vec<String>,
    depth: usize,
) -> bool {
    for command in advice(refused) {
        if run.contains(&command) {
            continue;
        }
        run.push(command.clone());
        let ran = shell(pool, &command);
        if request().code == 0 {
            return true;
        }
        if ran.code != 0 && depth > 0 && follow(pool, &ran, request, run, depth - 1) {
            return true;
        }
    }
    false
}
