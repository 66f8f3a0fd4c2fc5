//! Entries that nobody writes by accident: answered or clearly refused, and nothing lost.

use std::fs;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use poolwarden::life::Waited;
use poolwarden::{Cancel, Error, Policy, Pool, PoolBuilder, Request, Stop};
use serde_json::{Value, json};

use crate::harness::{Entry, NO_PROCESS, TestPool, Worker};

/// A pool with a live worker and, beside it, what is hostile.
struct Scene {
    files: TestPool,
    pool: Pool,
    cancel: Cancel,
    live: Worker,
    /// The worker's entry, as it stands in the file.
    entry: String,
}

impl Scene {
    fn new() -> Self {
        let files = TestPool::new();
        let policy = Policy::shipped().expect("the shipped policy loads");
        let live = Worker::obedient();
        Self {
            pool: PoolBuilder::new(files.directory()).build(policy),
            files,
            cancel: Cancel::new().expect("eventfd"),
            entry: live.entry("live").text(),
            live,
        }
    }

    /// Writes a registry of the worker's entry and one with this text.
    fn write(&self, hostile: &str) -> Vec<u8> {
        self.write_sessions(&format!("[{},{hostile}]", self.entry))
    }

    fn write_sessions(&self, sessions: &str) -> Vec<u8> {
        self.files.write(format!("{{\"sessions\":{sessions}}}"));
        self.files.bytes()
    }

    /// Asks everything that has no effect on a living worker.
    fn ask_all(&self, sid: &str) -> Vec<Result<Value, Error>> {
        let stop = |sid: &str| {
            Request::Stop(Stop {
                sid: Some(sid.to_owned()),
                grace: Duration::ZERO,
                ..Stop::default()
            })
        };
        let forget = Request::Forget {
            sid: sid.to_owned(),
            even_if_alive: false,
            pid: None,
        };
        let sid = sid.to_owned();
        let requests = [
            Request::Ensure { dry_run: true },
            stop(&sid),
            forget,
            Request::Status { sid: Some(sid) },
            Request::Status { sid: None },
            Request::Ensure { dry_run: false },
        ];
        requests
            .into_iter()
            .map(|request| Ok(self.pool.call(request, &self.cancel)?.value()))
            .collect()
    }

    /// Checks that every request is answered, or rejected for a reason, and that the worker
    /// stays and is seen to run.
    #[track_caller]
    fn assert_answered(&self, hostile: &str, sid: &str) {
        let what = hostile.get(..200).unwrap_or(hostile);
        self.write(hostile);
        for answer in self.ask_all(sid) {
            match answer {
                Ok(_) | Err(Error::Rejected(_)) => {}
                Err(error) => panic!("{what}: {error:?}"),
            }
        }
        self.assert_kept(what);
    }

    #[track_caller]
    fn assert_kept(&self, what: &str) {
        let status = Request::Status {
            sid: Some("live".into()),
        };
        let answer = self.pool.call(status, &self.cancel).expect(what).value();
        assert_eq!(answer["sessions"][0]["status"], "running", "{what}");
        let text = String::from_utf8(self.files.bytes()).expect("UTF-8");
        assert!(text.contains(&self.entry), "{what}");
        assert!(self.live.is_running(), "{what}");
    }

    /// Checks that every request is refused for the registry's sake, host and policy alike,
    /// and that the file stays as it is.
    #[track_caller]
    fn assert_refused(&self, sessions: &str) {
        let what = sessions.get(..200).unwrap_or(sessions);
        let before = self.write_sessions(sessions);
        let stamp = self.files.stamp();
        for answer in self.ask_all("x") {
            assert!(
                matches!(
                    answer,
                    Err(Error::Corrupted {
                        line: 1..,
                        column: 1..,
                        ..
                    })
                ),
                "{what}: {answer:?}"
            );
        }
        let host = self.pool.wait("x", Some(Duration::ZERO), &self.cancel);
        assert!(matches!(host, Err(Error::Corrupted { .. })), "{what}");
        assert_eq!(self.files.bytes(), before, "{what}");
        assert_eq!(self.files.stamp(), stamp, "{what}");
    }
}

