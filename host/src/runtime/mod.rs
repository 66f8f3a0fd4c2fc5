//! Running a policy: loading it from a file and keeping its compiled code, its limits, one
//! call.

mod cache;
mod call;
mod compile;
mod digest;
mod engine;
mod executable;
mod limits;
mod load;
mod meter;
mod policy;
mod replay;
mod ticker;
mod unanswered;

pub use cache::{CacheError, CodeCache};
pub(crate) use call::{call, describe};
pub use compile::{CompileError, CompileLimits, Compiler, compile_stdin};
pub use executable::executable_memory;
pub use limits::Limits;
pub(crate) use limits::{Bounded, MemoryLimiter};
pub(crate) use load::InterfaceName;
pub use load::{
    Compiled, Export, Import, ImportKind, Inspection, LoadError, MAX_COMPONENT, Needs,
    PolicyLoader, Unusable,
};
pub(crate) use meter::{CpuMeter, Exceeded};
pub use policy::{Description, Policy, Setting};
pub(crate) use replay::ReplayPolicy;
pub(crate) use unanswered::{Unanswered, outcome};
