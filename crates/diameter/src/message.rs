// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Diameter message: header and AVPs; cutting a byte stream into messages.
