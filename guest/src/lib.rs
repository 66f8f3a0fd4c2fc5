//! Policies for poolwarden: whom to collect, whom to stop, what to answer.
//!
//! A policy runs as a WebAssembly component and has no effect but through the imports of
//! the world `policy`. This crate is all of the policy that poolwarden ships, as a library:
//! one that decides differently in one point implements [`Policy`], overrides that one
//! method, and is exported with [`export!`]. The guide is `guest/README.md`.
//!
//! ```ignore
//! use poolwarden_policy::{NewEntry, Policy, Pool};
//!
//! #[derive(Default)]
//! struct AtMostTen;
//!
//! impl Policy for AtMostTen {
//!     fn admit(&self, pool: &Pool<'_>, _new: &NewEntry) -> Result<(), String> {
//!         match pool.kept().count() {
//!             10.. => Err("the pool is full: stop one of its workers first".to_owned()),
//!             _ => Ok(()),
//!         }
//!     }
//! }
//!
//! poolwarden_policy::export!(AtMostTen);
//! ```
//!
//! Decisions are ordinary functions over ordinary data, and tests run them natively on a
//! [fake host](testing::FakeHost); WebAssembly shows only in [`bindings`], [`imports`] and
//! [`mod@export`].

pub mod answer;
pub mod bindings;
pub mod decide;
pub mod dismissal;
pub mod export;
pub mod host;
pub mod imports;
pub mod policy;
pub mod pool;
pub mod registry;
mod remedy;
pub mod rewrite;
pub mod settings;
pub mod sweep;
pub mod testing;
pub mod verbs;

pub use decide::{Status, StopVerdict};
pub use dismissal::Dismissal;
pub use host::{
    Description, Failure, Finding, Host, NewEntry, Observe, Signal, Standing, StopOptions,
};
pub use policy::{DefaultPolicy, Policy, description};
pub use pool::Pool;
pub use registry::Entry;
pub use settings::Settings;
pub use sweep::Surveyed;
