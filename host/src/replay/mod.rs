//! Trying a policy on recordings: what it would have answered, removed and signalled.
//!
//! [`Replay`] runs a policy against [recordings](crate::recording). Each host call is
//! answered from the recording; nothing here leads to a process, a lock or a file of a pool.
//! As long as the policy does what the recorded one did, it is told the very same. Where it
//! does something else, these are the rules:
//!
//! - **begin**: the *n*-th transaction is the *n*-th recorded one. Its registry is the
//!   recorded one; but where nobody else had changed the registry since the transaction
//!   before, it is as *this* policy left it. What had failed fails again. Beyond the
//!   recording, the registry is as this policy left it.
//! - **inspect**: what was found about the claim in that transaction, else in the next one
//!   that has a finding, else in the last. A process that the recorded policy asked to end
//!   and this one does not is as it was found before that. One that only this policy asks to
//!   end has ended once a wait says so. What nobody looked at then is `unknown`, "not in the
//!   recording".
//! - **open**: refused by the same rules as on a pool, by the finding. Where they allow it:
//!   as recorded for this session and process, else granted. (That a process is the host's
//!   ancestor or another user's stands in the recording only if it was opened then.)
//! - **send**, **send-group**: denied and refused by the same rules as on a pool. Then as
//!   recorded for this process and signal, save what was denied to the recorded policy; else
//!   the signal counts as sent.
//! - **wait**: as recorded for this process after the same signal; else it has ended when
//!   this policy asked it to end. A wait takes no time.
//! - **replace**: denied and refused by the same rules as on a pool. Then it fails where the
//!   system let the recorded one fail, and counts as done otherwise.
//! - **the time** is as recorded, call for call, and stands still behind the last one; all of it
//!   ahead by what [`Replay::clock_ahead`] says.
//! - **WASI** is inert as on a pool. Random numbers and the monotonic clock are not
//!   recorded: they are today's, and a sleep takes its time.
//! - **settings and grants** are those of the recording, unless others are given. What the
//!   host itself proves by is not changed by the setting `proof`.
//!
//! # What a replay proves
//!
//! It shows what the policy does in these very requests, told these very things, at these
//! times. It says nothing of others, and a policy can tell a replay from a pool: the clock
//! stands still, or stands in the past beside its own random numbers and monotonic clock. So
//! a policy that means harm can behave in a replay and not on a pool. What no policy can do,
//! whatever it shows in a replay, is what the host's floor and its grants forbid.
//! [`Replay::clock_ahead`] tells what the policy does at another time.

mod compare;
mod difference;
mod effects;
mod errors;
mod guest;
mod history;
mod imports;
mod past;
mod run;
mod state;
#[cfg(test)]
mod tests;

pub use compare::Change;
pub use difference::{Delta, Difference};
pub use effects::{Effects, Entry, Signalled};
pub(crate) use imports::add_to_linker;
pub use run::{NotReplayed, Replay, Replayed};
pub(crate) use state::ReplayState;
