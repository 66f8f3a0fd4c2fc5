//! What the WIT world generates, and nothing else.
//!
//! Types that only travel to the host borrow, so that asking about a thousand claims
//! copies no text.
#![expect(
    missing_docs,
    reason = "the documentation of generated items is that of the WIT files"
)]

wit_bindgen::generate!({
    path: "../wit",
    world: "policy",
    ownership: Borrowing { duplicate_if_necessary: true },
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "poolwarden_policy::bindings",
});
