//! What can still be read of a damaged registry.
//!
//! The text is followed as long as it makes sense. Where it stops to, the next complete
//! object that is an entry is looked for, and the text is followed again from there. So one
//! damaged byte costs one entry at most, and a text that ends early those that it does not
//! hold whole.

mod entry;
mod held;
mod lexer;
mod scan;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub(crate) use entry::SalvagedEntry;
pub(crate) use held::held;
pub(super) use lexer::offset;
use scan::Scan;

/// What was found in a damaged registry. Everything borrowed from the text is there byte
/// for byte.
#[derive(Debug, Default)]
pub(crate) struct Salvage<'a> {
    /// Fields of the first document before its `sessions`, each as `"name":value`.
    pub(crate) before: Vec<&'a str>,
    /// The entries, in the order of the text, each claim once.
    pub(crate) entries: Vec<SalvagedEntry<'a>>,
    /// Fields of the first document behind its `sessions`.
    pub(crate) after: Vec<&'a str>,
    /// What could not be used, in the order of the text.
    pub(crate) lost: Vec<Lost>,
}

/// A stretch of the text that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Where it stands, in bytes.
    pub(crate) bytes: Range<usize>,
    /// Why it could not be used.
    pub(crate) why: String,
}

/// Reads what can be read. It takes any bytes, in time that grows with their number alone.
pub(crate) fn salvage(text: &[u8]) -> Salvage<'_> {
    Scan::new(text).run()
}
