//! Messages to the client, one on a line.

use std::io;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{JsonRpcMessage, JsonRpcResponse, ServerResult};
use rmcp::service::TxJsonRpcMessage;
use rmcp::transport::StdioWriter;
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use super::closing::Closing;
use super::load::Load;

/// Writes messages whole, whoever they come from.
#[derive(Clone)]
pub(super) struct Outgoing {
    output: Arc<Mutex<StdioWriter>>,
    load: Load,
    closing: Closing,
}

impl Outgoing {
    /// What is not written yet counts in `load`. A client that has closed its end, or has
    /// left and takes nothing more, is noticed in `closing`.
    pub(super) fn new(output: StdioWriter, load: Load, closing: Closing) -> Self {
        Self {
            output: Arc::new(Mutex::new(output)),
            load,
            closing,
        }
    }

    /// Writes one message, which counts as a load from this call on.
    ///
    /// # Errors
    /// When the client has closed its end, or has left and takes nothing more.
    pub(super) fn send(
        self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let encoded = encode(&message);
        let place = self.load.take(encoded.as_ref().map_or(0, Vec::len));
        async move {
            let written = self.write_line(encoded?).await;
            drop(place);
            written
        }
    }

    /// The same with a message that is encoded.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn send_line(
        self,
        line: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let place = self.load.take(line.len());
        async move {
            let written = self.write_line(line).await;
            drop(place);
            written
        }
    }

    async fn write_line(&self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        self.write(&line).await
    }

    async fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut output = self.output.lock().await;
        let write = async {
            output.write_all(line).await?;
            output.flush().await
        };
        let written = tokio::select! {
            biased;
            written = write => written,
            () = self.closing.over_unread() => Err(io::ErrorKind::TimedOut.into()),
        };
        if written.is_err() {
            // Whoever does not get this answer gets no other one.
            self.closing.begin();
        }
        written
    }
}

/// The message's text. An answer stands in it twice, as text and as structured content.
/// The second is the very text, checked when the policy gave it, so that an answer about
/// thousands of workers is not taken apart and put together again.
fn encode(message: &TxJsonRpcMessage<RoleServer>) -> serde_json::Result<Vec<u8>> {
    let Some(answer) = answer(message) else {
        return serde_json::to_vec(message);
    };
    // Escaped once and copied once, with some room for the message around it.
    let mut line = Vec::with_capacity(answer.len() * 5 / 2 + 256);
    serde_json::to_writer(&mut line, message)?;
    // The result is the message's last field: the two objects end together.
    if line.ends_with(b"}}") {
        line.truncate(line.len() - 2);
        line.extend_from_slice(b",\"structuredContent\":");
        line.extend_from_slice(answer.as_bytes());
        line.extend_from_slice(b"}}");
    }
    Ok(line)
}

/// The answer's text, where the message is the result of a call that succeeded.
fn answer(message: &TxJsonRpcMessage<RoleServer>) -> Option<&str> {
    let JsonRpcMessage::Response(JsonRpcResponse {
        result: ServerResult::CallToolResult(result),
        ..
    }) = message
    else {
        return None;
    };
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
    use rmcp::model::{CallToolResult, ContentBlock, RequestId};
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
