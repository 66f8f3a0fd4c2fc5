//! What is no policy, and what is said about it.

use std::fs;
use std::path::PathBuf;

use poolwarden::{LoadError, Policy, PolicyLoader};
use tempfile::TempDir;

use crate::guest::{Guest, component, core_module, harmless};

const NOTHING: Guest<'_> = Guest {
    imports: "",
    ensure: "(i32.const 0)",
};

/// Why these bytes, in a file, are no policy.
fn refused(bytes: &[u8]) -> LoadError {
    let (_root, path) = file(bytes);
    Policy::from_file(&path).err().expect("it is refused")
}

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let path = root.path().join("policy.wasm");
    fs::write(&path, bytes).expect("the file");
    (root, path)
}

#[test]
fn a_policy_loads_from_its_file() {
    let (_root, path) = file(&harmless());
    let policy = Policy::from_file(&path).expect("it loads");
    assert!(!policy.is_shipped());
}

#[test]
fn a_core_module_is_told_what_it_lacks() {
    let error = refused(&core_module("(module)"));
    assert!(matches!(error, LoadError::CoreModule), "{error}");
    assert!(
        error.to_string().contains("wasm-tools component new"),
        "{error}"
    );
}

#[test]
fn text_is_told_what_it_lacks() {
    let error = refused(b";; a comment\n(component)");
    assert!(matches!(error, LoadError::Text), "{error}");
    assert!(error.to_string().contains("wasm-tools parse"), "{error}");
}

#[test]
fn compiled_code_is_not_taken_from_a_file_that_is_named() {
    let code = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/policy.wasm");
    let root = tempfile::tempdir().expect("a temporary directory");
    let cache = poolwarden::CodeCache::at(root.path().join("cache"));
    let compiled = PolicyLoader::new()
        .compile(code.as_ref(), &cache)
        .expect("it is compiled");
    let error = Policy::from_file(&compiled.path)
        .err()
        .expect("it is refused");
    assert!(matches!(error, LoadError::Compiled), "{error}");
}

#[test]
fn what_is_cut_off_is_damaged() {
    let whole = harmless();
    for length in [6, 9, whole.len() / 2, whole.len() - 1] {
        let error = refused(&whole[..length]);
        assert!(matches!(error, LoadError::Damaged(_)), "{length}: {error}");
    }
}

#[test]
fn another_version_of_the_interface_is_named() {
    let later = NOTHING.build_for("0.2.0", |text| {
        text.replace("poolwarden:pool@0.1.0", "poolwarden:pool@0.2.0")
    });
    let error = refused(&later);
    assert!(matches!(error, LoadError::OtherVersion { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("poolwarden:pool/pool@0.2.0"), "{text}");
    assert!(text.contains("poolwarden:pool/pool@0.1.0"), "{text}");
}

#[test]
fn a_later_patch_of_the_interface_is_the_same_interface() {
    let patched = NOTHING.build_for("0.1.7", |text| {
        text.replace("poolwarden:pool@0.1.0", "poolwarden:pool@0.1.7")
    });
    Policy::from_component(&patched).expect("it loads");
}

#[test]
fn another_world_is_told_by_its_exports() {
    let wit = "package a:b; world w { export run: func(); }";
    let error = refused(&component(wit, "(module (func (export \"run\")))"));
    let LoadError::OtherWorld { found, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(found, &["run"]);
    let nothing = refused(&component("package a:b; world w {}", "(module)"));
    assert!(nothing.to_string().contains("but nothing"), "{nothing}");
}

#[test]
fn an_unknown_import_is_named() {
    for (package, name) in [
        ("acme:files@1.2.3", "acme:files/disk@1.2.3"),
        ("wasi:http@0.3.0", "wasi:http/disk@0.3.0"),
        ("wasi:keyvalue@0.2.0", "wasi:keyvalue/disk@0.2.0"),
    ] {
        let wit = format!(
            "package t:t;
             world w {{ import {name}; export poolwarden:pool/pool@0.1.0; }}
             package {package} {{ interface disk {{ read: func(); }} }}
             package poolwarden:pool@0.1.0 {{ interface pool {{ describe: func(); }} }}"
        );
        let module = format!(
            "(module (import \"{name}\" \"read\" (func))
                (func (export \"poolwarden:pool/pool@0.1.0#describe\")))"
        );
        let error = refused(&component(&wit, &module));
        let LoadError::UnknownImport { name: found } = &error else {
            panic!("{name}: {error}");
        };
        assert_eq!(found, name);
    }
}

#[test]
fn a_missing_export_is_named() {
    let wit = "package t:t;
        world w { export poolwarden:pool/pool@0.1.0; }
        package poolwarden:pool@0.1.0 { interface pool { describe: func(); } }";
    let module = "(module (func (export \"poolwarden:pool/pool@0.1.0#describe\")))";
    let error = refused(&component(wit, module));
    let LoadError::MissingExport { name } = &error else {
        panic!("{error}");
    };
    assert_eq!(name, "poolwarden:pool/pool@0.1.0#ensure");
}

#[test]
fn another_type_is_a_misfit() {
    let changed = NOTHING.build_for("0.1.0", |text| {
        text.replace("ensure: func(dry-run: bool)", "ensure: func(dry-run: u32)")
    });
    let error = refused(&changed);
    assert!(matches!(error, LoadError::Misfit(_)), "{error}");
    assert!(error.to_string().contains("ensure"), "{error}");
}

#[test]
fn a_function_that_the_host_lacks_is_a_misfit() {
    let guest = Guest {
        imports: "(import \"poolwarden:pool/processes@0.1.0\" \"later\" (func $later))",
        ensure: "(call $later) (i32.const 0)",
    };
    let changed = guest.build_for("0.1.0", |text| {
        text.replace("inspect: func", "later: func();\n  inspect: func")
    });
    let error = refused(&changed);
    assert!(matches!(error, LoadError::Misfit(_)), "{error}");
    assert!(error.to_string().contains("later"), "{error}");
}

#[test]
fn a_pin_is_compared_before_anything_else() {
    let component = harmless();
    let sha256 = Policy::from_component(&component)
        .expect("it loads")
        .sha256()
        .to_owned();
    let pinned = PolicyLoader::new().pin(sha256.to_ascii_uppercase());
    pinned.component(&component).expect("it is the pinned one");

    // What is not the pinned one is not even looked at.
    let error = pinned.component(b"garbage").err().expect("it is refused");
    let LoadError::Pin { found, .. } = &error else {
        panic!("{error}");
    };
    let text = error.to_string();
    assert!(
        text.contains(found) && text.to_lowercase().contains(&sha256),
        "{text}"
    );
}
