//! What a policy answered: its own text, and what that says.

mod answered;
mod entries;
mod listed;
mod raw;
mod readable;
mod stopped;
mod words;

pub use answered::Answered;
pub use entries::{Entry, Forgotten, Registered, RemovedSession};
pub use listed::{DismissedSession, Ensured, EnsuredSession, Listed, Session};
pub use raw::Answer;
pub use stopped::{StopOutcome, Stopped};
pub use words::{Found, Outcome, SessionStatus};
