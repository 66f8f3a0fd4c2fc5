//! Compiling a component in a process of its own.
//!
//! A component of 1 MB can keep a compiler busy for minutes and fill its memory, and nothing
//! interrupts a compiler from inside. So it runs in a process with limits that the kernel
//! holds it to: [`Compiler`] starts that process, and [`compile_stdin`] is what it does.

mod child;
mod compiler;
mod error;

use std::time::Duration;

pub use child::compile_stdin;
pub use compiler::Compiler;
pub use error::CompileError;

/// What compiling one component may use.
///
/// The largest components that are known, of 18 MB with a Python interpreter in them, take
/// some seconds and some hundred MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all of the process's threads, in whole seconds (`RLIMIT_CPU`,
    /// getrlimit(2)). It may take four times as long where it has to wait for a processor.
    pub cpu: Duration,
    /// Bytes of memory: the process's own, writable ones (`RLIMIT_DATA`, getrlimit(2)).
    pub memory: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(120),
            memory: 2 << 30,
        }
    }
}

/// The most bytes of code that a component is compiled to: ten times what one with a
/// language runtime has.
pub(super) const MAX_CODE: u64 = 512 << 20;

/// What stands behind the code when all of it is there.
const COMPLETE: &[u8] = b"poolwarden: compiled\n";

/// What the process is told before it gets the component: numbers of 8 bytes, in the
/// machine's order.
#[derive(Clone, Copy)]
struct Order {
    limits: CompileLimits,
    /// The process that waits for the code. Without it, nobody needs the code.
    parent: u32,
}

impl Order {
    const SIZE: usize = 24;

    fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let numbers = [
            self.limits.cpu.as_secs(),
            self.limits.memory,
            u64::from(self.parent),
        ];
        for (to, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            to.copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let mut numbers = bytes.chunks_exact(8).map(|number| {
            let number = number.try_into().unwrap_or_default();
            u64::from_ne_bytes(number)
        });
        let mut next = || numbers.next().unwrap_or_default();
        Self {
            limits: CompileLimits {
                cpu: Duration::from_secs(next()),
                memory: next(),
            },
            parent: u32::try_from(next()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiling_process_decodes_the_limits_and_the_parent_that_the_host_encodes() {
        let limits = CompileLimits {
            cpu: Duration::from_secs(7),
            memory: 1 << 40,
        };
        let parent = u32::MAX;
        let heard = Order::decode(&Order { limits, parent }.encode());
        assert_eq!((heard.limits, heard.parent), (limits, parent));
    }
}
