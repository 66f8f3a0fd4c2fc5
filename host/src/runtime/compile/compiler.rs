//! The process that compiles, seen from the one that waits for it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::child::REFUSED;
use super::{COMPLETE, CompileError, CompileLimits, MAX_CODE, Order};
use crate::cancel::Cancel;
use crate::runtime::load::LoadError;

/// How many threads compile at most. Each has memory of its own, which counts.
const THREADS: usize = 4;

/// The most that is read of what the process says went wrong, in bytes.
const REASON: u64 = 64 << 10;

/// Starts a program that compiles one component, within limits.
///
/// That program is built with this library, has nothing to do but to call
/// [`compile_stdin`](crate::compile_stdin), and can be the very program that asks:
///
/// ```no_run
/// use std::process::ExitCode;
/// use poolwarden::{Compiler, PolicyLoader};
///
/// # fn main() -> ExitCode {
/// if std::env::args().nth(1).as_deref() == Some("compile-policy") {
///     return poolwarden::compile_stdin();
/// }
/// let compiler = Compiler::new("/proc/self/exe").argument("compile-policy");
/// let policy = PolicyLoader::new().compiler(compiler).file("policy.wasm".as_ref());
/// # ExitCode::SUCCESS
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<OsString>,
    limits: CompileLimits,
}

impl Compiler {
    /// This program, without arguments, within the default limits.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            limits: CompileLimits::default(),
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// What compiling one component may use.
    #[must_use]
    pub fn limits(mut self, limits: CompileLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The code of a component.
    ///
    /// # Errors
    /// [`LoadError::Compile`] when it is not compiled within the limits, and
    /// [`LoadError::Damaged`] when it cannot be compiled at all.
    pub(in crate::runtime) fn compile(
        &self,
        component: &[u8],
        cancel: Option<&Cancel>,
    ) -> Result<Vec<u8>, LoadError> {
        let failed = |step| move |error: io::Error| CompileError::process(step, error);
        let input = self.input(component).map_err(failed("feed"))?;
        let output = memory("poolwarden-code").map_err(failed("feed"))?;
        let reason = memory("poolwarden-reason").map_err(failed("feed"))?;
        let process = Process::start(self, input, &output, &reason).map_err(failed("start"))?;
        let end = self.end_of(process, cancel)?;
        let code = read(output, MAX_CODE).map_err(failed("read from"))?;
        // Only a process that came to its end writes this; its exit status may be lost, where
        // whoever started this program has it ignore SIGCHLD (wait(2)).
        if let Some(length) = code.len().checked_sub(COMPLETE.len())
            && code[length..] == *COMPLETE
        {
            let mut code = code;
            code.truncate(length);
            return Ok(code);
        }
        let reason = read(reason, REASON).map_err(failed("read from"))?;
        Err(self.explain(end, &String::from_utf8_lossy(&reason)))
    }

    /// What the process reads. It is in memory, so that nobody has to keep writing.
    fn input(&self, component: &[u8]) -> io::Result<File> {
        let order = Order {
            limits: self.limits,
            parent: std::process::id(),
        };
        let mut input = memory("poolwarden-component")?;
        input.write_all(&order.encode())?;
        input.write_all(component)?;
        input.rewind()?;
        Ok(input)
    }

    /// Waits for the end of the process, and ends it when that takes too long or nobody waits
    /// for the code any more.
    fn end_of(
        &self,
        mut process: Process,
        cancel: Option<&Cancel>,
    ) -> Result<Option<ExitStatus>, CompileError> {
        // None where that is longer than a clock goes.
        let deadline = Instant::now().checked_add(self.limits.cpu.saturating_mul(4));
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(CompileError::Time(self.limits.cpu));
            }
            let mut waits = vec![PollFd::new(&process.pidfd, PollFlags::IN)];
            waits.extend(cancel.map(|c| PollFd::from_borrowed_fd(c.as_fd(), PollFlags::IN)));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut waits, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(CompileError::process("wait for", errno)),
            }
            if cancel.is_some_and(Cancel::is_cancelled) {
                return Err(CompileError::Cancelled);
            }
            if !waits[0].revents().is_empty() {
                return Ok(process.child.wait().ok());
            }
        }
    }

    /// Why a process that ended has no code, by how it ended and what it said.
    fn explain(&self, end: Option<ExitStatus>, reason: &str) -> LoadError {
        let reason = reason.trim();
        let code = end.and_then(|end| end.code());
        if code == Some(REFUSED.into()) {
            return LoadError::Damaged(reason.to_owned());
        }
        // What Rust's standard library and the C library say where the system gives no more.
        let no_memory = ["memory allocation of", "Cannot allocate memory"];
        let error = match end.and_then(|end| end.signal()) {
            Some(libc::SIGXCPU) => CompileError::Time(self.limits.cpu),
            Some(libc::SIGXFSZ) => CompileError::Code,
            // The same, where whoever started this program has it ignore the signal.
            _ if reason.contains("File too large") => CompileError::Code,
            _ if no_memory.iter().any(|words| reason.contains(words)) => {
                CompileError::Memory(self.limits.memory)
            }
            Some(libc::SIGSEGV) => CompileError::Ended("a crash of the compiler".into()),
            Some(libc::SIGKILL) => CompileError::Ended(
                "somebody's SIGKILL, as the system does when it has no memory left".into(),
            ),
            Some(signal) => CompileError::Ended(format!("signal {signal}")),
            None => CompileError::Ended(match (code, reason) {
                (Some(code), "") => format!("itself, with exit code {code}"),
                (_, reason) => format!("itself: {reason}"),
            }),
        };
        error.into()
    }
}

/// The process. It is ended and reaped when this goes.
struct Process {
    child: Child,
    pidfd: OwnedFd,
}

impl Process {
    fn start(compiler: &Compiler, input: File, output: &File, reason: &File) -> io::Result<Self> {
        let mut command = Command::new(&compiler.program);
        command
            .args(&compiler.arguments)
            .stdin(input)
            .stdout(output.try_clone()?)
            .stderr(reason.try_clone()?);
        let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
        command.env("RAYON_NUM_THREADS", threads.min(THREADS).to_string());
        let mut child = command.spawn()?;
        match pidfd_of(&child) {
            Ok(pidfd) => Ok(Self { child, pidfd }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn pidfd_of(child: &Child) -> io::Result<OwnedFd> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    // Our child, which nobody but us reaps: the pid is its own.
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Kills a child and reaps it. Both fail only when that is done.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn memory(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

/// Reads a file from its beginning, up to a limit.
fn read(mut file: File, limit: u64) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.rewind()?;
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
