//! Feeds the parser `key_history` with what a fuzzer invents; what it must keep is said beside it.
#![no_main]

use gongkai_tests::parsers::parser_named;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (parser_named("key_history").read)(bytes);
});
