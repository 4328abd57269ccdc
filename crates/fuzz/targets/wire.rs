// SPDX-License-Identifier: Apache-2.0 OR MIT
//! libFuzzer's door to [`fuzz::wire`].
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::wire::run(octets));
