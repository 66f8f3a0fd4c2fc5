//! WASI 0.2 for strangers: what other toolchains put into every component, made inert.
//!
//! A component from Python or JavaScript imports much of WASI, whether its author uses it
//! or not. It has to load, and must reach nothing by it. So nothing here leads out of the
//! sandbox: there is no code that opens a file or a socket, reads the environment or writes
//! to a descriptor. What a language runtime needs to start works: clocks, random numbers,
//! an empty environment, streams that are at their end or lead to the log. All the rest of
//! these packages is a dead end that ends the request with a [`Fault`].
//!
//! The runtime's own implementation of WASI (`wasmtime-wasi`) is not used: it has that
//! code, switched off, and an asynchronous runtime to run it, and lacks `wasi:http`, which
//! JavaScript components import.
//!
//! [`Fault`]: crate::Fault

mod cli;
mod clocks;
mod closed;
mod dead_ends;
mod host;
mod output;
mod poll;
mod random;
mod streams;

use std::time::Duration;

use wasmtime::component::types::Component as ComponentType;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType};
use wasmtime::{Engine, StoreContextMut};

pub(crate) use host::WasiHost;
use output::Output;
pub(crate) use output::end_output;

/// The packages of which every interface is linked, in each version 0.2.x. They are
/// defined as [`VERSION`]; the linker gives them to whoever asks for a compatible one.
pub(crate) const PACKAGES: [&str; 7] = [
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:http",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];

/// The version of all that is defined here.
pub(crate) const VERSION: &str = "0.2.0";

/// What WASI keeps for one request. It costs nothing until a guest uses it.
pub(crate) struct WasiState {
    stdout: Output,
    stderr: Output,
    /// What is left of the time that the guest may sleep.
    sleep_left: Duration,
}

impl WasiState {
    pub(crate) fn new(sleep: Duration) -> Self {
        Self {
            stdout: Output::default(),
            stderr: Output::default(),
            sleep_left: sleep,
        }
    }
}

/// Links all of it, where the component imports any: first a dead end for whatever it
/// imports of these packages, and then, in their place, what does something.
pub(crate) fn add_to_linker<T: WasiHost>(
    linker: &mut Linker<T>,
    engine: &Engine,
    component: &ComponentType,
) -> wasmtime::Result<()> {
    if !dead_ends::add_to_linker(linker, engine, component)? {
        return Ok(());
    }
    linker.allow_shadowing(true);
    cli::add_to_linker(linker)?;
    clocks::add_to_linker(linker)?;
    closed::add_to_linker(linker)?;
    poll::add_to_linker(linker)?;
    random::add_to_linker(linker)?;
    streams::add_to_linker(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

type Context<'a, T> = StoreContextMut<'a, T>;

/// Defines a resource whose handles are in the request's table.
fn define_resource<R: Send + 'static, T: WasiHost>(
    instance: &mut LinkerInstance<'_, T>,
    name: &str,
) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<R>(), |mut context, handle| {
        let table = context.data_mut().table();
        table.delete(Resource::<R>::new_own(handle))?;
        Ok(())
    })
}
