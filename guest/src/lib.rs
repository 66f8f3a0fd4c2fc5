//! The policy that poolwarden ships: whom to collect, whom to stop, what to answer.
//!
//! It runs as a WebAssembly component and has no effect but through the imports of the
//! world `policy`. Its decisions are ordinary functions over ordinary data, which tests
//! run natively against a fake host; WebAssembly shows only in [`bindings`], [`imports`]
//! and [`export`].
//!
//! The crate is also a library. Another policy depends on it without its default
//! features, implements [`export::Guest`], calls the [`verbs`] that it wants to keep, and
//! exports itself with [`bindings::export!`].

pub mod answer;
pub mod bindings;
// The exported names mean something to a component only; native linkers reject them.
#[cfg(all(feature = "export", target_family = "wasm"))]
mod component;
pub mod decide;
pub mod export;
pub mod host;
pub mod imports;
pub mod registry;
pub mod rewrite;
pub mod sweep;
pub mod verbs;

#[cfg(test)]
mod fake;
