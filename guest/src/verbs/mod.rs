//! The verbs of the interface `pool`, one file each. Those that decide take the policy that
//! they decide with.

mod ensure;
mod forget;
mod register;
mod status;
mod stop;

pub use ensure::ensure;
pub use forget::forget;
pub use register::register;
pub use status::status;
pub use stop::stop;
