//! See `poolwarden_fuzz_checks::trail`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| poolwarden_fuzz_checks::trail::check(data));
