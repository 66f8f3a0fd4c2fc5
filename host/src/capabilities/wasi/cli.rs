//! `wasi:cli`: a program without environment, arguments and terminal.

use wasmtime::component::{Linker, Resource};

use super::streams::{InputStream, OutputStream};
use super::{Context, WasiHost, define_resource};
use crate::error::{Error, Fault};

/// A terminal, which there never is.
enum TerminalInput {}
/// Likewise.
enum TerminalOutput {}

pub(super) fn add_to_linker<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.0")?;
    environment.func_wrap("get-environment", |_: Context<'_, T>, ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    environment.func_wrap("get-arguments", |_: Context<'_, T>, ()| {
        Ok((Vec::<String>::new(),))
    })?;
    environment.func_wrap("initial-cwd", |_: Context<'_, T>, ()| Ok((None::<String>,)))?;

    let mut exit = linker.instance("wasi:cli/exit@0.2.0")?;
    exit.func_wrap("exit", |_: Context<'_, T>, (status,): (Result<(), ()>,)| {
        exited(u8::from(status.is_err()))
    })?;
    exit.func_wrap("exit-with-code", |_: Context<'_, T>, (code,): (u8,)| {
        exited(code)
    })?;

    linker
        .instance("wasi:cli/stdin@0.2.0")?
        .func_wrap("get-stdin", |mut context: Context<'_, T>, ()| {
            Ok((context.data_mut().table().push(InputStream)?,))
        })?;
    for (interface, function, stream) in [
        ("wasi:cli/stdout@0.2.0", "get-stdout", OutputStream::Stdout),
        ("wasi:cli/stderr@0.2.0", "get-stderr", OutputStream::Stderr),
    ] {
        linker
            .instance(interface)?
            .func_wrap(function, move |mut context: Context<'_, T>, ()| {
                Ok((context.data_mut().table().push(stream)?,))
            })?;
    }

    define_resource::<TerminalInput, _>(
        &mut linker.instance("wasi:cli/terminal-input@0.2.0")?,
        "terminal-input",
    )?;
    define_resource::<TerminalOutput, _>(
        &mut linker.instance("wasi:cli/terminal-output@0.2.0")?,
        "terminal-output",
    )?;
    linker
        .instance("wasi:cli/terminal-stdin@0.2.0")?
        .func_wrap("get-terminal-stdin", |_: Context<'_, T>, ()| {
            Ok((None::<Resource<TerminalInput>>,))
        })?;
    for (interface, function) in [
        ("wasi:cli/terminal-stdout@0.2.0", "get-terminal-stdout"),
        ("wasi:cli/terminal-stderr@0.2.0", "get-terminal-stderr"),
    ] {
        linker
            .instance(interface)?
            .func_wrap(function, |_: Context<'_, T>, ()| {
                Ok((None::<Resource<TerminalOutput>>,))
            })?;
    }
    Ok(())
}

/// A policy answers; one that exits instead has broken off, whatever status it gives.
fn exited(status: u8) -> wasmtime::Result<()> {
    Err(Error::from(Fault::Exited(status)).into())
}
