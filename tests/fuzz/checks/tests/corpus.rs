//! Every committed input of every target, once, without the engine: what was found before
//! is not found again.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use poolwarden_fuzz_checks::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let name = |file: std::io::Result<fs::DirEntry>| {
        let name = file.expect("a file").file_name();
        name.into_string().expect("a name")
    };
    files.map(name).collect()
}

#[test]
fn no_input_breaks_a_promise() {
    let mut broken = Vec::new();
    for (target, check) in TARGETS {
        let corpus = fuzz().join("corpus").join(target);
        let inputs = names(&corpus);
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            let bytes = fs::read(corpus.join(&input)).expect("an input");
            if catch_unwind(|| check(&bytes)).is_err() {
                broken.push(format!("{target}/{input}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_target_has_a_check_a_program_and_a_corpus() {
    let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("corpus")), known);
    let programs = names(&fuzz().join("fuzz_targets"));
    let programs: BTreeSet<_> = programs
        .iter()
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    assert_eq!(programs, known);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest");
    for name in known {
        let declared = manifest.contains(&format!("\npath = \"fuzz_targets/{name}.rs\"\n"));
        assert!(declared, "{name} is not declared in tests/fuzz/Cargo.toml");
    }
}
