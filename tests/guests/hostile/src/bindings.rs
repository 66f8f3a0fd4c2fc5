//! The guest's side of the WIT package, generated.

#![expect(unreachable_pub, reason = "the generated code is for any crate")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "policy",
    generate_all,
    pub_export_macro: true,
});
