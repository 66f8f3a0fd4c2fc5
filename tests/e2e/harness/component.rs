//! Policies made from text, for what no policy of the repository does.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The name of the interface that a policy exports.
pub(crate) const POOL: &str = "poolwarden:pool/pool@0.1.0";

/// A core module of a policy: these imports and functions, memory of 4 MiB with `data` at
/// 4096, and every export of a policy. `describe` says `text` in version `1`, unless
/// `functions` has another one; `status` and `ensure` are those of `functions`, and the
/// other verbs trap.
pub(crate) fn module(imports: &str, data: &str, functions: &str) -> String {
    let describe = if functions.contains("#describe") {
        String::new()
    } else {
        format!(
            r#"(func (export "{POOL}#describe") (result i32)
                (i32.store (i32.const 512) (i32.const 0)) (i32.store (i32.const 516) (i32.const 4))
                (i32.store (i32.const 520) (i32.const 4)) (i32.store (i32.const 524) (i32.const 1))
                (i32.const 512))"#
        )
    };
    let data: String = data.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"(module
            {imports}
            (memory (export "memory") 64)
            (data (i32.const 0) "text1")
            (data (i32.const 4096) "{data}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 200000))
            {describe}
            {functions}
            (func (export "{POOL}#stop")
                (param i32 i32 i32 i32 i32 i64 i32 i32) (result i32) unreachable)
            (func (export "{POOL}#register")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{POOL}#forget") (param i32 i32 i32) (result i32) unreachable))"#
    )
}

/// The component of a core module.
pub(crate) fn component(module: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).expect("a core module");
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(wit).expect("the WIT files");
    let world = resolve.select_world(&[package], Some("policy"));
    let world = world.expect("its world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world fits into the module");
    let encoder = ComponentEncoder::default().module(&module);
    let mut encoder = encoder.expect("the module fits its world").validate(true);
    encoder.encode().expect("a component")
}
