//! Makes answers comparable between runs.

/// Replaces what differs from run to run: the pids, given with the names to show, the
/// version, and every point in time to the second.
pub(crate) fn redact(text: &str, pids: &[(u32, &str)]) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let (part, shown_as) = if is_time(rest) {
            (TIME.len(), "[time]".to_owned())
        } else if digits > 0 {
            let number = &rest[..digits];
            let name = pids.iter().find(|(pid, _)| pid.to_string() == number);
            (
                digits,
                name.map_or(number.to_owned(), |(_, name)| format!("[pid of {name}]")),
            )
        } else {
            (first.len_utf8(), first.to_string())
        };
        shown.push_str(&shown_as);
        rest = &rest[part..];
    }
    shown.replace(env!("CARGO_PKG_VERSION"), "[version]")
}

/// A point in time, with 0 for every digit.
const TIME: &str = "0000-00-00T00:00:00Z";

fn is_time(text: &str) -> bool {
    text.len() >= TIME.len()
        && TIME.bytes().zip(text.bytes()).all(|(pattern, byte)| {
            if pattern == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == pattern
            }
        })
}

#[test]
fn hides_what_differs_and_nothing_else() {
    let text = r#"{"pid":12,"other":123,"at":"2026-01-02T03:04:05Z","x":"pid 12, é"}"#;
    assert_eq!(
        redact(text, &[(12, "a")]),
        r#"{"pid":[pid of a],"other":123,"at":"[time]","x":"pid [pid of a], é"}"#
    );
}
