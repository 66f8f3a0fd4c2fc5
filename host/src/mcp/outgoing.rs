//! Messages to the client, one on a line.

use std::io;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonRpcMessage, JsonRpcResponse, RequestId, ServerResult};
use rmcp::service::TxJsonRpcMessage;
use rmcp::transport::StdioWriter;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::Mutex;

/// How much of the SDK's own messages waits to be written, in bytes.
const BUFFER: usize = 64 << 10;

/// Writes messages whole, whoever they come from.
#[derive(Clone)]
pub(super) struct Outgoing(Arc<Mutex<StdioWriter>>);

impl Outgoing {
    pub(super) fn new(output: StdioWriter) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    /// Writes one message.
    ///
    /// # Errors
    /// When the client has closed its end.
    pub(super) async fn send(self, message: TxJsonRpcMessage<RoleServer>) -> io::Result<()> {
        let mut line = encode(&message)?;
        line.push(b'\n');
        self.write(&line).await
    }

    /// A stream whose lines are written as messages: the SDK's reader answers by itself
    /// to what is no message, through a stream of its own.
    pub(super) fn stream(&self) -> DuplexStream {
        let (theirs, ours) = tokio::io::duplex(BUFFER);
        let outgoing = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(ours);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|read| read > 0)
            {
                if outgoing.write(&line).await.is_err() {
                    break;
                }
                line.clear();
            }
        });
        theirs
    }

    async fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut output = self.0.lock().await;
        output.write_all(line).await?;
        output.flush().await
    }
}

/// The response to a tool call that succeeded.
#[derive(Serialize)]
struct Answered<'a> {
    jsonrpc: &'static str,
    id: &'a RequestId,
    result: Structured<'a>,
}

#[derive(Serialize)]
struct Structured<'a> {
    #[serde(flatten)]
    result: &'a CallToolResult,
    #[serde(rename = "structuredContent")]
    content: &'a RawValue,
}

/// The message's text. An answer stands in it twice, as text and as structured content;
/// the second is the text itself, so that an answer about thousands of workers is not taken
/// apart and put together again.
fn encode(message: &TxJsonRpcMessage<RoleServer>) -> serde_json::Result<Vec<u8>> {
    if let JsonRpcMessage::Response(JsonRpcResponse {
        id,
        result: ServerResult::CallToolResult(result),
        ..
    }) = message
        && let Some(answer) = answer(result)
    {
        let result = Structured {
            result,
            content: serde_json::from_str(answer)?,
        };
        return serde_json::to_vec(&Answered {
            jsonrpc: "2.0",
            id,
            result,
        });
    }
    serde_json::to_vec(message)
}

/// The answer's text, where the result is an answer and not an error.
fn answer(result: &CallToolResult) -> Option<&str> {
    match (
        result.is_error,
        &result.structured_content,
        result.content.as_slice(),
    ) {
        (Some(false), None, [only]) => only.as_text().map(|text| text.text.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::ContentBlock;
    use serde_json::{Value, json};

    fn encoded(result: CallToolResult) -> Value {
        let message = JsonRpcMessage::Response(JsonRpcResponse {
            jsonrpc: rmcp::model::JsonRpcVersion2_0,
            id: RequestId::Number(7),
            result: ServerResult::CallToolResult(result),
        });
        let line = encode(&message).expect("a message");
        assert!(!line.contains(&b'\n'));
        serde_json::from_slice(&line).expect("JSON")
    }

    #[test]
    fn an_answer_stands_there_as_text_and_as_structure() {
        let answer = r#"{"sessions":[{"sid":"\"\n"}]}"#;
        let mut result = CallToolResult::success(vec![ContentBlock::text(answer)]);
        result.result_type = None;
        assert_eq!(
            encoded(result),
            json!({"jsonrpc": "2.0", "id": 7, "result": {
                "content": [{"type": "text", "text": answer}],
                "structuredContent": {"sessions": [{"sid": "\"\n"}]},
                "isError": false,
            }})
        );
    }

    #[test]
    fn an_error_has_no_structure() {
        let result = CallToolResult::error(vec![ContentBlock::text("{}")]);
        let message = encoded(result);
        assert_eq!(message["result"]["isError"], json!(true));
        assert_eq!(message["result"].get("structuredContent"), None);
    }
}
