//! What becomes of the steps of a request.

use nix::errno::Errno;

use super::step::Step;

/// What becomes of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The call is made.
    Go,
    /// It fails, and has no effect.
    Fail(Errno),
    /// It fails, although it had its effect.
    Late(Errno),
    /// Half of it is written, and it says so.
    Short,
    /// Half of it is written, and it fails.
    Half(Errno),
    /// It has no effect, and says that it had.
    Pretend,
    /// A rename that copies over what is there instead.
    Copy,
    /// A rename that says it is done, and is when the pool is unlocked.
    Postpone,
}

/// Says what becomes of each step, by its number from 0. It may do something itself first,
/// as another program would.
pub(super) type Plan = Box<dyn FnMut(usize, &Step) -> Verdict + Send>;
