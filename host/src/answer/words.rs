//! The words in which answers say what was found and what was done.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::process::Standing;

/// Defines words that are known here, each spelled once, beside whatever else a policy says.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[serde(from = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$inner])* $word,)+
            /// A word that another policy uses, as it stands there.
            Other(String),
        }

        impl $name {
            /// The word as it stands in the answer.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $text,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($text => Self::$word,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        /// Any text: what each word means stands with the field.
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }
    };
}

words! {
    /// How a listed session stands.
    SessionStatus {
        /// Running, and the process of this entry.
        Running = "running",
        /// The same, and it was asked to exit.
        Stopping = "stopping",
        /// Something runs under the pid, but nothing proves that it is this worker.
        Unproven = "unproven",
        /// On another machine or in another pid namespace, or another process answers on its
        /// socket.
        Foreign = "foreign",
        /// The probe failed.
        Unknown = "unknown",
    }
}

words! {
    /// What became of a session that was to be stopped, or that the policy dismissed.
    Outcome {
        /// It ended after the signal.
        Exited = "exited",
        /// It ended after it was killed.
        Killed = "killed",
        /// It was no more before any signal.
        AlreadyDead = "already-dead",
        /// It was signalled, and whether it ends was not waited for.
        Signalled = "signalled",
        /// It was signalled and is still there.
        StillRunning = "still-running",
        /// It was not signalled, because that could hit somebody else or is not allowed.
        Refused = "refused",
        /// The system did not carry the signal out.
        Failed = "failed",
        /// Its pid can belong to no process; its entry is gone.
        InvalidPid = "invalid-pid",
        /// It would be signalled, had more than a forecast been asked for.
        WouldSignal = "would-signal",
    }
}

words! {
    /// What was proven about the process of an entry: a [`Standing`], in the policy's words.
    Found {
        /// Running, and the process of this entry.
        Alive = "alive",
        /// Running, but nothing says who it is; or pid 1.
        Unproven = "unproven",
        /// The pid belongs to a process born after the entry.
        Reused = "reused",
        /// Terminated, not yet reaped.
        Exited = "exited",
        /// No such process, an earlier boot of this machine, or an impossible pid.
        Gone = "gone",
        /// On another machine or in another pid namespace, or another process answers on its
        /// socket.
        Foreign = "foreign",
        /// The probe itself failed.
        Unknown = "unknown",
    }
}

impl PartialEq<Standing> for Found {
    fn eq(&self, standing: &Standing) -> bool {
        self.as_str() == standing.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_have_a_case_and_others_stay_as_they_are() {
        let read = |text: &str| serde_json::from_str::<Outcome>(text).expect("a word");
        assert_eq!(read("\"already-dead\""), Outcome::AlreadyDead);
        assert_eq!(read("\"still-running\"").to_string(), "still-running");
        let other = read("\"Retired\\u0000\"");
        assert_eq!(other, Outcome::Other("Retired\0".into()));
        assert_eq!(other.as_str(), "Retired\0");
        assert!(serde_json::from_str::<Outcome>("1").is_err());
    }

    #[test]
    fn every_standing_is_found_by_its_name() {
        use Standing::{Alive, Exited, Foreign, Gone, Reused, Unknown, Unproven};
        for standing in [Alive, Unproven, Reused, Exited, Gone, Foreign, Unknown] {
            let found = Found::from(standing.name().to_owned());
            assert!(!matches!(found, Found::Other(_)), "{standing}");
            assert_eq!(found, standing);
        }
    }
}
