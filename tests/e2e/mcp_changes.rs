//! What the server says about its tools follows what the active policy may do.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Mcp, TestPool};
use crate::hot_swap::{put, shipped};

/// What is said of a tool: whether it only reads, and whether it may end something.
fn hints(mcp: &mut Mcp, tool: &str) -> (Value, Value) {
    let list = mcp.request("tools/list", json!({}));
    let tools = list["result"]["tools"].as_array().expect("tools");
    let found = tools.iter().find(|listed| listed["name"] == tool);
    let hints = &found.expect("the tool")["annotations"];
    (
        hints["readOnlyHint"].clone(),
        hints["destructiveHint"].clone(),
    )
}

fn configure(pool: &TestPool, grants: &str) {
    let path = pool.directory().join("poolwarden.toml");
    let text = format!("[policy]\npath = \"policy.wasm\"\ngrants = [{grants}]\n");
    let new = path.with_extension("new");
    fs::write(&new, text).expect("written");
    fs::rename(&new, &path).expect("renamed");
}

#[test]
fn the_client_is_told_when_other_grants_change_what_a_tool_may_do() {
    let pool = TestPool::with(&[]);
    put(&shipped(), &pool.directory().join("policy.wasm"));
    configure(&pool, "");
    let mut mcp = Mcp::start(pool.command(&["mcp"]));
    let server = mcp.initialize();
    assert_eq!(server["capabilities"]["tools"]["listChanged"], true);
    // Before the policy is loaded, and once it is.
    for _ in 0..2 {
        assert_eq!(hints(&mut mcp, "pool_ensure"), (json!(true), json!(false)));
        assert_eq!(hints(&mut mcp, "pool_stop"), (json!(true), json!(false)));
        mcp.answer("pool_status", json!({}));
    }
    configure(&pool, "\"registry-write\", \"signal-term\", \"dismiss\"");
    assert_eq!(mcp.next()["method"], "notifications/tools/list_changed");
    assert_eq!(hints(&mut mcp, "pool_ensure"), (json!(false), json!(true)));
    assert_eq!(hints(&mut mcp, "pool_stop"), (json!(false), json!(true)));
    assert_eq!(hints(&mut mcp, "pool_list"), (json!(true), json!(false)));
    assert!(mcp.close().success());
}
