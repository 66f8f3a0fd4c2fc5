//! The policy that poolwarden ships: every decision is the library's own.

poolwarden_policy::export!(poolwarden_policy::DefaultPolicy);
