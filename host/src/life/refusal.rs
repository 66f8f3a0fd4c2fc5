//! Why a process is not adopted.

use crate::error::Error;
use crate::process::{Forbidden, IdentifyError, Standing};

/// Why a process was not adopted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The pool could not be read, or the ledger not written.
    #[error(transparent)]
    Pool(#[from] Error),
    /// There is nothing to adopt a process for.
    #[error("no entry has the sid {sid:?}: register its process instead")]
    NoEntry {
        /// The session.
        sid: String,
    },
    /// Which entry is meant cannot be told.
    #[error(
        "{entries} entries have the sid {sid:?}, and which of them is meant cannot be told: \
         forget the sid and register its process anew"
    )]
    Ambiguous {
        /// The session.
        sid: String,
        /// How many entries it has.
        entries: usize,
    },
    /// The entry's standing is another one than unproven.
    #[error("sid={sid}: pid {pid} is {standing} ({evidence}); {}", advice(*.standing, .evidence))]
    NotUnproven {
        /// The session.
        sid: String,
        /// The entry's pid.
        pid: u32,
        /// What was found instead.
        standing: Standing,
        /// How.
        evidence: String,
    },
    /// Nothing could be held under the entry's pid.
    #[error("sid={sid}: its process cannot be adopted")]
    Unidentified {
        /// The session.
        sid: String,
        /// Why.
        source: IdentifyError,
    },
    /// It could never be signalled, so that it can be nobody's worker here.
    #[error("sid={sid}: its process is never taken for a worker")]
    Forbidden {
        /// The session.
        sid: String,
        /// Why.
        source: Forbidden,
    },
    /// Something is no longer as it was shown.
    #[error("sid={sid}: {what}, so nothing was adopted; look at it again")]
    Changed {
        /// The session.
        sid: String,
        /// What changed.
        what: String,
    },
    /// The ledger on disk was written by a newer version of this program.
    #[error(
        "the ledger has format version {version}, which this program does not write, so \
         nothing was adopted; use the program that wrote it"
    )]
    NewerLedger {
        /// The version of its format.
        version: u64,
    },
}

/// What there is to do instead. Of a foreign one the evidence says which way it is that: by
/// the ledger's row, or because somebody else answers at its socket.
fn advice(standing: Standing, evidence: &str) -> &'static str {
    match standing {
        Standing::Alive => "that is proven, and there is nothing to adopt",
        Standing::Reused | Standing::Exited | Standing::Gone => {
            "there is nothing to adopt: ensure collects the entry"
        }
        Standing::Foreign if evidence.contains("socket") => {
            "look at who serves the socket (ss -xlp shows it, unless that is in another pid \
             namespace): where that is the worker, forget the sid and register that process"
        }
        Standing::Foreign => "it can be adopted only where its process runs",
        Standing::Unproven | Standing::Unknown => {
            "what cannot be observed is not adopted: remove what is in the way, then try again"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_one_is_advised_by_its_evidence() {
        let of = |evidence| advice(Standing::Foreign, evidence);
        let elsewhere = "ledger: its process runs on machine 1, and this is machine 2";
        assert!(of(elsewhere).contains("only where its process runs"));
        for served in [
            "its socket /s answers, but pid 10 does not hold it",
            "no process has pid 10; but the socket /s still answers: another process serves it",
        ] {
            assert!(of(served).contains("look at who serves the socket"));
        }
    }
}
