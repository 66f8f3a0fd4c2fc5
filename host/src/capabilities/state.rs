//! The host's state for one request.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wasmtime::component::ResourceTable;

use crate::cancel::Cancel;
use crate::pool::Context;
use crate::process::Claim;
use crate::request::Request;
use crate::runtime::{CpuMeter, MemoryLimiter};

use super::HostError;
use super::transaction::OpenTransaction;

/// Everything that belongs to one request. It lives in the store of that request's fresh
/// instance and goes with it: nothing of a policy outlives its answer.
pub(crate) struct RequestState {
    pub(crate) context: Arc<Context>,
    pub(crate) request: Request,
    pub(crate) cancel: Cancel,
    pub(crate) table: ResourceTable,
    pub(crate) meter: CpuMeter,
    pub(crate) memory: MemoryLimiter,
    pub(super) log_lines_left: usize,
    /// At most one; the guest's resource is only a handle to it.
    pub(super) transaction: Option<OpenTransaction>,
    /// Claims whose process was signalled by this request.
    pub(super) signalled: HashSet<Claim>,
    /// What is left of the time that the request may wait for processes.
    pub(super) wait_left: Duration,
}

impl RequestState {
    /// A policy holds one transaction and one target a worker.
    const RESOURCES: usize = 200_000;

    pub(crate) fn new(context: Arc<Context>, request: Request, cancel: Cancel) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(Self::RESOURCES);
        Self {
            meter: CpuMeter::start(context.limits.guest_cpu, context.limits.host_cpu),
            memory: MemoryLimiter::new(&context.limits),
            log_lines_left: context.limits.log_lines,
            wait_left: request.wait_allowance(),
            table,
            transaction: None,
            signalled: HashSet::new(),
            context,
            request,
            cancel,
        }
    }

    /// The transaction that a handle of the guest stands for.
    pub(super) fn open_transaction(&mut self) -> Result<&mut OpenTransaction, HostError> {
        self.transaction
            .as_mut()
            .ok_or_else(|| HostError::misuse("the transaction is over"))
    }

    pub(super) fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
