//! `wasi:clocks/wall-clock`: the time, so that a policy can date what it writes.

use std::time::UNIX_EPOCH;

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
