use proptest::prelude::*;

use super::*;

const GOOD: &str = r#"{"sessions":[{"sid":"a","pid":7,"sock":"/a.sock","version":"1","created_at":"2026-01-01T00:00:00Z"}]}"#;

fn parse(text: &str) -> Registry<'_> {
    Registry::parse(Some(text.as_bytes())).expect("a registry")
}

/// Line, column and detail of the corruption that this text is.
fn refuse(bytes: impl AsRef<[u8]>) -> (u64, u64, String) {
    let Corruption {
        line,
        column,
        detail,
    } = Registry::parse(Some(bytes.as_ref())).expect_err("not a registry");
    (line, column, detail)
}

#[test]
fn no_file_is_an_empty_pool() {
    let registry = Registry::parse(None).expect("an empty pool");
    assert_eq!(
        registry,
        Registry {
            text: None,
            sessions: Vec::new()
        }
    );
}

#[test]
fn every_field_is_read_and_borrowed() {
    let registry = parse(GOOD);
    let [entry] = registry.sessions.as_slice() else {
        panic!("one entry")
    };
    assert_eq!(entry.pid, 7);
    for (field, value) in [
        (&entry.sid, "a"),
        (&entry.sock, "/a.sock"),
        (&entry.version, "1"),
        (&entry.created_at, "2026-01-01T00:00:00Z"),
    ] {
        assert!(
            matches!(field, Cow::Borrowed(text) if *text == value),
            "{field:?}"
        );
    }
}

