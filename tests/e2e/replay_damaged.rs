//! Recordings that are damaged, hostile, of another time or of another format.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Ran, TestPool};
use crate::record::{Recorded, text};

/// A file with these lines, replayed.
fn replay(pool: &TestPool, lines: impl AsRef<[u8]>) -> Ran {
    let file = pool.root().join("hostile.jsonl");
    fs::write(&file, lines).expect("write");
    pool.run(&["policy", "replay", "shipped", text(&file)])
}

/// One good recording, as a line without its end.
fn good() -> String {
    let pool = Recorded::new(TestPool::new());
    pool.run(&["ensure"]);
    let text = fs::read_to_string(&pool.file).expect("a recording");
    text.trim_end().to_owned()
}

#[test]
fn a_line_that_is_no_recording_is_named_and_the_rest_is_replayed() {
    let pool = TestPool::new();
    let good = good();
    let parsed: Value = serde_json::from_str(&good).expect("JSON");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut recording = parsed.clone();
        change(&mut recording);
        recording.to_string().into_bytes()
    };
    let deep = [&b"{\"version\":1,\"x\":"[..], &b"[".repeat(1_000_000)].concat();
    let deep_call = good.replacen("\"read\"", &format!("{}1", "{\"wait\":".repeat(10_000)), 1);
    let hostile: Vec<(Vec<u8>, &str)> = vec![
        (b"text".to_vec(), "is no recording"),
        (b"\xff\xfe".to_vec(), "is no recording"),
        (b"null".to_vec(), "is no recording"),
        (b"[]".to_vec(), "is no recording"),
        (b"{}".to_vec(), "missing field `version`"),
        (b"{\"version\":1}".to_vec(), "missing field"),
        (b"{\"version\":-1}".to_vec(), "is no recording"),
        (deep, "is no recording"),
        (deep_call.into_bytes(), "is no recording"),
        (
            good.as_bytes()[..good.len() / 2].to_vec(),
            "is no recording",
        ),
        (with(&|it| it["version"] = json!(2)), "version 2"),
        (
            with(&|it| it["version"] = json!(u64::MAX)),
            "use the newer program",
        ),
        (with(&|it| it["calls"] = json!("none")), "is no recording"),
        (
            with(&|it| it["calls"][0] = json!({"dance": {}})),
            "unknown variant `dance`",
        ),
        (
            with(&|it| it["calls"][0] = json!({"begin": {"registry": {"base64": "?"}}})),
            "base64",
        ),
        (
            with(&|it| it["request"] = json!({"ensure": {"dry_run": "no"}})),
            "is no recording",
        ),
        (with(&|it| it["at"] = json!("soon")), "is no recording"),
        (
            with(&|it| it["grants"] = json!(["everything"])),
            "unknown grant",
        ),
    ];
    for (line, wrong) in hostile {
        let lines = [
            good.as_bytes(),
            b"\n",
            &line,
            b"\n\n",
            good.as_bytes(),
            b"\n",
        ]
        .concat();
        let ran = replay(&pool, lines);
        let report = ran.answer(1);
        assert_eq!(report["requests"], 2, "{wrong}: {report:#}");
        assert_eq!(report["different"], 0, "{wrong}: {report:#}");
        let problem = report["problems"][0].as_str().expect("a problem");
        assert!(problem.contains("line 2 of "), "{problem}");
        assert!(problem.contains(wrong), "{wrong}: {problem}");
        assert!(ran.stderr.contains("line 2 of "), "{ran:#?}");
    }
}

#[test]
fn what_is_wrong_with_a_line_is_told_once_with_its_column() {
    let pool = TestPool::new();
    let file = pool.root().join("hostile.jsonl");
    for (line, what) in [
        ("text\n", "expected ident at column 2"),
        ("{\"version\":1,}\n", "trailing comma at column 14"),
        ("{}\n", "missing field `version` at column 2"),
    ] {
        let ran = replay(&pool, line);
        let told = format!(
            "error: line 1 of {} is no recording: {what}\n",
            file.display()
        );
        assert_eq!(ran.stderr, told);
        ran.answer(1);
    }
}

