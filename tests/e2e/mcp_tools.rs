//! The tools, through the client of the official SDK.

use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion, Tool};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService, ServiceError};
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::harness::{Entry, Mcp, NO_PROCESS, TestPool, Worker};

/// The tools, in the order in which they are listed.
const NAMES: [&str; 4] = ["pool_ensure", "pool_status", "pool_stop", "pool_list"];

type Client = RunningService<RoleClient, ()>;

/// A client of a server on this pool.
async fn connect(pool: &TestPool, options: &[&str]) -> Client {
    ().serve(transport(pool, options))
        .await
        .expect("the session opens")
}

fn transport(pool: &TestPool, options: &[&str]) -> TokioChildProcess {
    let arguments = [&["mcp"], options].concat();
    let mut command = tokio::process::Command::from(pool.command(&arguments));
    // Tests provoke warnings; they need not be read.
    command.env("POOLWARDEN_LOG", "error");
    TokioChildProcess::new(command).expect("the server starts")
}

async fn call(client: &Client, tool: &str, arguments: Value) -> CallToolResult {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    client
        .call_tool(call)
        .await
        .expect("a result, which may be a tool's error")
}

/// The text of a result.
#[track_caller]
fn text(result: &CallToolResult) -> &str {
    assert_eq!(result.content.len(), 1, "{result:?}");
    &result.content[0].as_text().expect("a text").text
}

/// The answer of a tool, once its two forms are the same.
#[track_caller]
fn answer(result: &CallToolResult) -> Value {
    assert_ne!(result.is_error, Some(true), "{result:?}");
    let structured = result
        .structured_content
        .clone()
        .expect("structured content");
    let text: Value = serde_json::from_str(text(result)).expect("the text is JSON");
    assert_eq!(text, structured);
    structured
}

/// The words of a tool's error, which has no answer.
#[track_caller]
fn error(result: &CallToolResult) -> &str {
    assert_eq!(result.is_error, Some(true), "{result:?}");
    assert_eq!(result.structured_content, None);
    text(result)
}

fn names(tools: &[Tool]) -> Vec<&str> {
    tools.iter().map(|tool| tool.name.as_ref()).collect()
}

