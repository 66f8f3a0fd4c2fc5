//! Every committed component is what was built from the sources as they are.

use std::path::Path;

use poolwarden_guest_build::{GUESTS, verify};

#[test]
fn every_component_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.ancestors().nth(2).expect("the checkout");
    for guest in GUESTS {
        if let Err(error) = verify(root, guest) {
            panic!("{}", error.with_causes());
        }
    }
}
