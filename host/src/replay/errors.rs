//! What a policy is told that asks for what cannot be.

use crate::capabilities::HostError;
use crate::floor::Refusal;
use crate::process::Standing;
use crate::recording::{CallError, ErrorKind, Observed};

pub(super) fn transaction_is_over() -> HostError {
    HostError::misuse("the transaction is over")
}

pub(super) fn refused(text: &str) -> HostError {
    Refusal(text.to_owned()).into()
}

pub(super) fn too_many() -> HostError {
    HostError::Trap(wasmtime::Error::msg("it signalled or changed too much"))
}

pub(super) fn has_ended() -> CallError {
    CallError {
        kind: ErrorKind::Ended,
        text: "the process has ended in the replay".into(),
    }
}

pub(super) fn unknown(evidence: &str) -> Observed {
    Observed {
        standing: Standing::Unknown,
        evidence: Some(evidence.into()),
        started: None,
        last_signal: None,
    }
}
