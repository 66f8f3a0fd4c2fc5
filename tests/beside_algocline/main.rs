//! poolwarden and the real algocline 0.44.4 on one pool.
//!
//! The environment variable `ALC` names algocline's binary
//! (`cargo install algocline --version 0.44.4 --locked` makes it).

#[expect(
    dead_code,
    unused_imports,
    reason = "this suite needs only a part of the harness"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

#[expect(dead_code, reason = "this suite needs only a part of it")]
#[path = "../long/echo.rs"]
mod echo;

mod algocline;
mod each_others_entries;
mod hammering;
mod its_worker;
mod just_started;
mod other_namespace;
