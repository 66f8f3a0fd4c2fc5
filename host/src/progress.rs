//! How far a request has come, for whoever waits for its answer.

use std::sync::Arc;

/// How far the stop of workers has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many workers were signalled.
    pub signalled: usize,
    /// How many of them were seen to end.
    pub ended: usize,
    /// The sids of some that are still waited for.
    pub waits_for: Vec<String>,
}

/// What is told how far a request has come. It is called on the thread of the request, which
/// waits for it.
pub(crate) type Reporter = Arc<dyn Fn(Progress) + Send + Sync>;
