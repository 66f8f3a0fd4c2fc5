//! Whatever a registry holds and whatever is asked, what is not known is kept, byte for byte.

use std::fmt;
use std::time::Duration;

use poolwarden::{Cancel, Error, Policy, Pool, PoolBuilder, Register, Request, Stop};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::harness::{NO_PROCESS, TestPool, Worker, now};

/// The fields of an object: names, and values as they are written.
struct Fields<'a>(Vec<(String, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfMap;
        impl<'de> Visitor<'de> for OfMap {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    fields.push((name, value.get()));
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(OfMap)
    }
}

/// A registry as it is written: what is beside the sessions, and each entry.
struct Written<'a> {
    beside: Vec<(String, &'a str)>,
    entries: Vec<&'a str>,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Self {
        let Fields(mut fields) = serde_json::from_str(text).expect("an object");
        let place = fields.iter().position(|(name, _)| name == "sessions");
        let (_, sessions) = fields.remove(place.expect("sessions"));
        let entries: Vec<&RawValue> = serde_json::from_str(sessions).expect("an array");
        Self {
            beside: fields,
            entries: entries.into_iter().map(RawValue::get).collect(),
        }
    }
}

/// What is known of an entry.
#[derive(Deserialize)]
struct Known {
    sid: String,
    pid: u32,
}

fn known(entry: &str) -> Known {
    serde_json::from_str(entry).expect("an entry")
}

/// White space, as JSON has it.
fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,2}"
}

/// A value that nobody here knows, as it may be written.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "-0",
            "1e400",
            "1.0",
            "0.10",
            "1E-7",
            "123456789012345678901234567890",
            "\"\\ud800\"",
            "\"\\u0073id\"",
            "\"\\/\"",
            "\"\"",
            "[]",
            "{}",
        ])
        .prop_map(str::to_owned),
        any::<f64>()
            .prop_map(|number| format!("{number:e}"))
            .prop_filter("a number", |text| !text.contains("inf")
                && !text.contains("NaN"),),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let padded = (space(), inner, space())
            .prop_map(|(a, value, b)| a + &value + &b)
            .boxed();
        prop_oneof![
            prop::collection::vec(padded.clone(), 0..4)
                .prop_map(|values| format!("[{}]", values.join(","))),
            // Names may stand twice.
            prop::collection::vec((select(vec!["a", "sid", "\\u0061", ""]), padded), 0..4)
                .prop_map(|fields| {
                    let fields = fields
                        .iter()
                        .map(|(name, value)| format!("\"{name}\":{value}"));
                    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
                }),
        ]
    })
}

