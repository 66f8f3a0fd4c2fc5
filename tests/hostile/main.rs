//! The host against a policy that tries to break its rules.
//!
//! The guest is `tests/guests/hostile`; the setting `attack` chooses what it tries. After
//! every attack the lock is free, the registry is whole, and the next request is answered.

mod answers;
mod attacks;
mod effects;
mod endurance;
#[expect(dead_code, reason = "this suite needs only a part of it")]
#[path = "../loading/guest.rs"]
mod guest;
mod harness;
mod limits;
mod order;
mod registry;
mod swap;
mod trail;

/// A test file that nobody declares is a test that nobody runs.
#[test]
fn every_file_here_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/hostile");
    let declared = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder of this suite") {
        let path = entry.expect("an entry").path();
        let module = path.file_stem().and_then(|stem| stem.to_str());
        let module = module.expect("a plain name");
        assert!(
            path.extension().is_some_and(|extension| extension != "rs")
                || module == "main"
                || declared.contains(&format!("mod {module};")),
            "{}",
            path.display()
        );
    }
}
