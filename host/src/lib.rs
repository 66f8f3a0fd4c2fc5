//! Keeps a pool of long-lived worker processes.
//!
//! A pool is a directory with a `registry.json`, which many programs share under a lock.
//! poolwarden says which of the registered workers live, collects the dead, and stops the
//! living, and never touches a process that it cannot prove to be the registered one.
//!
//! The way of a request: a [`Request`] comes from the command line, from MCP or
//! from a program that embeds this library; [`Pool::call`] runs it in a fresh instance of
//! the [`Policy`], a WebAssembly component that decides; the `capabilities` lend it
//! the registry (`store`), findings about processes (`process`) and signals, within what
//! the operator granted ([`Grants`]) and what the `floor` allows to nobody; the answer
//! is JSON ([`Answer`]). Every signal and every removal is recorded in the pool's trail
//! ([`audit`]).
//!
//! ```no_run
//! use poolwarden::{Cancel, Policy, PoolBuilder, Request};
//!
//! let pool = PoolBuilder::new("/run/user/1000/my-pool").build(Policy::shipped()?);
//! let answer = pool.call(Request::Status { sid: None }, &Cancel::new()?)?;
//! println!("{}", answer.text());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
pub mod audit;
mod cancel;
mod capabilities;
pub mod config;
#[cfg(test)]
mod crash;
mod error;
mod floor;
pub mod life;
mod mandate;
mod pool;
pub mod process;
pub mod recording;
pub mod replay;
mod request;
mod runtime;
pub mod store;

pub use answer::Answer;
pub use cancel::Cancel;
pub use error::{Error, Fault};
pub use floor::{Grants, UnknownGrant};
pub use mandate::Mandate;
pub use pool::{Pool, PoolBuilder};
pub use request::{Register, Request, Stop};
pub use runtime::{
    CacheError, CodeCache, Compiled, Description, Export, Import, ImportKind, Inspection, Limits,
    LoadError, MAX_COMPONENT, Needs, Policy, PolicyLoader, Setting, Unusable,
};
