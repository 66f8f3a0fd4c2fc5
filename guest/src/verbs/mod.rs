//! The verbs of the interface `pool`, one file each.

mod describe;
mod ensure;
mod forget;
mod register;
mod status;
mod stop;

pub use describe::describe;
pub use ensure::ensure;
pub use forget::forget;
pub use register::register;
pub use status::status;
pub use stop::stop;
