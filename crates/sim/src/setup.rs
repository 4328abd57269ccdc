// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What may be chosen of a run; the rest follows from its seed.

use serde::Serialize;

/// The parameters of a run. `Default` is the storm of the README.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Setup {
    /// MAARs, 2 to 64.
    pub maars: usize,
    /// Mobile nodes, 2 to 64.
    pub mns: usize,
    /// Moves in `window_ms`, of random MNs to random MAARs.
    pub moves: usize,
    /// Milliseconds in which the moves happen.
    pub window_ms: u64,
    /// Probes a second, per session and direction.
    pub rate: u64,
    /// Percent of signalling messages lost; of a Diameter connection's segments sent again.
    pub loss: u32,
    /// Percent of signalling messages that come twice.
    pub duplicates: u32,
    /// Percent of data that comes twice: a broken link, and then copies and order are not judged.
    pub data_duplicates: u32,
    /// A signalling message takes 1 to this many milliseconds, whatever was sent before it.
    pub message_delay_ms: u64,
    /// A core link takes 1 to this many milliseconds, always the same: data is first in, first out, none lost.
    pub link_delay_ms: u64,
    /// Data takes up to this many milliseconds more, each frame its own: then order is not judged.
    pub link_jitter_ms: u64,
    /// Milliseconds a MAAR waits for an end marker (R-42, a knob): longer than what comes by another MAAR is late.
    pub order_ms: u64,
    /// The longest time a moving MN is on no link, milliseconds; 10 at least.
    pub gap_ms: u64,
    /// Percent of L2 events that never come, as many that come up to 300 ms late, and as many that come twice.
    pub event_faults: u32,
    /// MAARs crash, the AAA stops, links are cut, clocks step.
    pub crashes: bool,
    /// A host tries to get what is another's.
    pub hostile: bool,
    /// MTU of the core ports, octets.
    pub core_mtu: u16,
    /// Workers of each MAAR.
    pub workers: usize,
    /// Seconds of rest after the last event, before the judgement.
    pub rest_s: u64,
    /// After the judgement the MNs leave, and what is left of them is looked at when all lifetimes are over.
    pub aftermath: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            maars: 6,
            mns: 4,
            moves: 20,
            window_ms: 12_000,
            rate: 100,
            loss: 15,
            duplicates: 10,
            data_duplicates: 0,
            message_delay_ms: 200,
            link_delay_ms: 20,
            link_jitter_ms: 0,
            order_ms: 100,
            gap_ms: 130,
            event_faults: 10,
            crashes: false,
            hostile: true,
            core_mtu: 1500,
            workers: 2,
            rest_s: 1_100,
            aftermath: true,
        }
    }
}

impl Setup {
    /// Nothing goes wrong: no loss, every L2 event in time, nobody hostile.
    pub fn calm() -> Setup {
        Setup { loss: 0, duplicates: 0, event_faults: 0, hostile: false, ..Setup::default() }
    }

    /// What cannot be played, in one sentence.
    ///
    /// # Errors
    /// A sentence with the bounds.
    pub fn check(&self) -> Result<(), String> {
        let within =
            |name: &str, value: u64, low: u64, high: u64| match (low..=high).contains(&value) {
                true => Ok(()),
                false => Err(format!("{name} is {value}; it may be {low} to {high}")),
            };
        within("maars", self.maars as u64, 2, 64)?;
        within("mns", self.mns as u64, 2, 64)?;
        within("moves", self.moves as u64, 0, 10_000)?;
        within("window_ms", self.window_ms, 1, 3_600_000)?;
        within("rate", self.rate, 1, 10_000)?;
        within("loss", self.loss.into(), 0, 90)?;
        within("duplicates", self.duplicates.into(), 0, 90)?;
        within("data_duplicates", self.data_duplicates.into(), 0, 90)?;
        within("message_delay_ms", self.message_delay_ms, 1, 5_000)?;
        within("link_delay_ms", self.link_delay_ms, 1, 1_000)?;
        within("link_jitter_ms", self.link_jitter_ms, 0, 1_000)?;
        within("order_ms", self.order_ms, 0, 1_000)?;
        within("gap_ms", self.gap_ms, 10, 60_000)?;
        within("event_faults", self.event_faults.into(), 0, 33)?;
        within("core_mtu", self.core_mtu.into(), 1320, 9000)?;
        within("workers", self.workers as u64, 1, 16)?;
        within("rest_s", self.rest_s, 1, 100_000)
    }
}
