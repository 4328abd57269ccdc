// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where every part of the router puts what is to be done: one queue, so that the order is the order of decisions.

use crate::Output;
use crate::bucket::Bucket;
use crate::counters::Counters;
use dataplane::PortId;
use log::Level;
use std::collections::VecDeque;
use wire::time::{Instant, Now};

/// Lines a second in the long run, and at once: a station that flaps must not fill a disk.
const LOG_RATE: u64 = 50;
const LOG_BURST: u64 = 500;

/// The output queue, the counters and the budget of the log.
#[derive(Debug)]
pub(crate) struct Effects {
    queue: VecDeque<Output>,
    counters: Counters,
    log: Bucket,
    suppressed: u64,
    now: Instant,
}

impl Effects {
    pub(crate) fn new() -> Effects {
        Effects {
            queue: VecDeque::new(),
            counters: Counters::default(),
            log: Bucket::new(LOG_RATE, LOG_BURST),
            suppressed: 0,
            now: Instant(0),
        }
    }

    /// The time of what follows.
    pub(crate) fn at(&mut self, now: Now) {
        self.now = now.mono;
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// Sends a frame.
    pub(crate) fn frame(&mut self, port: PortId, frame: Vec<u8>) {
        self.count("frame_sent");
        self.push(Output::Frame { port, frame });
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        self.counters.count(name);
    }

    pub(crate) fn add(&mut self, name: &'static str, n: u64) {
        self.counters.add(name, n);
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A log line, within the budget. What is left out is counted, and said once there is room again.
    pub(crate) fn log(&mut self, level: Level, line: String) {
        if !self.log.take(self.now) {
            self.suppressed += 1;
            self.count("log_suppressed");
            return;
        }
        if self.suppressed > 0 {
            let line = format!("{} log lines left out", self.suppressed);
            self.suppressed = 0;
            self.push(Output::Log { level: Level::Warn, line });
        }
        self.push(Output::Log { level, line });
    }

    pub(crate) fn info(&mut self, line: String) {
        self.log(Level::Info, line);
    }

    pub(crate) fn warn(&mut self, line: String) {
        self.log(Level::Warn, line);
    }
}

/// Text of a user (an NAI) as it may stand in a log line: printable ASCII, the rest escaped (FC-55).
pub(crate) fn escaped(text: &str) -> impl std::fmt::Display {
    text.escape_default()
}
