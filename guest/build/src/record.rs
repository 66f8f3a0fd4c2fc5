//! What is written down beside a component.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::component::sha256;
use crate::error::{Error, Result};
use crate::guests::Guest;
use crate::inputs::Inputs;
use crate::toolchain::Builder;

/// Proof of origin of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 of the component, in hexadecimal.
    pub component: String,
    /// What it was built from.
    pub inputs: Inputs,
    /// What it was built with.
    pub builder: Builder,
}

impl Record {
    /// Describes a component that was just built.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn of(root: &Path, guest: &Guest<'_>, component: &[u8], builder: &Builder) -> Result<Self> {
        Ok(Self {
            component: sha256(component),
            inputs: Inputs::of(root, guest)?,
            builder: builder.clone(),
        })
    }

    /// Reads the record of a guest's committed component.
    ///
    /// # Errors
    /// When it cannot be read or has another shape.
    pub fn read(root: &Path, guest: &Guest<'_>) -> Result<Self> {
        let path = guest.record_path(root);
        toml::from_str(&canonical::read_text(&path)?).map_err(|source| Error::Parse {
            path,
            source: Box::new(source),
        })
    }

    /// Writes the component and its record.
    ///
    /// Files that have the right content are left alone, so that nothing that depends on
    /// them is built again.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, root: &Path, guest: &Guest<'_>, component: &[u8]) -> Result<()> {
        let path = guest.record_path(root);
        let body = toml::to_string(self).map_err(|source| Error::Record {
            path: path.clone(),
            source,
        })?;
        let text = format!("# Written by `{}`; never edited.\n{body}", crate::REBUILD);
        // The component first: an interrupted run leaves a pair that is seen not to fit.
        write_if_changed(&guest.component_path(root), component)?;
        write_if_changed(&path, text.as_bytes())
    }
}

fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(path, content).map_err(Error::write(path))
}
