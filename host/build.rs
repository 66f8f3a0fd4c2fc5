//! Compiles the shipped policy ahead of time, so that starting the program compiles nothing,
//! and takes its digest and its size.

use std::path::PathBuf;
use std::{env, error::Error, fs};

#[path = "src/runtime/digest.rs"]
mod digest;
#[path = "src/runtime/engine.rs"]
mod engine;

/// Names another component to embed: used to run the suites against a policy that was
/// just built from source.
const COMPONENT_VARIABLE: &str = "POOLWARDEN_POLICY_COMPONENT";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={COMPONENT_VARIABLE}");
    println!("cargo::rerun-if-changed=src/runtime/digest.rs");
    println!("cargo::rerun-if-changed=src/runtime/engine.rs");
    let component = match env::var_os(COMPONENT_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../guest/policy.wasm"),
    };
    println!("cargo::rerun-if-changed={}", component.display());

    let mut config = engine::config();
    // Naming the target turns off what only this machine's processor has: the program
    // may run on another one.
    config
        .target(&env::var("TARGET")?)
        .map_err(|error| format!("{error:?}"))?;
    let engine = wasmtime::Engine::new(&config).map_err(|error| format!("{error:?}"))?;
    let bytes = fs::read(&component)
        .map_err(|error| format!("cannot read the policy {}: {error}", component.display()))?;
    let code = engine.precompile_component(&bytes).map_err(|error| {
        format!(
            "cannot compile the policy {}: {error:?}",
            component.display()
        )
    })?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("policy.cwasm"), code)?;
    // Of the component and not of this code: it is what others can compare.
    fs::write(out.join("policy.sha256"), digest::sha256(&bytes))?;
    fs::write(out.join("policy.size"), bytes.len().to_string())?;
    Ok(())
}
