//! What a line from the client is: a message, or nothing that can be taken for one.
//!
//! The SDK's reader is not used for this: it says nothing about a line that it cannot parse,
//! and of a key that stands twice it takes the last, where whoever approves a call may be
//! shown the first.

use rmcp::RoleServer;
use rmcp::model::{ClientRequest, CustomRequest, ErrorCode, ErrorData, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use serde_json::Value;

use super::lines::{LONGEST, Line};
use super::outline::Outline;
use super::tools::shortened;
use super::unique::{Twice, check_unique};

/// Why a line is no message, and to whom that is said.
#[derive(Debug)]
pub(super) struct Refusal {
    error: ErrorData,
    to: Addressee,
}

/// Who is told.
#[derive(Debug, PartialEq, Eq)]
enum Addressee {
    /// Whoever waits for the answer to this request.
    Request(RequestId),
    /// The client: which request it was cannot be told.
    Client,
    /// Nobody, as nobody waits for an answer to a notification, or to an answer.
    Nobody,
}

/// The message that a line is; none where the line is blank.
///
/// # Errors
/// When it is no message.
pub(super) fn message(line: &Line) -> Result<Option<RxJsonRpcMessage<RoleServer>>, Refusal> {
    let line = match line {
        Line::Whole(line) => line.trim_ascii(),
        Line::TooLong(begun) => {
            let text = format!("a line has more than {LONGEST} bytes");
            let error = ErrorData::invalid_request(text, None);
            return Err(Refusal::new(begun, error));
        }
    };
    // A byte order mark may be passed over (RFC 8259, section 8.1).
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    if line.is_empty() {
        return Ok(None);
    }
    let error = match check_unique(line) {
        Ok(Ok(())) => match serde_json::from_slice(line) {
            Ok(message) => {
                return match misfit(&message) {
                    None => Ok(Some(message)),
                    Some(error) => Err(Refusal::new(line, error)),
                };
            }
            Err(_) if line.starts_with(b"[") => {
                ErrorData::invalid_request("a batch is not taken: one message a line", None)
            }
            // In what way it is none, the SDK does not say.
            Err(_) => ErrorData::invalid_request("no JSON-RPC 2.0 message", None),
        },
        Ok(Err(Twice { key, depth })) => {
            let key = shortened(&key);
            let text = format!("the key {key:?} stands twice in one object");
            match depth {
                // It may be the id or the method: which request this is has two answers.
                0 => ErrorData::invalid_request(text, None),
                _ => ErrorData::invalid_params(text, None),
            }
        }
        Err(error) => {
            let text = format!("no JSON: {error}");
            ErrorData::new(ErrorCode::PARSE_ERROR, text, None)
        }
    };
    Err(Refusal::new(line, error))
}

/// The methods that this server has. The SDK takes a request whose parameters do not fit for
/// one with a method that it does not know.
const METHODS: [&str; 6] = [
    "initialize",
    "ping",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// What is wrong with the parameters of a request whose method there is.
fn misfit(message: &RxJsonRpcMessage<RoleServer>) -> Option<ErrorData> {
    let RxJsonRpcMessage::<RoleServer>::Request(request) = message else {
        return None;
    };
    let ClientRequest::CustomRequest(CustomRequest { method, params, .. }) = &request.request
    else {
        return None;
    };
    let text = match method.as_str() {
        "tools/call" => misfit_of_call(params.as_ref()),
        method if METHODS.contains(&method) => {
            format!("the parameters of {method} do not fit: see the schema of the protocol")
        }
        _ => return None,
    };
    Some(ErrorData::invalid_params(text, None))
}

/// What is wrong with the parameters of `tools/call`.
fn misfit_of_call(params: Option<&Value>) -> String {
    const EXPECTED: &str = "expected is the name of a tool, as listed by tools/list, and an \
                            object: {\"name\":\"…\",\"arguments\":{…}}. Nothing was done";

    let params = params.unwrap_or(&Value::Null);
    let wrong = match (&params["name"], &params["arguments"]) {
        (Value::Null, _) => "`name` is missing".to_owned(),
        (Value::String(_), Value::Object(_) | Value::Null) => "they do not fit".to_owned(),
        (Value::String(_), arguments) => format!("`arguments` is {}", kind(arguments)),
        (name, _) => format!("`name` is {}", kind(name)),
    };
    format!("the parameters of tools/call: {wrong}; {EXPECTED}")
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl Refusal {
    fn new(line: &[u8], error: ErrorData) -> Self {
        let to = match Outline::of(line) {
            Outline {
                method: true,
                id: Some(id),
                ..
            } => Addressee::Request(id),
            Outline {
                method: true,
                has_id: false,
                whole: true,
                ..
            } => Addressee::Nobody,
            Outline {
                method: false,
                answers: true,
                ..
            } => Addressee::Nobody,
            _ => Addressee::Client,
        };
        Self { error, to }
    }

    /// Why it is no message.
    pub(super) fn reason(&self) -> &str {
        &self.error.message
    }

    /// The answer, where there is one: a line without its end. Where it cannot be told which
    /// request it answers it has no id: MCP knows none that is null, and clients refuse it.
    pub(super) fn answer(self) -> Option<Vec<u8>> {
        let id = match self.to {
            Addressee::Nobody => return None,
            Addressee::Request(id) => Some(id),
            Addressee::Client => None,
        };
        let message = TxJsonRpcMessage::<RoleServer>::error(self.error, id);
        serde_json::to_vec(&message).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The code and the id of the answer to a line, none where there is no answer.
    fn answer(line: &str) -> Option<(i64, Value)> {
        let refusal = message(&Line::Whole(line.into())).expect_err(line);
        let answer: Value = serde_json::from_slice(&refusal.answer()?).expect("JSON");
        assert_eq!(answer["jsonrpc"], "2.0");
        // Official clients refuse an id that is null.
        assert_ne!(answer.get("id"), Some(&Value::Null), "{answer}");
        let code = answer["error"]["code"].as_i64().expect("a code");
        Some((code, answer["id"].clone()))
    }

    fn is_message(line: &str) -> bool {
        matches!(message(&Line::Whole(line.into())), Ok(Some(_)))
    }

    #[test]
    fn whoever_waits_is_told_where_that_can_be_seen() {
        let call = |rest: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{rest}}}"#)
        };
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for params in ["1e400", r#""\ud800""#, &deep, r#"{"a":01}"#] {
            let line = call(params);
            assert_eq!(answer(&line), Some((-32700, json!(7))), "{line}");
        }
        // Whichever comes first.
        let line = r#"{"params":{"a":1e400},"method":"ping","id":"x","jsonrpc":"2.0"}"#;
        assert_eq!(answer(line), Some((-32700, json!("x"))));
        assert_eq!(answer(&call("[]")), Some((-32600, json!(7))));
    }

    #[test]
    fn where_it_cannot_be_seen_the_client_is_told() {
        for line in [
            "poolwarden",
            "{",
            r#"{"jsonrpc":"2.0","id":7,"#,
            r#"{"id":1e400,"method":"ping"}"#,
        ] {
            assert_eq!(answer(line), Some((-32700, Value::Null)), "{line}");
        }
        for line in [
            "7",
            "[]",
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        ] {
            assert_eq!(answer(line), Some((-32600, Value::Null)), "{line}");
        }
    }

    #[test]
    fn nobody_waits_for_an_answer_to_a_notification_or_to_an_answer() {
        for line in [
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"a":1e400}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"a":1,"a":2}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"a":1e400}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"code":2,"message":""}}"#,
        ] {
            assert_eq!(answer(line), None, "{line}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        let call = |arguments: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"pool_stop","arguments":{arguments}}}}}"#
            )
        };
        assert!(is_message(&call(r#"{"sid":"a"}"#)));
        assert!(is_message(&call(
            r#"{"sid":"a","Sid":{"sid":[{"sid":1},{"sid":2}]}}"#
        )));
        for twice in [
            r#"{"sid":"a","sid":"a"}"#,
            r#"{"sid":"a","s\u0069d":null}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
        ] {
            assert_eq!(answer(&call(twice)), Some((-32602, json!(7))), "{twice}");
        }
    }

    #[test]
    fn parameters_that_do_not_fit_are_told_with_what_was_expected() {
        for (params, told) in [
            (
                r#"{"name":"pool_status","arguments":"{}"}"#,
                "`arguments` is a string",
            ),
            (
                r#"{"name":"pool_status","arguments":[]}"#,
                "`arguments` is an array",
            ),
            (
                r#"{"name":"pool_status","arguments":5}"#,
                "`arguments` is a number",
            ),
            (r#"{"arguments":{}}"#, "`name` is missing"),
            (r#"{"name":7}"#, "`name` is a number"),
            ("{}", "`name` is missing"),
        ] {
            let line =
                format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#);
            assert_eq!(answer(&line), Some((-32602, json!(7))), "{line}");
            let refusal = message(&Line::Whole(line.into())).expect_err("it is refused");
            let reason = refusal.reason();
            assert!(
                reason.contains(told) && reason.contains("expected is"),
                "{reason}"
            );
        }
        let initialize = r#"{"jsonrpc":"2.0","id":7,"method":"initialize","params":{}}"#;
        assert_eq!(answer(initialize), Some((-32602, json!(7))));
        assert!(is_message(
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":null}}"#
        ));
        assert!(is_message(r#"{"jsonrpc":"2.0","id":7,"method":"no/such"}"#));
    }

    /// A client that sends back what it cannot read starts no endless exchange.
    #[test]
    fn an_answer_that_comes_back_is_a_message() {
        let refusal = message(&Line::Whole(b"poolwarden\n".into())).expect_err("no JSON");
        let line = refusal.answer().expect("an answer");
        assert!(is_message(&String::from_utf8(line).expect("text")));
    }

    #[test]
    fn what_editors_put_around_a_line_is_passed_over() {
        let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
        for line in [format!("\u{feff}{ping}\n"), format!("  {ping}\r\n")] {
            assert!(is_message(&line), "{line:?}");
        }
        for line in ["\n", "\r\n", " \t\n", "\u{feff}\n"] {
            let line = Line::Whole(line.into());
            assert!(matches!(message(&line), Ok(None)), "{line:?}");
        }
    }
}
