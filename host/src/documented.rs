//! Tables in the documentation that are held to the code and its tests.
//!
//! A row names tests as `file::test`, and in quotation marks words that some source says.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// A page of tables, and what it is about.
pub(crate) struct Page {
    /// Its text.
    pub(crate) text: &'static str,
    /// Directories of this crate in which the tests are that it names.
    pub(crate) suites: &'static [&'static str],
    /// Directories in which the words are said.
    pub(crate) sources: &'static [&'static str],
}

impl Page {
    /// The rows of the table whose first heading is this: their cells.
    pub(crate) fn rows(&self, heading: &str) -> Vec<Vec<&'static str>> {
        let start = format!("| {heading} |");
        let lines = self.text.lines();
        let lines = lines.skip_while(|line| !line.starts_with(&start));
        // The heading and the line under it.
        let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect()
    }

    /// Checks of each row that the words in its last but one column are said, and that the
    /// tests in its last column exist.
    #[track_caller]
    pub(crate) fn assert_hold(&self, rows: &[Vec<&str>]) {
        let (tests, code) = (self.tests(), self.code());
        for row in rows {
            let [.., words, names] = row[..] else {
                panic!("too few columns: {row:?}");
            };
            if let Some(words) = words.strip_prefix('"') {
                let words = words.trim_end_matches('"');
                assert!(code.contains(words), "nothing says {words:?}");
            }
            for name in names.split(", ") {
                let (file, test) = name
                    .trim_matches('`')
                    .split_once("::")
                    .expect("`file::test`");
                let known = tests.get(file).is_some_and(|names| names.contains(test));
                assert!(known, "there is no test {name}");
            }
        }
    }

    /// Tests by file and name. A `mod.rs` goes by its directory.
    fn tests(&self) -> HashMap<String, BTreeSet<String>> {
        let mut tests: HashMap<String, BTreeSet<String>> = HashMap::new();
        for path in sources_in(self.suites) {
            let named = if path.ends_with("mod.rs") {
                path.parent().expect("a directory").to_owned()
            } else {
                path.with_extension("")
            };
            let file = named.file_name().expect("a name").to_string_lossy();
            let text = fs::read_to_string(&path).expect("a source");
            let names = text.split("#[test]\n").skip(1).filter_map(|rest| {
                let (name, _) = rest.trim_start().strip_prefix("fn ")?.split_once('(')?;
                Some(name.to_owned())
            });
            tests.entry(file.into_owned()).or_default().extend(names);
        }
        tests
    }

    /// The text of the code, its strings in one piece and without placeholders. Tests may
    /// say anything.
    fn code(&self) -> String {
        sources_in(self.sources)
            .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
            .map(|path| fs::read_to_string(path).expect("a source"))
            .map(|text| {
                let code = text.split("#[cfg(test)]\nmod tests {").next();
                let mut pieces = code.unwrap_or_default().split("\\\n");
                let first = pieces.next().unwrap_or_default().to_owned();
                pieces.fold(first, |text, piece| text + piece.trim_start())
            })
            .collect()
    }
}

fn sources_in(directories: &[&str]) -> impl Iterator<Item = PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = directories
        .iter()
        .flat_map(|directory| sources(&root.join(directory)));
    found.collect::<Vec<_>>().into_iter()
}

/// The Rust files in a directory and those below it.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
