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
//! # In another program
//!
//! A [`PoolBuilder`] makes a [`Pool`] of a directory and a policy. [`Pool::ensure`],
//! [`status`](Pool::status), [`stop`](Pool::stop), [`register`](Pool::register) and
//! [`forget`](Pool::forget) answer in types ([`answer`]), with the policy's own text beside
//! them; [`Pool::call`] answers with that text alone. An [`Error`]'s variant says who has to do
//! what about it.
//!
//! ```
//! use std::sync::Arc;
//! use poolwarden::{Cancel, Error, Limits, Policy, PoolBuilder, Stop, store::MemoryStore};
//!
//! let pool = PoolBuilder::new("/run/user/1000/my-pool")
//!     .limits(Limits { lock_wait: std::time::Duration::from_secs(2), ..Limits::default() })
//!     .store(Arc::new(MemoryStore::new())) // without this: the files of that directory
//!     .build(Policy::shipped()?);
//! let cancel = Cancel::new()?;
//! for session in &pool.status(None, &cancel)?.sessions {
//!     println!("{} (pid {}) is {}", session.sid, session.pid, session.status);
//! }
//! match pool.stop(Stop::default(), &cancel) {
//!     Ok(stopped) => assert!(stopped.errors.is_empty()),
//!     Err(Error::Busy(why)) => println!("later: {why}"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What the pool is made of can be the program's own: a [`store::Store`] instead of files, a
//! [`process::Processes`] instead of this machine's kernel, a [`Clock`]. What the host lets no
//! policy do holds over all of them. `examples/embed.rs` runs over a real process;
//! `examples/own_parts` touches neither a file nor a process.

pub mod answer;
pub mod audit;
mod cancel;
mod capabilities;
mod clock;
pub mod command;
pub mod config;
#[cfg(test)]
mod crash;
pub mod doctor;
#[cfg(test)]
mod documented;
mod error;
mod floor;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod life;
mod mandate;
mod pool;
pub mod process;
mod progress;
pub mod recording;
pub mod replay;
mod request;
mod runtime;
mod settings;
pub mod store;
pub mod visible;

pub use answer::{Answer, Answered};
pub use cancel::{Cancel, HookGuard};
pub use clock::{Clock, SystemClock};
pub use error::{Error, Fault};
pub use floor::{Budget, Grants, UnknownGrant};
pub use mandate::Mandate;
pub use pool::{Pool, PoolBuilder};
pub use progress::Progress;
pub use request::{Ensure, Forget, Register, Request, Stop};
pub use runtime::{
    CacheError, CodeCache, CompileError, CompileLimits, Compiled, Compiler, Description, Export,
    Import, ImportKind, Inspection, Limits, LoadError, MAX_COMPONENT, Needs, Policy, PolicyLoader,
    Setting, Unusable, compile_stdin, executable_memory,
};
pub use settings::SettingError;
