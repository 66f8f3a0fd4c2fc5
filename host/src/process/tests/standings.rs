//! The documented table of standings is about this code and these tests.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Standing;

const TABLE: &str = include_str!("../standings.md");

/// Where the tests are that the table names.
const SUITES: [&str; 3] = ["src/process/tests", "../tests/e2e", "../tests/hostile"];

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

/// Tests by file and name. A `mod.rs` goes by its directory.
fn tests() -> HashMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests: HashMap<String, BTreeSet<String>> = HashMap::new();
    for path in SUITES.iter().flat_map(|suite| sources(&root.join(suite))) {
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

/// The text of this module's code, its strings in one piece and without placeholders.
fn code() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/process");
    let files = sources(&root).into_iter();
    files
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
        .map(|path| fs::read_to_string(path).expect("a source"))
        .map(|text| {
            let mut pieces = text.split("\\\n");
            let first = pieces.next().unwrap_or_default().to_owned();
            pieces.fold(first, |text, piece| text + piece.trim_start())
        })
        .collect()
}

/// The rows of a table whose first heading is this: their cells.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let start = format!("| {heading} |");
    let lines = TABLE.lines().skip_while(|line| !line.starts_with(&start));
    // The heading and the line under it.
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_standing_has_a_way_to_it() {
    let rows = rows("standing");
    // Exhaustive: a new standing does not compile without a line here.
    let next = |standing| match standing {
        Standing::Alive => Some(Standing::Unproven),
        Standing::Unproven => Some(Standing::Reused),
        Standing::Reused => Some(Standing::Exited),
        Standing::Exited => Some(Standing::Gone),
        Standing::Gone => Some(Standing::Foreign),
        Standing::Foreign => Some(Standing::Unknown),
        Standing::Unknown => None,
    };
    let all: Vec<_> = std::iter::successors(Some(Standing::Alive), |&one| next(one)).collect();
    for standing in &all {
        assert!(
            rows.iter().any(|row| row[0] == standing.name()),
            "{standing}"
        );
    }
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(
            all.iter().any(|standing| standing.name() == row[0]),
            "{row:?}"
        );
    }
}

#[test]
fn every_row_names_tests_that_exist_and_words_that_are_said() {
    let (tests, code, more) = (tests(), code(), rows("never signalled"));
    let mut rows = rows("standing");
    rows.extend(more);
    assert!(rows.len() > 40, "the tables were not found");
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
