//! All of JSONTestSuite as registry files, and as parts of registries.
//!
//! What is accepted is rewritten around it, byte for byte; what is refused is left as it is.
//! The host and the policy read every file alike. The files are in
//! `tests/fixtures/json_test_suite`.

#[expect(
    dead_code,
    unused_imports,
    reason = "this suite needs only a part of the harness"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

mod files;
mod place;
mod program;
mod reading;
