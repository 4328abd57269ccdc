// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why the lab stopped: one sentence with what to do about it.

use std::fmt::Display;

/// A failure of the lab itself (not of what it judges: that is in the report).
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; everything is taken down again")]
    Interrupted,
    /// Anything else, in a sentence.
    #[error("{0}")]
    Failed(String),
}

/// What most functions of the lab give.
pub type Result<T> = std::result::Result<T, LabError>;

/// Puts what was attempted in front of what went wrong.
pub(crate) trait Attempt<T> {
    /// `what` completes "cannot ...".
    fn attempt(self, what: impl Display) -> Result<T>;
}

impl<T, E: Display> Attempt<T> for std::result::Result<T, E> {
    fn attempt(self, what: impl Display) -> Result<T> {
        self.map_err(|e| LabError::Failed(format!("cannot {what}: {e}")))
    }
}

/// A failure from a sentence.
pub(crate) fn failed(sentence: impl Display) -> LabError {
    LabError::Failed(sentence.to_string())
}
