//! The built program under real load, and killed at any moment.
//!
//! `cargo test --features long-suites --test long` runs everything at full size, which
//! takes minutes; [`sizes`] reads what makes it smaller. Whatever is measured, and each
//! seed, is printed whether or not a test fails.

#[expect(
    dead_code,
    unused_imports,
    reason = "this suite needs only a part of the harness"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

#[expect(dead_code, reason = "this suite needs only a part of it")]
#[path = "../beside_algocline/algocline.rs"]
mod algocline;

mod alone;
mod chance;
mod client;
mod crowd;
mod echo;
mod fragile;
mod killed_at_work;
mod killed_run;
mod killed_stop;
mod lifeline;
mod listing;
mod many_workers;
mod orphans;
mod pace;
mod peer;
mod roll;
mod sizes;
mod soak;
mod strike;
mod striker;
mod tally;
mod waiting;
mod writer;

/// A test file that nobody declares is a test that nobody runs.
#[test]
fn every_file_here_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/long");
    let declared = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder of this suite") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a plain name");
        let module = name.strip_suffix(".rs").expect("only Rust files");
        assert!(
            module == "main" || declared.contains(&format!("mod {module};")),
            "{name}"
        );
    }
}
