//! Whether a committed component is what its source says.

use std::fs;
use std::path::Path;

use crate::compile::core_module;
use crate::component::{encode, sha256};
use crate::error::{Error, Result};
use crate::guests::Guest;
use crate::inputs::Inputs;
use crate::record::Record;
use crate::toolchain::{Builder, Toolchain};

/// What a build from source says about the committed component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same bytes.
    Same,
    /// Other bytes from the same builder: the component is not what its source says.
    Different,
    /// Built with something else than the recorded builder, so that bytes say nothing.
    OtherBuilder,
}

/// Verifies a committed component against its record, and the record against the sources.
///
/// Builds nothing. It proves that nobody forgot to build, not that nobody cheated:
/// that takes [`check`].
///
/// # Errors
/// [`Error::NotBuilt`] when the component or its record is missing, [`Error::Stale`] when
/// an input or the component is not what the record says; others when a file cannot be
/// read.
pub fn verify(root: &Path, guest: &Guest<'_>) -> Result<Record> {
    let path = guest.component_path(root);
    for path in [&path, &guest.record_path(root)] {
        if !path.exists() {
            return Err(Error::NotBuilt { path: path.clone() });
        }
    }
    let record = Record::read(root, guest)?;
    let component = fs::read(&path).map_err(Error::read(&path))?;
    let mut changed = Inputs::of(root, guest)?.differences(&record.inputs);
    if sha256(&component) != record.component {
        changed.push("the component itself");
    }
    if changed.is_empty() {
        Ok(record)
    } else {
        Err(Error::Stale {
            component: guest.component.to_owned(),
            changed: changed.join(", "),
        })
    }
}

/// Builds a guest in `target` and compares it with the committed component, whose record
/// names its `builder`. Returns the fresh component with the verdict.
///
/// # Errors
/// When the build fails or the committed component cannot be read.
pub fn check(
    root: &Path,
    guest: &Guest<'_>,
    builder: &Builder,
    toolchain: &Toolchain,
    target: &Path,
) -> Result<(Verdict, Vec<u8>)> {
    let fresh = encode(guest.package, &core_module(root, guest, toolchain, target)?)?;
    let path = guest.component_path(root);
    let committed = fs::read(&path).map_err(Error::read(&path))?;
    let verdict = if builder != toolchain.builder() {
        Verdict::OtherBuilder
    } else if fresh == committed {
        Verdict::Same
    } else {
        Verdict::Different
    };
    Ok((verdict, fresh))
}
