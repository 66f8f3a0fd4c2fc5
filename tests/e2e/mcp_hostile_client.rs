//! Lines that no client should send.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Rude, TestPool, Worker, call, request};

/// The longest line that is taken, and with it the longest message, in bytes.
const LONGEST: usize = 16 << 20;

/// How long clients wait for a server to exit before they signal it.
const CLIENTS_PATIENCE: Duration = Duration::from_secs(2);

/// What becomes of a line.
enum Fate {
    /// It has no answer.
    Ignored,
    /// The protocol's error with this code, to this request; none where that cannot be told.
    Refused(i64, Option<i64>),
    /// A tool's error whose text says this.
    ToolError(&'static str),
    /// A result.
    Answered,
}
use Fate::{Answered, Ignored, Refused, ToolError};

/// That it is no JSON, that it is no request, and that there is no such method or no such
/// tool (JSON-RPC 2.0, section 5.1).
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const NO_METHOD: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const NO_JSON: Fate = Refused(PARSE_ERROR, None);
const NO_REQUEST: Fate = Refused(INVALID_REQUEST, None);

/// Sends a line to a server that goes on, and checks that it does.
#[track_caller]
fn expect(client: &mut Rude, what: &str, line: &[u8], fate: &Fate) {
    client.send(line);
    client.send(b"\n");
    // Answered by the protocol alone, and so never before what was ignored or refused.
    let ping = json!(format!("after {what}"));
    client.send(request(&ping, "ping", &json!({})).as_bytes());
    let mut first = client.next().expect("the server goes on");
    let is_ping = first["id"] == ping;
    if matches!(fate, Ignored) {
        assert!(is_ping, "{what}: {first}");
    } else if is_ping {
        first = client.next().expect("the server goes on");
    } else {
        client.await_answer(&ping);
    }
    match fate {
        Ignored => {}
        Refused(code, id) => {
            assert_eq!(first["error"]["code"], *code, "{what}: {first}");
            assert_eq!(first["id"], json!(id), "{what}: {first}");
            // Official clients throw at an id that is null.
            let fields = first.as_object().expect("an object");
            assert_eq!(fields.contains_key("id"), id.is_some(), "{what}: {first}");
        }
        ToolError(text) => {
            let said = first["result"]["content"][0]["text"].as_str();
            assert_eq!(first["result"]["isError"], true, "{what}: {first}");
            assert!(
                said.is_some_and(|said| said.contains(text)),
                "{what}: {first}"
            );
        }
        Answered => assert!(first["result"].is_object(), "{what}: {first}"),
    }
    let length = first.to_string().len();
    assert!(length < 4096, "{what}: the answer has {length} bytes");
    let id = json!(format!("status after {what}"));
    client.call(&id, "pool_status", &json!({}));
    let answer = client.await_answer(&id);
    let sessions = &answer["result"]["structuredContent"]["sessions"];
    assert_eq!(sessions[0]["sid"], "a", "{what}: {answer}");
}

fn arguments(tool: &str, arguments: &Value) -> Vec<u8> {
    call(&json!(7), tool, arguments).trim_end().into()
}

/// A stop with arguments as they are.
fn raw_arguments(arguments: &str) -> Vec<u8> {
    let call = call(&json!(7), "pool_stop", &json!("here"));
    call.trim_end().replace("\"here\"", arguments).into_bytes()
}

#[test]
fn a_line_that_is_no_request_does_no_harm() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    pool.ask(&["ensure"]);
    let bytes = pool.bytes();
    let mut client = Rude::open(pool.command(&["mcp"]));
    let deep = |depth: usize| {
        let sid = ["[".repeat(depth), "]".repeat(depth)].concat();
        let call = call(&json!(7), "pool_status", &json!({"sid": "deep"}));
        call.trim_end().replace("\"deep\"", &sid).into_bytes()
    };
    let lines: Vec<(&str, Vec<u8>, Fate)> = vec![
        ("nothing", b"".into(), Ignored),
        ("NUL bytes", b"\0\0\0".into(), NO_JSON),
        ("a NUL byte within", b"{\"jsonrpc\":\"2.0\",\0\"id\":7,\"method\":\"ping\"}".into(), NO_JSON),
        ("no JSON", b"poolwarden".into(), NO_JSON),
        ("half an object", b"{\"jsonrpc\":\"2.0\",\"id\":7,".into(), NO_JSON),
        ("bytes that are no UTF-8", b"\xff\xfe\x80".into(), NO_JSON),
        (
            "a string that is no UTF-8",
            b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{\"a\":\"\xff\"}}".into(),
            Refused(PARSE_ERROR, Some(7)),
        ),
        ("half a pair of surrogates", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\\ud800\"}".into(), Refused(PARSE_ERROR, Some(7))),
        ("brackets without end", b"[".repeat(1_000_000), NO_JSON),
        ("arguments a hundred thousand deep", deep(100_000), Refused(PARSE_ERROR, Some(7))),
        ("arguments a hundred deep", deep(100), ToolError("expected a string")),
        ("an empty batch", b"[]".into(), NO_REQUEST),
        (
            "a batch",
            b"[{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"ping\"}]".into(),
            NO_REQUEST,
        ),
        ("a number", b"7".into(), NO_REQUEST),
        ("another version", b"{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}".into(), Refused(INVALID_REQUEST, Some(7))),
        ("an object as id", b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}".into(), NO_REQUEST),
        ("a fraction as id", b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}".into(), NO_REQUEST),
        ("a huge id", b"{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"ping\"}".into(), NO_JSON),
        ("a negative id", b"{\"jsonrpc\":\"2.0\",\"id\":-7,\"method\":\"ping\"}".into(), Answered),
        ("a list of parameters", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":[]}".into(), Refused(INVALID_REQUEST, Some(7))),
        ("an unknown method", request(&json!(7), "no/such/method", &json!({})).trim_end().into(), Refused(NO_METHOD, Some(7))),
        ("an unknown tool", arguments("pool_destroy", &json!({})), Refused(INVALID_PARAMS, Some(7))),
        ("a number beyond any", raw_arguments("{\"sid\":\"b\",\"grace_ms\":1e400}"), Refused(PARSE_ERROR, Some(7))),
        ("an argument that stands twice", raw_arguments("{\"sid\":\"nobody\",\"sid\":\"a\"}"), Refused(INVALID_PARAMS, Some(7))),
        ("and says everybody", raw_arguments("{\"sid\":\"nobody\",\"s\\u0069d\":null}"), Refused(INVALID_PARAMS, Some(7))),
        ("two ids", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"id\":8,\"method\":\"ping\"}".into(), NO_REQUEST),
        ("a notification beyond any", b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1e400}}".into(), Ignored),
        ("an unknown argument", arguments("pool_stop", &json!({"session": "a"})), ToolError("unknown field `session`")),
        ("a number as sid", arguments("pool_stop", &json!({"sid": 1})), ToolError("invalid type: integer")),
        ("null as force", arguments("pool_stop", &json!({"sid": "b", "force": null})), Answered),
        ("null as sid", arguments("pool_stop", &json!({"sid": null})), ToolError("leave `sid` out to stop ALL")),
        ("text as arguments", arguments("pool_stop", &json!("{}")), Refused(INVALID_PARAMS, Some(7))),
        ("a list as arguments", arguments("pool_stop", &json!([])), Refused(INVALID_PARAMS, Some(7))),
        ("a number as arguments", arguments("pool_stop", &json!(5)), Refused(INVALID_PARAMS, Some(7))),
        ("no name", request(&json!(7), "tools/call", &json!({"arguments": {}})).trim_end().into(), Refused(INVALID_PARAMS, Some(7))),
        ("a negative grace period", arguments("pool_stop", &json!({"grace_ms": -1})), ToolError("invalid value")),
        ("an endless grace period", arguments("pool_stop", &json!({"grace_ms": u64::MAX})), ToolError("the longest is")),
        ("an answer to nothing", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}".into(), Ignored),
        ("an error about nothing", b"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1,\"message\":\"\"}}".into(), Ignored),
        (
            "a withdrawal of nothing",
            b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":99}}".into(),
            Ignored,
        ),
    ];
    for (what, line, fate) in lines {
        expect(&mut client, what, &line, &fate);
    }
    client.leave();
    assert!(client.await_end().success());
    assert!(worker.is_running());
    assert_eq!(pool.bytes(), bytes);
    assert!(pool.lock_is_free());
}

