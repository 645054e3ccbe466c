//! The target `journal_revision` under libFuzzer; what it asserts is in `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hotstage_fuzz::run("journal_revision", bytes));
