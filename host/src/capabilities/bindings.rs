//! The host's side of the WIT package, generated.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "poolwarden:pool/policy",
    imports: { default: trappable },
    trappable_error_type: {
        "poolwarden:pool/types.error" => super::HostError,
    },
    with: {
        "poolwarden:pool/registry.transaction": super::registry::Transaction,
        "poolwarden:pool/signals.target": super::signals::Target,
    },
});
