//! What one call may use.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::CpuMeter;

/// Bounds of one request. Each protects the host and the pool from a policy that does
/// not return, grows without end or answers without end.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a request waits for the pool's lock.
    pub lock_wait: Duration,
    /// Processor time that the guest may use. Neither waiting counts nor the host's work
    /// on the registry and on processes.
    pub guest_cpu: Duration,
    /// Processor time that the host may spend on the guest's calls. A request needs each
    /// of them once or twice; a guest that repeats them without end is ended here.
    pub host_cpu: Duration,
    /// Bytes of linear memory of all of the guest's memories together.
    pub guest_memory: usize,
    /// Elements of all of the guest's tables together.
    pub guest_table_elements: usize,
    /// Bytes of an answer.
    pub answer: usize,
    /// Characters of a text that stands for itself: the reason of a failure, a name, a
    /// description. What is longer is cut, and says so.
    pub text: usize,
    /// Bytes that the guest may pass to the host in one call, and as an answer, before any of
    /// it is looked at. A registry of the largest size that is accepted stays below this.
    pub passed: usize,
    /// How long the guest may sleep in all, with whatever it holds. It does not count what
    /// it waits for workers to end, which the request's grace bounds.
    pub guest_sleep: Duration,
    /// Transactions that one request may begin. A policy needs one or two; between those of
    /// one that begins without end, others have to wait for the lock.
    pub transactions: usize,
    /// Handles that a guest may hold at once. A policy holds one transaction and one target
    /// a worker.
    pub handles: usize,
    /// Lines that one request may write to the log, printed ones included.
    pub log_lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_secs(10),
            guest_cpu: Duration::from_secs(10),
            // Identifying 100,000 processes for the first time takes a tenth of this.
            host_cpu: Duration::from_secs(60),
            // A registry of the largest size that is accepted (64 MiB), read, parsed
            // and answered, stays below this.
            guest_memory: 512 << 20,
            guest_table_elements: 100_000,
            answer: 128 << 20,
            text: 2_000,
            passed: 128 << 20,
            guest_sleep: Duration::from_secs(1),
            transactions: 1_000,
            handles: 200_000,
            log_lines: 1_000,
        }
    }
}

/// The host's side of a guest that is held to limits.
pub(crate) trait Bounded: 'static {
    fn limits(&self) -> &Limits;
    fn meter(&self) -> &CpuMeter;
    fn memory(&mut self) -> &mut MemoryLimiter;
    /// Which of the guest's resources ran out, if one did.
    fn refused(&self) -> Option<&'static str>;
    /// Whether nobody wants the answer any more.
    fn is_withdrawn(&self) -> bool;
}

/// Counts what a guest has grown, and remembers whether it was refused more.
pub(crate) struct MemoryLimiter {
    memory: usize,
    memory_limit: usize,
    tables: usize,
    tables_limit: usize,
    refused: Option<&'static str>,
}

impl MemoryLimiter {
    /// A component is many core instances; a policy needs a handful.
    const INSTANCES: usize = 100;
    const MEMORIES: usize = 20;
    const TABLES: usize = 100;

    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            memory_limit: limits.guest_memory,
            tables: 0,
            tables_limit: limits.guest_table_elements,
            refused: None,
        }
    }

    /// Which limit the guest ran into, if any: a guest whose memory does not grow
    /// usually traps, and the trap alone does not tell why.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        self.refused
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            self.refused = Some("memory");
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.tables.saturating_add(desired.saturating_sub(current));
        if total > self.tables_limit {
            self.refused = Some("tables");
            return Ok(false);
        }
        self.tables = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        Self::INSTANCES
    }

    fn tables(&self) -> usize {
        Self::TABLES
    }

    fn memories(&self) -> usize {
        Self::MEMORIES
    }
}
