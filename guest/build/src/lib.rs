//! Builds guest crates as WebAssembly components, and proves that a committed component
//! is what its source says.
//!
//! Each guest of [`GUESTS`] has its component in the repository, so that building the
//! host needs nothing but a stable toolchain, and next to it a [`Record`]: digests of the
//! component and of everything that it was built from, and who built it. Three proofs
//! hang on that, from cheap to dear:
//!
//! - [`verify`] recomputes the digests. It needs no wasm target and runs in the tests.
//! - [`check`] builds the guest again and compares the bytes, when the compiler at hand is
//!   the recorded one.
//! - With another compiler the bytes say nothing; `check` then leaves the fresh component
//!   for the suites to run against.

mod canonical;
mod compile;
mod component;
mod error;
mod guests;
mod inputs;
mod lock;
mod manifest;
mod record;
mod toolchain;
mod verify;

pub use compile::{core_module, policy_module};
pub use component::{encode, sha256};
pub use error::{Error, Result};
pub use guests::{EXAMPLES, GUESTS, Guest};
pub use inputs::Inputs;
pub use record::Record;
pub use toolchain::{Builder, Toolchain};
pub use verify::{Verdict, check, verify};

/// What to run when a component is older than its source.
pub const REBUILD: &str = "cargo run -p poolwarden-guest-build -- --root .";
