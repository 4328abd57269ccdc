// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AVPs: bounded reading (no recursion past 4 groups, no more than 64 in a message), writing with padding, the
//! static dictionary of protocol.md 3.7.
