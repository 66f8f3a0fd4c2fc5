//! `wasi:io/streams`: standard input, which is at its end, and the two outputs, which are
//! lines of the log. None of them ever blocks.

use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource};

use super::output::print;
use super::poll::Pollable;
use super::{Context, WasiHost, define_resource};

/// Bytes that a guest may write in one call, as far as it asks. The specification lets a
/// blocking write have 4096.
const PERMIT: u64 = 64 << 10;

/// Standard input.
pub(super) struct InputStream;

/// One of the two outputs.
#[derive(Clone, Copy)]
pub(super) enum OutputStream {
    Stdout,
    Stderr,
}

/// What went wrong with a stream, in words. Nothing ever does.
enum StreamFailure {}

/// `stream-error`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<StreamFailure>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = wasmtime::Result<(Result<T, StreamError>,)>;

pub(super) fn add_to_linker<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut error = linker.instance("wasi:io/error@0.2.0")?;
    define_resource::<StreamFailure, _>(&mut error, "error")?;
    add_input(linker)?;
    add_output(linker)
}

fn add_input<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("wasi:io/streams@0.2.0")?;
    define_resource::<InputStream, _>(&mut instance, "input-stream")?;
    for read in ["read", "blocking-read"] {
        instance.func_wrap(
            &format!("[method]input-stream.{read}"),
            |_: Context<'_, T>, (_, _): (Resource<InputStream>, u64)| -> Streamed<Vec<u8>> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    for skip in ["skip", "blocking-skip"] {
        instance.func_wrap(
            &format!("[method]input-stream.{skip}"),
            |_: Context<'_, T>, (_, _): (Resource<InputStream>, u64)| -> Streamed<u64> {
                Ok((Err(StreamError::Closed),))
            },
        )?;
    }
    instance.func_wrap(
        "[method]input-stream.subscribe",
        |context: Context<'_, T>, (_,): (Resource<InputStream>,)| ready(context),
    )
}

fn add_output<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("wasi:io/streams@0.2.0")?;
    define_resource::<OutputStream, _>(&mut instance, "output-stream")?;
    instance.func_wrap(
        "[method]output-stream.check-write",
        |_: Context<'_, T>, (_,): (Resource<OutputStream>,)| -> Streamed<u64> { Ok((Ok(PERMIT),)) },
    )?;
    for write in ["write", "blocking-write-and-flush"] {
        instance.func_wrap(
            &format!("[method]output-stream.{write}"),
            |mut context: Context<'_, T>,
             (stream, bytes): (Resource<OutputStream>, Vec<u8>)|
             -> Streamed<()> {
                let state = context.data_mut();
                let stream = *state.table().get(&stream)?;
                print(state, stream, &bytes);
                Ok((Ok(()),))
            },
        )?;
    }
    // Zeroes say nothing in a log.
    for write in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        instance.func_wrap(
            &format!("[method]output-stream.{write}"),
            |_: Context<'_, T>, (_, _): (Resource<OutputStream>, u64)| -> Streamed<()> {
                Ok((Ok(()),))
            },
        )?;
    }
    for flush in ["flush", "blocking-flush"] {
        instance.func_wrap(
            &format!("[method]output-stream.{flush}"),
            |_: Context<'_, T>, (_,): (Resource<OutputStream>,)| -> Streamed<()> { Ok((Ok(()),)) },
        )?;
    }
    for splice in ["splice", "blocking-splice"] {
        instance.func_wrap(
            &format!("[method]output-stream.{splice}"),
            |_: Context<'_, T>,
             (_, _, _): (Resource<OutputStream>, Resource<InputStream>, u64)|
             -> Streamed<u64> { Ok((Err(StreamError::Closed),)) },
        )?;
    }
    instance.func_wrap(
        "[method]output-stream.subscribe",
        |context: Context<'_, T>, (_,): (Resource<OutputStream>,)| ready(context),
    )
}

fn ready<T: WasiHost>(mut context: Context<'_, T>) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((context.data_mut().table().push(Pollable::Ready)?,))
}
