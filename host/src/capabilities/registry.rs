//! `registry`: the pool's file, under its lock.

use wasmtime::component::Resource;

use crate::floor::{Reading, check_replace};

use super::bindings::poolwarden::pool::registry::{Host, HostTransaction};
use super::transaction::OpenTransaction;
use super::{HostError, View};

/// The guest's handle to the one transaction that a request can hold.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Transaction(());

impl Host for View<'_> {
    fn begin(&mut self) -> Result<Resource<Transaction>, HostError> {
        let state = &mut *self.0;
        if state.transaction.is_some() {
            return Err(HostError::misuse("this request already holds a transaction"));
        }
        let context = &state.context;
        let locked = context.lock(&state.cancel)?;
        let reading = context.reading(locked.read_registry()?);
        let handle = state.table.push(Transaction(()))?;
        let writes = !state.request.is_dry_run();
        state.transaction = Some(OpenTransaction::new(locked, reading, writes));
        Ok(handle)
    }
}

impl HostTransaction for View<'_> {
    fn read(&mut self, _: Resource<Transaction>) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.open()?.reading.bytes().map(<[u8]>::to_vec))
    }

    fn replace(&mut self, _: Resource<Transaction>, bytes: Vec<u8>) -> Result<(), HostError> {
        self.0.context.grants.check_registry_write()?;
        if self.0.request.is_dry_run() {
            return Err(refused("the client asked for a dry run"));
        }
        let now = self.0.now();
        let (request, signalled) = (&self.0.request, &self.0.signalled);
        let Some(open) = self.0.transaction.as_mut() else {
            return Err(HostError::misuse("the transaction is over"));
        };
        if open.replaced {
            return Err(HostError::misuse("the registry was already replaced in this transaction"));
        }
        let after = Reading::new(Some(bytes));
        let before = open.reading.clone();
        let change = check_replace(&before, &after, request, now, |index| {
            open.is_dead(index)
                || before.claims().is_ok_and(|claims| signalled.contains(&claims[index]))
        })?;
        if change.added.is_some() && open.registering.is_none() {
            return Err(refused("the process to register was not found running"));
        }
        let bytes = after.bytes().unwrap_or_default();
        open.replace(bytes, &change)?;
        Ok(())
    }

    fn drop(&mut self, handle: Resource<Transaction>) -> wasmtime::Result<()> {
        self.0.table.delete(handle)?;
        self.0.transaction = None;
        Ok(())
    }
}

impl View<'_> {
    pub(super) fn open(&mut self) -> Result<&mut OpenTransaction, HostError> {
        self.0.transaction.as_mut().ok_or_else(|| HostError::misuse("the transaction is over"))
    }
}

fn refused(text: &str) -> HostError {
    crate::floor::Refusal(text.into()).into()
}
