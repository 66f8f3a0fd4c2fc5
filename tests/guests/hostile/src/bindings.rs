//! The guest's side of the WIT package, generated.
#![expect(missing_docs, unreachable_pub, reason = "generated")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "policy",
    pub_export_macro: true,
});
