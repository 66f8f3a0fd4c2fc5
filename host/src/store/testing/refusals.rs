//! The documented refusals are about this code and these tests.

use crate::documented::Page;

const PAGE: Page = Page {
    text: include_str!("../refusals.md"),
    suites: &[
        "src/doctor",
        "src/store",
        "../tests/e2e",
        "../tests/json_test_suite",
        "../tests/loading",
        "../tests/mounts",
    ],
    sources: &["src"],
};

#[test]
fn every_row_names_tests_that_exist_and_words_that_are_said() {
    let tables = [
        "directory",
        "registry and the lock",
        "other files",
        "system",
    ];
    let rows: Vec<_> = tables
        .iter()
        .flat_map(|of| {
            let rows = PAGE.rows(&format!("of the {of}"));
            assert!(!rows.is_empty(), "there is no table of the {of}");
            rows
        })
        .collect();
    assert!(rows.iter().all(|row| row.len() == 4), "{rows:?}");
    PAGE.assert_hold(&rows);
}
