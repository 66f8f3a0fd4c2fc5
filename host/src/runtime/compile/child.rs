//! What the process that compiles does.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};
use wasmtime::Engine;

use super::{COMPLETE, MAX_CODE, Order};
use crate::runtime::engine;

/// Exit code of a process whose component cannot be compiled; standard error says why.
pub(super) const REFUSED: u8 = 65;

/// Compiles the component on standard input, and writes its code to standard output: the
/// whole job of the program that a [`Compiler`](super::Compiler) starts.
///
/// It gives this process the limits that it is told, and has it end with the one that
/// started it. Nothing of the component runs.
pub fn compile_stdin() -> ExitCode {
    let failed = match compile() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failed) => failed,
    };
    // Whoever does not read it has ended.
    let _ = writeln!(io::stderr(), "{failed}");
    ExitCode::from(REFUSED)
}

fn compile() -> Result<(), String> {
    let words = |error: io::Error| error.to_string();
    let mut input = io::stdin().lock();
    let mut order = [0; Order::SIZE];
    input.read_exact(&mut order).map_err(words)?;
    let order = Order::decode(&order);
    restrict(&order).map_err(words)?;
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(words)?;
    let engine = Engine::new(&engine::config()).map_err(|error| format!("{error:#}"))?;
    let code = engine
        .precompile_component(&component)
        .map_err(|error| format!("{error:#}"))?;
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(words)?;
    let mut output = File::from(output);
    output
        .write_all(&code)
        .and_then(|()| output.write_all(COMPLETE))
        .map_err(words)
}

/// Takes on the limits, and the end of whoever waits for the code.
fn restrict(order: &Order) -> io::Result<()> {
    let seconds = order.limits.cpu.as_secs().max(1);
    for (resource, current, maximum) in [
        (Resource::Data, order.limits.memory, order.limits.memory),
        // At the soft limit comes SIGXCPU, which says what happened, and at the hard one
        // SIGKILL (getrlimit(2)).
        (Resource::Cpu, seconds, seconds + 1),
        (Resource::Fsize, MAX_CODE, MAX_CODE),
        (Resource::Core, 0, 0),
    ] {
        let (current, maximum) = (Some(current), Some(maximum));
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
