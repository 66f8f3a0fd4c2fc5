//! The files, and what each is for.

use std::fs;
use std::path::{Path, PathBuf};

/// What a parser has to make of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Accept it.
    Accepted,
    /// Refuse it.
    Refused,
    /// As it likes.
    Either,
}

/// A file of the suite.
#[derive(Debug)]
pub(crate) struct TestFile {
    /// Its name, with the directory.
    pub(crate) name: String,
    /// Its bytes, which need not be text.
    pub(crate) bytes: Vec<u8>,
    /// What its name asks of a parser.
    pub(crate) expected: Expected,
}

impl TestFile {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        let (_, file) = name.split_once('/').expect("a directory");
        let expected = match file.split_once('_') {
            Some(("y", _)) => Expected::Accepted,
            Some(("n", _)) => Expected::Refused,
            _ => Expected::Either,
        };
        Self {
            name,
            bytes,
            expected,
        }
    }
}

/// Every file of the suite, in the order of the names.
pub(crate) fn all() -> Vec<TestFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/json_test_suite");
    let mut files = large();
    for directory in ["test_parsing", "test_transform"] {
        for path in paths_in(&root.join(directory)) {
            let file = path.file_name().expect("a name");
            let name = format!("{directory}/{}", file.to_str().expect("a plain name"));
            files.push(TestFile::new(name, fs::read(path).expect("a file")));
        }
    }
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    // None is lost on the way: so many there are upstream.
    assert_eq!(files.len(), 340);
    files
}

/// The two that are large and monotonous.
fn large() -> Vec<TestFile> {
    let open_arrays = "[".repeat(100_000);
    let open_objects = "[{\"\":".repeat(50_000) + "\n";
    [
        ("n_structure_100000_opening_arrays.json", open_arrays),
        ("n_structure_open_array_object.json", open_objects),
    ]
    .map(|(name, text)| TestFile::new(format!("test_parsing/{name}"), text.into_bytes()))
    .into()
}

fn paths_in(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .expect("a directory of the suite")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}
