//! See `poolwarden_fuzz_checks::salvage`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| poolwarden_fuzz_checks::salvage::check(data));
