//! The rest of a worker's life: what the operator says about it, and what can be seen of it.
//!
//! No policy decides here. To [adopt](crate::Pool::adopt) a process is the operator's own
//! word about it; [waiting](crate::Pool::wait) and [watching](crate::Pool::watch) only
//! observe. None of the three touches the registry or signals anybody.

mod adopt;
mod adoption_record;
mod examination;
mod refusal;
mod socket;
mod survey;
mod wait;
mod watch;

#[cfg(test)]
mod tests;

pub use adopt::Adopted;
pub use examination::Examination;
pub use refusal::AdoptError;
pub use socket::SocketKept;
pub(crate) use survey::of_store;
pub use wait::Waited;
pub use watch::{Event, EventKind, Report, Trouble};
