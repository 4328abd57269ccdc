// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Raw declarations of the system's libdpdk (22.11 or newer), written by bindgen at build time, and a C shim for what
//! DPDK holds as `static inline`. No logic: ownership and errors are crates/dpdk's.

#![allow(missing_docs, non_camel_case_types, non_upper_case_globals, non_snake_case, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/declarations.rs"));
