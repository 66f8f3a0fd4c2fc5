//! The documented table of standings is about this code and these tests.

use crate::documented::Page;
use crate::process::Standing;

const PAGE: Page = Page {
    text: include_str!("../standings.md"),
    suites: &["src/process/tests", "../tests/e2e", "../tests/hostile"],
    sources: &["src/process"],
};

#[test]
fn every_standing_has_a_way_to_it() {
    let rows = PAGE.rows("standing");
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
    let mut rows = PAGE.rows("standing");
    rows.extend(PAGE.rows("never signalled"));
    assert!(rows.len() > 40, "the tables were not found");
    PAGE.assert_hold(&rows);
}
