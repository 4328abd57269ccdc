// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packet programs: a table, frames in; frames out, punts and counters. Each case is named by a sentence.
//! Read first: `rig`, which is A_MAAR3 as Figure 2 of the draft shows it.

mod access;
mod books;
mod core;
mod ecmp;
mod field_cases;
mod fragments;
mod limits;
mod memory;
mod order;
mod park;
mod reasons;
mod rig;
mod segments;
mod spread;
mod tunnel;
mod uplink;
mod worker;
