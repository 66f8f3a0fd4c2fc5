//! Which session ids are close to one that no session has.

/// How many close ones are named.
const NAMED: usize = 3;

/// The known ids that are most likely meant by this one, the closest first.
pub(super) fn close_to<'a>(sid: &str, known: &'a [String]) -> Vec<&'a str> {
    let asked: Vec<char> = sid.to_lowercase().chars().take(LONGEST + 1).collect();
    let mut close: Vec<(usize, &str)> = known
        .iter()
        .filter_map(|one| Some((distance(&asked, one)?, one.as_str())))
        .collect();
    close.sort();
    close.dedup();
    close.truncate(NAMED);
    close.into_iter().map(|(_, sid)| sid).collect()
}

/// The longest id, in characters, that is compared: nobody types a longer one.
const LONGEST: usize = 128;

/// How many characters have to be changed, added or left out to make one id of the other,
/// whatever their case (the Levenshtein distance); none where that is more than a third of them
/// and neither is a part of the other.
fn distance(asked: &[char], known: &str) -> Option<usize> {
    let known: Vec<char> = known.to_lowercase().chars().take(LONGEST + 1).collect();
    if asked.is_empty() || asked.len() > LONGEST || known.len() > LONGEST {
        return None;
    }
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for (i, a) in asked.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in known.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    let distance = row[known.len()];
    let (short, long) = if asked.len() < known.len() {
        (asked, &known[..])
    } else {
        (&known[..], asked)
    };
    let is_part = short.len() > 1 && long.windows(short.len()).any(|part| part == short);
    (is_part || distance * 3 <= long.len()).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_sid_leads_to_the_one_that_was_meant() {
        let known = ["search", "indexer-1", "indexer-2", "db", "x"].map(str::to_owned);
        for (asked, meant) in [
            ("serch", vec!["search"]),
            ("Search", vec!["search"]),
            ("indexer", vec!["indexer-1", "indexer-2"]),
            ("web-search-api", vec!["search"]),
            ("nothing-like-it", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(close_to(asked, &known), meant, "{asked}");
        }
        assert!(close_to(&"x".repeat(1_000_000), &known).is_empty());
    }
}
