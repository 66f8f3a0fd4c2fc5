//! What evidence quotes of an entry.

use std::borrow::Cow;

/// The most that is quoted, in characters: more than any path that a socket can be bound to
/// (unix(7)).
const MOST: usize = 200;

/// A field of an entry, which can be megabytes long, cut to what a reader needs of it.
pub(super) fn quoted(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST) {
        None => text.into(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters_and_its_length_told() {
        let whole = "é".repeat(MOST);
        assert_eq!(quoted(&whole), whole);
        assert_eq!(
            quoted(&(whole.clone() + "x")),
            format!("{whole}… (401 bytes)")
        );
    }
}
