//! Undoing what a process inherits in the way of signals.

use libc::c_int;
use nix::sys::signal::SigSet;

/// Gives every signal its default disposition and blocks none: what a program may expect
/// that nobody configured. Ignored and blocked signals survive execve(2), and the runtime
/// of Rust ignores SIGPIPE.
///
/// # Errors
/// When the system refuses the mask, which it does only for invalid arguments.
pub(super) fn reset() -> nix::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        set_default(signal);
    }
    SigSet::empty().thread_set_mask()
}

/// Lets children that end wait to be reaped. Whoever starts this program may have it
/// ignore SIGCHLD; then a child's pid could go to somebody else before it is asked about
/// (wait(2)).
pub(super) fn keep_children() {
    set_default(libc::SIGCHLD);
}

/// Has a write beyond the limit of file sizes fail (`EFBIG`), of which the error says what to
/// do: by default its signal ends the program, and with it whatever it is in the middle of
/// (setrlimit(2)). Workers get the default back.
pub(crate) fn survive_large_files() {
    // SAFETY: to ignore a signal runs no code of this program.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn set_default(signal: c_int) {
    // SAFETY: the default disposition runs no code of this program. Where the signal has
    // no other one, or is the C library's own, the call fails and changes nothing.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}
