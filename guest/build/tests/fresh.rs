//! Every committed component is what was built from the sources as they are.

use std::path::Path;

use poolwarden_guest_build::{GUESTS, REBUILD, verify};

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

/// Without the checkout's folder, the tool builds the one that it was itself built from.
#[test]
fn the_hint_is_the_command_that_the_documentation_gives() {
    assert!(REBUILD.ends_with(" --root ."), "{REBUILD}");
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("`{REBUILD}`")), "{REBUILD}");
}
