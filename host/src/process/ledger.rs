//! The proof by the ledger: who the process was when its claim was last proven.

use super::{Identity, Place};

/// How the place of a ledger row lies to the place where this program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// The same pids mean the same processes.
    Here,
    /// This machine, before it was last booted.
    EarlierBoot,
    /// Another machine.
    OtherMachine,
    /// This boot, in another pid namespace.
    OtherNamespace,
    /// An earlier boot or another machine: one of them has no machine id.
    Unclear,
}

/// Where a row was written, seen from here.
pub(super) fn whereabouts(row: &Place, here: &Place) -> Whereabouts {
    let both_named = !row.machine.is_empty() && !here.machine.is_empty();
    if both_named && row.machine != here.machine {
        return Whereabouts::OtherMachine;
    }
    if row.boot != here.boot {
        return if both_named {
            Whereabouts::EarlierBoot
        } else {
            Whereabouts::Unclear
        };
    }
    // A boot id is random: the same one means the same machine, named or not.
    if row.pid_namespace != here.pid_namespace {
        return Whereabouts::OtherNamespace;
    }
    Whereabouts::Here
}

/// How a ledger row of this place lies to the process now under its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// It is the row's process.
    Same,
    /// It is another one: an inode number on pidfs is used once in a boot.
    Other,
    /// One pidfs inode with two start times: the row is damaged, or was written in
    /// another time namespace (time_namespaces(7)).
    Contradiction,
    /// Without pidfs: both started in the same clock tick, which proves nothing alone.
    SameTick,
    /// Without pidfs: it did not start when the row's process did.
    OtherTick,
}

/// Compares a row with a process of the same place.
pub(super) fn agreement(row: &Identity, process: &Identity) -> Agreement {
    let same_tick = row.start_ticks == process.start_ticks;
    match (row.inode, process.inode) {
        (Some(row), Some(process)) if row != process => Agreement::Other,
        (Some(_), Some(_)) if same_tick => Agreement::Same,
        (Some(_), Some(_)) => Agreement::Contradiction,
        _ if same_tick => Agreement::SameTick,
        _ => Agreement::OtherTick,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(machine: &str, boot: &str, pid_namespace: u64) -> Place {
        Place {
            machine: machine.into(),
            boot: boot.into(),
            pid_namespace,
        }
    }

    #[test]
    fn a_place_is_machine_then_boot_then_namespace() {
        let here = place("m", "b", 1);
        for (row, expected) in [
            (place("m", "b", 1), Whereabouts::Here),
            (place("m", "old", 1), Whereabouts::EarlierBoot),
            (place("m", "old", 2), Whereabouts::EarlierBoot),
            (place("m", "b", 2), Whereabouts::OtherNamespace),
            (place("n", "b", 1), Whereabouts::OtherMachine),
            (place("n", "old", 1), Whereabouts::OtherMachine),
            (place("", "b", 1), Whereabouts::Here),
            (place("", "b", 2), Whereabouts::OtherNamespace),
            (place("", "old", 1), Whereabouts::Unclear),
        ] {
            assert_eq!(whereabouts(&row, &here), expected, "{row:?}");
        }
        let unnamed = place("", "b", 1);
        assert_eq!(
            whereabouts(&place("m", "b", 1), &unnamed),
            Whereabouts::Here
        );
        assert_eq!(
            whereabouts(&place("m", "old", 1), &unnamed),
            Whereabouts::Unclear
        );
        assert_eq!(
            whereabouts(&place("", "old", 1), &unnamed),
            Whereabouts::Unclear
        );
    }

    #[test]
    fn a_process_is_told_by_inode_and_never_by_tick_alone() {
        let identity = |inode, start_ticks| Identity {
            place: place("m", "b", 1),
            inode,
            start_ticks,
        };
        let process = identity(Some(7), 100);
        for (row, expected) in [
            (identity(Some(7), 100), Agreement::Same),
            (identity(Some(8), 100), Agreement::Other),
            (identity(Some(8), 101), Agreement::Other),
            (identity(Some(7), 101), Agreement::Contradiction),
            (identity(None, 100), Agreement::SameTick),
            (identity(None, 101), Agreement::OtherTick),
        ] {
            assert_eq!(agreement(&row, &process), expected, "{row:?}");
        }
        let without = identity(None, 100);
        assert_eq!(agreement(&process, &without), Agreement::SameTick);
    }
}
