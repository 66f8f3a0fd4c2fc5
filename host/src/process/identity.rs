//! Who a process is, beyond its pid.

use serde::{Deserialize, Serialize};

/// Where pids have a meaning: one pid namespace of one boot of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// `/etc/machine-id` (machine-id(5)); empty where there is none, as in many containers.
    pub machine: String,
    /// `/proc/sys/kernel/random/boot_id` (random(4)): new at every boot.
    pub boot: String,
    /// Inode number of `/proc/self/ns/pid` (namespaces(7)).
    pub pid_namespace: u64,
}

/// Who a process is. Equal in every part: the same process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Where it runs.
    #[serde(flatten)]
    pub place: Place,
    /// `st_ino` of its pidfd on pidfs: unique within a boot since Linux 6.9. Absent on
    /// kernels without pidfs.
    pub inode: Option<u64>,
    /// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)): clock ticks between boot and its
    /// start. Not unique on its own.
    pub start_ticks: u64,
}

/// How a claim was tied to its process when it was first proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The operator named the process when the entry was made.
    Registered,
    /// The process held the entry's socket listening.
    Socket,
    /// The process had started by the time the entry was made.
    Time,
    /// The operator looked at the process and said that it is the one.
    Adopted,
}

/// What the ledger recorded of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who the process was.
    #[serde(flatten)]
    pub identity: Identity,
    /// How that was proven.
    pub proof: Proof,
}
