//! The built program against real processes, end to end.
//!
//! Each test has a pool and workers of its own and nothing of the machine's environment.
//! One file is one topic; the [`harness`] makes pools, workers and clients.

mod harness;

mod absent_pool;
mod adopt;
mod any_registry;
mod cli;
mod contention;
mod doctor;
mod doctor_done;
mod doctor_evidence;
mod doctor_files;
mod doctor_fix;
mod doctor_large;
mod doctor_orphans;
mod doctor_policy;
mod every_file;
mod findings;
mod honest_answers;
mod hostile_directory;
mod hostile_entries;
mod hostile_names;
mod hostile_policies;
mod hot_swap;
mod hot_swap_paths;
mod hot_swap_writing;
mod ledger;
mod limits;
mod log;
mod long_paths;
mod mcp_flood;
mod mcp_hostile_client;
mod mcp_lifecycle;
mod mcp_tools;
mod mcp_unreadable;
mod permissions;
mod policies;
mod policy_given;
mod policy_verbs;
mod preservation;
mod record;
mod registry_files;
mod replay;
mod replay_damaged;
mod run;
mod run_failures;
mod run_killed;
mod run_socket;
mod seed_behaviour;
mod settings;
mod stop;
mod stop_group;
mod stop_sockets;
mod stop_together;
mod stopped_holder;
mod terminal;
mod terminal_files;
mod terminal_policies;
mod trail;
mod trail_refusals;
mod unchanged;
mod wait;
mod watch;
