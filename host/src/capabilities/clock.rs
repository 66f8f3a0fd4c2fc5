//! `wasi:clocks/wall-clock`: the time, so that a policy can date what it writes.
//!
//! Components of other toolchains import all of it, the world `policy` only `now`.

use std::time::UNIX_EPOCH;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::recording::Call;

use super::View;
use super::bindings::wasi::clocks::wall_clock::{Datetime, Host};

impl Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        let at = self.0.now();
        self.0.note(|| Call::Now { at });
        let now = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Datetime {
            seconds: now.as_secs(),
            nanoseconds: now.subsec_nanos(),
        })
    }
}

/// Links what the world `policy` does not declare.
pub(crate) fn add_rest_to_linker<T: 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("wasi:clocks/wall-clock@0.2.0")?;
    instance.func_wrap("resolution", |_: StoreContextMut<'_, T>, ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: 1,
        },))
    })
}
