//! `wasi:clocks/wall-clock`: the time, so that a policy can date what it writes.
//!
//! Components of other toolchains import all of it, the world `policy` only `now`.

use std::time::UNIX_EPOCH;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::bindings::wasi::clocks::wall_clock::{Datetime, Host};
use super::{RequestState, View};

impl Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        let now = self.0.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Datetime {
            seconds: now.as_secs(),
            nanoseconds: now.subsec_nanos(),
        })
    }
}

/// Links what the world `policy` does not declare.
pub(super) fn add_rest_to_linker(linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("wasi:clocks/wall-clock@0.2.0")?;
    instance.func_wrap("resolution", |_: StoreContextMut<'_, RequestState>, ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: 1,
        },))
    })
}