#[tokio::test]
async fn the_server_says_who_it_is_and_when_to_use_which_tool() {
    let pool = TestPool::new();
    let client = connect(&pool, &[]).await;
    let server = client.peer_info().expect("the server's introduction");
    let name = server.server_info.as_ref().expect("its name");
    assert_eq!(name.name, "poolwarden");
    assert_eq!(name.version, env!("CARGO_PKG_VERSION"));
    let instructions = server.instructions.clone().expect("instructions");
    for tool in NAMES {
        assert!(instructions.contains(tool), "{tool}: {instructions}");
    }
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn the_tools_are_listed_with_hints_and_described_schemas() {
    let pool = TestPool::new();
    let client = connect(&pool, &[]).await;
    let tools = client.list_all_tools().await.expect("the tools");
    assert_eq!(names(&tools), NAMES);
    for tool in &tools {
        assert!(
            tool.description
                .as_ref()
                .is_some_and(|text| !text.is_empty()),
            "{}",
            tool.name
        );
        let hints = tool.annotations.as_ref().expect("annotations");
        assert_eq!(
            hints.read_only_hint,
            Some(tool.name == "pool_list"),
            "{}: the others collect the dead",
            tool.name
        );
        assert_eq!(
            hints.destructive_hint,
            Some(tool.name == "pool_stop"),
            "{}",
            tool.name
        );
        assert!(hints.idempotent_hint.is_some() && hints.open_world_hint.is_some());
        described(
            &tool.name,
            &Value::Object(tool.input_schema.as_ref().clone()),
        );
        let output = tool.output_schema.as_ref().expect("an output schema");
        described(&tool.name, &Value::Object(output.as_ref().clone()));
    }
    let stop = tools[2]
        .description
        .as_ref()
        .expect("a description")
        .to_lowercase();
    assert!(stop.contains("without") && stop.contains("all"), "{stop}");
    // Else an empty answer is taken for a worker that was stopped.
    assert!(
        stop.contains("a sid that no session has stops nobody"),
        "{stop}"
    );
    client.cancel().await.expect("the session ends");
}

/// Checks that a schema's root is an object, and that every property says what it is.
fn described(tool: &str, schema: &Value) {
    assert_eq!(schema["type"], "object", "{tool}");
    let definitions = schema["$defs"]
        .as_object()
        .into_iter()
        .flat_map(|all| all.values());
    for object in definitions.chain([schema]) {
        for (name, property) in object["properties"].as_object().into_iter().flatten() {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{tool}: {name} has no description");
        }
    }
}

#[tokio::test]
async fn a_prefix_is_put_before_every_name() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let client = connect(&pool, &["--tool-prefix", "alc_"]).await;
    let tools = client.list_all_tools().await.expect("the tools");
    assert_eq!(names(&tools), NAMES.map(|name| format!("alc_{name}")));
    let result = call(&client, "alc_pool_status", json!({})).await;
    assert_eq!(answer(&result)["sessions"][0]["sid"], "a");
    let wrong = call(&client, "alc_pool_status", json!({"sid": 1})).await;
    let named = "alc_pool_status: the argument `sid` does not fit";
    assert!(error(&wrong).starts_with(named), "{wrong:?}");
    let introduction = client.peer_info().expect("the server's introduction");
    let instructions = introduction.instructions.clone().expect("instructions");
    for name in names(&tools) {
        let bare = name.trim_start_matches("alc_");
        let named = instructions.matches(bare).count();
        assert!(
            named > 0 && instructions.matches(name).count() == named,
            "{instructions}"
        );
    }
    let unknown = client
        .call_tool(CallToolRequestParams::new("pool_status"))
        .await;
    assert!(
        matches!(unknown, Err(ServiceError::McpError(_))),
        "{unknown:?}"
    );
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn ensure_collects_and_a_dry_run_does_not() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let client = connect(&pool, &[]).await;
    let dry = answer(&call(&client, "pool_ensure", json!({"dry_run": true})).await);
    assert_eq!(dry["dry_run"], true);
    assert_eq!(pool.sids(), ["a", "dead"]);
    let done = answer(&call(&client, "pool_ensure", json!({})).await);
    assert_eq!(done["removed"], dry["removed"]);
    assert_eq!(done["sessions"], dry["sessions"]);
    assert_eq!(pool.sids(), ["a"]);
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn status_lists_one_or_all() {
    let (one, two) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::with(&[one.entry("one"), two.entry("two")]);
    let client = connect(&pool, &[]).await;
    let all = answer(&call(&client, "pool_status", json!({})).await);
    assert_eq!(all, pool.ask(&["status"]), "both ways give the same answer");
    let single = answer(&call(&client, "pool_status", json!({"sid": "two"})).await);
    assert_eq!(single["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(single["sessions"][0]["pid"], two.pid());
    let none = answer(&call(&client, "pool_status", json!({"sid": "three"})).await);
    assert_eq!(none["sessions"], json!([]));
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn stop_ends_one_and_without_a_sid_all() {
    let workers = [Worker::obedient(), Worker::obedient(), Worker::deaf()];
    let pool = TestPool::with(&[
        workers[0].entry("a"),
        workers[1].entry("b"),
        workers[2].entry("deaf"),
    ]);
    let client = connect(&pool, &[]).await;
    let dry = answer(&call(&client, "pool_stop", json!({"dry_run": true})).await);
    assert_eq!(dry["outcomes"][2]["outcome"], "would-signal");
    let one = answer(&call(&client, "pool_stop", json!({"sid": "a"})).await);
    assert_eq!(one["stopped"], json!(["a"]));
    assert!(!workers[0].is_running() && workers[1].is_running());
    let all = answer(&call(&client, "pool_stop", json!({"grace_ms": 50})).await);
    assert_eq!(all["stopped"], json!(["b"]));
    assert_eq!(all["outcomes"][1]["outcome"], "still-running");
    let forced = call(&client, "pool_stop", json!({"grace_ms": 0, "force": true})).await;
    assert_eq!(answer(&forced)["outcomes"][0]["outcome"], "killed");
    assert_eq!(pool.sids(), Vec::<String>::new());
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn wrong_arguments_are_errors_of_the_tool_and_do_nothing() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a"), Entry::new("dead", NO_PROCESS)]);
    let stamp = pool.stamp();
    let client = connect(&pool, &[]).await;
    for (tool, arguments) in [
        ("pool_ensure", json!({"dry_run": "yes"})),
        ("pool_status", json!({"sid": 1})),
        ("pool_status", json!({"session": "a"})),
        // A misspelt sid must not become a stop of everything.
        ("pool_stop", json!({"session_id": "a"})),
        ("pool_stop", json!({"sid": ["a"]})),
        ("pool_stop", json!({"grace_ms": -1})),
        ("pool_stop", json!({"grace_ms": 1.5})),
        // It could be meant for one worker or for all.
        ("pool_stop", json!({"sid": null})),
        ("pool_stop", json!({"grace_ms": 1e12})),
        ("pool_stop", json!({"force": 1})),
    ] {
        let result = call(&client, tool, arguments.clone()).await;
        assert!(
            error(&result).contains(tool),
            "{tool} {arguments}: {result:?}"
        );
    }
    assert!(worker.is_running());
    assert_eq!(pool.stamp(), stamp);
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn errors_of_the_pool_are_errors_of_the_tool_and_the_server_goes_on() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    pool.write("{\"sessions\":\n[}");
    let client = connect(&pool, &["--lock-wait", "50ms"]).await;
    let result = call(&client, "pool_status", json!({})).await;
    assert!(error(&result).contains("line 2, column 2"), "{result:?}");
    assert!(
        error(&result).contains(pool.registry().to_str().expect("a path")),
        "{result:?}"
    );

    pool.seed(&[worker.entry("a"), Entry::new("init", 1)]);
    let held = pool.hold_lock();
    let result = call(&client, "pool_status", json!({})).await;
    assert!(
        error(&result).contains(&format!("process {}", std::process::id())),
        "{result:?}"
    );
    drop(held);

    let result = call(&client, "pool_status", json!({})).await;
    assert_eq!(answer(&result)["sessions"][0]["sid"], "a");
    // What a stop could not do is in its answer. Where nobody has ended, it is an error too.
    let result = call(&client, "pool_stop", json!({"sid": "init"})).await;
    assert_eq!(result.is_error, Some(true), "{result:?}");
    let answer = result.structured_content.clone().expect("the answer");
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1));
    let said: Value = serde_json::from_str(text(&result)).expect("the text is JSON");
    assert_eq!(said, answer);
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol() {
    let pool = TestPool::new();
    let client = connect(&pool, &[]).await;
    for unknown in ["pool_start", "alc_pool_status", ""] {
        let result = client.call_tool(CallToolRequestParams::new(unknown)).await;
        let Err(ServiceError::McpError(error)) = result else {
            panic!("{unknown}: {result:?}")
        };
        assert_eq!(error.code.0, -32602, "{error:?}");
        assert!(
            error.message.contains("pool_status"),
            "it names the tools: {error:?}"
        );
    }
    client.cancel().await.expect("the session ends");
}

#[tokio::test]
async fn both_eras_of_the_protocol_are_served() {
    let worker = Worker::obedient();
    let pool = TestPool::with(&[worker.entry("a")]);
    let modern = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    for lifecycle in [ClientLifecycleMode::Initialize, modern] {
        let client = ().serve_with_lifecycle(transport(&pool, &[]), lifecycle.clone()).await;
        let client = client.expect("the session opens");
        let tools = client.list_all_tools().await.expect("the tools");
        assert_eq!(names(&tools), NAMES, "{lifecycle:?}");
        let result = call(&client, "pool_status", json!({})).await;
        assert_eq!(answer(&result)["sessions"][0]["sid"], "a", "{lifecycle:?}");
        client.cancel().await.expect("the session ends");
    }
}

#[test]
fn the_list_of_tools_is_the_same_bytes_every_time() {
    let pool = TestPool::new();
    let list = || {
        let mut mcp = Mcp::open(pool.command(&["mcp"]));
        let first = mcp.request("tools/list", json!({}))["result"].to_string();
        assert_eq!(
            mcp.request("tools/list", json!({}))["result"].to_string(),
            first
        );
        first
    };
    assert_eq!(list(), list());
}
