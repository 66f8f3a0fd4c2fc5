//! What every policy has to do so that poolwarden's verbs and tools work with it.
//!
//! The cases are data, in `cases/`, and `README.md` lists them: they are a contract for
//! policies in any language. Each runs over real files and real processes.
//!
//! The policy under test is the shipped one, or the component that the environment variable
//! `POOLWARDEN_CONFORMANCE_POLICY` names, with the settings of
//! `POOLWARDEN_CONFORMANCE_SETTINGS` (`name=value`, one a line). It is asked through the library,
//! or with `POOLWARDEN_CONFORMANCE_WAY=program` through the built program.

#[expect(
    dead_code,
    unused_imports,
    reason = "this suite needs only a part of the harness"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

mod case;
mod contract;
mod library;
mod pattern;
mod program;
mod run;
mod scene;
mod subject;

/// Runs the cases of one file, each of them, and reports all that do not hold.
fn conforms(file: &str) {
    let broken: Vec<String> = case::read(file)
        .iter()
        .filter_map(|case| {
            run::run(case)
                .err()
                .map(|why| format!("{}: {why}", case.name))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[test]
fn describe() {
    conforms("describe");
}

#[test]
fn ensure() {
    conforms("ensure");
}

#[test]
fn status() {
    conforms("status");
}

#[test]
fn stop() {
    conforms("stop");
}

#[test]
fn register() {
    conforms("register");
}

#[test]
fn forget() {
    conforms("forget");
}

#[test]
fn registry() {
    conforms("registry");
}

#[test]
fn grants() {
    conforms("grants");
}
