//! Which code an entry holds.

use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

/// A component and an engine: what compiled code depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// SHA-256 of the component, in hexadecimal.
    component: String,
    /// SHA-256 of what the engine's code depends on, in hexadecimal: its version, its
    /// settings, the processor's features.
    engine: String,
}

impl Key {
    pub(crate) fn new(engine: &Engine, component_sha256: &str) -> Self {
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let digest = hasher.0.finalize();
        Self {
            component: component_sha256.to_owned(),
            engine: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The name of the entry's file.
    pub(super) fn name(&self) -> String {
        format!("{}-{}{SUFFIX}", self.component, self.engine_part())
    }

    /// Whether that file is named as an entry of the same engine.
    pub(super) fn has_engine_of(&self, name: &str) -> bool {
        name.ends_with(&format!("-{}{SUFFIX}", self.engine_part()))
    }

    /// Both digests in full, for the seal.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.component.bytes().chain(self.engine.bytes())
    }

    /// Names need only tell engines apart; the seal has the whole digest.
    fn engine_part(&self) -> &str {
        &self.engine[..16]
    }
}

/// How names of entries end.
const SUFFIX: &str = ".cwasm";

/// Whether a file is named as an entry is.
pub(super) fn is_entry(name: &str) -> bool {
    let Some((component, engine)) = name.strip_suffix(SUFFIX).and_then(|n| n.split_once('-'))
    else {
        return false;
    };
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    component.len() == 64 && engine.len() == 16 && hexadecimal(component) && hexadecimal(engine)
}

/// Feeds what is hashed to SHA-256: the standard hasher's 64 bits are few for a name that
/// must not be met twice.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
