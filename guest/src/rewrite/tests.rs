use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

const ENTRY: &str = r#"{"sid":"n","pid":9,"sock":"","version":"","created_at":"t"}"#;

fn new_entry() -> Entry<'static> {
    Entry {
        sid: "n".into(),
        pid: 9,
        sock: "".into(),
        version: "".into(),
        created_at: "t".into(),
    }
}

fn rewritten(text: &str, remove: &[usize], append: bool) -> String {
    let registry = Registry::parse(Some(text.as_bytes())).expect("a registry");
    let entry = new_entry();
    let bytes = rewrite(
        &registry,
        &|index| remove.contains(&index),
        append.then_some(&entry),
    )
    .expect("a parsed registry can be rewritten");
    String::from_utf8(bytes).expect("UTF-8")
}

fn element(sid: &str) -> String {
    format!(r#"{{"sid":"{sid}","pid":1,"sock":"","version":"","created_at":""}}"#)
}

/// Three entries, written out over lines, with things that only a splice keeps.
fn pretty() -> String {
    let [a, b, c] = ["a", "b", "c"].map(element);
    let b = b.replace(
        "{",
        r#"{"big":1234567890123456789012345678901234567890,"x":"\u00e4","x":1.50,"#,
    );
    format!(
        "{{\n  \"v\" : 1,\n  \"sessions\": [\n    {a},\n    {b} ,\n\n    {c}\n  ],\n  \"v\": [ ]\n}}\n"
    )
}

#[test]
fn removing_takes_the_element_with_one_separator() {
    let [a, b, c] = ["a", "b", "c"].map(element);
    let text = format!("{{\"sessions\":[{a}, {b} ,{c}]}}");
    for (remove, left) in [
        (vec![0], format!("{b} ,{c}")),
        (vec![1], format!("{a} ,{c}")),
        (vec![2], format!("{a}, {b}")),
        (vec![0, 1], c.clone()),
        (vec![1, 2], a.clone()),
        (vec![0, 2], b.clone()),
        (vec![0, 1, 2], String::new()),
        (vec![], format!("{a}, {b} ,{c}")),
    ] {
        assert_eq!(
            rewritten(&text, &remove, false),
            format!("{{\"sessions\":[{left}]}}")
        );
    }
}

#[test]
fn what_stays_keeps_every_byte() {
    let text = pretty();
    let middle = &text[text.find("{\"big\"").expect("b")..text.rfind(" ,\n").expect("after b")];
    assert_eq!(
        rewritten(&text, &[0, 2], false),
        format!("{{\n  \"v\" : 1,\n  \"sessions\": [\n    {middle}\n  ],\n  \"v\": [ ]\n}}\n")
    );
    assert_eq!(
        rewritten(&text, &[0, 1, 2], false),
        "{\n  \"v\" : 1,\n  \"sessions\": [],\n  \"v\": [ ]\n}\n"
    );
}

#[test]
fn an_appended_entry_is_indented_like_the_last_one() {
    let text = pretty();
    let whole = rewritten(&text, &[], true);
    assert_eq!(
        whole,
        text.replace("\n  ],", &format!(",\n\n    {ENTRY}\n  ],"))
    );
    let alone = rewritten(&text, &[0, 1, 2], true);
    assert!(alone.contains(&format!("[\n\n    {ENTRY}\n  ]")), "{alone}");
}

#[test]
fn an_entry_is_appended_to_an_empty_pool() {
    assert_eq!(
        rewritten("{\"sessions\":[]}", &[], true),
        format!("{{\"sessions\":[{ENTRY}]}}")
    );
    assert_eq!(
        rewritten("{\"sessions\":[\n ]}", &[], true),
        format!("{{\"sessions\":[{ENTRY}]}}")
    );
}

#[test]
fn a_registry_that_is_not_there_is_made() {
    let absent = Registry::parse(None).expect("an empty pool");
    let bytes = rewrite(&absent, &|_| false, Some(&new_entry())).expect("text");
    assert_eq!(bytes, format!("{{\"sessions\":[{ENTRY}]}}\n").into_bytes());
}

#[test]
fn commas_and_brackets_within_text_are_not_separators() {
    let [a, b] = ["],[", "a,\\\"}]"].map(element);
    let text = format!("{{\"sessions\" :[ {a} , {b}\t]}}");
    assert_eq!(
        rewritten(&text, &[0], false),
        format!("{{\"sessions\" :[ {b}\t]}}")
    );
    assert_eq!(
        rewritten(&text, &[1], false),
        format!("{{\"sessions\" :[ {a}\t]}}")
    );
}

fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,3}"
}

