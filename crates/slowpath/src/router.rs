// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decode, ask, encode.

use crate::{Config, Input, Output};
use wire::time::{Instant, Now};

/// One router's control side.
#[derive(Debug)]
pub struct Router {
    config: Config,
}

impl Router {
    /// Builds the first [`dataplane::fib::Fib`] (see [`Router::fib`]) and starts the AAA client.
    pub fn new(config: Config, now: Now) -> Router {
        let _ = now;
        Router { config }
    }

    /// The snapshot the workers start with.
    pub fn fib(&self) -> std::sync::Arc<dataplane::fib::Fib> {
        let _ = &self.config;
        todo!()
    }

    /// Takes one input. Poll the outputs afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let _ = (now, input);
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
}
