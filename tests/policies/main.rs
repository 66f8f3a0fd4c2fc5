//! The example policies over real processes.
//!
//! The environment variable `POOLWARDEN_EXAMPLE_POLICIES` names the folder that they were
//! built into (`cargo run -p poolwarden-guest-build -- --root . --examples FOLDER`).

#[expect(
    dead_code,
    unused_imports,
    reason = "this suite needs only a part of the harness"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

mod age_limit;
mod every_language;
mod example;
mod max_age;
mod version_skew;
mod worker_cap;
