//! One row of the ledger as JSON text.

use std::borrow::Cow;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::ledger::{Row, SentSignal};
use crate::process::{Claim, Identity, Place, Proof, Record, Signal};

/// A claim, its identity and its last signal, side by side. Spelled out and not flattened
/// from the types in memory, which would read ten times slower.
#[derive(Serialize, Deserialize)]
pub(super) struct RowText<'a> {
    #[serde(borrow)]
    sid: Cow<'a, str>,
    pid: u32,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
    #[serde(borrow)]
    sock: Cow<'a, str>,
    #[serde(borrow)]
    machine: Cow<'a, str>,
    #[serde(borrow)]
    boot: Cow<'a, str>,
    pid_namespace: u64,
    inode: Option<u64>,
    start_ticks: u64,
    proof: Proof,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_signal: Option<SignalText>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    withdrawn: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    kill_withdrawn: bool,
}

#[derive(Serialize, Deserialize)]
struct SignalText {
    signal: Signal,
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    at: SystemTime,
}

impl RowText<'_> {
    /// What rows are sorted by.
    pub(super) fn key(&self) -> (&str, u32, &str, &str) {
        (&self.sid, self.pid, &self.created_at, &self.sock)
    }

    /// The row in memory, under its claim.
    pub(super) fn into_row(self) -> (Claim, Row) {
        let claim = Claim {
            sid: self.sid.into_owned(),
            pid: self.pid,
            created_at: self.created_at.into_owned(),
            sock: self.sock.into_owned(),
        };
        let place = Place {
            machine: self.machine.into_owned(),
            boot: self.boot.into_owned(),
            pid_namespace: self.pid_namespace,
        };
        let identity = Identity {
            place,
            inode: self.inode,
            start_ticks: self.start_ticks,
        };
        let last_signal = self
            .last_signal
            .map(|SignalText { signal, at }| SentSignal { signal, at });
        (
            claim,
            Row {
                record: Record {
                    identity,
                    proof: self.proof,
                },
                last_signal,
                withdrawn: self.withdrawn,
                kill_withdrawn: self.kill_withdrawn,
            },
        )
    }
}

impl<'a> From<(&'a Claim, &'a Row)> for RowText<'a> {
    fn from(
        (
            claim,
            Row {
                record,
                last_signal,
                withdrawn,
                kill_withdrawn,
            },
        ): (&'a Claim, &'a Row),
    ) -> Self {
        let Identity {
            place,
            inode,
            start_ticks,
        } = &record.identity;
        Self {
            sid: Cow::from(&claim.sid),
            pid: claim.pid,
            created_at: Cow::from(&claim.created_at),
            sock: Cow::from(&claim.sock),
            machine: Cow::from(&place.machine),
            boot: Cow::from(&place.boot),
            pid_namespace: place.pid_namespace,
            inode: *inode,
            start_ticks: *start_ticks,
            proof: record.proof,
            last_signal: last_signal.map(|SentSignal { signal, at }| SignalText { signal, at }),
            withdrawn: *withdrawn,
            kill_withdrawn: *kill_withdrawn,
        }
    }
}

/// Writes a time as RFC 3339 text with all the digits that it needs.
fn write_time<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&Timestamp::try_from(*at).map_err(ser::Error::custom)?)
}

fn read_time<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
    let text = Cow::<str>::deserialize(from)?;
    let time: Timestamp = text.parse().map_err(de::Error::custom)?;
    Ok(time.into())
}
