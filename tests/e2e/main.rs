//! The built program against real processes, end to end.
//!
//! Each test has a pool and workers of its own and nothing of the machine's environment.
//! One file is one topic; the [`harness`] makes pools, workers and clients.

mod harness;

mod adopt;
mod cli;
mod contention;
mod every_file;
mod findings;
mod hostile_policies;
mod hot_swap;
mod ledger;
mod log;
mod mcp_flood;
mod mcp_hostile_client;
mod mcp_lifecycle;
mod mcp_tools;
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
mod stop;
mod stop_group;
mod stop_sockets;
mod stop_together;
mod stopped_holder;
mod terminal;
mod trail;
mod trail_refusals;
mod unchanged;
mod wait;
mod watch;