#[test]
fn escapes_and_other_scripts_are_read() {
    let text = GOOD.replace(r#""sid":"a""#, r#""si\u0064":"\u00e4\ud83d\ude00é""#);
    assert_eq!(parse(&text).sessions[0].sid, "ä😀é");
}

#[test]
fn unknown_fields_are_skipped_at_both_levels() {
    let text = GOOD
        .replace(r#""pid":7"#, r#""pid":7,"x":{"pid":-1},"x":[1e999]"#)
        .replace(r#"{"sessions""#, r#"{"sid":0,"sid":null,"sessions""#);
    assert_eq!(parse(&text).sessions, parse(GOOD).sessions);
}

#[test]
fn unknown_fields_of_any_depth_do_not_exhaust_the_stack() {
    let depth = 1_000_000;
    let deep = format!(
        r#"{{"x":{}{},"sessions":[]}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    assert!(parse(&deep).sessions.is_empty());
}

#[test]
fn what_is_no_json_is_refused_where_it_stops_making_sense() {
    assert_eq!(refuse(""), (1, 1, "EOF while parsing a value".to_owned()));
    assert_eq!(
        refuse("{\n"),
        (2, 1, "EOF while parsing an object".to_owned())
    );
    assert_eq!(
        refuse("{\n  \"sessions\": x\n}"),
        (2, 15, "expected value".to_owned())
    );
    assert_eq!(
        refuse(format!("{GOOD} x")),
        (1, GOOD.len() as u64 + 2, "trailing characters".to_owned())
    );
    assert_eq!(refuse(&GOOD[..40]).0, 1);
    assert_eq!(
        refuse(format!("\u{feff}{GOOD}")),
        (1, 1, "expected value".to_owned())
    );
}

#[test]
fn what_is_no_registry_is_refused() {
    let missing = "missing field `sessions`".to_owned();
    assert_eq!(refuse("{}"), (1, 2, missing));
    for text in ["null", "7", "\"a\"", "[]", "[[]]"] {
        let (line, _, detail) = refuse(text);
        assert_eq!(line, 1);
        assert!(
            detail.ends_with("expected an object with the field `sessions`"),
            "{detail}"
        );
    }
    for sessions in ["null", "{}", "7"] {
        let (line, column, detail) = refuse(format!("{{\"sessions\":{sessions}}}"));
        assert!(line == 1 && column > 11, "line {line} column {column}");
        assert!(detail.ends_with("expected a sequence"), "{detail}");
    }
    let (_, _, detail) = refuse(r#"{"sessions":[["a",7,"","",""]]}"#);
    assert!(
        detail.ends_with("expected a session's entry, which is an object"),
        "{detail}"
    );
}

#[test]
fn every_known_field_has_to_be_there() {
    for field in ["sid", "pid", "sock", "version", "created_at"] {
        let text = GOOD.replace(&format!("\"{field}\""), "\"other\"");
        assert_eq!(refuse(&text).2, format!("missing field `{field}`"));
    }
}

#[test]
fn no_known_field_may_be_there_twice() {
    let fields = [
        r#""sid":"a""#,
        r#""pid":7"#,
        r#""sock":"/a.sock""#,
        r#""version":"1""#,
        r#""created_at":"2026-01-01T00:00:00Z""#,
    ];
    for field in fields {
        let (_, _, detail) = refuse(GOOD.replace(field, &format!("{field},{field}")));
        assert!(detail.starts_with("duplicate field `"), "{detail}");
    }
    let twice = GOOD.replace("}]}", "}],\"sessions\":[]}");
    assert_eq!(refuse(twice).2, "duplicate field `sessions`");
}

#[test]
fn a_pid_is_an_unsigned_32_bit_number() {
    for good in ["0", "1", "2147483648", "4294967295"] {
        let text = GOOD.replace(":7", &format!(":{good}"));
        assert_eq!(parse(&text).sessions[0].pid.to_string(), good);
    }
    for bad in [
        "-1",
        "4294967296",
        "1.0",
        "1e2",
        "\"7\"",
        "null",
        "true",
        "[7]",
        "1234567890123456789012345678901234567890",
    ] {
        let (line, column, detail) = refuse(GOOD.replace(":7", &format!(":{bad}")));
        assert!(
            line == 1 && column >= 30,
            "{bad}: line {line} column {column}"
        );
        assert!(detail.contains("expected u32"), "{bad}: {detail}");
    }
}

#[test]
fn text_fields_are_text() {
    for field in [
        r#""a""#,
        r#""/a.sock""#,
        r#""1""#,
        r#""2026-01-01T00:00:00Z""#,
    ] {
        for bad in ["null", "7", "[]", "{}", "false"] {
            let (_, _, detail) = refuse(GOOD.replace(field, bad));
            assert!(
                detail.ends_with("expected a string"),
                "{field} as {bad}: {detail}"
            );
        }
    }
}

#[test]
fn the_first_byte_that_is_no_utf8_is_named() {
    let mut bytes = b"{\n\"\xc3\xa4".to_vec();
    bytes.extend(b"\xff\xfe\":1}");
    assert_eq!(
        refuse(&bytes),
        (2, 4, "byte 0xff does not belong to a UTF-8 text".to_owned())
    );
    let cut = b"{\"\xc3";
    assert_eq!(
        refuse(cut),
        (
            1,
            3,
            "the text ends in the middle of a UTF-8 character".to_owned()
        )
    );
    assert_eq!(
        refuse(b"\xff"),
        (1, 1, "byte 0xff does not belong to a UTF-8 text".to_owned())
    );
}

#[test]
fn a_detail_stays_short() {
    let long = GOOD.replace(":7", &format!(":\"{}\"", "ä".repeat(100_000)));
    let (_, _, detail) = refuse(long);
    assert!(detail.ends_with('…'), "{detail}");
    assert!(
        detail.len() <= LONGEST_DETAIL + '…'.len_utf8(),
        "{} bytes",
        detail.len()
    );
}

#[test]
fn a_claim_is_the_same_only_as_a_whole() {
    let registry = parse(GOOD);
    let entry = &registry.sessions[0];
    assert!(entry.same_claim(&Entry {
        version: "2".into(),
        ..entry.clone()
    }));
    for other in [
        Entry {
            sid: "b".into(),
            ..entry.clone()
        },
        Entry {
            pid: 8,
            ..entry.clone()
        },
        Entry {
            sock: "".into(),
            ..entry.clone()
        },
        Entry {
            created_at: "".into(),
            ..entry.clone()
        },
    ] {
        assert!(!entry.same_claim(&other), "{other:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_with_a_position(bytes: Vec<u8>) {
        if let Err(at) = Registry::parse(Some(&bytes)) {
            prop_assert!(at.line >= 1 && at.column >= 1, "{at:?}");
            prop_assert!(!at.detail.is_empty());
        }
    }

    #[test]
    fn a_registry_that_is_cut_short_is_refused_at_its_end(length in 0..GOOD.len()) {
        let (line, column, _) = refuse(&GOOD[..length]);
        prop_assert_eq!((line, column), (1, (length as u64).max(1)));
    }

    #[test]
    fn an_entry_that_is_written_is_read_again(
        sid: String, pid: u32, sock: String, version: String, created_at: String,
    ) {
        let entry = Entry {
            sid: sid.into(),
            pid,
            sock: sock.into(),
            version: version.into(),
            created_at: created_at.into(),
        };
        let text = serde_json::json!({ "sessions": [&entry] }).to_string();
        prop_assert_eq!(parse(&text).sessions, vec![entry]);
    }
}
