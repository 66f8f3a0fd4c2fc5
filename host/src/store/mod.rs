//! What a pool is kept in: its lock, its registry, its ledger and its trail, on disk unless
//! another [`Store`] is given.
//!
#![doc = include_str!("refusals.md")]

mod alarm;
mod check;
mod contents;
mod contract;
mod create;
mod danger;
mod directory;
mod directory_store;
mod disk;
mod error;
mod exchange;
mod facts;
mod file;
mod file_system;
mod guarded;
mod holder;
mod ledger;
mod ledger_cache;
mod ledger_file;
mod ledger_row;
mod ledger_salvage;
mod ledger_text;
mod leftovers;
mod lock;
mod locked;
mod log;
mod look;
mod memory;
mod nothing;
mod open;
mod replace;
mod set_aside;
mod stale_socket;
mod system_disk;
#[cfg(test)]
pub(crate) mod testing;
mod trail;
mod wait;

pub(crate) use check::{check_directory, check_file};
pub use contract::{Durability, LockedStore, Store, Trail};
pub(crate) use create::create_with_parents;
pub use danger::Danger;
pub use directory::PoolDir;
pub use directory_store::DirectoryStore;
#[cfg(test)]
pub(crate) use disk::Disk;
pub(crate) use error::advice;
pub use error::{OwnError, StoreError, StoreErrorKind};
pub(crate) use facts::Facts;
pub use facts::FileKind;
pub use file_system::UntrustedLocks;
pub(crate) use guarded::Guarded;
pub use holder::Holder;
pub use ledger::{Ledger, Row, SentSignal};
pub(crate) use ledger_cache::{LEDGER, MAX_LEDGER};
pub(crate) use ledger_file::{
    Contents as LedgerText, decode as read_ledger, encode as write_ledger,
};
pub use ledger_text::LedgerTextError;
pub(crate) use lock::LOCK;
pub use locked::{LedgerWrite, LockedPool, MAX_REGISTRY};
pub(crate) use log::LOGS;
pub use log::Log;
pub(crate) use look::{FileSystem, Seen, Stillness};
pub use memory::MemoryStore;
pub(crate) use nothing::Nothing;
pub(crate) use stale_socket::ASIDE as SOCKET_ASIDE;
pub(crate) use trail::{TRAIL, TrailFile};
