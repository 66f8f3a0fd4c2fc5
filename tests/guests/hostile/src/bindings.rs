//! The guest's side of the WIT package, generated.
#![expect(
    missing_docs,
    reason = "the documentation of generated items is that of the WIT files"
)]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "policy",
    generate_all,
    pub_export_macro: true,
});
