//! An MCP server whose registry cannot be read: it explains that, and goes on once it can.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Mcp, TestPool, Worker};

const TOOLS: [&str; 4] = ["pool_status", "pool_ensure", "pool_stop", "pool_list"];

/// The text of a tool's error.
#[track_caller]
fn error(mcp: &mut Mcp, tool: &str) -> String {
    let result = mcp.call(tool, json!({}));
    assert_eq!(result["isError"], true, "{tool}: {result}");
    result["content"][0]["text"]
        .as_str()
        .expect("a text")
        .to_owned()
}

#[test]
fn every_tool_answers_with_the_explanation_until_it_is_repaired() {
    let worker = Worker::obedient();
    let pool = TestPool::new();
    let whole = format!("{{\"sessions\":[{}]}}", worker.entry("a").text());
    let half = &whole[..whole.len() - 1];
    pool.write(half);
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    assert_eq!(mcp.initialize()["serverInfo"]["name"], "poolwarden");
    let tools = mcp.request("tools/list", json!({}));
    assert_eq!(
        tools["result"]["tools"].as_array().map(Vec::len),
        Some(TOOLS.len())
    );

    let path = pool.directory().to_str().expect("text").to_owned();
    for tool in TOOLS {
        let text = error(&mut mcp, tool);
        assert!(
            text.contains(pool.registry().to_str().expect("text")),
            "{text}"
        );
        assert!(
            text.contains(&format!("line 1, column {}", half.len())),
            "{text}"
        );
        assert!(text.contains("EOF"), "{text}");
        let command = format!("poolwarden --state-dir {path} doctor");
        assert!(text.contains(&command), "{text}");
    }
    assert_eq!(pool.bytes(), half.as_bytes());
    assert!(worker.is_running());

    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    let answer = mcp.answer("pool_status", json!({}));
    assert_eq!(answer["sessions"][0]["pid"], worker.pid());
    // Broken under a server that has read it, and whole again.
    pool.write("");
    assert!(error(&mut mcp, "pool_ensure").contains("doctor"));
    pool.write(&whole);
    assert_eq!(
        mcp.answer("pool_ensure", json!({}))["sessions"][0]["sid"],
        "a"
    );
    assert!(mcp.close().success());
}

#[test]
fn a_directory_in_the_registrys_place_is_explained_too() {
    let pool = TestPool::new();
    fs::create_dir(pool.registry()).expect("mkdir");
    let mut mcp = Mcp::open(pool.command(&["mcp"]));
    for tool in TOOLS {
        let text = error(&mut mcp, tool);
        assert!(
            text.contains("a directory") && text.contains(" doctor`"),
            "{text}"
        );
    }
    pool.run(&["doctor", "--fix", "--yes"]).answer(0);
    let answer: Value = mcp.answer("pool_status", json!({}));
    assert_eq!(answer["sessions"], json!([]));
}

/// The command is one that a shell reads as it is meant.
#[test]
fn the_command_to_type_is_quoted() {
    let pool = TestPool::absent_at("it's mine");
    fs::create_dir(pool.directory()).expect("mkdir");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(pool.directory(), mode).expect("chmod");
    pool.write("{");
    let ran = pool.run(&["status"]);
    let quoted = format!("'{}/it'\\''s mine'", pool.root().display());
    assert!(
        ran.error(6)
            .contains(&format!("--state-dir {quoted} doctor")),
        "{ran:?}"
    );
}
