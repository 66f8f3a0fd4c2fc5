//! Policies from files: components of other toolchains, which load and reach nothing; what
//! is no policy, which says why; and compiled code, which is kept safely.

mod cache;
mod compile;
mod describe;
mod guest;
mod inspect;
mod outside;
mod refused;
mod replay;
mod wasi;

/// A test file that nobody declares is a test that nobody runs.
#[test]
fn every_file_here_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/loading");
    let declared = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder of this suite") {
        let path = entry.expect("an entry").path();
        let module = path.file_stem().and_then(|stem| stem.to_str());
        let module = module.expect("a plain name");
        assert!(
            path.extension().is_none_or(|extension| extension != "rs")
                || module == "main"
                || declared.contains(&format!("mod {module};")),
            "{}",
            path.display()
        );
    }
}
