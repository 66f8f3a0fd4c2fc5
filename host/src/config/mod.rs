//! The operator's configuration: which policy decides about a pool, and what it may do.

mod file;
mod find;

pub use file::{Config, ConfigError, PolicyConfig};
