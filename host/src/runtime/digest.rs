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

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of FIPS 180-4 for SHA-256.
    #[test]
    fn it_is_sha_256() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            sha256(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
