//! `wasi:random`: random numbers of the kernel, for hash tables and whatever else a language
//! runtime wants them for.

use rustix::rand::{GetRandomFlags, getrandom};
use wasmtime::component::Linker;

use super::{Context, WasiHost};
use crate::error::{Error, Fault};

/// Bytes that a guest gets in one call. The host makes them in its own memory, where no
/// limit of the guest's counts.
const BYTES: usize = 1 << 20;

pub(super) fn add_to_linker<T: WasiHost>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut random = linker.instance("wasi:random/random@0.2.0")?;
    random.func_wrap(
        "get-random-bytes",
        |_: Context<'_, T>, (length,): (u64,)| bytes(length),
    )?;
    random.func_wrap("get-random-u64", |_: Context<'_, T>, ()| Ok((number()?,)))?;

    let mut insecure = linker.instance("wasi:random/insecure@0.2.0")?;
    insecure.func_wrap(
        "get-insecure-random-bytes",
        |_: Context<'_, T>, (length,): (u64,)| bytes(length),
    )?;
    insecure.func_wrap("get-insecure-random-u64", |_: Context<'_, T>, ()| {
        Ok((number()?,))
    })?;

    let mut seed = linker.instance("wasi:random/insecure-seed@0.2.0")?;
    seed.func_wrap("insecure-seed", |_: Context<'_, T>, ()| {
        Ok(((number()?, number()?),))
    })
}

fn bytes(length: u64) -> wasmtime::Result<(Vec<u8>,)> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > BYTES {
        return Err(Error::from(Fault::RandomBytes(BYTES)).into());
    }
    let mut bytes = vec![0; length];
    fill(&mut bytes)?;
    Ok((bytes,))
}

fn number() -> wasmtime::Result<u64> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The kernel may give fewer bytes than asked for (getrandom(2)).
fn fill(bytes: &mut [u8]) -> wasmtime::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
    }
    Ok(())
}
