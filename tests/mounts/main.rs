//! Pools on file systems that are full or read-only, files that something is mounted over, and
//! pools whose workers' pids are given away, or mean other processes elsewhere.
//!
//! Each test has namespaces of its own, and a small tmpfs that it mounts or pids that it
//! chooses there, which takes root or a kernel that lets everybody make user namespaces; without
//! that it fails and says so.

#[expect(
    dead_code,
    unused_imports,
    reason = "this suite needs only a part of the harness"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

mod doctor_pids;
mod doctor_stuck;
mod full;
mod hidden;
mod mcp_alone;
mod mounted;
mod namespace;
mod network;
mod pids;
mod read_only;
mod silent;

/// A test file that nobody declares is a test that nobody runs.
#[test]
fn every_file_here_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/mounts");
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
