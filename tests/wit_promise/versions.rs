//! Which change takes which version.

use crate::changes::BEFORE;
use crate::promise::{Package, keeps};

/// What the rule says of a package with this text, against the one before.
fn verdict(after: &str) -> Result<(), String> {
    keeps(&Package::parse(BEFORE), &Package::parse(after))
}

#[test]
fn what_is_added_takes_the_next_patch_version() {
    let more = BEFORE.replace("look: func", "more: func(); look: func");
    let told = verdict(&more).expect_err("released without it");
    assert!(
        told.contains("t:t/store@0.1 function more: added"),
        "{told}"
    );
    assert!(told.contains("the version 0.1.1"), "{told}");
    verdict(&more.replace("@0.1.0", "@0.1.1")).expect("it has another version");
}

#[test]
fn what_breaks_takes_another_interface() {
    let broken = BEFORE.replace("enum standing { alive, gone }", "enum standing { gone }");
    for version in ["0.1.0", "0.1.7"] {
        let told = verdict(&broken.replace("@0.1.0", &format!("@{version}")));
        let told = told.expect_err("it breaks");
        let change = "t:t/words@0.1 type standing: changed\n    \
            was enum { alive, gone }\n    is  enum { gone }";
        assert!(told.contains(change), "{told}");
        assert!(
            told.contains("make it 0.2.0") && told.contains("wit/README.md"),
            "{told}"
        );
    }
    verdict(&broken.replace("@0.1.0", "@0.2.0")).expect("it is another interface");
}

#[test]
fn a_version_does_not_go_back() {
    assert!(verdict(&BEFORE.replace("@0.1.0", "@0.0.9")).is_err());
    assert!(verdict(&BEFORE.replace("@0.1.0", "")).is_err());
    verdict(BEFORE).expect("the same is kept");
}
