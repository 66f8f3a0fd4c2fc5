//! `wasi:io/poll`: waiting, for no longer than a guest may.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::bail;
use wasmtime::component::{Linker, Resource};

use super::{Context, WasiHost, define_resource};
use crate::error::{Error, Fault};

/// Something to wait for. There is nothing but time: every stream is always ready.
pub(super) enum Pollable {
    Ready,
    /// Ready at this time of the monotonic clock.
    At(Duration),
}

impl Pollable {
    /// When it is ready.
    fn at(&self) -> Duration {
        match self {
            Self::Ready => Duration::ZERO,
            Self::At(time) => *time,
        }
    }
}

pub(super) fn add_to_linker<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("wasi:io/poll@0.2.0")?;
    define_resource::<Pollable, _>(&mut instance, "pollable")?;
    instance.func_wrap(
        "[method]pollable.ready",
        |mut context: Context<'_, T>, (pollable,): (Resource<Pollable>,)| {
            let at = context.data_mut().table().get(&pollable)?.at();
            Ok((at <= monotonic_now(),))
        },
    )?;
    instance.func_wrap(
        "[method]pollable.block",
        |mut context: Context<'_, T>, (pollable,): (Resource<Pollable>,)| {
            let state = context.data_mut();
            let at = state.table().get(&pollable)?.at();
            sleep_until(state, at)
        },
    )?;
    instance.func_wrap(
        "poll",
        |mut context: Context<'_, T>, (pollables,): (Vec<Resource<Pollable>>,)| {
            let state = context.data_mut();
            let at = pollables
                .iter()
                .map(|pollable| Ok(state.table().get(pollable)?.at()))
                .collect::<wasmtime::Result<Vec<_>>>()?;
            let Some(first) = at.iter().min() else {
                bail!("wasi:io/poll#poll was called with nothing to wait for");
            };
            sleep_until(state, *first)?;
            let now = monotonic_now();
            let ready = (0_u32..).zip(at).filter(|(_, at)| *at <= now);
            Ok((ready.map(|(index, _)| index).collect::<Vec<_>>(),))
        },
    )
}

/// The monotonic clock (clock_gettime(2)).
pub(super) fn monotonic_now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    // The kernel gives neither field below zero for this clock.
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Sleeps, where that is still within what the request may sleep in all. A guest can hold
/// the pool's lock meanwhile, so a sleep that would be too long does not even begin.
fn sleep_until(state: &mut impl WasiHost, at: Duration) -> wasmtime::Result<()> {
    let needed = at.saturating_sub(monotonic_now());
    let Some(left) = state.wasi().sleep_left.checked_sub(needed) else {
        return Err(Error::from(Fault::Sleep(state.limits().guest_sleep)).into());
    };
    state.wasi().sleep_left = left;
    loop {
        if state.is_withdrawn() {
            return Err(Error::Cancelled.into());
        }
        let left = at.saturating_sub(monotonic_now());
        if left.is_zero() {
            return Ok(());
        }
        let cancel = state.cancel();
        let mut withdrawn =
            cancel.map(|cancel| PollFd::from_borrowed_fd(cancel.as_fd(), PollFlags::IN));
        let timeout = Timespec::try_from(left)?;
        match poll(withdrawn.as_mut_slice(), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
