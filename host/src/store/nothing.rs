//! A pool that is not there.

use std::sync::Arc;
use std::time::Duration;

use super::contract::{Durability, LockedStore, Trail};
use super::error::{StoreError, StoreErrorKind};
use super::ledger::Ledger;
use super::locked::LedgerWrite;
use crate::cancel::Cancel;

/// Stands for the held lock of a pool that was not there when a request began. It was empty
/// at that moment, which is all that the request says; whoever makes the pool meanwhile is
/// in nobody's way.
pub(crate) struct Nothing;

impl LockedStore for Nothing {
    fn read_registry(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn replace_registry(&mut self, _bytes: &[u8]) -> Result<(), StoreError> {
        Err(absent())
    }

    fn read_ledger(&self) -> Ledger {
        Ledger::default()
    }

    fn write_ledger(&mut self, _ledger: &Ledger) -> Result<LedgerWrite, StoreError> {
        Err(absent())
    }

    fn trail(&self) -> Arc<dyn Trail> {
        Arc::new(Self)
    }
}

impl Trail for Nothing {
    fn append(
        &self,
        _lines: &[u8],
        _durability: Durability,
        _wait: Duration,
        _cancel: Option<&Cancel>,
    ) -> Result<(), StoreError> {
        Err(absent())
    }
}

/// What a policy is told that writes to a pool without entries.
fn absent() -> StoreError {
    StoreError::own(
        StoreErrorKind::System,
        "there is no pool yet, and only the first worker that is registered makes one",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::cancel;
    use super::*;

    #[test]
    fn it_is_empty_and_takes_nothing() {
        let mut nothing = Nothing;
        assert_eq!(nothing.read_registry().expect("an empty pool"), None);
        let refused = [
            nothing.replace_registry(b"{}"),
            nothing.write_ledger(&Ledger::default()).map(drop),
            nothing
                .trail()
                .append(b"{}\n", Durability::Power, Duration::ZERO, Some(&cancel())),
        ];
        for result in refused {
            let error = result.expect_err("there is nothing to write to");
            assert_eq!(error.kind(), StoreErrorKind::System);
        }
    }
}
