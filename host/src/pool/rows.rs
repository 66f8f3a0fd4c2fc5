//! The ledger's rows beside the registry's entries.

use std::sync::Arc;

use crate::floor::Reading;
use crate::store::{Ledger, Row};

/// What the ledger knows about each entry of a registry, by the entry's index.
pub(crate) struct Rows {
    reading: Arc<Reading>,
    ledger: Ledger,
    rows: Vec<Option<Row>>,
}

impl Rows {
    pub(super) fn new(reading: &Arc<Reading>, ledger: &Ledger) -> Self {
        let claims = reading.claims().unwrap_or_default();
        Self {
            rows: claims
                .iter()
                .map(|claim| ledger.get(claim).cloned())
                .collect(),
            reading: reading.clone(),
            ledger: ledger.clone(),
        }
    }

    /// Both are held here, so that what is at the same place is the same.
    pub(super) fn are_of(&self, reading: &Arc<Reading>, ledger: &Ledger) -> bool {
        Arc::ptr_eq(&self.reading, reading) && self.ledger.shares_rows(ledger)
    }

    /// The row of the entry with this index.
    pub(crate) fn get(&self, index: usize) -> Option<&Row> {
        self.rows.get(index)?.as_ref()
    }
}
