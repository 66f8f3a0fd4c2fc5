//! A file that nobody declares as a module is never compiled, and its tests never run.

use std::fs;
use std::path::Path;

#[test]
fn is_declared_as_a_module() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e");
    check(&suite, "main.rs");
    check(&suite.join("harness"), "mod.rs");
}

/// Checks that `root` declares every other file in its directory.
#[track_caller]
fn check(directory: &Path, root: &str) {
    let declarations = fs::read_to_string(directory.join(root)).expect("the module's root");
    let mut seen = 0;
    for file in fs::read_dir(directory).expect("the suite's directory") {
        let path = file.expect("an entry of the directory").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_file() && path.file_name() != Some(root.as_ref()) {
            let declared = declarations
                .lines()
                .any(|line| line.trim_start_matches("pub(crate) ") == format!("mod {name};"));
            assert!(declared, "{} is not declared in {root}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "{} holds no modules", directory.display());
}