/// JSON text of an unknown value, as nobody would format it.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "-?[1-9][0-9]{0,39}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        Just(r#""\u00e4\/\ud83d\ude00""#.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (space(), prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(space, items)| format!("[{space}{}{space}]", items.join(","))),
            (space(), prop::collection::vec(inner, 0..3)).prop_map(|(space, items)| {
                let fields: Vec<_> = items
                    .iter()
                    .map(|item| format!("\"sid\"{space}:{space}{item}"))
                    .collect();
                format!("{{{space}{}}}", fields.join(&format!("{space},")))
            }),
        ]
    })
}

/// An object's text: these fields and up to two unknown ones, shuffled, oddly spaced.
fn object(fields: Vec<(&'static str, String)>) -> impl Strategy<Value = String> {
    let unknown = prop::collection::vec(("x_[a-z]{0,2}", value()), 0..3);
    (unknown, space(), space())
        .prop_flat_map(move |(unknown, left, right)| {
            let known = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()));
            let all: Vec<_> = known
                .chain(unknown)
                .map(|(name, value)| format!("{left}\"{name}\"{right}:{left}{value}{right}"))
                .collect();
            Just(all).prop_shuffle()
        })
        .prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

fn entry() -> impl Strategy<Value = String> {
    (any::<String>(), any::<u32>(), any::<String>()).prop_flat_map(|(sid, pid, sock)| {
        let text = |text: String| serde_json::Value::from(text).to_string();
        object(vec![
            ("sid", text(sid)),
            ("pid", pid.to_string()),
            ("sock", text(sock)),
            ("version", "\"\"".to_owned()),
            ("created_at", "\"2026\"".to_owned()),
        ])
    })
}

/// Elements, the document that holds them, and some places among them.
fn document() -> impl Strategy<Value = (Vec<String>, String, Vec<usize>)> {
    (prop::collection::vec(entry(), 1..6), space(), space()).prop_flat_map(
        |(elements, left, right)| {
            let separator = format!("{left},{right}");
            let sessions = format!("[{right}{}{left}]", elements.join(&separator));
            let places: Vec<_> = (0..elements.len()).collect();
            let some = subsequence(places, 0..=elements.len());
            (Just(elements), object(vec![("sessions", sessions)]), some)
        },
    )
}

proptest! {
    #[test]
    fn exactly_the_named_entries_go(
        (elements, text, remove) in document(),
        append: bool,
    ) {
        let after = rewritten(&text, &remove, append);
        let registry = Registry::parse(Some(text.as_bytes())).expect("a registry");
        let rest = Registry::parse(Some(after.as_bytes())).expect("still a registry");
        let stays = |index: &usize| !remove.contains(index);

        let mut expected: Vec<_> = (0..elements.len())
            .filter(stays)
            .map(|index| registry.sessions[index].clone())
            .collect();
        expected.extend(append.then(new_entry));
        prop_assert_eq!(&rest.sessions, &expected);

        let (old, new) = (Array::locate(&text).expect("old"), Array::locate(&after).expect("new"));
        prop_assert_eq!(&text[..old.inside.start], &after[..new.inside.start]);
        prop_assert_eq!(&text[old.inside.end..], &after[new.inside.end..]);
        let kept = elements.iter().enumerate().filter(|(index, _)| stays(index));
        for ((_, element), span) in kept.zip(&new.elements) {
            prop_assert_eq!(element, &after[span.clone()]);
        }
        if remove.is_empty() && !append {
            prop_assert_eq!(text, after);
        }
    }
}
