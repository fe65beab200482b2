#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tilldeck_fuzz::run("console", data));
