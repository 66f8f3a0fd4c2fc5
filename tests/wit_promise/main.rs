//! The WIT package as a promise: what was released stays as it was, under its version.
//!
//! `wit/README.md` is the rule, `tests/fixtures/wit` holds every release.

mod changes;
mod compare;
mod linking;
mod promise;
mod surface;
mod types;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use promise::{Package, keeps};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every release, with the SHA-256 of its files (see [`digest`]). A line is added when one
/// is made, and none is ever changed.
const RELEASES: [(&str, &str); 1] = [(
    "0.1.0",
    "528cdd56d75bba008c0b989950ad2b4795933eb79ffa8e34c68bf5c9d464a12a",
)];

fn release(version: &str) -> PathBuf {
    releases().join(version)
}

fn releases() -> PathBuf {
    Path::new(REPOSITORY).join("tests/fixtures/wit")
}

fn shipped() -> PathBuf {
    Path::new(REPOSITORY).join("wit")
}

#[test]
fn what_was_released_is_kept() {
    let shipped = Package::read(&shipped());
    for (version, _) in RELEASES {
        let frozen = Package::read(&release(version));
        if let Err(broken) = keeps(&frozen, &shipped) {
            panic!("wit/ does not keep what {version} promised: {broken}");
        }
    }
}

#[test]
fn a_release_is_never_edited() {
    let mut found: Vec<_> = fs::read_dir(releases())
        .expect("the releases")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    found.sort();
    let mut listed = RELEASES.map(|(version, _)| version);
    listed.sort_unstable();
    assert_eq!(found, listed, "in {}", releases().display());
    for (version, sha256) in RELEASES {
        let folder = release(version);
        assert_eq!(
            digest(&folder),
            sha256,
            "{} is not what was released as {version}; change wit/ instead, and leave this",
            folder.display()
        );
        let name = Package::read(&folder).name().to_string();
        assert_eq!(name, format!("poolwarden:pool@{version}"));
    }
}

/// SHA-256 over the files below a folder: the path, a zero, the length as eight bytes in
/// network order, the content; in order of the paths.
fn digest(folder: &Path) -> String {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut hasher = Sha256::new();
    for path in files {
        let name = path.strip_prefix(folder).expect("a path below the folder");
        let content = fs::read(&path).expect("a file of a release");
        hasher.update(name.to_str().expect("a plain name"));
        hasher.update([0]);
        hasher.update((content.len() as u64).to_be_bytes());
        hasher.update(content);
    }
    let bytes = hasher.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of a release") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// A test file that nobody declares is a test that nobody runs.
#[test]
fn every_file_here_is_a_module() {
    let folder = Path::new(REPOSITORY).join("tests/wit_promise");
    let declared = include_str!("main.rs");
    for entry in fs::read_dir(folder).expect("the folder of this suite") {
        let path = entry.expect("an entry").path();
        let module = path.file_stem().and_then(|stem| stem.to_str());
        let module = module.expect("a plain name");
        assert!(
            module == "main" || declared.contains(&format!("mod {module};")),
            "{}",
            path.display()
        );
    }
}
