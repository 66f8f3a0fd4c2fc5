//! Running a policy: the engine, the component, its limits, one call.

mod call;
mod described;
mod digest;
mod engine;
mod limits;
mod meter;
mod policy;
mod ticker;

pub(crate) use call::{call, describe};
pub use limits::Limits;
pub(crate) use limits::MemoryLimiter;
pub(crate) use meter::{CpuMeter, Exceeded};
pub use policy::{Description, LoadError, Policy, Setting};
