use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn entry(sid: &str, pid: u32) -> String {
    format!(r#"{{"sid":"{sid}","pid":{pid},"sock":"","version":"1","created_at":"x"}}"#)
}

fn sids(text: &[u8]) -> Vec<String> {
    let salvage = salvage(text);
    let claims = salvage.entries.into_iter().map(|entry| entry.claim);
    claims.map(|claim| claim.sid).collect()
}

/// The stretches that were lost, as text.
fn lost<'a>(text: &'a str, salvage: &Salvage<'_>) -> Vec<&'a str> {
    let lost = salvage.lost.iter();
    lost.map(|lost| &text[lost.bytes.clone()]).collect()
}

#[test]
fn a_whole_registry_loses_nothing() {
    let odd = "{ \"n\":1.00e400,\"n\":[null, {}],\"sid\" : \"b\\u0000é\",\n\"pid\":3,\
               \"sock\":\"\",\"version\":\"\",\"created_at\":\"\"}";
    let text = format!(
        "\u{feff}{{\"a\":\"ü\", \"sessions\" : [{} ,\n {odd}], \"z\" : [{{\"sid\":1}}]\n}}\n",
        entry("a", 2)
    );
    let salvage = salvage(text.as_bytes());
    assert_eq!(salvage.before, ["\"a\":\"ü\""]);
    assert_eq!(salvage.after, ["\"z\" : [{\"sid\":1}]"]);
    assert_eq!(salvage.lost, []);
    let texts: Vec<_> = salvage.entries.iter().map(|entry| &entry.text).collect();
    assert_eq!(texts, [&entry("a", 2), odd]);
    assert!(matches!(texts[0], std::borrow::Cow::Borrowed(_)));
    assert_eq!(salvage.entries[1].claim.sid, "b\0é");
    assert_eq!(&text[salvage.entries[1].at..][..5], "{ \"n\"");
}

#[test]
fn what_was_cut_off_is_lost_and_the_rest_is_not() {
    let text = format!("{{\"sessions\":[{},{}]}}", entry("a", 2), entry("b", 3));
    let cut = &text[..text.len() - 5];
    assert_eq!(sids(cut.as_bytes()), ["a"]);
    let salvage = salvage(cut.as_bytes());
    assert_eq!(
        lost(cut, &salvage),
        [&entry("b", 3)[..entry("b", 3).len() - 3]]
    );
    assert!(sids(b"").is_empty() && sids(b"{\"sessions\":[").is_empty());
}

#[test]
fn each_kind_of_damage_costs_what_it_hit() {
    let (a, b, c) = (entry("a", 2), entry("b", 3), entry("c", 4));
    for (text, expected) in [
        // Garbage in the middle, at the beginning, and at the end.
        (format!("{{\"sessions\":[{a},#\u{7f}{{,{b}]}}"), "a b"),
        (format!("xx{{{{\"sessions\":[{a},{b}]}}"), "a b"),
        (format!("{{\"sessions\":[{a},{b}]}}]]}}{{"), "a b"),
        // Commas, brackets, zeros.
        (format!("{{\"sessions\":[{a},,{b},],}}"), "a b"),
        (format!("{{\"sessions\":[{a}{b}"), "a b"),
        (format!("{a},{b}]}}"), "a b"),
        (format!("{{\"sessions\":{{\"a\":{a},\"b\":{b}}}}}"), "a b"),
        (format!("{{\"sessions\":[{a},{b}\0\0\0\0"), "a b"),
        (format!("{{\"sessions\":[{a},\0\0\0\0\0{b}]}}"), "a b"),
        // Several documents.
        (
            format!("{{\"sessions\":[{a}]}}{{\"sessions\":[{b}]}}"),
            "a b",
        ),
        (
            format!("{{\"sessions\":[{a},{b}]}}\n{{\"sessions\":[{a},{c}]}}"),
            "b a c",
        ),
        (
            format!("{{\"sessions\":[{a},{{\"sid\":\"b\",\"p{{\"sessions\":[{b},{c}]}}"),
            "a b c",
        ),
        (format!("{a}\n{b}\n"), "a b"),
        // Another shape.
        (format!("[{a},{b}]"), "a b"),
        (format!("{{\"sess\u{7f}ons\":[{a},{b}],\"z\":1}}"), "a b"),
        ("[[\"a\",2]]".to_owned(), ""),
    ] {
        assert_eq!(sids(text.as_bytes()).join(" "), expected, "{text}");
    }
}

#[test]
fn what_is_known_around_the_entries_is_kept() {
    let text = format!(
        "{{\"first\":1,\"sessions\":[{},{{\"sid\":\"b\",\"pi],\"second\":{{\"x\":2}}}}",
        entry("a", 2)
    );
    let found = salvage(text.as_bytes());
    assert_eq!(found.before, ["\"first\":1"]);
    let text = format!(
        "{{\"sessions\":[{},#,{}],\"second\":{{}}}}",
        entry("a", 2),
        entry("b", 3)
    );
    let found = salvage(text.as_bytes());
    assert_eq!(found.after, ["\"second\":{}"]);
    assert_eq!(lost(&text, &found), ["#,"]);
    let text = format!(
        "{{\"sessions\":1,\"sessions\":[],\"x\":0}}{{\"y\":{}}}",
        entry("a", 2)
    );
    let found = salvage(text.as_bytes());
    assert_eq!((found.before.len(), found.after), (0, vec!["\"x\":0"]));
    assert_eq!(found.lost.len(), 2);
}

#[test]
fn an_entry_that_lacks_a_field_is_completed() {
    let text = r#"{"sessions":[{"sid":"a","more":[1],"pid":2 }]}"#;
    let found = salvage(text.as_bytes());
    assert_eq!(
        found.entries[0].completed,
        ["sock", "version", "created_at"]
    );
    let whole = r#"{"sid":"a","more":[1],"pid":2 ,"sock":"","version":"","created_at":""}"#;
    assert_eq!(found.entries[0].text, whole);
}

#[test]
fn what_names_a_session_and_is_no_entry_is_told() {
    for object in [
        r#"{"sid":"a"}"#,
        r#"{"sid":"a","pid":-2}"#,
        r#"{"sid":7,"pid":2}"#,
        r#"{"sid":"a","pid":2,"sock":null}"#,
        r#"{"sid":"a","pid":2,"pid":3}"#,
    ] {
        let text = format!("{{\"sessions\":[{object},{}]}}", entry("b", 3));
        let found = salvage(text.as_bytes());
        assert_eq!(found.entries.len(), 1, "{object}");
        assert_eq!(lost(&text, &found), [object]);
        assert!(!found.lost[0].why.contains("column"), "{:?}", found.lost);
    }
}

/// Text that is followed to its end again and again takes no more than a few looks.
#[test]
fn no_text_takes_long() {
    for unit in [
        "{\"a\":",
        "[",
        "{",
        "{\"",
        "{\"{\":[",
        "\"",
        "{\"sessions\":[",
    ] {
        let text = unit.repeat(200_000);
        let started = std::time::Instant::now();
        assert!(sids(text.as_bytes()).is_empty(), "{unit}");
        assert!(started.elapsed().as_secs() < 30, "{unit}");
    }
}

fn fields() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A registry of entries with sids of their own, and where each stands in its text.
fn registry() -> impl Strategy<Value = (String, Vec<Range<usize>>)> {
    let entry = (".{0,6}", any::<u32>(), ".{0,8}", prop::option::of(fields()));
    (prop::collection::vec(entry, 0..5), any::<bool>(), fields()).prop_map(
        |(entries, pretty, more)| {
            let mut text = json!({ "more": more }).to_string();
            text.pop();
            text.push_str(",\"sessions\":[");
            let mut places = Vec::new();
            for (index, (sid, pid, sock, unknown)) in entries.into_iter().enumerate() {
                let mut entry = json!({
                    "sid": format!("{index}{sid}"), "pid": pid, "sock": sock,
                    "version": "", "created_at": "",
                });
                if let Some(unknown) = unknown {
                    entry["unknown"] = unknown;
                }
                text.push_str(if index > 0 { ",\n" } else { "" });
                let begin = text.len();
                let written = if pretty {
                    serde_json::to_string_pretty(&entry)
                } else {
                    serde_json::to_string(&entry)
                };
                text.push_str(&written.expect("JSON"));
                places.push(begin..text.len());
            }
            text.push_str("]}");
            (text, places)
        },
    )
}

/// Checks that the entries at these places were all found, byte for byte.
fn assert_found(text: &[u8], untouched: &[Range<usize>]) -> Result<(), TestCaseError> {
    let found = salvage(text);
    for place in untouched {
        let entry = found.entries.iter().find(|entry| entry.at == place.start);
        let entry = entry.map(|entry| entry.text.as_bytes());
        prop_assert_eq!(entry, Some(&text[place.clone()]), "at {}", place.start);
    }
    let stretches = found.lost.iter().map(|lost| &lost.bytes);
    for bytes in stretches {
        prop_assert!(bytes.start <= bytes.end && bytes.end <= text.len());
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_prefix_keeps_the_entries_that_it_holds((text, places) in registry(), cut in 0.0..1.0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a place within a short text")]
        let cut = (text.len() as f64 * cut) as usize;
        let whole: Vec<_> = places.into_iter().filter(|place| place.end <= cut).collect();
        assert_found(&text.as_bytes()[..cut], &whole)?;
    }

    #[test]
    fn one_damaged_byte_costs_the_entry_that_it_hits_at_most(
        (text, places) in registry(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let untouched: Vec<_> = places.into_iter().filter(|place| !place.contains(&at)).collect();
        assert_found(&text, &untouched)?;
    }

    #[test]
    fn nothing_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        assert_found(&text, &[])?;
    }

    /// Made of what registries are made of.
    #[test]
    fn no_jumble_makes_it_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\\", "\0", "\u{e9}", " ", "1", "\"sid\":\"a\"",
                "\"pid\":1", "\"sessions\":[", "{\"sid\":\"a\",\"pid\":1}", "null",
            ]),
            0..60,
        )
    ) {
        assert_found(parts.concat().as_bytes(), &[])?;
    }
}
