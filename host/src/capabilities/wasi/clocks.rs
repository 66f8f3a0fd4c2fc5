//! `wasi:clocks/monotonic-clock`: it works. A clock tells a guest nothing that it could not learn from
//! the findings about processes.

use std::time::Duration;

use wasmtime::component::{Linker, Resource};

use super::poll::{Pollable, monotonic_now};
use super::{Context, WasiHost};

pub(super) fn add_to_linker<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock@0.2.0")?;
    monotonic.func_wrap("now", |_: Context<'_, T>, ()| Ok((now(),)))?;
    monotonic.func_wrap("resolution", |_: Context<'_, T>, ()| Ok((1_u64,)))?;
    monotonic.func_wrap(
        "subscribe-instant",
        |context: Context<'_, T>, (when,): (u64,)| subscribe(context, when),
    )?;
    monotonic.func_wrap(
        "subscribe-duration",
        |context: Context<'_, T>, (duration,): (u64,)| {
            subscribe(context, now().saturating_add(duration))
        },
    )
}

/// In nanoseconds, which fit for 584 years after the machine's start.
fn now() -> u64 {
    u64::try_from(monotonic_now().as_nanos()).unwrap_or(u64::MAX)
}

fn subscribe<T: WasiHost>(
    mut context: Context<'_, T>,
    when: u64,
) -> wasmtime::Result<(Resource<Pollable>,)> {
    let pollable = Pollable::At(Duration::from_nanos(when));
    Ok((context.data_mut().table().push(pollable)?,))
}
