//! What is wrong with a registry's text, where, and what it usually comes from.

use std::ops::Range;

use crate::floor::Unreadable;

use super::report::{Damage, LostText};
use super::salvage::{Lost, offset};

/// How many bytes of the text are shown on either side.
const SHOWN: usize = 32;

/// How many lost stretches are told of. A file of another kind can have any number.
const TOLD: usize = 20;

/// What is wrong with these bytes.
pub(super) fn damage(bytes: &[u8], error: &Unreadable) -> Damage {
    let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let at = if error.detail.starts_with("EOF") {
        // Told of the last byte, and meant is what does not come behind it.
        bytes.len()
    } else {
        offset(bytes, number(error.line), number(error.column))
    };
    Damage {
        detail: error.detail.clone(),
        line: error.line,
        column: error.column,
        offset: at as u64,
        before: shown(bytes, at.saturating_sub(SHOWN)..at),
        from_there: shown(bytes, at..at.saturating_add(SHOWN)),
        cause: cause(bytes, at, &error.detail).to_owned(),
    }
}

/// The stretches of a text that no entry can be made of.
pub(super) fn lost_text(bytes: &[u8], lost: &[Lost]) -> Vec<LostText> {
    let told = lost.iter().take(TOLD);
    told.map(|Lost { bytes: at, why }| LostText {
        offset: at.start,
        length: at.len(),
        text: shown(bytes, at.start..at.end.min(at.start + SHOWN)),
        why: why.clone(),
    })
    .collect()
}

/// Bytes as text that is harmless on a terminal.
fn shown(bytes: &[u8], range: Range<usize>) -> String {
    let range = range.start.min(bytes.len())..range.end.min(bytes.len());
    let mut text = String::with_capacity(range.len());
    for &byte in &bytes[range] {
        match byte {
            b'"' | b'\'' => text.push(byte.into()),
            // A backslash is doubled, so that what is escaped can be told from it.
            _ => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    text
}

fn cause(bytes: &[u8], at: usize, detail: &str) -> &'static str {
    let rest = &bytes[at..];
    let begins_again = || rest.starts_with(b"{") || bytes[..at].ends_with(b"}");
    if bytes.is_empty() {
        "a program that empties the file before it writes was ended in between, or the disk was full"
    } else if rest.first() == Some(&0) || bytes.ends_with(b"\0") {
        "the machine lost power after the file's size and before its contents reached the disk"
    } else if detail.starts_with("EOF") {
        "a program that writes the file in place was ended in the middle, or the disk was full"
    } else if detail.starts_with("trailing characters") && begins_again() {
        "a program wrote a shorter registry over a longer one, or two programs wrote at once \
         without the lock"
    } else if detail.contains("UTF-8") {
        "the disk or another program damaged the file"
    } else if [
        "missing field",
        "invalid type",
        "invalid value",
        "duplicate field",
    ]
    .iter()
    .any(|data| detail.starts_with(data))
    {
        "somebody edited the file, or a program of another version wrote it"
    } else {
        "somebody edited the file, or a program wrote over it that does not know what it is"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::Reading;

    fn of(bytes: &[u8]) -> Damage {
        let reading = Reading::new(Some(bytes.to_vec()));
        damage(bytes, &reading.claims().expect_err("it is no registry"))
    }

    #[test]
    fn the_place_is_shown_with_what_stands_around_it() {
        let found = of(b"{\n \"sessions\": [no\x1b[31mthing]}");
        assert_eq!((found.line, found.column, found.offset), (2, 16, 17));
        assert_eq!(found.before, "{\\n \"sessions\": [n");
        assert_eq!(found.from_there, "o\\x1b[31mthing]}");
        let long = [&b"{\"sessions\":["[..], &[b' '; 100]].concat();
        let found = of(&long);
        assert_eq!(found.offset, long.len() as u64);
        assert_eq!((found.before.len(), found.from_there.as_str()), (SHOWN, ""));
    }

    #[test]
    fn each_damage_has_its_usual_cause() {
        for (bytes, cause) in [
            (&b""[..], "empties the file"),
            (b"\0\0\0", "lost power"),
            (b"{\"sessions\":[\0\0", "lost power"),
            (b"{\"sessions\":[", "ended in the middle"),
            (b"{\"sessions\":[]}{\"sessions\":[]}", "at once"),
            (b"{\"sessions\":[]}]}", "shorter registry over a longer"),
            (b"{\"sessions\":[],\"x\":\"\xff\"}", "the disk"),
            (b"{\"sessions\":[{}]}", "another version"),
            (b"{\"sessions\":7}", "edited"),
            (b"hello", "does not know what it is"),
        ] {
            let found = of(bytes);
            assert!(found.cause.contains(cause), "{cause}: {found:?}");
        }
    }
}
