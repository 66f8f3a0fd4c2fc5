//! Exit codes.

use std::process::ExitCode;

use poolwarden::config::ConfigError;
use poolwarden::{Error, LoadError, Request};
use serde_json::Value;

/// What the program's exit status says. Usage errors exit with 2, from the parser as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// The request failed, a stop has errors, or a wait is over before its worker.
    Failed = 1,
    /// The command line or the configuration means nothing.
    Usage = 2,
    /// `status SID`: it does not run.
    NotRunning = 3,
    /// `status SID` and `wait SID`: whether it runs cannot be proven. `adopt SID`: nobody
    /// has confirmed that it is the one. `run --wait-sock`: whether it listens cannot be seen.
    Undecidable = 4,
    /// Somebody else held the lock for too long.
    Busy = 5,
    /// The registry cannot be read.
    Corrupted = 6,
    /// The policy failed, or was denied or refused something.
    Policy = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

pub(super) fn of_error(error: &Error) -> Exit {
    match error {
        Error::Busy(_) => Exit::Busy,
        Error::Corrupted { .. } => Exit::Corrupted,
        Error::Policy(_) | Error::Denied(_) | Error::Refused(_) | Error::Setting(_) => Exit::Policy,
        _ => Exit::Failed,
    }
}

/// Of an error that is not the answer to a request.
pub(super) fn of_failure(error: &anyhow::Error) -> Exit {
    if error.is::<LoadError>() {
        Exit::Policy
    } else if error.is::<ConfigError>() {
        Exit::Usage
    } else if let Some(error) = error.downcast_ref::<Error>() {
        of_error(error)
    } else {
        Exit::Failed
    }
}

pub(super) fn of_answer(request: &Request, answer: &Value) -> Exit {
    match request {
        Request::Status { sid: Some(_) } => {
            let standings = answer["sessions"].as_array().into_iter().flatten();
            let mut standings = standings
                .filter_map(|session| session["status"].as_str())
                .peekable();
            if standings.peek().is_none() {
                Exit::NotRunning
            } else if standings.all(|status| matches!(status, "running" | "stopping")) {
                Exit::Ok
            } else {
                Exit::Undecidable
            }
        }
        Request::Stop(_) if has_failed(answer) => Exit::Failed,
        _ => Exit::Ok,
    }
}

/// Whether a stop has errors, or left a worker as it was: the policy may not call that an error.
fn has_failed(answer: &Value) -> bool {
    let list = |name: &str| answer[name].as_array().into_iter().flatten();
    let is_left = |outcome: &Value| {
        let word = outcome["outcome"].as_str();
        matches!(word, Some("refused" | "failed" | "still-running"))
    };
    list("errors").next().is_some() || list("outcomes").any(is_left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolwarden::Stop;
    use serde_json::json;

    #[test]
    fn status_of_one_session_tells_its_standing() {
        let status = Request::Status {
            sid: Some("a".into()),
        };
        let answer = |statuses: &[&str]| json!({"sessions": statuses.iter().map(|s| json!({"status": s})).collect::<Vec<_>>()});
        assert_eq!(of_answer(&status, &answer(&[])), Exit::NotRunning);
        assert_eq!(of_answer(&status, &answer(&["running"])), Exit::Ok);
        assert_eq!(of_answer(&status, &answer(&["stopping"])), Exit::Ok);
        for status_text in ["unproven", "foreign", "unknown"] {
            assert_eq!(
                of_answer(&status, &answer(&[status_text])),
                Exit::Undecidable
            );
        }
        assert_eq!(
            of_answer(&Request::Status { sid: None }, &answer(&[])),
            Exit::Ok
        );
    }

    #[test]
    fn a_stop_with_errors_fails() {
        let stop = Request::Stop(Stop::default());
        assert_eq!(of_answer(&stop, &json!({"errors": []})), Exit::Ok);
        assert_eq!(of_answer(&stop, &json!({"errors": ["x"]})), Exit::Failed);
        for word in ["refused", "failed", "still-running"] {
            let answer = json!({"errors": [], "outcomes": [{"outcome": word}]});
            assert_eq!(of_answer(&stop, &answer), Exit::Failed, "{word}");
        }
    }
}
