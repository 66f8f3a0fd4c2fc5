//! The settings of the WebAssembly engine.
//!
//! The build script compiles the shipped policy with these settings and the program
//! loads it with them. The build script therefore includes this file by its path, so it
//! uses nothing of the crate.

use wasmtime::{Config, OptLevel};

/// Settings that change the generated code. They must be the same where a policy is
/// compiled and where it is loaded; the engine refuses code that was made with others.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Lets the host end a guest that does not return.
        .epoch_interruption(true)
        // A trap's cause is reported; the guest's own stack says nothing to a user.
        .wasm_backtrace_max_frames(None);
    config
}
