// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Overload control (RFC 7683) with its default algorithm, loss: a client that announced it is told by what share to ask less.

use crate::dictionary::code;
use crate::message::Writer;

/// OLR_DEFAULT_ALGO in OC-Feature-Vector.
const LOSS: u64 = 1;
/// OC-Report-Type HOST_REPORT.
const HOST_REPORT: u32 = 0;

/// An overload report about the answering server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overload {
    /// Larger in each new report.
    pub sequence: u64,
    /// Of the requests, how many percent to leave out.
    pub reduction: u32,
    /// How long it holds.
    pub seconds: u32,
}

/// The AVPs of an answer to a client that announced overload control.
pub(crate) fn write(writer: Writer, report: Option<Overload>) -> Writer {
    writer.group(code::OC_SUPPORTED_FEATURES, |w| w.u64(code::OC_FEATURE_VECTOR, LOSS)).maybe(
        report,
        |w, report| {
            w.group(code::OC_OLR, |w| {
                w.u64(code::OC_SEQUENCE_NUMBER, report.sequence)
                    .u32(code::OC_REPORT_TYPE, HOST_REPORT)
                    .u32(code::OC_REDUCTION_PERCENTAGE, report.reduction)
                    .u32(code::OC_VALIDITY_DURATION, report.seconds)
            })
        },
    )
}
