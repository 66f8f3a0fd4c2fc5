//! What holds whatever others wrote: one module a fuzz target, each with a `check` that
//! takes any bytes and panics when a promise is broken.
//!
//! The targets hand the engine's inputs to it, and `cargo test` the committed corpora
//! (`tests/corpus.rs`).

pub mod answers;
pub mod arguments;
pub mod configuration;
mod directory;
#[path = "../../../../host/src/hint.rs"]
mod hint;
pub mod ledger;
mod program;
pub mod recordings;
pub mod registry;
pub mod requests;
pub mod salvage;
mod stderr;
pub mod trail;

/// A target: its name, and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. Each has a corpus of its name.
pub const TARGETS: [Target; 9] = [
    ("answers", answers::check),
    ("arguments", arguments::check),
    ("configuration", configuration::check),
    ("ledger", ledger::check),
    ("recordings", recordings::check),
    ("registry", registry::check),
    ("requests", requests::check),
    ("salvage", salvage::check),
    ("trail", trail::check),
];