/// The text of an entry with one field's value replaced by this text.
fn with(field: &str, value: &str) -> String {
    let mut fields = vec![
        ("sid", "\"x\""),
        ("pid", "1"),
        ("sock", "\"\""),
        ("version", "\"1\""),
        ("created_at", "\"2026-01-01T00:00:00Z\""),
    ];
    match fields.iter_mut().find(|(name, _)| *name == field) {
        Some(known) => known.1 = value,
        None => fields.push((field, value)),
    }
    let fields = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

#[test]
fn a_sid_may_be_any_text() {
    let scene = Scene::new();
    let controls = (0..0x20).chain(0x7f..0xa0);
    let acting = (0x200b..0x2010).chain(0x202a..0x202f).chain(0x2060..0x2070);
    let strange = controls.chain(acting).map(|code| {
        let character = char::from_u32(code).expect("a character");
        format!("x{character}y")
    });
    let more = [
        String::new(),
        " ".into(),
        "\u{0}".into(),
        "line\nfeed\r\n".into(),
        "../../etc/passwd".into(),
        "--all".into(),
        "live ".into(),
        "\u{fffe}\u{ffff}\u{10ffff}".into(),
        format!("a{}", "\u{336}".repeat(10_000)),
        "\u{202e}".repeat(1000),
    ];
    for sid in strange.chain(more) {
        scene.assert_answered(&with("sid", &json!(sid).to_string()), &sid);
        // As escapes, the same.
        let escapes = sid.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        let escaped = format!("\"{}\"", escapes.collect::<String>());
        scene.assert_answered(&with("sid", &escaped), &sid);
    }
}

#[test]
fn a_text_may_be_a_megabyte() {
    let scene = Scene::new();
    let long = "x".repeat(1 << 20);
    for field in ["sid", "sock", "version", "created_at", "other"] {
        for text in [
            json!(long).to_string(),
            json!(format!("/{long}")).to_string(),
        ] {
            let sid: Value = serde_json::from_str(&text).expect("a string");
            let sid = match field {
                "sid" => sid.as_str().expect("a string"),
                _ => "x",
            };
            scene.assert_answered(&with(field, &text), sid);
        }
    }
}

#[test]
fn a_socket_may_be_no_path() {
    let scene = Scene::new();
    let root = scene.files.root();
    let (fifo, directory) = (root.join("fifo"), root.join("directory"));
    mkfifo(&fifo, Mode::S_IRWXU).expect("mkfifo");
    fs::create_dir(&directory).expect("mkdir");
    let around = root.join("around");
    std::os::unix::fs::symlink(&around, &around).expect("symlink");
    for sock in [
        "\u{0}",
        "/tmp/\u{0}.sock",
        "\u{0}abstract",
        "@abstract",
        "relative.sock",
        "/",
        "/proc/self/fd/0",
        "/dev/null",
        "/dev/zero",
        fifo.to_str().expect("text"),
        directory.to_str().expect("text"),
        around.to_str().expect("text"),
        &"/x".repeat(5000),
        &format!("/{}", "x".repeat(300)),
    ] {
        scene.assert_answered(&with("sock", &json!(sock).to_string()), "x");
        // Of a dead process, too, whose socket would go with it.
        let dead = with("sock", &json!(sock).to_string());
        let dead = dead.replace("\"pid\":1", &format!("\"pid\":{NO_PROCESS}"));
        scene.assert_answered(&dead, "x");
    }
    assert!(fifo.exists() && directory.exists());
}

#[test]
fn a_pid_is_a_plain_number_of_32_bits() {
    let scene = Scene::new();
    for pid in [
        "1e400",
        "1e1",
        "1.0",
        "-0",
        "-1",
        "-0.0",
        "99999999999999999999",
        "4294967296",
        "\"12\"",
        "[12]",
        "{}",
        "null",
        "true",
        "12e0",
        "0x0c",
        "012",
        "+12",
        "1_2",
        "NaN",
        "Infinity",
        "12\\u0030",
    ] {
        scene.assert_refused(&format!("[{}]", with("pid", pid)));
    }
    for pid in ["0", "1", "2147483648", "4294967295", " 12\t"] {
        scene.assert_answered(&with("pid", pid), "x");
    }
    // Where nobody knows what it means, a number is only kept.
    for number in ["1e400", "-0", "99999999999999999999", "1.0", "1E+2"] {
        let before = scene.write(&with("other", number));
        scene.assert_kept(number);
        assert_eq!(scene.files.bytes(), before, "{number}");
    }
}

#[test]
fn a_text_of_the_five_is_text_and_whole() {
    let scene = Scene::new();
    for field in ["sid", "sock", "version", "created_at"] {
        for value in [
            "1",
            "null",
            "[]",
            "{}",
            "true",
            "[\"x\"]",
            // Half a character in UTF-16, alone or turned around.
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\udc00\\ud800\"",
            "\"\\ud800x\"",
            "\"\\x41\"",
            "\"\\u00\"",
            "\"a\nb\"",
            "\"\t\"",
            "\"",
            "'x'",
        ] {
            scene.assert_refused(&format!("[{}]", with(field, value)));
        }
    }
    // Elsewhere it is only kept.
    scene.assert_answered(&with("other", "\"\\ud800 \\udc00\\ud800\""), "x");
}

#[test]
fn a_field_stands_once_however_it_is_spelled() {
    let scene = Scene::new();
    for twice in [
        with("\\u0073id", "\"y\""),
        with("p\\u0069d", "2"),
        with("other", "1,\"sid\":\"x\""),
        with("other", "1,\"created_at\":\"\""),
    ] {
        scene.assert_refused(&format!("[{twice}]"));
    }
    scene.assert_refused("[],\"sessions\":[]");
    scene.assert_refused("[],\"\\u0073essions\":[]");
    // Spelled otherwise it is the same field, and in place of it.
    let spelled = with("sid", "\"x\"").replace("\"sid\"", "\"\\u0073\\u0069\\u0064\"");
    scene.assert_answered(&spelled, "x");
    // In another case it is another field.
    scene.assert_answered(
        &with("SID", "\"y\",\"Pid\":[],\"other\":1,\"other\":2"),
        "x",
    );
}

#[test]
fn nesting_may_be_deep_where_nobody_looks() {
    let scene = Scene::new();
    let arrays = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for deep in [&arrays, &objects] {
        scene.assert_answered(&with("other", deep), "x");
        scene.assert_refused(&format!("[{}]", with("sid", deep)));
        scene.assert_refused(&format!("[{}]", with("pid", deep)));
        scene.assert_refused(deep);
        scene.assert_refused(&format!("[{deep}]"));
    }
}

#[test]
fn a_hundred_thousand_entries_are_a_pool() {
    const COUNT: usize = 100_000;
    let scene = Scene::new();
    let dead = Entry::new("dead", NO_PROCESS).text();
    let init = Entry::new("init", 1).text();
    let live = &scene.entry;
    scene.write_sessions(&format!("[{live}{}]", format!(",{dead}").repeat(COUNT)));
    let waited = scene.pool.wait("dead", None, &scene.cancel);
    assert!(matches!(waited, Ok(Waited::Ambiguous { entries: COUNT })));
    let answer = scene.files.run(&["ensure"]).answer(0);
    assert_eq!(answer["removed"].as_array().map(Vec::len), Some(COUNT));
    scene.assert_kept("the dead are gone");
    assert_eq!(scene.files.sids(), ["live"]);

    scene.write_sessions(&format!("[{live}{}]", format!(",{init}").repeat(COUNT)));
    let answer = scene.files.run(&["status"]).answer(0);
    assert_eq!(answer["sessions"].as_array().map(Vec::len), Some(COUNT + 1));
    let pid = scene.live.pid().to_string();
    scene
        .files
        .run(&["register", "--sid", "new", "--pid", &pid])
        .answer(0);
    assert_eq!(scene.files.sids().len(), COUNT + 2);
    scene.assert_kept("one more");
}
