//! What is written down is what is run.

use std::collections::BTreeSet;
use std::fs;

use crate::case::{self, folder};

/// The files of cases, in the order of the contract.
const FILES: [&str; 8] = [
    "describe", "ensure", "status", "stop", "register", "forget", "registry", "grants",
];

#[test]
fn the_readme_lists_every_case_with_its_meaning() {
    let mut list = String::new();
    for file in FILES {
        list.push_str(&format!("\n### {file}\n\n"));
        for case in case::read(file) {
            list.push_str(&format!("- **{}**: {}\n", case.name, case.means));
        }
    }
    let readme = fs::read_to_string(folder().join("README.md")).expect("the contract");
    assert!(
        readme.ends_with(&list),
        "the end of tests/conformance/README.md should be:\n{list}"
    );
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for case in FILES.into_iter().flat_map(case::read) {
        assert!(!case.steps.is_empty(), "{} asks nothing", case.name);
        assert!(
            names.insert(case.name.clone()),
            "{} stands twice",
            case.name
        );
    }
}

#[test]
fn every_file_is_run() {
    let main = include_str!("main.rs");
    for entry in fs::read_dir(folder()).expect("the suite") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        let declared = name == "main" || main.contains(&format!("mod {name};"));
        assert!(declared || !is_source, "{name} is not declared");
    }
    for entry in fs::read_dir(folder().join("cases")).expect("the cases") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        assert!(FILES.contains(&&*name), "{name} is in no contract");
        assert!(
            main.contains(&format!("conforms(\"{name}\")")),
            "{name} is not run"
        );
    }
}
