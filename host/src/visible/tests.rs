//! What reaches a terminal, whatever the text was.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Bidirectional controls (Unicode Standard Annex 9, table 4), and what has no width.
const HIDDEN: [char; 17] = [
    '\u{061C}',
    '\u{200B}',
    '\u{200C}',
    '\u{200D}',
    '\u{200E}',
    '\u{200F}',
    '\u{202A}',
    '\u{202B}',
    '\u{202C}',
    '\u{202D}',
    '\u{202E}',
    '\u{2066}',
    '\u{2067}',
    '\u{2068}',
    '\u{2069}',
    '\u{FEFF}',
    '\u{E0061}',
];

#[test]
fn what_a_terminal_would_obey_is_escaped() {
    assert_eq!(
        line("a\x1b[2J\n\u{202E}b\u{200B}\u{7f}\u{9b}31m"),
        "a\\u{1b}[2J\\u{a}\\u{202e}b\\u{200b}\\u{7f}\\u{9b}31m"
    );
    for code in (0..0x20).chain(0x7f..0xa0) {
        let control = char::from_u32(code).expect("a control character");
        assert_eq!(line(&control.to_string()), format!("\\u{{{code:x}}}"));
    }
    for hidden in HIDDEN {
        let code = u32::from(hidden);
        assert_eq!(line(&format!("a{hidden}")), format!("a\\u{{{code:x}}}"));
    }
}

#[test]
fn what_has_a_picture_is_shown_as_it_is() {
    for text in [
        "grün 作業 \\ \" ' ~",
        "e\u{301}", // composed with a mark
        "שָׁלוֹם",
        "สวัสดี หิน",
        "हिन्दी",
        "😀",
        "",
    ] {
        assert_eq!(line(text), text);
    }
}

/// Each is shown as nothing, or as a gap, or as what depends on a font.
#[test]
fn what_has_no_picture_is_escaped() {
    for blank in
        "\u{a0}\u{3000}\u{2028}\u{ad}\u{115f}\u{3164}\u{fe0f}\u{e000}\u{e0fff}\u{378}".chars()
    {
        assert!(line(&format!("a{blank}")).starts_with("a\\u{"), "{blank:?}");
    }
}

#[test]
fn marks_have_something_to_combine_with_and_are_few() {
    assert_eq!(line("\u{301}a"), "\\u{301}a");
    assert_eq!(line(" \u{301}"), " \\u{301}");
    let stack = format!("a{}b", "\u{336}".repeat(1000));
    let shown = line(&stack);
    assert!(shown.starts_with("a\u{336}\u{336}\u{336}\u{336}\\u{336}\\u{336}"));
    assert_eq!(shown.matches('\u{336}').count(), MARKS);
    assert!(shown.ends_with("\\u{336}b"));
}

#[test]
fn a_bounded_line_ends_with_an_ellipsis_where_it_is_cut() {
    assert_eq!(bounded_line("größe", 5), "größe");
    assert_eq!(bounded_line("größer", 5), "größe…");
    assert_eq!(bounded_line("\n\n", 1), "\\u{a}…");
}

#[test]
fn json_means_the_same_and_is_all_visible() {
    let text = "{\r\n\t\"a\u{7f}\u{202e}\":\"\u{9b}2J\u{e0061}\\n\"}\n";
    let shown = json(text);
    assert_eq!(
        shown,
        "{ \n \"a\\u007f\\u202e\":\"\\u009b2J\\udb40\\udc61\\n\"}\n"
    );
    let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(value(&shown), value(text));
}

/// Texts with far more of what is dangerous than chance would give.
fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>(),
        (0u32..0x20).prop_map(|code| char::from_u32(code).expect("C0")),
        (0x7fu32..0xa0).prop_map(|code| char::from_u32(code).expect("DEL and C1")),
        prop::sample::select(HIDDEN.to_vec()),
        (0x300u32..0x370).prop_map(|code| char::from_u32(code).expect("a mark")),
        prop::sample::select(vec!['\\', '"', 'u', '{', 'a', ' ']),
    ];
    prop::collection::vec(character, 0..40).prop_map(String::from_iter)
}

/// Told without the code under test: what no terminal may get.
fn is_harmful(character: char) -> bool {
    character.is_control() || HIDDEN.contains(&character)
}

proptest! {
    #[test]
    fn nothing_harmful_is_left(text in any_text()) {
        let shown = line(&text);
        prop_assert!(!shown.contains(is_harmful), "{shown:?}");
        // Where nothing was escaped nothing was changed.
        if !shown.contains("\\u{") {
            prop_assert_eq!(&shown, &text);
        }
        // What was shown once is shown no differently again.
        prop_assert_eq!(line(&shown), shown);
    }

    #[test]
    fn no_stack_of_marks_is_left(text in any_text()) {
        let shown = line(&text);
        let mut run = 0;
        for character in shown.chars() {
            let is_mark = matches!(character, '\u{300}'..='\u{36f}');
            run = if is_mark { run + 1 } else { 0 };
            prop_assert!(run <= MARKS, "{shown:?}");
        }
    }

    #[test]
    fn a_bound_bounds(text in any_text(), limit in 0usize..50) {
        let shown = bounded_line(&text, limit);
        // The longest escape has ten characters.
        prop_assert!(shown.chars().count() <= 10 * limit + 1);
        if text.chars().count() > limit {
            prop_assert!(shown.ends_with('…'));
        } else {
            prop_assert_eq!(shown, line(&text));
        }
    }

    #[test]
    fn json_keeps_its_meaning(texts in prop::collection::vec(any_text(), 0..4)) {
        let value = Value::from(texts);
        for text in [value.to_string(), format!("{value:#}").replace('\n', "\r\n\t")] {
            let shown = json(&text);
            prop_assert!(!shown.contains(|c: char| is_harmful(c) && c != '\n'), "{shown:?}");
            let read: Value = serde_json::from_str(&shown).expect("JSON");
            prop_assert_eq!(&read, &value);
        }
    }
}
