// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mobility options (protocol.md 3.2): types, alignment, walking.
