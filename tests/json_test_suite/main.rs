//! All of JSONTestSuite as registry files, and as parts of registries.
//!
//! What is accepted is rewritten around it, byte for byte; what is refused is left as it is.
//! The host and the policy read every file alike. The files are in
//! `tests/fixtures/json_test_suite`.

#[expect(
    dead_code,
    unused_imports,
    reason = "this suite needs only a part of the harness"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

mod files;
mod place;
mod program;
mod reading;

/// A test file that nobody declares is a test that nobody runs.
#[test]
fn every_file_here_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/json_test_suite");
    let declared = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder of this suite") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a plain name");
        let module = name.strip_suffix(".rs").expect("only Rust files");
        assert!(
            module == "main" || declared.contains(&format!("mod {module};")),
            "{name}"
        );
    }
}
