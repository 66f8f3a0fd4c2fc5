//! Nothing lost and nothing stuck, whichever system call of a request fails or is its last.
//!
//! Whole requests run through the shipped policy on a disk that follows a plan
//! ([`StagedDisk`](crate::store::testing::StagedDisk)), over processes that are made up:
//!
//! - `faults`: every call fails in turn with every error that it can give, once and from
//!   then on;
//! - `stops`: the process ends at every call in turn, and with it the power: of what was
//!   not synced, nothing, everything, or any part is left;
//! - `kills`: the same with real processes that end there;
//! - `rivals`: between two calls, another program replaces the lock file or puts its own
//!   files in the way;
//! - `lies`: a disk that leaves out a step, as a mistake in the store would. The others
//!   have to notice each: a test of the tests.
//!
//! What has to hold afterwards is in `check`, rule by rule. The rules about order:
//!
//! 1. the trail has a signal before it is sent;
//! 2. the trail has a removal, durably, before the registry lacks the entry;
//! 3. the ledger has a row before the registry has its entry, and as long;
//! 4. the ledger says that an entry is withdrawn, durably, before the registry lacks it, where
//!    its process may live: a row alone would bring it back;
//! 5. a file has its contents, durably, before it has its name;
//! 6. the pool's directory has its name, durably, before the first registry is in it.
//!
//! `steps/` has the calls that each request makes, in order. A call that comes or goes
//! changes them, so that whoever adds one looks at where it stands.

mod check;
mod faults;
mod kills;
mod lies;
mod rivals;
mod run;
mod scenario;
mod stops;
mod world;
