// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Load on a running program, measured from outside.

pub mod aaa;
