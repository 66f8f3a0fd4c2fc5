//! What every guest is held to and may import, of one that is replayed.

use wasmtime::component::ResourceTable;

use super::ReplayState;
use crate::cancel::Cancel;
use crate::capabilities::WasiHost;
use crate::capabilities::bindings::wasi::logging::logging::Level;
use crate::capabilities::wasi::WasiState;
use crate::runtime::{Bounded, CpuMeter, Limits, MemoryLimiter};

impl Bounded for ReplayState {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn meter(&self) -> &CpuMeter {
        &self.meter
    }

    fn memory(&mut self) -> &mut MemoryLimiter {
        &mut self.memory
    }

    fn refused(&self) -> Option<&'static str> {
        self.memory.refused()
    }

    fn is_withdrawn(&self) -> bool {
        false
    }
}

impl WasiHost for ReplayState {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    fn wasi(&mut self) -> &mut WasiState {
        &mut self.wasi
    }

    fn log_lines_left(&self) -> usize {
        self.log_lines_left
    }

    fn log_printed(&mut self, level: Level, context: &str, line: &str) {
        self.log(level, context, line);
    }

    fn last_line(&self) -> Option<&str> {
        self.last_line.as_deref()
    }

    fn cancel(&self) -> Option<&Cancel> {
        None
    }
}
