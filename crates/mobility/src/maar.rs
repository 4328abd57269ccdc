// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door: inputs to their handlers, outputs in order.

use crate::{Config, Input, Output};
use wire::time::{Instant, Now};

/// One MAAR's protocol state.
#[derive(Debug)]
pub struct Maar {
    config: Config,
}

impl Maar {
    /// A MAAR that knows nobody.
    pub fn new(config: Config) -> Maar {
        Maar { config }
    }

    /// Takes one input. Poll the outputs afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let _ = (now, input, &self.config);
        todo!()
    }

    /// The next effect, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// When to call `handle` with [`Input::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// All MN records, by MN-ID.
    pub fn mns(&self) -> Vec<crate::show::MnRow> {
        todo!()
    }

    /// Both lists, by HoA.
    pub fn bindings(&self, now: Now) -> Vec<crate::show::BindingRow> {
        let _ = now;
        todo!()
    }
}
