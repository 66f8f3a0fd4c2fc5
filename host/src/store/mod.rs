//! The pool on disk: its directory, its lock, its registry, its ledger and its trail.

mod alarm;
mod check;
mod contents;
mod create;
mod directory;
mod disk;
mod error;
mod file;
mod holder;
mod ledger;
mod ledger_cache;
mod ledger_file;
mod ledger_row;
mod leftovers;
mod lock;
mod locked;
mod log;
mod replace;
mod stale_socket;
mod system_disk;
#[cfg(test)]
pub(crate) mod testing;
mod trail;
mod wait;

pub use check::{Danger, FileKind};
pub(crate) use check::{Facts, check_directory, check_file};
pub(crate) use create::create_with_parents;
pub use directory::PoolDir;
pub(crate) use disk::Disk;
pub use error::{StoreError, StoreErrorKind};
pub use holder::Holder;
pub use ledger::{Ledger, Row, SentSignal};
pub use locked::{LedgerWrite, LockedPool, MAX_REGISTRY};
pub use log::Log;
pub(crate) use system_disk::SystemDisk;
pub(crate) use trail::{Durability, TrailFile};
