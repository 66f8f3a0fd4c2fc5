//! What the host lends a policy: one file for each interface of the WIT world.
//!
//! [`add_to_linker`] is the whole list of what a policy can reach.

pub(crate) mod bindings;
pub(crate) mod clock;
mod error;
mod held;
mod logging;
mod no_registry;
mod processes;
mod reach;
mod recorded;
mod recorder;
mod registry;
mod settings;
mod signal_names;
mod signals;
mod state;
#[cfg(test)]
mod tests;
mod trail;
mod transaction;
mod waiting;
pub(crate) mod wasi;
mod withdrawn_kills;

use wasmtime::Engine;
use wasmtime::component::types::Component as ComponentType;
use wasmtime::component::{HasData, Linker};

pub(crate) use error::HostError;
pub(crate) use logging::log;
pub(crate) use no_registry::NoRegistry;
pub(crate) use state::{Origin, RequestState};
pub(crate) use wasi::{WasiHost, end_output};

use bindings::poolwarden::pool as imports;
use bindings::wasi as lent;

/// Borrows the state of one request for the time of one host call.
pub(crate) struct View<'a>(pub(crate) &'a mut RequestState);

impl View<'_> {
    /// Does work of the host that the guest's time limit does not count.
    fn uncharged<T>(&mut self, work: impl FnOnce(&mut RequestState) -> T) -> T {
        let paused = self.0.meter.pause();
        let done = work(self.0);
        self.0.meter.resume(paused);
        done
    }
}

struct Capabilities;

impl HasData for Capabilities {
    type Data<'a> = View<'a>;
}

/// The interfaces that [`add_to_linker`] links for the world `policy`, with their versions.
/// A component that imports others does not load, but for the inert ones of WASI.
pub(crate) const LENT: [(&str, &str); 7] = [
    ("poolwarden:pool/types", "0.1.0"),
    ("poolwarden:pool/registry", "0.1.0"),
    ("poolwarden:pool/processes", "0.1.0"),
    ("poolwarden:pool/signals", "0.1.0"),
    ("wasi:clocks/wall-clock", "0.2.0"),
    ("wasi:config/store", "0.2.0-rc.1"),
    ("wasi:logging/logging", "0.1.0-draft"),
];

/// Links everything that this component may import, and nothing else: no files, no
/// network, no environment, no arguments, no other way to a process. What it imports of WASI
/// beyond the world `policy` is there, and inert.
pub(crate) fn add_to_linker(
    linker: &mut Linker<RequestState>,
    engine: &Engine,
    component: &ComponentType,
) -> wasmtime::Result<()> {
    let view: for<'a> fn(&'a mut RequestState) -> View<'a> = |state| View(state);
    imports::types::add_to_linker::<_, Capabilities>(linker, view)?;
    imports::registry::add_to_linker::<_, Capabilities>(linker, view)?;
    imports::processes::add_to_linker::<_, Capabilities>(linker, view)?;
    imports::signals::add_to_linker::<_, Capabilities>(linker, view)?;
    lent::clocks::wall_clock::add_to_linker::<_, Capabilities>(linker, view)?;
    lent::config::store::add_to_linker::<_, Capabilities>(linker, view)?;
    lent::logging::logging::add_to_linker::<_, Capabilities>(linker, view)?;
    clock::add_rest_to_linker(linker)?;
    wasi::add_to_linker(linker, engine, component)
}
