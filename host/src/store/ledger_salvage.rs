//! The rows of a ledger whose text is damaged as a whole.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::ledger::Row;
use super::ledger_row::RowText;
use crate::process::Claim;

/// Reads every whole row in a text that begins as a ledger of a readable version does. A
/// stray comma spoils the file as JSON, and no row that stands beside it.
///
/// The version has to be readable: in a newer format a row can mean something else.
pub(super) fn rows(text: &[u8], readable: &RangeInclusive<u64>) -> HashMap<Claim, Row> {
    let mut rows = HashMap::new();
    if !version(text).is_some_and(|version| readable.contains(&version)) {
        return rows;
    }
    let mut at = 0;
    while let Some(found) = text[at..].iter().position(|&byte| byte == b'{') {
        at += found;
        let read = begins_row(&text[at..]).then(|| read_row(&text[at..]));
        match read.flatten() {
            Some(((claim, row), length)) => {
                rows.insert(claim, row);
                at += length;
            }
            None => at += 1,
        }
    }
    rows
}

/// Whether an object's first name is the first one of a row. Nothing else is read: a whole
/// file could be nested objects.
fn begins_row(text: &[u8]) -> bool {
    let inside = text.get(1..).unwrap_or_default();
    inside.trim_ascii_start().starts_with(b"\"sid\"")
}

/// The row at the beginning of a text, and its length in bytes.
fn read_row(text: &[u8]) -> Option<((Claim, Row), usize)> {
    let mut rows = serde_json::Deserializer::from_slice(text).into_iter::<RowText<'_>>();
    let row = rows.next()?.ok()?.into_row();
    Some((row, rows.byte_offset()))
}

/// The version that a text begins with.
fn version(text: &[u8]) -> Option<u64> {
    let mut rest = text;
    for token in [&b"{"[..], b"\"version\"", b":"] {
        rest = rest.trim_ascii_start().strip_prefix(token)?;
    }
    let rest = rest.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::ledger::Ledger;
    use super::super::testing::{claim, record};
    use super::*;

    fn text() -> String {
        let mut ledger = Ledger::default();
        ledger.insert(claim("a"), record(1));
        ledger.insert(claim("b"), record(2));
        ledger.insert(claim("c"), record(3));
        ledger.withdraw(&claim("c"));
        String::from_utf8(ledger.to_text().expect("a text")).expect("UTF-8")
    }

    fn sids(text: &str) -> Vec<String> {
        let rows = rows(text.as_bytes(), &(1..=2));
        let mut sids: Vec<_> = rows.into_keys().map(|claim| claim.sid).collect();
        sids.sort();
        sids
    }

    #[test]
    fn a_stray_comma_costs_no_row() {
        for (at, with) in [
            ("},{", "},,{"),
            ("]}", ",]}"),
            ("]}", ""),
            ("\"rows\":", "\"rows\":,"),
        ] {
            assert_eq!(
                sids(&text().replacen(at, with, 1)),
                ["a", "b", "c"],
                "{with}"
            );
        }
        let indented = text()
            .replace("{\"sid\"", "{\n  \"sid\"")
            .replace("},{", "},,{");
        assert_eq!(sids(&indented), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_withdrawn_stays_withdrawn() {
        let rows = rows(text().replace("},{", "} {").as_bytes(), &(1..=2));
        assert!(rows[&claim("c")].withdrawn && !rows[&claim("a")].withdrawn);
    }

    #[test]
    fn a_row_that_is_damaged_itself_is_left_out() {
        assert_eq!(sids(&text().replacen("4242", "42,42", 1)), ["b", "c"]);
        let torn = text();
        assert_eq!(sids(&torn[..torn.len() - 20]), ["a", "b"]);
    }

    #[test]
    fn nothing_is_read_from_a_newer_format_or_another_file() {
        let newer = text().replace("\"version\":2", "\"version\":3");
        assert!(sids(&newer.replace("},{", "},,{")).is_empty());
        for other in [
            "",
            "{",
            "[{\"sid\":\"a\"}]",
            "{\"version\":",
            "{\"version\":1",
        ] {
            assert!(sids(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn a_text_of_nothing_but_brackets_takes_no_time() {
        let begun = Instant::now();
        let text = format!("{{\"version\":2,\"rows\":[{}", "{\"sid\":".repeat(1 << 20));
        assert!(sids(&text).is_empty());
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
