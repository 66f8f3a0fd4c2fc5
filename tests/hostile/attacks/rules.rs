//! Against the rules of the floor, the grants, and the order of calls.

use super::{Attack, Ends, Guest, How, attack, attack_of};

/// A replacement of the registry.
macro_rules! replace {
    ($with:literal) => {
        hostile!("replace", "with" = $with)
    };
}

pub(super) const RULES: &[Attack] = &[
    attack(
        "never dropping the transaction",
        hostile!("leak-transaction"),
        Ends::Nothing("leaked"),
    ),
    attack(
        "taking the transaction twice",
        hostile!("begin-twice"),
        Ends::Refused("already holds a transaction"),
    ),
    attack(
        "replacing twice",
        hostile!("replace-twice"),
        Ends::Refused("already replaced"),
    ),
    attack(
        "waiting inside the transaction",
        hostile!("wait-inside"),
        Ends::Refused("waiting inside a transaction"),
    ),
    attack_of(
        How::EndsWorker,
        "keeping a target after its transaction",
        hostile!("signal-later"),
        Ends::Nothing("done"),
    ),
    attack(
        "signalling a session that is not registered",
        hostile!(
            "signal",
            "sid" = "nobody",
            "pid" = "$pid0",
            "signal" = "KILL"
        ),
        Ends::Refused("no entry has the sid"),
    ),
    attack(
        "signalling a pid that is not registered",
        hostile!(
            "signal",
            "sid" = "w0",
            "pid" = "2147483647",
            "signal" = "KILL"
        ),
        Ends::Refused("not pid 2147483647"),
    ),
    attack(
        "signalling another's pid",
        hostile!("signal", "sid" = "w0", "pid" = "$pid1", "signal" = "KILL"),
        Ends::Refused("not pid "),
    ),
    attack(
        "signalling a process group",
        hostile!("signal-group"),
        Ends::Refused("did not ask for process groups"),
    ),
    attack(
        "dropping a live worker's entry",
        replace!("{$other,\"sessions\":[$entry1]}"),
        Ends::Refused("whose process is not proven dead"),
    ),
    attack(
        "writing a forged entry",
        replace!(
            "{$other,\"sessions\":[$entry0,$entry1,{\"sid\":\"forged\",\"pid\":$pid0,\"sock\":\"\",\
             \"version\":\"\",\"created_at\":\"$made0\"}]}"
        ),
        Ends::Refused("that nobody registered"),
    ),
    attack(
        "changing a kept entry's pid",
        replace!(
            "{$other,\"sessions\":[{\"sid\":\"w0\",\"pid\":$pid1,\"sock\":\"\",\"version\":\"\",\
             \"created_at\":\"$made0\"},$entry1]}"
        ),
        Ends::Refused("loses or changes the entry of \"w0\""),
    ),
    attack(
        "writing what is no registry",
        replace!("[]"),
        Ends::Refused("the replacement is not a registry"),
    ),
    attack(
        "freeing an entry by a signal that ends nobody",
        hostile!(
            "signal-then-replace",
            "sid" = "w0",
            "pid" = "$pid0",
            "signal" = "CONT",
            "with" = "{$other,\"sessions\":[$entry1]}"
        ),
        Ends::Refused("whose process is not proven dead"),
    ),
    attack_of(
        How::Forgetting,
        "signalling what it replaced into the registry",
        hostile!(
            "replace-then-signal",
            "sid" = "w0",
            "pid" = "$pid1",
            "with" = "{$other,\"sessions\":[$entry1]}"
        ),
        Ends::Refused("not pid "),
    ),
    attack_of(
        How::Ungranted,
        "signalling without the grant",
        hostile!("signal"),
        Ends::Denied("--grant dismiss"),
    ),
    attack_of(
        How::Ungranted,
        "writing without the grant",
        replace!("{$other,\"sessions\":[$entry0,$entry1]}"),
        Ends::Denied("--grant registry-write"),
    ),
    attack_of(
        How::Undismissing,
        "signalling in an ensure without the grant to dismiss",
        hostile!("signal"),
        Ends::Denied("--grant dismiss"),
    ),
    attack_of(
        How::AskedForStatus,
        "signalling in a status",
        hostile!("signal"),
        Ends::Refused("`status` signals nobody"),
    ),
    attack_of(
        How::AskedToStopAnother,
        "stopping another session",
        hostile!("signal"),
        Ends::Refused("the client asked to stop the session \"w1\""),
    ),
    attack_of(
        How::AskedToStop,
        "killing without force",
        hostile!("signal", "sid" = "w0", "pid" = "$pid0", "signal" = "KILL"),
        Ends::Refused("did not allow KILL"),
    ),
    attack_of(
        How::AskedToStopStubborn,
        "dropping a worker that it signalled and that runs on",
        hostile!(
            "signal-then-replace",
            "sid" = "w0",
            "pid" = "$pid0",
            "with" = "{$other,\"sessions\":[$entry1]}"
        ),
        Ends::Refused("whose process is not proven dead"),
    ),
    attack(
        "wiping what is not known of a kept entry",
        replace!("{$other,\"sessions\":[$bare0,$entry1]}"),
        Ends::Refused("loses or changes the entry of \"w0\""),
    ),
    attack(
        "wiping a kept entry's version",
        replace!(
            "{$other,\"sessions\":[{\"sid\":\"w0\",\"pid\":$pid0,\"sock\":\"\",\
             \"version\":\"\",\"created_at\":\"$made0\"},$entry1]}"
        ),
        Ends::Refused("loses or changes the entry of \"w0\""),
    ),
    attack(
        "wiping another program's key",
        replace!("{\"sessions\":[$entry0,$entry1]}"),
        Ends::Refused("outside of `sessions`"),
    ),
    attack(
        "learning about another process",
        hostile!("inspect", "sid" = "w0", "pid" = "1"),
        Ends::Nothing("Standing::Unknown: the registry has no such entry"),
    ),
    attack(
        "looking outside of a transaction",
        hostile!("inspect-outside"),
        Ends::Nothing("Standing::Unknown: no transaction is open"),
    ),
];
