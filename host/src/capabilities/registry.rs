//! `registry`: the pool's file, under its lock.

use wasmtime::component::Resource;

use crate::error::{Error, Fault};
use crate::floor::{Proven, Reading};
use crate::recording::Call;
use crate::request::Request;
use crate::store::StoreError;

use super::bindings::poolwarden::pool::registry::{Host, HostTransaction};
use super::transaction::OpenTransaction;
use super::{HostError, RequestState, View};

/// The guest's handle to the one transaction that a request can hold.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Transaction(());

impl Host for View<'_> {
    fn begin(&mut self) -> Result<Resource<Transaction>, HostError> {
        let begun = self.uncharged(begin);
        self.note_begin(&begun);
        begun?;
        Ok(self.0.table.push(Transaction(()))?)
    }
}

impl HostTransaction for View<'_> {
    fn read(&mut self, _: Resource<Transaction>) -> Result<Option<Vec<u8>>, HostError> {
        self.0.note(|| Call::Read);
        Ok(self
            .0
            .open_transaction()?
            .reading
            .bytes()
            .map(<[u8]>::to_vec))
    }

    fn replace(&mut self, _: Resource<Transaction>, bytes: Vec<u8>) -> Result<(), HostError> {
        let noted = self.0.recorder.is_some().then(|| bytes.clone());
        let replaced = self.uncharged(|state| replace(state, bytes));
        self.note_replace(noted, &replaced);
        replaced
    }

    fn drop(&mut self, handle: Resource<Transaction>) -> wasmtime::Result<()> {
        self.0.table.delete(handle)?;
        self.uncharged(|state| state.transaction = None);
        self.0.note(|| Call::End);
        Ok(())
    }
}

fn begin(state: &mut RequestState) -> Result<(), HostError> {
    if !state.may_begin {
        return Err(HostError::misuse(
            "a policy describes itself without a pool",
        ));
    }
    if state.transaction.is_some() {
        return Err(HostError::misuse(
            "this request already holds a transaction",
        ));
    }
    let Some(left) = state.transactions_left.checked_sub(1) else {
        let limit = state.context.limits.transactions;
        return Err(HostError::Trap(
            Error::from(Fault::Transactions(limit)).into(),
        ));
    };
    state.transactions_left = left;
    // Only who adds an entry needs a pool to add it to.
    let locked = match state.request {
        Request::Register(_) => state.context.lock(&state.cancel)?,
        _ => {
            let wait = state.context.limits.lock_wait;
            state.context.lock_existing(wait, &state.cancel)?
        }
    };
    let read = state.context.read_registry(&locked, &state.cancel);
    let bytes = read.inspect_err(|error| {
        let path = state.context.registry_path();
        let longest = state.context.limits.text;
        state.no_registry.note(path, error, longest);
    })?;
    let reading = state.context.reading(bytes);
    state.facts.begin(&reading);
    let writes = !state.request.is_dry_run();
    state.transaction = Some(OpenTransaction::new(
        locked,
        reading,
        writes,
        &state.context,
    ));
    Ok(())
}

fn replace(state: &mut RequestState, bytes: Vec<u8>) -> Result<(), HostError> {
    // A new entry is dated by its policy: before anything here takes its time.
    let now = state.now();
    let open = state.open_transaction()?;
    if open.replaced {
        return Err(HostError::misuse(
            "the registry was already replaced in this transaction",
        ));
    }
    let before = open.reading.clone();
    let after = Reading::new(Some(bytes));
    look_at_ended(state, &before, &after)?;
    let budget = state.budget.clone();
    let open = state.open_transaction()?;
    let proven = Proven {
        is_dead: &|index| open.is_dead(index),
        newcomer_runs: open.registering.is_some(),
        now,
    };
    let change = budget.check_replacement(&before, &after, &proven)?;
    let recorded = state.before_removals(&change.dropped)?;
    let stops = matches!(state.request, Request::Stop(_));
    let open = state.open_transaction()?;
    if stops {
        open.remove_stale_sockets(&change);
    }
    let replaced = open.replace(after.bytes().unwrap_or_default(), &change);
    state.after_removals(&recorded, &replaced);
    if matches!(replaced, Ok(()) | Err(StoreError::NotDurable { .. })) {
        state.facts.replaced(&change.dropped, change.added.as_ref());
    }
    Ok(replaced?)
}

/// Looks again at those entries of a replacement that go although their process was found
/// alive, and has ended since: it may have been stopped in this very transaction.
fn look_at_ended(
    state: &mut RequestState,
    before: &Reading,
    after: &Reading,
) -> Result<(), HostError> {
    let Ok(claims) = before.claims() else {
        return Ok(());
    };
    let alive = |index: &usize| {
        let open = state.transaction.as_ref();
        open.is_some_and(|open| open.process(*index).is_some())
    };
    let going = (0..claims.len()).filter(|index| after.with_sid(&claims[*index].sid).is_empty());
    let going: Vec<_> = going.filter(alive).collect();
    let open = state.transaction.as_ref();
    let ended = open.map_or_else(Vec::new, |open| open.ended_since(&going));
    if !ended.is_empty() {
        state.look(&ended)?;
    }
    Ok(())
}
