//! `wasi:filesystem/preopens` and `wasi:sockets`: the doors, and all of them closed.
//!
//! Every file is reached from a preopened directory and every connection from a socket that
//! was created. There is no directory and no socket is created, so the rest of these
//! packages has nothing to work on.

use wasmtime::component::{Linker, LinkerInstance, Resource, Val};

use super::{Context, WasiHost, define_resource};

/// The network, which WASI hands out unasked. Nothing can be done with it.
struct Network;

pub(super) fn add_to_linker<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut preopens = linker.instance("wasi:filesystem/preopens@0.2.0")?;
    preopens.func_new("get-directories", |_, _, _, results| {
        answer(results, Val::List(Vec::new()))
    })?;

    let mut network = linker.instance("wasi:sockets/network@0.2.0")?;
    define_resource::<Network, _>(&mut network, "network")?;
    let mut instance_network = linker.instance("wasi:sockets/instance-network@0.2.0")?;
    instance_network.func_wrap("instance-network", |mut context: Context<'_, T>, ()| {
        let handle: Resource<Network> = context.data_mut().table().push(Network)?;
        Ok((handle,))
    })?;

    for (interface, function) in [
        ("wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket"),
        ("wasi:sockets/udp-create-socket@0.2.0", "create-udp-socket"),
        ("wasi:sockets/ip-name-lookup@0.2.0", "resolve-addresses"),
    ] {
        deny(&mut linker.instance(interface)?, function)?;
    }
    Ok(())
}

/// Defines a function that answers with the error code `access-denied`.
fn deny<T: 'static>(instance: &mut LinkerInstance<'_, T>, name: &str) -> wasmtime::Result<()> {
    instance.func_new(name, |mut context, _, parameters, results| {
        for parameter in parameters {
            // A borrowed handle has to be given back before the call ends.
            if let Val::Resource(handle) = parameter {
                handle.resource_drop(&mut context)?;
            }
        }
        let denied = Val::Enum("access-denied".into());
        answer(results, Val::Result(Err(Some(Box::new(denied)))))
    })
}

/// Gives the one result of a function, whose type is checked when it is lowered.
fn answer(results: &mut [Val], value: Val) -> wasmtime::Result<()> {
    let [result] = results else {
        wasmtime::bail!("the function was imported with another type");
    };
    *result = value;
    Ok(())
}
