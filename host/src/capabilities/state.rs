//! The host's state for one request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wasmtime::component::ResourceTable;

use crate::answer::Facts;
use crate::audit::Asker;
use crate::cancel::Cancel;
use crate::floor::Budget;
use crate::mandate::Mandate;
use crate::pool::Context;
use crate::process::Claim;
use crate::progress::Reporter;
use crate::request::Request;
use crate::runtime::{Bounded, CpuMeter, Limits, MemoryLimiter};

use super::HostError;
use super::bindings::wasi::logging::logging::Level;
use super::no_registry::NoRegistry;
use super::recorder::Recorder;
use super::transaction::OpenTransaction;
use super::waiting::SignalledWorker;
use super::wasi::{WasiHost, WasiState};

/// Whose request it is, and who decides about it.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) asker: Arc<Asker>,
    pub(crate) mandate: Arc<Mandate>,
    /// Who is told how far the request has come.
    pub(crate) reporter: Option<Reporter>,
    /// Whether the client of a stop without force asked for force.
    pub(crate) leaves_kills: bool,
}

/// Everything that belongs to one request. It lives in the store of that request's fresh
/// instance and goes with it: nothing of a policy outlives its answer.
pub(crate) struct RequestState {
    pub(crate) context: Arc<Context>,
    pub(super) origin: Origin,
    pub(crate) request: Request,
    /// What the request may do at most.
    pub(super) budget: Budget,
    pub(crate) cancel: Cancel,
    pub(crate) table: ResourceTable,
    pub(crate) meter: CpuMeter,
    pub(crate) memory: MemoryLimiter,
    pub(super) log_lines_left: usize,
    /// At most one; the guest's resource is only a handle to it.
    pub(super) transaction: Option<OpenTransaction>,
    /// What the host found and did: what the answer is held against.
    pub(super) facts: Facts,
    /// The last line that the policy wrote to the log.
    pub(super) last_line: Option<String>,
    /// Who was asked to end and is to be killed after that, unless the client cancels the request.
    pub(super) kills_to_come: HashMap<Claim, SignalledWorker>,
    /// What is left of the time that the request may wait for processes.
    pub(super) wait_left: Duration,
    /// What is left of the time that the request may wait for others that write the trail.
    pub(super) trail_wait_left: Duration,
    /// Whether what is in the registry's place is none.
    pub(crate) no_registry: NoRegistry,
    /// Where its calls are noted, if they are.
    pub(super) recorder: Option<Recorder>,
    /// How many more transactions it may begin.
    pub(super) transactions_left: usize,
    pub(super) wasi: WasiState,
    /// Whether it may take the pool's lock, without which it can have no effect.
    pub(super) may_begin: bool,
}

impl RequestState {
    pub(crate) fn new(
        context: Arc<Context>,
        origin: Origin,
        request: Request,
        cancel: Cancel,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(context.limits.handles);
        Self {
            meter: CpuMeter::start(context.limits.guest_cpu, context.limits.host_cpu),
            memory: MemoryLimiter::new(&context.limits),
            log_lines_left: context.limits.log_lines,
            wait_left: request.wait_allowance(),
            trail_wait_left: context.limits.lock_wait,
            no_registry: NoRegistry::default(),
            recorder: None,
            transactions_left: context.limits.transactions,
            wasi: WasiState::new(context.limits.guest_sleep),
            may_begin: true,
            table,
            transaction: None,
            budget: Budget::of(&request, origin.mandate.grants()),
            facts: Facts::default(),
            last_line: None,
            kills_to_come: HashMap::new(),
            context,
            origin,
            request,
            cancel,
        }
    }

    /// To ask a policy what it is, which takes no pool.
    pub(crate) fn describing(context: Arc<Context>, origin: Origin, cancel: Cancel) -> Self {
        let request = Request::Status { sid: None };
        Self {
            may_begin: false,
            ..Self::new(context, origin, request, cancel)
        }
    }

    /// The transaction that a handle of the guest stands for.
    pub(super) fn open_transaction(&mut self) -> Result<&mut OpenTransaction, HostError> {
        self.transaction
            .as_mut()
            .ok_or_else(|| HostError::misuse("the transaction is over"))
    }

    /// What the host found and did, once the request is over.
    pub(crate) fn into_facts(self) -> Facts {
        self.facts
    }

    pub(super) fn now(&self) -> SystemTime {
        self.context.clock.now()
    }
}

impl Bounded for RequestState {
    fn limits(&self) -> &Limits {
        &self.context.limits
    }

    fn meter(&self) -> &CpuMeter {
        &self.meter
    }

    fn memory(&mut self) -> &mut MemoryLimiter {
        &mut self.memory
    }

    fn refused(&self) -> Option<&'static str> {
        self.memory.refused()
    }

    fn is_withdrawn(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

impl WasiHost for RequestState {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    fn wasi(&mut self) -> &mut WasiState {
        &mut self.wasi
    }

    fn log_lines_left(&self) -> usize {
        self.log_lines_left
    }

    fn log_printed(&mut self, level: Level, context: &str, line: &str) {
        self.log(level, context, line);
    }

    fn last_line(&self) -> Option<&str> {
        self.last_line.as_deref()
    }

    fn cancel(&self) -> Option<&Cancel> {
        Some(&self.cancel)
    }
}