#[test]
fn a_line_of_megabytes_does_no_harm() {
    /// What the server may use beyond the line itself, in multiples of it.
    const COPIES: usize = 8;

    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut client = Rude::open(pool.command(&["mcp"]));
    let long = "x".repeat(LONGEST - 1024);
    let lines: Vec<(&str, Vec<u8>, Fate)> = vec![
        (
            "a sid of megabytes",
            arguments("pool_status", &json!({"sid": long})),
            Answered,
        ),
        (
            "a stop of such a sid",
            arguments("pool_stop", &json!({"sid": long})),
            Answered,
        ),
        (
            "a tool of megabytes",
            arguments(&long, &json!({})),
            Refused(INVALID_PARAMS, Some(7)),
        ),
        (
            "an argument of megabytes",
            arguments("pool_ensure", &json!({&*long: 1})),
            ToolError("unknown field `xxx"),
        ),
        (
            "a value of megabytes",
            arguments("pool_stop", &json!({"force": long})),
            ToolError("invalid type: string"),
        ),
        ("a longer line", vec![b'x'; 2 * LONGEST], NO_REQUEST),
        (
            "a longer request",
            arguments("pool_stop", &json!({"sid": long.repeat(2)})),
            Refused(INVALID_REQUEST, Some(7)),
        ),
    ];
    for (what, line, fate) in lines {
        expect(&mut client, what, &line, &fate);
    }
    let most = client.memory("VmHWM");
    let allowed = u64::try_from(COPIES * LONGEST / 1024).expect("a size");
    assert!(most < allowed, "{most} KiB");
    client.leave();
    assert!(client.await_end().success());
    assert!(worker.is_running());
}

