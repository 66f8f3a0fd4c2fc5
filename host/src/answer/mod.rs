//! What a policy answered: its own text, and what that says.

mod answered;
mod entries;
mod honest;
mod listed;
mod object;
mod raw;
mod readable;
mod stopped;
mod words;

pub use answered::Answered;
pub(crate) use answered::Misread;
pub use entries::{Entry, Forgotten, Registered, RemovedSession};
pub(crate) use honest::{Facts, Honest};
pub use listed::{DismissedSession, Ensured, EnsuredSession, Listed, Session};
pub use raw::Answer;
pub use stopped::{StopOutcome, Stopped};
pub use words::{Found, Outcome, SessionStatus};
