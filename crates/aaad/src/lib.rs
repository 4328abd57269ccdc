// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The AAA server: a Diameter server that knows at which MAAR each MN is.
//!
//! Reading order: [`server`] (the loop: sockets, deadlines; who may connect), [`authority`] (what a request is answered),
//! [`store`] (where each MN is, durably), [`config`].

pub mod authority;
pub mod config;
mod connection;
mod counters;
pub mod listen;
pub mod server;
pub mod store;
mod text;