#[test]
fn one_id_for_many_requests_does_no_harm() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut client = Rude::open(pool.command(&["mcp"]));
    for _ in 0..1000 {
        client.call(&json!(7), "pool_status", &json!({}));
    }
    expect_status(&mut client);
    client.leave();
    let status = client.await_end();
    assert!(status.success(), "{status}");
}

#[test]
fn a_session_that_is_opened_again_goes_on() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let mut client = Rude::open(pool.command(&["mcp"]));
    let open = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "x".repeat(1_000_000), "version": "2"},
    });
    client.send(request(&json!(7), "initialize", &open).as_bytes());
    expect_status(&mut client);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_line_does_no_harm() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    pool.ask(&["ensure"]);
    let bytes = pool.bytes();
    let stop = call(&json!(7), "pool_stop", &json!({}));
    for end in [1, stop.len() / 2, stop.len() - 1] {
        let mut client = Rude::open(pool.command(&["mcp"]));
        client.send(&stop.as_bytes()[..end]);
        client.leave();
        let started = Instant::now();
        assert!(client.await_end().success());
        assert!(
            started.elapsed() < CLIENTS_PATIENCE,
            "{:?}",
            started.elapsed()
        );
        // The whole request may stand there, but nobody has said that it ends there.
        assert_eq!(client.next(), None);
        assert!(worker.is_running());
        assert_eq!(pool.bytes(), bytes);
        assert!(pool.lock_is_free());
    }
}

/// And the last of them has its answer, although the client is gone by then.
#[test]
fn what_is_refused_is_told_in_the_log_and_not_without_end() {
    const LINES: usize = 30;

    let pool = TestPool::with(&[]);
    let input = pool.root().join("input");
    fs::write(&input, "{\n".repeat(LINES)).expect("written");
    let mut command = pool.command(&["mcp"]);
    let input = fs::File::open(&input).expect("the input");
    let ended = command.stdin(input).output().expect("the server starts");
    assert!(ended.status.success(), "{ended:?}");
    let answers = String::from_utf8(ended.stdout).expect("text");
    let answered: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).expect("a message"))
        .collect();
    assert_eq!(answered.len(), LINES, "{answers}");
    for answer in answered {
        assert_eq!(answer["error"]["code"], PARSE_ERROR, "{answer}");
    }
    let log = String::from_utf8(ended.stderr).expect("text");
    assert_eq!(
        log.matches("refused a line of 2 bytes").count(),
        10,
        "{log}"
    );
    assert_eq!(log.matches("told to the client alone").count(), 1, "{log}");
}

#[track_caller]
fn expect_status(client: &mut Rude) {
    client.call(&json!("last"), "pool_status", &json!({}));
    let answer = client.await_answer(&json!("last"));
    let sessions = &answer["result"]["structuredContent"]["sessions"];
    assert_eq!(sessions[0]["sid"], "a", "{answer}");
}
