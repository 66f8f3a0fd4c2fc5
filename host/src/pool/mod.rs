//! A pool, the policy that decides about it, and what that policy may do.

mod ask;
mod builder;
mod context;
mod handle;
mod rows;
mod typed;
mod without_entry;

pub use builder::PoolBuilder;
pub(crate) use context::{Context, REGISTRY};
pub use handle::Pool;
pub(crate) use without_entry::drop_the_dead;
