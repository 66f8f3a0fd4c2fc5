//! Every kind of refusal has its way out: a test that walks it, or a reason why there is nothing
//! to walk.

use crate::advice::{
    a_registry_that_cannot_be_read_is_repaired, a_stale_socket_is_removed,
    a_stopped_holder_of_the_lock_is_made_to_let_go, a_taken_sid_is_freed,
    a_taken_sid_is_freed_for_run, a_worker_that_ignores_the_request_to_end_is_killed,
    a_worker_that_is_not_replaced_is_stopped, a_worker_without_an_entry_gets_one,
    an_entry_of_pid_1_is_dropped, an_entry_whose_socket_another_process_serves_is_dropped,
    an_unproven_worker_is_adopted_or_dropped, two_entries_of_one_sid_are_told_apart,
    what_a_policy_needs_is_what_its_refusal_names, what_others_can_write_is_taken_from_them,
    what_stands_in_the_place_of_the_pools_files_is_moved_away,
};

/// How a user gets out of one kind of refusal.
enum Way {
    /// This test walks it.
    Walked(fn()),
    /// There is nothing to walk, for this reason.
    None(&'static str),
}

use Way::{None as Nothing, Walked};

/// What stands for each variant of a type.
type Ways = &'static [(&'static str, Way)];

/// Every kind of refusal, by the enumeration and the variant that stand for it.
const WAYS: &[(&str, &str, Ways)] = &[
    (
        include_str!("../../host/src/error.rs"),
        "Error",
        &[
            (
                "Busy",
                Walked(a_stopped_holder_of_the_lock_is_made_to_let_go),
            ),
            (
                "Corrupted",
                Walked(a_registry_that_cannot_be_read_is_repaired),
            ),
            ("Rejected", Walked(a_taken_sid_is_freed)),
            (
                "Denied",
                Walked(what_a_policy_needs_is_what_its_refusal_names),
            ),
            (
                "Refused",
                Nothing("the author of the policy has to mend it"),
            ),
            (
                "System",
                Walked(what_stands_in_the_place_of_the_pools_files_is_moved_away),
            ),
            ("Cancelled", Nothing("the caller withdrew the request")),
            ("Grace", Nothing("the text names the limit")),
            ("Setting", Nothing("the text names what there is")),
            ("Policy", Nothing("the author of the policy has to mend it")),
        ],
    ),
    (
        include_str!("../../host/src/store/error.rs"),
        "StoreError",
        &[
            (
                "Busy",
                Walked(a_stopped_holder_of_the_lock_is_made_to_let_go),
            ),
            ("Cancelled", Nothing("the caller withdrew the request")),
            (
                "TooLarge",
                Walked(a_registry_that_cannot_be_read_is_repaired),
            ),
            ("Unsafe", Walked(what_others_can_write_is_taken_from_them)),
            (
                "UntrustedLocks",
                Nothing("no test can mount such a file system"),
            ),
            (
                "UnsafeLog",
                Walked(what_others_can_write_is_taken_from_them),
            ),
            ("Changed", Nothing("the next request looks again")),
            ("Moved", Nothing("the next request opens the pool again")),
            (
                "LockLost",
                Nothing("the next request takes the new lock file"),
            ),
            (
                "NotDurable",
                Nothing("the change was made; the disk has to be checked"),
            ),
            (
                "RegistryLost",
                Walked(a_registry_that_cannot_be_read_is_repaired),
            ),
            (
                "Exchanged",
                Nothing("the text says which names the files have"),
            ),
            (
                "Step",
                Nothing("the suite `mounts` walks what can be made to fail"),
            ),
            ("Own", Nothing("another store says what to do")),
        ],
    ),
    (
        include_str!("../../host/src/store/danger.rs"),
        "Danger",
        &[
            (
                "Kind",
                Walked(what_stands_in_the_place_of_the_pools_files_is_moved_away),
            ),
            (
                "Owner",
                Nothing("it takes another user: see the suite `mounts`"),
            ),
            ("Writable", Walked(what_others_can_write_is_taken_from_them)),
            ("Linked", Nothing("the text names the command of `Kind`")),
        ],
    ),
    (
        include_str!("../../host/src/life/refusal.rs"),
        "AdoptError",
        &[
            ("Pool", Walked(a_registry_that_cannot_be_read_is_repaired)),
            ("NoEntry", Walked(a_worker_without_an_entry_gets_one)),
            ("Ambiguous", Walked(two_entries_of_one_sid_are_told_apart)),
            (
                "NotUnproven",
                Walked(an_entry_whose_socket_another_process_serves_is_dropped),
            ),
            ("Unidentified", Walked(an_entry_of_pid_1_is_dropped)),
            (
                "Forbidden",
                Nothing("it takes another user: see the suite `mounts`"),
            ),
            ("Changed", Nothing("the next adoption looks again")),
            (
                "NewerLedger",
                Nothing("the text names the program that wrote it"),
            ),
        ],
    ),
    (
        include_str!("../../host/src/process/finding.rs"),
        "Standing",
        &[
            (
                "Alive",
                Walked(a_worker_that_ignores_the_request_to_end_is_killed),
            ),
            ("Unproven", Walked(an_unproven_worker_is_adopted_or_dropped)),
            ("Reused", Nothing("every request collects it")),
            ("Exited", Nothing("every request collects it")),
            ("Gone", Nothing("every request collects it")),
            (
                "Foreign",
                Walked(an_entry_whose_socket_another_process_serves_is_dropped),
            ),
            ("Unknown", Nothing("the suite `mounts` walks it")),
        ],
    ),
    (
        include_str!("../../host/src/process/forbidden.rs"),
        "Forbidden",
        &[
            ("Init", Walked(an_entry_of_pid_1_is_dropped)),
            ("Itself", Nothing("elsewhere it is not")),
            ("Ancestor", Nothing("from another terminal it is not")),
            (
                "OtherUser",
                Nothing("it takes another user: see the suite `mounts`"),
            ),
            (
                "NoGroupLeader",
                Nothing("the hint names the stop without a group"),
            ),
            (
                "InGroup",
                Nothing("the hint names the stop without a group"),
            ),
            (
                "Reserved",
                Nothing("another implementation of processes says why"),
            ),
            ("Unclear", Nothing("the hint names both ways")),
        ],
    ),
    (
        include_str!("../../host/src/cli/run/failure.rs"),
        "Reason",
        &[
            ("Taken", Walked(a_taken_sid_is_freed_for_run)),
            (
                "NotReplaced",
                Walked(a_worker_that_is_not_replaced_is_stopped),
            ),
            ("NoProgram", Nothing("the text names the program")),
            ("Pool", Walked(a_registry_that_cannot_be_read_is_repaired)),
            ("Store", Walked(what_others_can_write_is_taken_from_them)),
            (
                "Log",
                Nothing("the system refuses to look at a file that is open"),
            ),
            (
                "Spawn",
                Nothing("there are no processes left, which the text says"),
            ),
            (
                "Identify",
                Nothing("see the variant Unknown of the standings"),
            ),
            ("NoStart", Nothing("the text says to start it again")),
            ("Ended", Walked(a_stale_socket_is_removed)),
            ("Silent", Walked(a_stale_socket_is_removed)),
            ("Immortal", Nothing("the kernel has to let go of it")),
        ],
    ),
];

/// A refusal that comes to be without a way out fails here.
#[test]
fn every_kind_of_refusal_has_its_way_out() {
    for (source, name, ways) in WAYS {
        let (_, body) = source
            .split_once(&format!(" enum {name} {{"))
            .expect("an enumeration");
        let (body, _) = body.split_once("\n}").expect("its end");
        let variants: Vec<_> = body
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(|line| line.split([' ', '(', ',']).next().expect("a word"))
            .collect();
        let known: Vec<_> = ways.iter().map(|(variant, _)| *variant).collect();
        assert_eq!(variants, known, "which of them has no way out?");
        for (variant, way) in *ways {
            match way {
                Walked(test) => {
                    let _: fn() = *test;
                }
                Nothing(reason) => assert!(!reason.is_empty(), "{variant}"),
            }
        }
    }
}
