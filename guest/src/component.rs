//! Makes this crate's core module export the shipped policy.
#![expect(
    unreachable_pub,
    reason = "the generated functions are reached by their exported names"
)]

crate::bindings::export!(DefaultPolicy with_types_in crate::bindings);

use crate::export::DefaultPolicy;
