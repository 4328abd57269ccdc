// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is measured: one [`Spec`] is one program on one capture.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Whose program it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    Maard,
    Testpmd,
    L3fwd,
}

/// What it does to a frame.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// testpmd: in by one port, out by the other; what the source costs.
    Io,
    /// testpmd: the same, with new MACs.
    Mac,
    /// l3fwd: longest prefix match on the destination.
    Lpm6,
    /// l3fwd: exact match on the 5-tuple.
    Em6,
    /// From a station's port into a tunnel: source check, destination, outer header.
    Encap,
    /// Out of a tunnel to a station here: peer check, source check, destination.
    Decap,
    /// From a station to a station, both here.
    Deliver,
    /// From a station to the rest of the network, by a route.
    Native,
}

impl Case {
    pub fn program(self) -> Program {
        match self {
            Case::Io | Case::Mac => Program::Testpmd,
            Case::Lpm6 | Case::Em6 => Program::L3fwd,
            _ => Program::Maard,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Case::Io => "io",
            Case::Mac => "mac",
            Case::Lpm6 => "lpm6",
            Case::Em6 => "em6",
            Case::Encap => "encap",
            Case::Decap => "decap",
            Case::Deliver => "deliver",
            Case::Native => "native",
        }
    }
}

/// Octets of a frame as it is in the mbuf: Ethernet header, no FCS. Before a tunnel is put around it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Frame {
    Octets(u16),
    /// Simple IMIX: of twelve frames seven have 64 octets, four 570 and one 1500.
    Imix,
}

impl Frame {
    /// Octets of frame `n` of a capture.
    pub fn octets(self, n: u64) -> usize {
        match self {
            Frame::Octets(octets) => octets.into(),
            Frame::Imix => match n % 12 {
                0 => 1500,
                3 | 5 | 8 | 10 => 570,
                _ => 64,
            },
        }
    }

    pub fn longest(self) -> usize {
        match self {
            Frame::Octets(octets) => octets.into(),
            Frame::Imix => 1500,
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Octets(octets) => write!(f, "{octets}"),
            Frame::Imix => f.write_str("imix"),
        }
    }
}

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Frame::Octets(octets) => to.serialize_u16(*octets),
            Frame::Imix => to.serialize_str("imix"),
        }
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Frame, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl std::str::FromStr for Frame {
    type Err = String;
    fn from_str(text: &str) -> Result<Frame, String> {
        if text == "imix" {
            return Ok(Frame::Imix);
        }
        let octets = text.parse().ok().filter(|octets| (64..=1500).contains(octets));
        octets.map(Frame::Octets).ok_or_else(|| "64 to 1500, or imix".to_owned())
    }
}

/// Which capture the source plays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Input {
    /// Stations to destinations behind peers.
    Uplink,
    /// The same packets the other way, in tunnels.
    Tunnelled,
    /// Stations of the first access port to stations of the second.
    Local,
    /// Stations to destinations of a route.
    Outside,
}

/// One measurement.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spec {
    pub case: Case,
    pub input: Input,
    /// Different sources and destinations in the capture.
    pub flows: u64,
    pub frame: Frame,
    pub workers: u64,
    /// Bindings in maard's table; the capture draws from them.
    pub bindings: u64,
    /// Table updates a second meanwhile.
    pub updates: u64,
}

impl Spec {
    pub fn new(case: Case, flows: u64, frame: Frame) -> Spec {
        let input = match case {
            Case::Decap => Input::Tunnelled,
            Case::Deliver => Input::Local,
            Case::Native => Input::Outside,
            _ => Input::Uplink,
        };
        Spec { case, input, flows, frame, workers: 1, bindings: flows, updates: 0 }
    }

    /// Octets in the mbuf as the source gives it, without those a tunnel's header adds.
    pub fn longest_in(&self) -> usize {
        self.frame.longest() + if self.input == Input::Tunnelled { 40 } else { 0 }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.case.program();
        write!(f, "{program:?} {} {} flows {} octets", self.case.name(), self.flows, self.frame)?;
        if self.case.program() == Program::Testpmd && self.input == Input::Tunnelled {
            write!(f, " in tunnels")?;
        }
        if self.bindings != self.flows {
            write!(f, " of {} bindings", self.bindings)?;
        }
        if self.updates > 0 {
            write!(f, ", {} updates/s", self.updates)?;
        }
        if self.workers > 1 {
            write!(f, ", {} workers", self.workers)?;
        }
        Ok(())
    }
}