#[test]
fn a_line_that_is_too_long_is_passed_over_and_not_kept() {
    let pool = TestPool::new();
    let good = good();
    let huge = format!("{{\"version\":1,\"x\":\"{}\"}}", "x".repeat(65 << 20));
    let ran = replay(&pool, format!("{huge}\n{good}\n"));
    let report = ran.answer(1);
    assert_eq!(report["requests"], 1);
    let problem = report["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("has more than"), "{problem}");
}

#[test]
fn a_line_without_an_end_is_told_as_such() {
    let pool = TestPool::new();
    let good = good();
    let ran = replay(&pool, format!("{good}\n{}", &good[..good.len() / 2]));
    assert!(ran.stderr.contains("has no end"), "{ran:?}");
    assert_eq!(ran.answer(1)["requests"], 1);
}

#[test]
fn fields_that_a_later_version_adds_are_passed_over() {
    let pool = TestPool::new();
    let mut later: Value = serde_json::from_str(&good()).expect("JSON");
    for place in [
        "",
        "/asked_by",
        "/policy",
        "/request/ensure",
        "/calls/0/begin",
    ] {
        later.pointer_mut(place).expect("it is there")["later"] = json!({"a": [1, {}]});
    }
    let ran = replay(&pool, format!("{later}\n"));
    assert_eq!(ran.answer(0)["requests"], 1, "{ran:?}");
}

/// What a hostile recording says about workers is no more than odd: numbers of targets
/// that were never opened, findings without a transaction, times before all times.
#[test]
fn a_recording_that_makes_no_sense_harms_nobody() {
    let pool = TestPool::new();
    let mut recording: Value = serde_json::from_str(&good()).expect("JSON");
    let claim = json!({"sid": "a", "pid": 1, "created_at": "", "sock": ""});
    recording["calls"] = json!([
        "end",
        "read",
        {"send": {"target": 7, "signal": "kill"}},
        {"wait": {"targets": [7, u64::MAX], "timeout_ms": u64::MAX, "ended": [true]}},
        {"inspect": {"found": [{"claim": claim, "finding": {"standing": "gone"}}]}},
        {"replace": {"registry": {"text": ""}}},
        {"begin": {"registry": {"text": "{\"sessions\":[]}"}}},
        {"begin": {"registry": null}},
        {"open": {"sid": "a", "pid": 1, "target": 0}},
        {"now": {"at": "-009999-01-02T01:59:59Z"}},
    ]);
    recording["request"] = json!({"stop": {"sid": null, "signal": "kill", "group": true,
        "grace_ms": u64::MAX, "force": true, "dry_run": false}});
    let ran = replay(&pool, format!("{recording}\n"));
    let report = ran.answer(1);
    assert_eq!(
        (&report["requests"], &report["failed"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let pool = TestPool::new();
    let ran = pool.run(&["policy", "replay", "shipped", "/nowhere/recordings.jsonl"]);
    assert!(ran.stderr.contains("/nowhere/recordings.jsonl"), "{ran:?}");
    assert_eq!(ran.answer(1)["requests"], 0);
}

/// A promise on the format: recordings of version 1, of every kind of request, call and
/// outcome, made once and never changed. They stay readable, and what the shipped policy
/// makes of them keeps its effects. (Its words may get better.)
#[test]
fn recordings_of_version_1_stay_readable() {
    let pool = TestPool::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/recordings/v1.jsonl");
    let lines = fs::read_to_string(&file).expect("the fixture");
    let ran = pool.run(&["policy", "replay", "shipped", text(&file)]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("a report");
    assert_eq!(report["problems"], json!([]));
    assert_eq!(report["requests"], lines.lines().count());
    assert_eq!(report["failed"], 0);
    let none = json!({"more": [], "fewer": []});
    for different in report["differences"].as_array().expect("differences") {
        for effect in ["removed", "added", "signalled"] {
            assert_eq!(different["difference"][effect], none, "{different:#}");
        }
    }
    for kind in ALL {
        assert!(lines.contains(kind), "the fixture has no {kind}");
    }
}

/// What the fixture has to hold, so that the promise is on all of it.
const ALL: &[&str] = &[
    "{\"ensure\":{",
    "{\"status\":{",
    "{\"stop\":{",
    "{\"register\":{",
    "{\"forget\":{",
    "{\"begin\":{",
    "\"read\"",
    "{\"replace\":{",
    "\"end\"",
    "{\"inspect\":{",
    "{\"look\":{",
    "{\"open\":{",
    "{\"send\":{",
    "{\"send-group\":{",
    "{\"wait\":{",
    "{\"now\":{",
    "{\"config\":{",
    "{\"log\":{",
    "\"base64\":",
    "\"last_signal\":",
    "\"answer\":{",
    "\"kind\":\"busy\"",
    "\"kind\":\"corrupted\"",
    "\"kind\":\"denied\"",
    "\"kind\":\"refused\"",
    "\"kind\":\"rejected\"",
    "\"kind\":\"policy\"",
];
