//! From a core module to a component.

use sha2::{Digest as _, Sha256};
use wit_component::ComponentEncoder;

use crate::canonical::hex;
use crate::error::{Error, Result};

/// Wraps a guest's core module, which carries its WIT world in a custom section, as a
/// validated component. There is no adapter: an import that the world does not name is
/// an error here, not a surprise in the host.
///
/// # Errors
/// When the module does not fit its world.
pub fn encode(package: &str, module: &[u8]) -> Result<Vec<u8>> {
    let encode = || {
        ComponentEncoder::default()
            .module(module)?
            .validate(true)
            .encode()
    };
    encode().map_err(|error| Error::Encode {
        package: package.to_owned(),
        source: error.into_boxed_dyn_error(),
    })
}

/// SHA-256 in hexadecimal, as sha256sum(1) prints it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
