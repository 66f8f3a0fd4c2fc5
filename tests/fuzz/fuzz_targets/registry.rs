//! See `poolwarden_fuzz_checks::registry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| poolwarden_fuzz_checks::registry::check(data));