/// An object with these fields and unknown ones among them, in any order.
fn object(known: Vec<(&'static str, String)>) -> impl Strategy<Value = String> {
    let names = select(vec![
        "x", "x", "größe", "\\u0078", "Sid", "", "pid ", "a\\nb",
    ]);
    let unknown = prop::collection::vec((names, value()), 0..4);
    (unknown, any::<Vec<Index>>(), space()).prop_map(move |(unknown, places, space)| {
        let mut fields: Vec<String> = unknown
            .iter()
            .map(|(name, value)| format!("{space}\"{name}\":{space}{value}"))
            .collect();
        for (number, (name, value)) in known.iter().enumerate() {
            let end = fields.len();
            let place = places.get(number).map_or(end, |place| place.index(end + 1));
            fields.insert(place, format!("\"{name}\"{space}:{value}"));
        }
        format!("{{{}{space}}}", fields.join(","))
    })
}

/// Who an entry is about.
const PIDS: [u32; 4] = [1, NO_PROCESS, 0, u32::MAX];
const SIDS: [&str; 4] = ["a", "b", "ü \u{202e}", "with \"quotes\"\\\n"];

/// An entry of the live worker or of nobody.
fn entry(live: u32) -> impl Strategy<Value = String> {
    let texts = (select(SIDS.to_vec()), any::<String>(), any::<String>());
    let pids: Vec<u32> = PIDS.into_iter().chain([live]).collect();
    let text = |text: &str| serde_json::Value::from(text).to_string();
    (texts, select(pids), any::<bool>()).prop_flat_map(move |((sid, version, at), pid, dated)| {
        let created_at = if dated { now() } else { at };
        object(vec![
            ("sid", text(sid)),
            ("pid", pid.to_string()),
            ("sock", text("")),
            ("version", text(&version)),
            ("created_at", text(&created_at)),
        ])
    })
}

fn registry(live: u32) -> impl Strategy<Value = String> {
    (prop::collection::vec(entry(live), 0..6), space()).prop_flat_map(|(entries, space)| {
        let separator = format!("{space},{space}");
        let sessions = format!("[{space}{}{space}]", entries.join(&separator));
        object(vec![("sessions", sessions)])
    })
}

/// A request that ends no living process.
fn request(new: u32) -> impl Strategy<Value = Request> {
    let sid = || select(SIDS.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        any::<bool>().prop_map(|dry_run| Request::Ensure { dry_run }),
        prop::option::of(sid()).prop_map(|sid| Request::Status { sid }),
        (sid(), any::<bool>()).prop_map(|(sid, even_if_alive)| Request::Forget {
            sid,
            even_if_alive,
            pid: None,
        }),
        (sid(), any::<String>()).prop_map(move |(sid, version)| Request::Register(Register {
            sid,
            pid: new,
            sock: String::new(),
            version,
        })),
        prop::option::of(sid()).prop_map(|sid| Request::Stop(Stop {
            sid,
            dry_run: true,
            grace: Duration::ZERO,
            ..Stop::default()
        })),
    ]
}

/// Checks what a request made of a registry.
fn check(before: &str, after: &str, request: &Request, done: &Result<(), Error>, live: u32) {
    if done.is_err() || request.is_dry_run() {
        assert_eq!(after, before, "{done:?}");
    }
    let (before, after) = (Written::read(before), Written::read(after));
    assert_eq!(after.beside, before.beside);
    let mut left = after.entries.iter().peekable();
    for entry in &before.entries {
        if left.next_if(|next| *next == entry).is_some() {
            continue;
        }
        let Known { sid, pid } = known(entry);
        let forgotten = matches!(request, Request::Forget { sid: named, .. } if *named == sid);
        assert!(forgotten || (pid != live && pid != 1), "{entry} was lost");
    }
    match (left.next(), request) {
        (None, _) => {}
        (Some(added), Request::Register(register)) => {
            let Known { sid, pid } = known(added);
            assert_eq!((&sid, pid), (&register.sid, register.pid));
            assert_eq!(left.next(), None);
        }
        (Some(added), _) => panic!("{added} was added, or stands elsewhere"),
    }
}

#[test]
fn keeps_what_nobody_knows_whatever_is_asked() {
    let (live, new) = (Worker::obedient(), Worker::obedient());
    let files = TestPool::new();
    let policy = Policy::shipped().expect("the shipped policy loads");
    let pool: Pool = PoolBuilder::new(files.directory()).build(policy);
    let cancel = Cancel::new().expect("eventfd");
    let text_now = || String::from_utf8(files.bytes()).expect("UTF-8");

    let cases = (
        registry(live.pid()),
        prop::collection::vec(request(new.pid()), 1..4),
    );
    let config = ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&cases, |(registry, requests)| {
            files.write(&registry);
            for request in requests {
                let before = text_now();
                let done = pool.call(request.clone(), &cancel).map(drop);
                check(&before, &text_now(), &request, &done, live.pid());
                if let Err(error) = done {
                    prop_assert!(matches!(error, Error::Rejected(_)), "{error:?}");
                }
            }
            Ok(())
        })
        .expect("every case");
    assert!(live.is_running() && new.is_running());
}
