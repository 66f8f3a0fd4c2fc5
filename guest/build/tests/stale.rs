//! A component that does not fit its sources or its record is noticed, and what to do is said.

use std::fs;
use std::path::Path;

use poolwarden_guest_build::{Builder, Error, Guest, Inputs, REBUILD, Record, sha256, verify};
use tempfile::TempDir;

const GUEST: Guest<'static> = Guest {
    package: "policy",
    component: "policy/policy.wasm",
};

/// A workspace whose component is fresh.
fn checkout() -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, content) in [
        ("Cargo.toml", "[workspace]\nmembers = [\"policy\"]\n"),
        (
            "Cargo.lock",
            "[[package]]\nname = \"policy\"\nversion = \"1.0.0\"\n\
             [[package]]\nname = \"poolwarden-guest-build\"\nversion = \"1.0.0\"\n\
             dependencies = [\"wit-component\"]\n\
             [[package]]\nname = \"wit-component\"\nversion = \"1.0.0\"\nsource = \"registry\"\n",
        ),
        ("policy/Cargo.toml", "[package]\nname = \"policy\"\n"),
        ("policy/src/lib.rs", "// code\n"),
        ("wit/world.wit", "package a:b;\n"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, content).expect("file");
    }
    let builder = Builder {
        compiler: "rustc".to_owned(),
        linker: "lld".to_owned(),
        standard_library: "shipped".to_owned(),
    };
    let record = Record::of(folder.path(), &GUEST, b"component", &builder).expect("record");
    record
        .write(folder.path(), &GUEST, b"component")
        .expect("written record");
    folder
}

fn complaint(root: &Path) -> String {
    match verify(root, &GUEST) {
        Err(error @ Error::Stale { .. }) => error.to_string(),
        other => panic!("not stale: {other:?}"),
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let folder = checkout();
    let record = verify(folder.path(), &GUEST).expect("fresh");
    assert_eq!(record.component, sha256(b"component"));
    assert_eq!(
        record.inputs,
        Inputs::of(folder.path(), &GUEST).expect("inputs")
    );
    assert_eq!(record.builder.linker, "lld");
}

#[test]
fn a_changed_source_is_named_with_what_to_run() {
    let folder = checkout();
    fs::write(folder.path().join("policy/src/lib.rs"), "// other code\n").expect("source");
    let complaint = complaint(folder.path());
    assert!(
        complaint.contains("policy/policy.wasm is stale"),
        "{complaint}"
    );
    assert!(complaint.contains(": sources."), "{complaint}");
    assert!(complaint.contains(REBUILD), "{complaint}");
}

#[test]
fn a_swapped_component_is_noticed() {
    let folder = checkout();
    fs::write(folder.path().join(GUEST.component), "another one").expect("component");
    assert!(complaint(folder.path()).contains("the component itself"));
}

#[test]
fn writing_the_same_again_touches_nothing() {
    let folder = checkout();
    let record = Record::read(folder.path(), &GUEST).expect("record");
    let modified = || {
        [
            GUEST.component_path(folder.path()),
            GUEST.record_path(folder.path()),
        ]
        .map(|path| {
            fs::metadata(path)
                .and_then(|data| data.modified())
                .expect("metadata")
        })
    };
    let before = modified();
    record
        .write(folder.path(), &GUEST, b"component")
        .expect("written record");
    assert_eq!(modified(), before);
}

#[test]
fn a_missing_file_is_named_with_what_to_run() {
    for path in [
        GUEST.component_path(Path::new("")),
        GUEST.record_path(Path::new("")),
    ] {
        let folder = checkout();
        fs::remove_file(folder.path().join(&path)).expect("file");
        let error = verify(folder.path(), &GUEST).expect_err("a file is missing");
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains(REBUILD), "{message}");
    }
}
