//! The policy under test, and what becomes of a request to it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::Ask;
use crate::scene::Scene;
use crate::{library, program};

/// Names the component to test; absent, the shipped policy is.
const POLICY: &str = "POOLWARDEN_CONFORMANCE_POLICY";
/// Its settings, `name=value`, one a line.
const SETTINGS: &str = "POOLWARDEN_CONFORMANCE_SETTINGS";
/// `library`, as without it, or `program`, which asks through the built program.
const WAY: &str = "POOLWARDEN_CONFORMANCE_WAY";

/// What is granted where a case says nothing: what the shipped policy needs.
const USUAL: [&str; 3] = ["registry-write", "signal-term", "signal-kill"];

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// `corrupted`, `rejected`, `denied`, or another word that no case expects.
    pub(crate) kind: &'static str,
    /// The line, where the registry is corrupted and the policy knows it.
    pub(crate) line: u64,
    /// The text.
    pub(crate) text: String,
}

/// Asks the policy, with these grants.
pub(crate) fn ask(scene: &Scene, ask: &Ask, grants: Option<&[String]>) -> Result<Value, Failure> {
    let usual = USUAL.map(str::to_owned);
    let grants = grants.unwrap_or(&usual);
    match (way(), ask) {
        // No verb of the program asks this.
        (Way::Library, _) | (Way::Program, Ask::Describe {}) => library::ask(scene, ask, grants),
        (Way::Program, _) => program::ask(scene, ask, grants),
    }
}

/// What a policy is asked through.
#[derive(Debug, PartialEq)]
enum Way {
    Library,
    Program,
}

fn way() -> Way {
    let said = env::var_os(WAY);
    way_of(said.as_deref()).unwrap_or_else(|| {
        panic!("{WAY} is {said:?}, and there are only `library` and `program`");
    })
}

fn way_of(said: Option<&OsStr>) -> Option<Way> {
    match said.map(OsStr::to_str) {
        None | Some(Some("library")) => Some(Way::Library),
        Some(Some("program")) => Some(Way::Program),
        Some(_) => None,
    }
}

#[test]
fn a_way_that_there_is_not_is_none() {
    let of = |said: &str| way_of(Some(said.as_ref()));
    assert_eq!(way_of(None), Some(Way::Library));
    assert_eq!(of("library"), Some(Way::Library));
    assert_eq!(of("program"), Some(Way::Program));
    for wrong in ["", "Program", "programm", "cli"] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
}

/// The component's file.
pub(crate) fn component() -> PathBuf {
    let shipped = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/policy.wasm");
    named_component().unwrap_or_else(shipped)
}

/// The component's file, where one is named.
pub(crate) fn named_component() -> Option<PathBuf> {
    env::var_os(POLICY).map(PathBuf::from)
}

/// The policy's settings.
pub(crate) fn settings() -> Vec<(String, String)> {
    let text = env::var(SETTINGS).unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| pair(line).unwrap_or_else(|| panic!("{SETTINGS}: {line:?} is no name=value")))
        .collect()
}
