//! What a component is, needs and lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Code, Export, Import, LoadError, Shape};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::pool::PoolBuilder;
use crate::runtime::{Description, Policy};
use crate::settings::{self, SettingError};

/// What a component's bytes and its type say about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// SHA-256 of the component, in lower-case hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The version of `poolwarden:pool` that it was built for; none when it was built for
    /// something else.
    pub interface_version: Option<String>,
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<Export>,
    /// Which grants it can make use of.
    pub needs: Needs,
    /// What it says about itself; else why it does not load, or how it failed to say it.
    pub verdict: Result<Description, Unusable>,
    /// Whether the [settings](super::PolicyLoader::setting) can be taken, as far as it says
    /// what it reads. A pool refuses a policy with one that cannot.
    pub settings: Result<(), SettingError>,
}

/// Why an inspected component cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It loads, and fails to describe itself.
    #[error("the policy does not describe itself")]
    Describe(#[source] Error),
    /// It describes itself, and a setting means nothing to it or to the host.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// Grants that a component can make use of, by the functions that it imports. A policy
/// without one of them still loads: it is denied that effect, and may do without.
///
/// Some toolchains import every function of an interface, used or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// It can replace the registry: `registry-write`.
    pub registry_write: bool,
    /// It can send signals: one grant for each signal, and `dismiss` for those that it sends in
    /// `ensure`. Which, only its author knows.
    pub signals: bool,
}

impl Inspection {
    pub(super) fn of(code: &Code, settings: &[(String, String)]) -> Self {
        let shape = Shape::of(&code.component, &code.engine);
        let settings: BTreeMap<_, _> = settings.iter().cloned().collect();
        let verdict = describe(code, &settings);
        let said = verdict.as_ref().ok();
        Self {
            sha256: code.sha256.clone(),
            size: code.size,
            interface_version: shape.version().map(str::to_owned),
            needs: Needs::of(&shape),
            settings: said.map_or(Ok(()), |said| settings::check(&settings, said)),
            verdict,
            imports: shape.imports,
            exports: shape.exports,
        }
    }
}

impl Needs {
    fn of(shape: &Shape) -> Self {
        let signals = ["[method]target.send", "[method]target.send-group"];
        Self {
            registry_write: shape
                .imports("poolwarden:pool/registry", "[method]transaction.replace"),
            signals: signals
                .iter()
                .any(|function| shape.imports("poolwarden:pool/signals", function)),
        }
    }
}

/// Asks the policy what it is, without any pool.
fn describe(code: &Code, settings: &BTreeMap<String, String>) -> Result<Description, Unusable> {
    let policy = Policy::link(code.engine.clone(), &code.component, code.sha256.clone())?;
    let cancel =
        Cancel::new().map_err(|error| Unusable::Describe(Error::System(error.to_string())))?;
    // A policy that describes itself cannot begin a transaction, so no path is looked at.
    settings
        .iter()
        .fold(PoolBuilder::new(""), |builder, (name, value)| {
            builder.setting(name, value)
        })
        .build(Arc::new(policy))
        .describe(&cancel)
        .map_err(Unusable::Describe)
}
