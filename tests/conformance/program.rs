//! Asking a policy through the program, with `--policy FILE`.

use serde_json::Value;

use crate::case::{Ask, GRACE};
use crate::harness::Ran;
use crate::scene::Scene;
use crate::subject::{self, Failure};

/// Asks the policy, with these grants.
pub(crate) fn ask(scene: &Scene, ask: &Ask, grants: &[String]) -> Result<Value, Failure> {
    let policy = subject::component();
    let mut arguments = vec!["--policy".to_owned(), policy.display().to_string()];
    for grant in grants {
        arguments.extend(["--grant".to_owned(), grant.clone()]);
    }
    for (name, value) in subject::settings() {
        arguments.extend(["--setting".to_owned(), format!("{name}={value}")]);
    }
    arguments.extend(verb(ask, scene));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ran = scene.pool.run(&arguments);
    if ran.stdout.is_empty() {
        return Err(failure(&ran));
    }
    Ok(serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("no JSON: {e}: {ran:?}")))
}

/// The verb with its arguments. A sid can look like an option, and so stands after `=`, or
/// after `--`.
fn verb(ask: &Ask, scene: &Scene) -> Vec<String> {
    let mut words = Vec::new();
    let flag = |name: &str, given: bool| given.then(|| name.to_owned());
    match ask {
        Ask::Describe {} => panic!("no verb asks this"),
        Ask::Ensure { dry_run } => {
            words.push("ensure".to_owned());
            words.extend(flag("--dry-run", *dry_run));
        }
        Ask::Status { sid } => {
            words.extend(["status".to_owned(), "--".to_owned()]);
            words.extend(sid.clone());
        }
        Ask::Stop {
            sid,
            signal,
            grace_ms,
            force,
            dry_run,
        } => {
            words.push("stop".to_owned());
            words.push(format!("--grace={}ms", grace_ms.unwrap_or(GRACE)));
            words.extend(signal.as_ref().map(|signal| format!("--signal={signal}")));
            words.extend(flag("--force", *force));
            words.extend(flag("--dry-run", *dry_run));
            match sid {
                Some(sid) => words.extend(["--".to_owned(), sid.clone()]),
                None => words.push("--all".to_owned()),
            }
        }
        Ask::Register {
            sid,
            process,
            pid,
            sock,
            version,
        } => {
            let pid = scene.named_pid(process.as_deref(), *pid);
            words.extend(["register".to_owned(), format!("--pid={pid}")]);
            words.extend([format!("--sid={sid}"), format!("--sock={sock}")]);
            words.push(format!("--version={version}"));
        }
        Ask::Forget { sid, even_if_alive } => {
            words.push("forget".to_owned());
            words.extend(flag("--even-if-alive", *even_if_alive));
            words.extend(["--".to_owned(), sid.clone()]);
        }
    }
    words
}

/// A failure, by the exit code that the program documents for it.
fn failure(ran: &Ran) -> Failure {
    let text = ran.stderr.clone();
    let kind = match ran.code {
        1 => "rejected",
        6 => "corrupted",
        7 if text.contains("no grant") => "denied",
        7 => "broken",
        _ => "other",
    };
    Failure {
        kind,
        line: line(&text),
        text,
    }
}

/// The line that an error about a registry names, as in `at line 2, column 5`.
fn line(text: &str) -> u64 {
    let number = text
        .split_once(" at line ")
        .and_then(|(_, rest)| rest.split_once(','));
    number
        .and_then(|(line, _)| line.parse().ok())
        .unwrap_or_default()
}
