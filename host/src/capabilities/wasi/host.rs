//! What WASI asks of the host's side of a guest, whether that acts on a pool or replays.

use wasmtime::component::ResourceTable;

use super::WasiState;
use crate::cancel::Cancel;
use crate::capabilities::bindings::wasi::logging::logging::Level;
use crate::runtime::Bounded;

/// The host's side of a guest that may import WASI.
pub(crate) trait WasiHost: Bounded {
    /// What handles stand for. It has room for as many as the guest may hold.
    fn table(&mut self) -> &mut ResourceTable;
    fn wasi(&mut self) -> &mut WasiState;
    fn log_lines_left(&self) -> usize;
    /// The last line that the guest wrote to the log.
    fn last_line(&self) -> Option<&str>;
    /// Writes a printed line to the log, while the request may write any.
    fn log_printed(&mut self, level: Level, context: &str, line: &str);
    /// What withdraws the request, where anything can. It ends a sleep.
    fn cancel(&self) -> Option<&Cancel>;
}
