//! What the host found and did in one request, for whoever holds its answer against that.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::floor::Reading;
use crate::process::{Claim, Signal, Standing};

/// What one request found and did.
#[derive(Default)]
pub(crate) struct Done {
    /// The first transaction that could read the registry, and the last one where there were
    /// several. What those between them found is not kept: a policy may begin a thousand.
    pub(crate) transactions: Vec<Seen>,
    /// Which signals were sent to the process of which claim.
    pub(crate) signalled: HashMap<Claim, BTreeSet<Signal>>,
    /// Whose process was seen to end while the request waited for it.
    pub(crate) ended: HashSet<Claim>,
    /// The claims of the entries that were removed, in all transactions.
    pub(crate) removed: Vec<Claim>,
    /// The claim of the entry that was added.
    pub(crate) added: Option<Claim>,
}

/// What one transaction saw.
#[expect(
    dead_code,
    reason = "for whoever holds an answer against what was done"
)]
pub(crate) struct Seen {
    /// The registry as it was read at `begin`.
    pub(crate) reading: Arc<Reading>,
    /// By index in the reading: what was found last, with the evidence; none where nobody asked.
    pub(crate) found: Vec<Option<(Standing, Cow<'static, str>)>>,
}

impl Done {
    pub(super) fn note_transaction(&mut self, seen: Seen) {
        self.transactions.truncate(1);
        self.transactions.push(seen);
    }

    pub(super) fn note_signal(&mut self, claim: Claim, signal: Signal) {
        self.signalled.entry(claim).or_default().insert(signal);
    }

    /// Whether a signal was sent to the process of this claim.
    pub(crate) fn was_sent(&self, claim: &Claim, signal: Signal) -> bool {
        let sent = self.signalled.get(claim);
        sent.is_some_and(|sent| sent.contains(&signal))
    }
}
