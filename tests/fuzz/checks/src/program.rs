//! The program's own modules that take what others wrote. A program cannot be linked, so
//! its source is compiled in here once more.

use poolwarden::Request;
use rmcp::model::JsonObject;
use serde_json::Value;

use exit::Exit;
pub(crate) use policy::report;

#[path = "../../../../host/src/mcp/arguments.rs"]
mod arguments;
#[path = "../../../../host/src/cli/exit.rs"]
#[expect(dead_code, reason = "a check does not exit")]
mod exit;
#[path = "../../../../host/src/mcp/fields.rs"]
mod fields;
#[path = "../../../../host/src/mcp/near.rs"]
mod near;
#[path = "../../../../host/src/cli/output.rs"]
#[expect(dead_code, reason = "a check prints nothing")]
mod output;
mod policy;
#[path = "../../../../host/src/mcp/schema.rs"]
mod schema;
#[path = "../../../../host/src/cli/table.rs"]
#[expect(dead_code, reason = "a check starts no worker")]
mod table;
#[path = "../../../../host/src/mcp/tools.rs"]
#[cfg_attr(not(test), expect(dead_code, reason = "a check serves nobody"))]
mod tools;
#[path = "../../../../host/src/mcp/view.rs"]
#[cfg_attr(not(test), expect(dead_code, reason = "a check shows no answer"))]
mod view;

/// The names of the tools, and what each takes, as clients list it.
pub(crate) fn tools() -> Vec<(&'static str, JsonObject)> {
    let schema = |tool: tools::PoolTool| (*tool.definition("", None).input_schema).clone();
    tools::PoolTool::ALL
        .map(|tool| (tool.name(), schema(tool)))
        .into()
}

/// The request that a call of the tool means.
pub(crate) fn request(tool: &str, arguments: Option<JsonObject>) -> Result<Request, String> {
    let mut tools = tools::PoolTool::ALL.into_iter();
    let tool = tools.find(|known| known.name() == tool);
    let call = tool.expect("a tool of this server").call("", arguments);
    call.map(|call| call.request)
}

/// An answer as a table. How the program would exit is looked at, too.
pub(crate) fn render(request: &Request, answer: &Value) -> String {
    let _: Exit = exit::of_answer(request, answer);
    let unknown = Vec::from_iter(table::unknown_sid(request, answer));
    table::render(std::slice::from_ref(request), answer, &unknown)
}

/// Fields as a record, one in a line.
pub(crate) fn record(fields: &[(&str, &Value)]) -> String {
    table::record(fields)
}

/// Text in one line, harmless for a terminal.
pub(crate) fn line(text: &str) -> String {
    output::line(text)
}

/// Fails when the text could do more to a terminal than show itself: no escape sequence, no
/// carriage return, nothing that reorders what stands beside it.
pub(crate) fn assert_harmless(text: &str) {
    let harmful = text.chars().find(|&character| {
        // Unicode Standard Annex 9, table 4: the explicit bidirectional controls.
        let reorders = matches!(character,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        reorders || character.is_control() && character != '\n'
    });
    assert_eq!(harmful, None, "for a terminal: {text:?}");
}
