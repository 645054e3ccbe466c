//! The target `request_binary` under libFuzzer; what it asserts is in `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotstage_fuzz::run("request_binary", bytes));
