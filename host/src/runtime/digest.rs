//! The digest of a component, by which a policy is known whatever it says about itself.
//!
//! The build script takes that of the shipped policy. It therefore includes this file by
//! its path, so it uses nothing of the crate.

use sha2::{Digest as _, Sha256};

/// SHA-256 in lower-case hexadecimal, as sha256sum(1) prints it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
