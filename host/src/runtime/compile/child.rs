//! What the process that compiles does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::process::{
    Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};
use wasmtime::Engine;

use super::{COMPLETE, MAX_CODE, Order};
use crate::runtime::engine;

/// Exit code of a process whose component cannot be compiled; standard error says why.
pub(super) const REFUSED: u8 = 65;

/// Exit code of a process that could not do its work.
const FAILED: u8 = 1;

/// Compiles the component on standard input, and writes its code to standard output: the
/// whole job of the program that a [`Compiler`](super::Compiler) starts.
///
/// It gives this process the limits that it is told, and has it end with the one that
/// started it. Nothing of the component runs.
pub fn compile_stdin() -> ExitCode {
    let done = ordered_component().and_then(|component| match compile(&component) {
        Ok(code) => write(&code).map(|()| None),
        Err(why) => Ok(Some(why)),
    });
    let (code, why) = match done {
        Ok(None) => return ExitCode::SUCCESS,
        Ok(Some(why)) => (REFUSED, format!("{why:#}")),
        Err(error) => (FAILED, error.to_string()),
    };
    // Whoever does not read it has ended.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}

/// The component that is to be compiled, once the limits hold.
fn ordered_component() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut order = [0; Order::SIZE];
    input.read_exact(&mut order)?;
    restrict(&Order::decode(&order))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component)?;
    Ok(component)
}

fn compile(component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    Engine::new(&engine::config())?.precompile_component(component)
}

fn write(code: &[u8]) -> io::Result<()> {
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    output.write_all(code)?;
    output.write_all(COMPLETE)
}

/// Takes on the limits, and the end of whoever waits for the code.
fn restrict(order: &Order) -> io::Result<()> {
    let seconds = order.limits.cpu.as_secs().max(1);
    for (resource, current, maximum) in [
        (Resource::Data, order.limits.memory, order.limits.memory),
        // At the soft limit comes SIGXCPU, which says what happened, and at the hard one
        // SIGKILL (getrlimit(2)).
        (Resource::Cpu, seconds, seconds.saturating_add(1)),
        (Resource::Fsize, MAX_CODE, MAX_CODE),
        (Resource::Core, 0, 0),
    ] {
        // Whoever started this program may have given it less, which stays so.
        let given = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let (current, maximum) = (Some(current.min(given)), Some(maximum.min(given)));
        setrlimit(resource, Rlimit { current, maximum })?;
    }
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before it was asked to take this one with it.
    let parent = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if u32::try_from(parent) != Ok(order.parent) {
        return Err(io::Error::other("nobody waits for the code"));
    }
    Ok(())
}
