//! Running one case.

use std::fs;

use serde_json::Value;

use crate::case::{Case, Fails, Leaves, Step};
use crate::pattern;
use crate::scene::Scene;
use crate::subject::{self, Failure};

/// The fields of an entry. With one missing, algocline refuses the whole file.
const TEXTS: [&str; 4] = ["sid", "sock", "version", "created_at"];

/// Sets a case up and takes its steps.
///
/// # Errors
/// What does not hold, in which step.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let mut scene = Scene::of(case);
    for (index, step) in case.steps.iter().enumerate() {
        take(step, &mut scene).map_err(|why| format!("step {}: {why}", index + 1))?;
    }
    Ok(())
}

fn take(step: &Step, scene: &mut Scene) -> Result<(), String> {
    let before = Registry::of(scene);
    let result = subject::ask(scene, &step.ask, step.grants.as_deref());
    check_result(step, scene, result)?;
    if !scene.pool.lock_is_free() {
        return Err("the pool's lock is still held".to_owned());
    }
    let after = Registry::of(scene);
    check_registry(step, scene, &before, &after)?;
    scene.check_ends(&step.ends)
}

fn check_result(step: &Step, scene: &Scene, result: Result<Value, Failure>) -> Result<(), String> {
    match (&step.answer, &step.fails, result) {
        (Some(pattern), None, Ok(answer)) => {
            let pattern = serde_json::from_str(pattern).expect("a pattern is JSON");
            pattern::fits(&pattern, Some(&answer), scene)
                .map_err(|why| format!("{why}\n    in {answer}"))
        }
        (None, Some(fails), Err(failure)) => check_failure(fails, &failure),
        (Some(_), None, Err(failure)) => Err(format!("no answer, but {failure:?}")),
        (None, Some(fails), Ok(answer)) => Err(format!(
            "no failure of the kind {}, but {answer}",
            fails.kind
        )),
        _ => panic!("a step expects either an answer or a failure"),
    }
}

fn check_failure(wanted: &Fails, found: &Failure) -> Result<(), String> {
    let says = |words: &String| found.text.contains(words);
    let line = wanted.line.is_none_or(|line| line == found.line);
    if wanted.kind == found.kind && line && wanted.says.iter().all(says) {
        Ok(())
    } else {
        let Fails { kind, says, line } = wanted;
        Err(format!(
            "no failure of the kind {kind} that says {says:?} (line {line:?}), but {found:?}"
        ))
    }
}

/// The registry's file: its bytes, and what changes when it is written.
#[derive(PartialEq)]
struct Registry(Option<(Vec<u8>, [i64; 5])>);

impl Registry {
    fn of(scene: &Scene) -> Self {
        let exists = fs::exists(scene.pool.registry()).expect("the pool's directory");
        Self(exists.then(|| (scene.pool.bytes(), scene.pool.stamp())))
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |(bytes, _)| bytes)
    }
}

fn check_registry(
    step: &Step,
    scene: &Scene,
    before: &Registry,
    after: &Registry,
) -> Result<(), String> {
    let text = String::from_utf8_lossy(after.bytes());
    match &step.leaves {
        None if before == after => return Ok(()),
        None => return Err(format!("the registry should be untouched, and is {text}")),
        Some(Leaves::Sids(sids)) => {
            let found = scene.pool.sids();
            if found != *sids {
                return Err(format!(
                    "the registry should name {sids:?}, and names {found:?}"
                ));
            }
        }
        Some(Leaves::Json(pattern)) => {
            let pattern = serde_json::from_str(pattern).expect("a pattern is JSON");
            let found = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
            pattern::fits(&pattern, Some(&found), scene)
                .map_err(|why| format!("in the registry, {why}"))?;
        }
        Some(Leaves::Bytes(wanted)) => {
            let wanted = scene.fill_in(wanted);
            if text == wanted {
                return Ok(());
            }
            return Err(format!("the registry should be\n{wanted}\nand is\n{text}"));
        }
    }
    check_entries(&text)
}

/// What is written can be read by whoever shares the pool.
fn check_entries(text: &str) -> Result<(), String> {
    let registry: Value =
        serde_json::from_str(text).map_err(|error| format!("no registry: {error}: {text}"))?;
    let entries = registry["sessions"]
        .as_array()
        .ok_or("a registry has sessions")?;
    for entry in entries {
        let pid = entry["pid"]
            .as_u64()
            .is_some_and(|pid| u32::try_from(pid).is_ok());
        if !pid || !TEXTS.iter().all(|field| entry[field].is_string()) {
            return Err(format!("the entry lacks one of its five fields: {entry}"));
        }
    }
    Ok(())
}
