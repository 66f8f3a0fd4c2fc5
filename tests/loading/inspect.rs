//! What an inspection says.

use std::fs;

use poolwarden::{ImportKind, Inspection, LoadError, MAX_COMPONENT, Needs, PolicyLoader, Unusable};

use crate::guest::{Guest, component, core_module};

/// Inspects these bytes, in a file.
fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let root = tempfile::tempdir().expect("a temporary directory");
    let path = root.path().join("policy.wasm");
    fs::write(&path, bytes).expect("the file");
    PolicyLoader::new().inspect(&path)
}

fn guest(imports: &str, ensure: &str) -> Inspection {
    inspect(&Guest { imports, ensure }.build()).expect("it is inspected")
}

#[test]
fn the_shipped_policy_needs_what_it_gets() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/policy.wasm");
    let bytes = fs::read(path).expect("the shipped policy");
    let found = inspect(&bytes).expect("it is inspected");
    assert_eq!(found.size, bytes.len() as u64);
    assert_eq!(found.interface_version.as_deref(), Some("0.1.0"));
    assert!(found.imports.iter().all(|i| i.kind == ImportKind::Lent));
    let needs = Needs {
        registry_write: true,
        signals: true,
    };
    assert_eq!(found.needs, needs);
    let said = found.verdict.expect("it describes itself");
    assert_eq!(said.name, "default");
    let shipped = poolwarden::Policy::shipped().expect("it loads");
    assert_eq!(found.sha256, shipped.sha256());
}

#[test]
fn needs_are_what_is_really_imported() {
    let observes = guest(
        r#"(import "poolwarden:pool/registry@0.1.0" "begin" (func (param i32)))"#,
        "(i32.const 0)",
    );
    assert_eq!(observes.needs, Needs::default());
    let import = &observes.imports[0];
    let registry = observes
        .imports
        .iter()
        .find(|import| import.name == "poolwarden:pool/registry@0.1.0");
    assert_eq!(
        registry.expect("it is imported").functions,
        ["begin"],
        "{import:?}"
    );
    assert_eq!(observes.verdict.expect("it loads").name, "stranger");
}

#[test]
fn imports_are_told_apart() {
    let found = guest(
        r#"(import "wasi:cli/environment@0.2.9" "get-environment" (func (param i32)))
           (import "wasi:config/store@0.2.0-rc.1" "get" (func (param i32 i32 i32)))
           (import "wasi:clocks/wall-clock@0.2.9" "now" (func (param i32)))"#,
        "(i32.const 0)",
    );
    let kind = |name: &str| {
        let import = found.imports.iter().find(|import| import.name == name);
        import.expect("it is imported").kind
    };
    assert_eq!(kind("wasi:cli/environment@0.2.9"), ImportKind::Inert);
    assert_eq!(kind("wasi:config/store@0.2.0-rc.1"), ImportKind::Lent);
    assert_eq!(kind("wasi:clocks/wall-clock@0.2.9"), ImportKind::Lent);
}

#[test]
fn what_is_no_policy_is_inspected_all_the_same() {
    let wit = "package t:t;
        world w { import a:b/c@1.0.0; export run: func(); }
        package a:b@1.0.0 { interface c { f: func(); } }";
    let module = "(module (import \"a:b/c@1.0.0\" \"f\" (func)) (func (export \"run\")))";
    let found = inspect(&component(wit, module)).expect("it is inspected");
    assert_eq!(found.interface_version, None);
    assert_eq!(found.imports[0].kind, ImportKind::Unknown);
    assert_eq!(found.exports[0].name, "run");
    let verdict = found.verdict.expect_err("it is no policy");
    assert!(
        matches!(verdict, Unusable::Load(LoadError::OtherWorld { .. })),
        "{verdict}"
    );
}

#[test]
fn what_is_no_component_is_not_inspected() {
    let error = inspect(&core_module("(module)")).expect_err("a module");
    assert!(matches!(error, LoadError::CoreModule), "{error}");
}

#[test]
fn a_policy_that_does_not_describe_itself_is_told() {
    let hostile = Guest {
        imports: r#"(import "wasi:cli/exit@0.2.9" "exit" (func $exit (param i32)))
            (func $break-off (call $exit (i32.const 1)))
            (start $break-off)"#,
        ensure: "(i32.const 0)",
    };
    let found = inspect(&hostile.build()).expect("it is inspected");
    let verdict = found.verdict.expect_err("it breaks off");
    assert!(matches!(verdict, Unusable::Describe(_)), "{verdict}");
}

#[test]
fn a_file_of_any_size_is_not_read() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let path = root.path().join("large.wasm");
    let file = fs::File::create(&path).expect("the file");
    file.set_len(MAX_COMPONENT + 1).expect("a sparse file");
    let error = PolicyLoader::new().inspect(&path).expect_err("too large");
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error}");
}
