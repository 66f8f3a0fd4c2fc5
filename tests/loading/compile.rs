//! Compiling in a process of its own: within limits, and no longer than somebody waits.

use std::fmt::Write;
use std::thread;
use std::time::Duration;

use poolwarden::{
    Cancel, CodeCache, CompileError, CompileLimits, Compiler, LoadError, Policy, PolicyLoader,
};

use crate::guest::harmless;

/// The program that compiles.
fn compiler() -> Compiler {
    Compiler::new(env!("CARGO_BIN_EXE_poolwarden")).argument("compile-policy-on-stdin")
}

/// Loads a component that this compiles within limits.
fn load(component: &[u8], limits: CompileLimits) -> Result<Policy, LoadError> {
    PolicyLoader::new()
        .compiler(compiler().limits(limits))
        .component(component)
}

/// Why a component was not compiled.
fn not_compiled(loaded: Result<Policy, LoadError>) -> CompileError {
    match loaded {
        Err(LoadError::Compile(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it loads"),
    }
}

/// A small component whose one function takes the compiler very long: in its loop, every
/// block can leave every variable with another value.
fn heavy() -> Vec<u8> {
    const VARIABLES: usize = 400;
    const BLOCKS: usize = 40_000;

    let mut text = "(component (core module (func (param i32) (result i64) (local".to_owned();
    text.push_str(&" i64".repeat(VARIABLES));
    text.push_str(") (loop $again");
    for block in 0..BLOCKS {
        let at = |factor: usize| 1 + block * factor % VARIABLES;
        write!(
            text,
            "(if (local.get 0) (then (local.set {} (i64.add (local.get {}) (local.get {})))))",
            at(1),
            at(7),
            at(13),
        )
        .expect("a string");
    }
    text.push_str("(br_if $again (local.get 0))) (local.get 1))))");
    wat::parse_str(text).expect("a component")
}

#[test]
fn a_policy_that_another_process_compiles_loads_and_is_kept() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let cache = CodeCache::at(root.path().join("cache"));
    let policy = root.path().join("policy.wasm");
    std::fs::write(&policy, harmless()).expect("the policy");
    let compiled = PolicyLoader::new()
        .compiler(compiler())
        .compile(&policy, &cache);
    assert!(compiled.expect("it is compiled").fresh);
    // There is no other compiler to be had.
    PolicyLoader::new()
        .compiler(Compiler::new("/no/such/program"))
        .cache(cache)
        .file(&policy)
        .expect("its code was kept");
}

#[test]
fn a_component_that_takes_the_compiler_too_long_is_refused() {
    let limits = CompileLimits {
        cpu: Duration::from_secs(1),
        ..CompileLimits::default()
    };
    let error = not_compiled(load(&heavy(), limits));
    assert!(matches!(error, CompileError::Time(limit) if limit == limits.cpu));
    let text = error.to_string();
    assert!(text.contains("more than 1 s of processor time"), "{text}");
    assert!(text.contains("policy compile FILE --time-limit"), "{text}");
}

#[test]
fn a_component_that_takes_the_compiler_too_much_memory_is_refused() {
    let limits = CompileLimits {
        memory: 32 << 20,
        ..CompileLimits::default()
    };
    let error = not_compiled(load(&heavy(), limits));
    assert!(matches!(error, CompileError::Memory(limit) if limit == limits.memory));
    let text = error.to_string();
    assert!(text.contains("more than 32 MiB of memory"), "{text}");
}

#[test]
fn limits_without_end_are_limits_as_well() {
    let limits = CompileLimits {
        cpu: Duration::MAX,
        memory: u64::MAX,
    };
    load(&harmless(), limits).expect("it is compiled");
}

#[test]
fn a_component_that_nobody_waits_for_is_not_compiled_further() {
    let cancel = Cancel::new().expect("an eventfd");
    let withdrawn = cancel.clone();
    let loading = thread::spawn(move || {
        PolicyLoader::new()
            .compiler(compiler())
            .cancel(cancel)
            .component(&heavy())
    });
    withdrawn.cancel();
    let error = not_compiled(loading.join().expect("no panic"));
    assert!(matches!(error, CompileError::Cancelled), "{error}");
}

#[test]
fn what_is_no_component_is_told_as_without_another_process() {
    let mut damaged = harmless();
    damaged.truncate(damaged.len() / 2);
    let error = load(&damaged, CompileLimits::default()).err();
    let own = PolicyLoader::new().component(&damaged).err();
    assert!(matches!(error, Some(LoadError::Damaged(_))), "{error:?}");
    assert_eq!(
        error.map(|error| error.to_string()),
        own.map(|error| error.to_string())
    );
}

#[test]
fn a_program_that_does_not_compile_is_an_error() {
    for (program, told) in [
        ("/bin/true", "ended by itself, with exit code 0"),
        ("/bin/false", "ended by itself, with exit code 1"),
        ("/no/such/program", "cannot start"),
    ] {
        let loader = PolicyLoader::new().compiler(Compiler::new(program));
        let error = not_compiled(loader.component(&harmless()));
        assert!(error.to_string().contains(told), "{error}");
    }
}
