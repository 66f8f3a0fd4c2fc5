//! Components made here, from text: policies that do one thing each.

use std::fs;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");

/// Describes itself as `stranger`, without a version.
const DESCRIBE: &str = "(i32.store (i32.const 512) (i32.const 10))
    (i32.store (i32.const 516) (i32.const 8)) (i32.const 512)";

/// A policy of its own, in the text format. `ensure` does something; the other verbs trap.
pub(crate) struct Guest<'a> {
    /// Imports of its core module.
    pub(crate) imports: &'a str,
    /// What `ensure` does. It leaves a number from 0 to 9, which is then answered as
    /// `{"said":0}`. Results can be put at 256, and there is a page of zeroes at 65536.
    pub(crate) ensure: &'a str,
}

impl Guest<'_> {
    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        self.build_among(str::to_owned)
    }

    /// The component, where `change` gets the text of the strangers' WIT.
    pub(crate) fn build_among(&self, change: impl Fn(&str) -> String) -> Vec<u8> {
        let mut resolve = resolve(str::to_owned);
        let package = resolve
            .push_str("strangers.wit", &change(include_str!("strangers.wit")))
            .expect("the strangers' WIT");
        let world = resolve
            .select_world(&[package], Some("stranger"))
            .expect("the world");
        encode(&self.module("0.1.0"), &resolve, world)
    }

    /// The component for a changed interface: `change` gets the text of each WIT file.
    pub(crate) fn build_for(&self, version: &str, change: impl Fn(&str) -> String) -> Vec<u8> {
        let resolve = resolve(change);
        let (world, _) = resolve
            .worlds
            .iter()
            .find(|(_, world)| world.name == "policy")
            .expect("the world");
        encode(&self.module(version), &resolve, world)
    }

    fn module(&self, version: &str) -> String {
        let Self { imports, ensure } = self;
        let export = format!("poolwarden:pool/pool@{version}");
        format!(
            r#"(module
                {imports}
                (memory (export "memory") 64)
                (global $free (mut i32) (i32.const 131072))
                (data (i32.const 0) "{{\"said\":0}}stranger")
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (global.set $free (i32.and
                        (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                    global.get $free
                    (global.set $free (i32.add (global.get $free) (local.get 3))))
                (func $describe (export "{export}#describe") (result i32) {DESCRIBE})
                (func $ensure (param $dry-run i32) (result i32)
                    (local $handle i32)
                    {ensure})
                (func (export "{export}#ensure") (param i32) (result i32)
                    (i32.store8 (i32.const 8) (i32.add (i32.const 48)
                        (call $ensure (local.get 0))))
                    (i32.store (i32.const 776) (i32.const 0))
                    (i32.store (i32.const 780) (i32.const 10))
                    (i32.const 768))
                (func (export "{export}#status") (param i32 i32 i32) (result i32) unreachable)
                (func (export "{export}#stop")
                    (param i32 i32 i32 i32 i32 i64 i32 i32) (result i32) unreachable)
                (func (export "{export}#register")
                    (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
                (func (export "{export}#forget") (param i32 i32 i32) (result i32) unreachable)
            )"#
        )
    }
}

/// A component of this WIT package and its one world, with this core module.
pub(crate) fn component(wit: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("other.wit", wit).expect("the WIT");
    let world = resolve.select_world(&[package], None).expect("the world");
    encode(module, &resolve, world)
}

/// A policy that answers, and tries nothing.
pub(crate) fn harmless() -> Vec<u8> {
    let guest = Guest {
        imports: "",
        ensure: "(i32.const 0)",
    };
    guest.build()
}

/// A harmless policy whose description does this instead.
pub(crate) fn describing(describe: &str) -> Vec<u8> {
    let guest = Guest {
        imports: "",
        ensure: "(i32.const 0)",
    };
    let resolve = resolve(str::to_owned);
    let (world, _) = resolve
        .worlds
        .iter()
        .find(|(_, world)| world.name == "policy")
        .expect("the world");
    encode(
        &guest.module("0.1.0").replace(DESCRIBE, describe),
        &resolve,
        world,
    )
}

/// A core module in its binary form.
pub(crate) fn core_module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a core module")
}

/// The WIT files of this repository, changed.
fn resolve(change: impl Fn(&str) -> String) -> Resolve {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_changed(Path::new(WIT), copy.path(), &change);
    let mut resolve = Resolve::default();
    resolve.push_dir(copy.path()).expect("the WIT files");
    resolve
}

fn copy_changed(from: &Path, to: &Path, change: &impl Fn(&str) -> String) {
    for entry in fs::read_dir(from).expect("the WIT directory") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            fs::create_dir(&to).expect("mkdir");
            copy_changed(&from, &to, change);
        } else {
            let text = fs::read_to_string(&from).expect("a WIT file");
            fs::write(to, change(&text)).expect("write");
        }
    }
}

fn encode(module: &str, resolve: &Resolve, world: wit_parser::WorldId) -> Vec<u8> {
    let mut module = core_module(module);
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .expect("the world fits into the module");
    ComponentEncoder::default()
        .module(&module)
        .expect("the module fits its world")
        .validate(true)
        .encode()
        .expect("a component")
}
