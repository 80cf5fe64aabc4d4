//! The fuzzer on [`fuzz::wal_file`].

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::wal_file(bytes));
