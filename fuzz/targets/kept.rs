//! The fuzzer on [`fuzz::kept`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::kept(bytes));
