//! The ledger as text, for stores that keep texts.

use super::ledger::Ledger;
use super::ledger_file::{self, Contents};

/// Why a text is no ledger. A store that reads one has an empty ledger, and does not write
/// over a newer one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerTextError {
    /// It is of a newer version of this library, which would lose what only that one knows.
    #[error("the ledger has format {0}, which is newer than this program: upgrade poolwarden")]
    Newer(u64),
    /// It is none.
    #[error("the ledger is damaged")]
    Damaged(#[from] serde_json::Error),
}

impl Ledger {
    /// The ledger as JSON text, as it stands in `ledger.json`. Equal ledgers have equal texts.
    ///
    /// # Errors
    /// When a time in it is beyond the year 9999.
    pub fn to_text(&self) -> Result<Vec<u8>, serde_json::Error> {
        ledger_file::encode(self)
    }

    /// Reads what [`to_text`](Self::to_text) wrote. A row that cannot be read is left out:
    /// the host proves anew what it lacks.
    ///
    /// # Errors
    /// See [`LedgerTextError`].
    pub fn from_text(text: &[u8]) -> Result<Self, LedgerTextError> {
        match ledger_file::decode(text) {
            Contents::Ledger { ledger, .. } => Ok(ledger),
            Contents::Newer(version) => Err(LedgerTextError::Newer(version)),
            Contents::Damaged(error) => Err(LedgerTextError::Damaged(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{claim, record};
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_newer_is_told() {
        let mut ledger = Ledger::default();
        ledger.insert(claim("a"), record(1));
        let text = ledger.to_text().expect("a text");
        let read = Ledger::from_text(&text).expect("a ledger");
        assert_eq!(read.get(&claim("a")), ledger.get(&claim("a")));
        assert!(!read.is_changed());
        assert!(matches!(
            Ledger::from_text(br#"{"version":3}"#),
            Err(LedgerTextError::Newer(3))
        ));
        assert!(matches!(
            Ledger::from_text(b"{"),
            Err(LedgerTextError::Damaged(_))
        ));
    }
}
