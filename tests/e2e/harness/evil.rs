//! Text that attacks a terminal, and the check that none of it got there.

use super::{Terminal, TestPool};

/// Clears the screen, rings, steps back, colours by a C1 control, deletes, forges a line,
/// turns the rest around and isolates it, hides it, and piles marks upon the line above.
pub(crate) const EVIL: &str = "e\u{1b}[2J\u{7}\u{8}\u{9b}31m\u{7f}\r\nforged  1  running\
    \u{202e}\u{2066}\u{200f}\u{200b}\u{feff}\u{e0061}x\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}";

/// How it begins where it was made harmless in a line.
pub(crate) const EVIL_SHOWN: &str = "e\\u{1b}[2J\\u{7}\\u{8}\\u{9b}31m\\u{7f}\\u{d}\\u{a}forged";

/// How it begins in JSON on a terminal.
pub(crate) const EVIL_IN_JSON: &str = "e\\u001b[2J\\u0007\\b\\u009b31m\\u007f\\r\\nforged";

/// Checks that a terminal that was shown this did nothing but show it.
#[track_caller]
pub(crate) fn assert_harmless(shown: &str) {
    let harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    // The terminal itself puts a carriage return before each line feed.
    let shown = shown.replace("\r\n", "\n");
    assert!(!shown.contains(harmful), "{shown:?}");
    assert!(!shown.contains(&"\u{301}".repeat(5)), "{shown:?}");
    let forged = |line: &str| line.trim_start().starts_with("forged");
    assert!(!shown.lines().any(forged), "{shown:?}");
}

/// What a terminal shows of a command on this pool, once it is found harmless.
#[track_caller]
pub(crate) fn shown(pool: &TestPool, arguments: &[&str]) -> String {
    let shown = Terminal::open().show(pool.command(arguments));
    assert_harmless(&shown);
    shown
}
