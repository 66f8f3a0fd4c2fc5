//! The policy under test, and what becomes of a request to it.

use std::env;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::Ask;
use crate::scene::Scene;
use crate::{library, program};

/// Names the component to test; absent, the shipped policy is.
const POLICY: &str = "POOLWARDEN_CONFORMANCE_POLICY";
/// Its settings, `name=value`, one a line.
const SETTINGS: &str = "POOLWARDEN_CONFORMANCE_SETTINGS";
/// `program` asks through the built program instead of the library.
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
    let by_program = env::var_os(WAY).is_some_and(|way| way == "program");
    match ask {
        // No verb of the program asks this.
        Ask::Describe {} => library::ask(scene, ask, grants),
        _ if by_program => program::ask(scene, ask, grants),
        _ => library::ask(scene, ask, grants),
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
