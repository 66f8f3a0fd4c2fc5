//! An answer in its fields.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use super::Answer;
use super::raw::AnswerError;

/// An answer in the fields that every policy's answer has, and the whole of it beside them:
/// a policy may say more than the fields do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    fields: T,
    answer: Answer,
}

/// Why a text is not the answer that was expected.
#[derive(Debug)]
pub(crate) enum Misread {
    /// It is no answer at all.
    NoAnswer(AnswerError),
    /// It is one in another form.
    OtherForm {
        /// Where it does not fit.
        reason: String,
        /// What it is.
        answer: Answer,
    },
}

impl<T: DeserializeOwned> Answered<T> {
    /// Reads the text of an answer into its fields, in one pass.
    pub(crate) fn read(text: String) -> Result<Self, Misread> {
        match serde_json::from_str(&text) {
            Ok(fields) => Ok(Self {
                fields,
                answer: Answer::of_readable(text),
            }),
            Err(error) => Err(match Answer::check(text) {
                Ok(answer) => Misread::OtherForm {
                    reason: error.to_string(),
                    answer,
                },
                Err(error) => Misread::NoAnswer(error),
            }),
        }
    }
}

impl<T> Answered<T> {
    /// The whole answer, as the policy wrote it.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The whole answer alone.
    pub(crate) fn into_answer(self) -> Answer {
        self.answer
    }

    /// The fields alone.
    pub fn into_fields(self) -> T {
        self.fields
    }
}

impl<T> Deref for Answered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.fields
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answer::{Ensured, Found, Listed, Outcome, Registered, SessionStatus, Stopped};

    fn read<T: DeserializeOwned>(value: &serde_json::Value) -> Result<Answered<T>, Misread> {
        Answered::read(value.to_string())
    }

    #[test]
    fn what_another_policy_says_beyond_the_fields_stays_reachable() {
        let value = json!({
            "stopped": ["a"],
            "errors": [],
            "outcomes": [{"sid": "a", "pid": 7, "outcome": "retired", "after": 3}],
            "mood": {"weather": 1},
        });
        let stopped: Answered<Stopped> = read(&value).expect("it fits");
        assert_eq!(
            stopped.outcomes[0].outcome,
            Outcome::Other("retired".into())
        );
        assert!(!stopped.dry_run);
        assert_eq!(stopped.answer().text(), value.to_string());
        assert_eq!(stopped.answer().value()["outcomes"][0]["after"], 3);
        assert_eq!(stopped.into_fields().stopped, ["a"]);
    }

    #[test]
    fn what_may_be_left_out_is_empty() {
        let ensured = json!({"sessions": [], "pool_version": "1", "removed": []});
        let ensured: Answered<Ensured> = read(&ensured).expect("it fits");
        assert!(ensured.dismissed.is_empty() && !ensured.dry_run);
        let session = json!({
            "sid": "a", "pid": 7, "sock": "", "version": "", "created_at": "", "status": "idle",
        });
        let listed = json!({"sessions": [session], "pool_version": "1"});
        let listed: Answered<Listed> = read(&listed).expect("it fits");
        assert_eq!(listed.sessions[0].evidence, None);
        let idle = SessionStatus::Other("idle".into());
        assert_eq!(listed.sessions[0].status, idle);
        assert!(listed.removed.is_empty());
        let entry = json!({"sid": "a", "pid": 7, "sock": "", "version": "", "created_at": ""});
        let dead = json!({"sid": "a", "pid": 6, "standing": "exited", "evidence": "it is"});
        let registered = json!({"registered": entry, "pool_version": "1", "replaced": dead});
        let registered: Answered<Registered> = read(&registered).expect("it fits");
        let replaced = registered.replaced.as_ref().expect("it was given");
        assert_eq!(replaced.standing, Found::Exited);
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_text() {
        for (value, missing) in [
            (json!({}), "missing field `stopped`"),
            (json!({"stopped": "a"}), "expected a sequence"),
            (
                json!({"stopped": [], "errors": [], "outcomes": [{"sid": "a"}]}),
                "missing field `pid`",
            ),
        ] {
            let error = read::<Stopped>(&value).expect_err("it does not fit");
            let Misread::OtherForm { reason, answer } = error else {
                panic!("{error:?}");
            };
            assert!(reason.contains(missing), "{reason}");
            assert_eq!(answer.text(), value.to_string());
        }
    }

    /// What is read in one pass is what a check of its own would have let through.
    #[test]
    fn the_host_reads_only_an_answer_that_a_client_can_read_as_well() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let stop = |more: &str| format!(r#"{{"stopped":[],"errors":[],"outcomes":[]{more}}}"#);
        for more in ["", ",\"x\":[1,{\"y\":null}]", "\n,\"x\":1\r\n"] {
            let read = Answered::<Stopped>::read(stop(more)).expect(more);
            assert!(!read.answer().text().contains(['\n', '\r']));
            assert!(read.answer().value().is_object());
        }
        for text in [
            stop(&format!(",\"x\":{deep}")),
            stop(",\"x\":1e400"),
            stop(",\"x\":\"\\ud800\""),
            stop(",\"$serde_json::private::RawValue\":\"[]\""),
            stop("} {"),
            format!("[{}]", stop("")),
            "[[],[],[]]".into(),
        ] {
            let misread = Answered::<Stopped>::read(text.clone()).expect_err(&text);
            assert!(matches!(misread, Misread::NoAnswer(_)), "{text}");
        }
        for text in [
            stop(",\"errors\":[]"),
            stop(",\"dry_run\":null"),
            r#"{"stopped":[],"errors":[],"outcomes":[["a",7,"exited"]]}"#.into(),
        ] {
            let misread = Answered::<Stopped>::read(text.clone()).expect_err(&text);
            assert!(matches!(misread, Misread::OtherForm { .. }), "{text}");
        }
    }
}
