// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line.

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `romip ...`
#[derive(Parser, Debug)]
#[command(
    name = "romip",
    version,
    about = "Looks into a running maard, and shows the draft's figures"
)]
pub struct Args {
    #[command(subcommand)]
    pub order: Order,
}

#[derive(Subcommand, Debug)]
pub enum Order {
    /// Print a table of a running router
    Show {
        /// Which table
        what: Table,
        /// The rows as JSON, for programs
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        router: Router,
    },
    /// Tell a router that a station has associated: the event an access point gives
    Attach {
        #[command(flatten)]
        event: Event,
        /// Access port by its number; default: the first one
        #[arg(long, value_name = "N")]
        port: Option<u8>,
        /// The station's NAI, where the access point knows it (802.1X)
        #[arg(long, value_name = "NAI")]
        mn_id: Option<String>,
    },
    /// Tell a router that a station has left
    Detach {
        #[command(flatten)]
        event: Event,
    },
    /// Put a load on a running program and measure it
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
    /// Let thousands of random moves happen in simulated networks of the routers that ship, and judge each
    Sim(Sim),
    /// Play a scene with real routers and Linux hosts in network namespaces (root)
    Lab {
        #[command(subcommand)]
        lab: Lab,
    },
}

/// `romip sim`: what is not given is the storm of the README.
#[derive(Group, Debug)]
pub struct Sim {
    /// Play this one seed and say what it showed
    #[arg(long, value_name = "N", conflicts_with_all = ["first_seed", "seeds"])]
    pub seed: Option<u64>,
    /// Draw the run of --seed as a sequence diagram
    #[arg(long, requires = "seed")]
    pub trace: bool,
    /// The first of the seeds
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub first_seed: u64,
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub seeds: u64,
    /// MAARs
    #[arg(long, value_name = "N")]
    pub maars: Option<usize>,
    /// Mobile nodes
    #[arg(long, value_name = "N")]
    pub mns: Option<usize>,
    /// Moves of a run
    #[arg(long, value_name = "N")]
    pub moves: Option<usize>,
    /// Seconds in which they happen
    #[arg(long, value_name = "SECONDS")]
    pub window: Option<u64>,
    /// Probes a second, per session and direction
    #[arg(long, value_name = "N")]
    pub rate: Option<u64>,
    /// Percent of signalling lost
    #[arg(long, value_name = "PERCENT")]
    pub loss: Option<u32>,
    /// Percent of L2 events missing, late, and doubled, each
    #[arg(long, value_name = "PERCENT")]
    pub event_faults: Option<u32>,
    /// Milliseconds by which data may come late, each frame its own; order is not judged then
    #[arg(long, value_name = "MS")]
    pub jitter: Option<u64>,
    /// Milliseconds a MAAR waits for an end marker; 30 is what maard does, the longest detour of these links takes 61
    #[arg(long, value_name = "MS")]
    pub order_wait: Option<u64>,
    /// MTU of the core ports
    #[arg(long, value_name = "OCTETS")]
    pub mtu: Option<u16>,
    /// MAARs crash, the AAA stops, links are cut, clocks step
    #[arg(long)]
    pub crashes: bool,
    /// Write the result there, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Bench {
    /// An AAA server: N connections, W requests in flight on each; every answer is checked, a wrong one fails the run
    Aaa(BenchAaa),
}

/// The load on an AAA server.
#[derive(Group, Debug)]
pub struct BenchAaa {
    /// Address and port of the server, as [2001:db8:ff::aaaa]:3868
    pub server: std::net::SocketAddr,
    /// Its realm; the connections are of maar0.REALM, maar1.REALM ...
    #[arg(long, default_value = "example.org")]
    pub realm: String,
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub connections: u32,
    /// Requests in flight on each connection
    #[arg(long, value_name = "W", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub window: u32,
    /// Subscribers in all
    #[arg(long, value_name = "M", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(4..))]
    pub subscribers: u32,
    /// Of 1,000 attachments, how many are sent again with the T bit
    #[arg(long, value_name = "PER_MILLE", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=500))]
    pub repeat: u32,
    /// Of 1,000 attachments, how many end with an STR
    #[arg(long, value_name = "PER_MILLE", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=500))]
    pub detach: u32,
    /// Do not attach each subscriber once before the measurement
    #[arg(long)]
    pub no_fill: bool,
    /// Length of the measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub seconds: u64,
    /// The server's process, where it runs on this machine: its CPU time is measured
    #[arg(long)]
    pub pid: Option<u32>,
    /// The figures as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Lab {
    /// The draft's Figure 1 and Figure 2: a session goes on while both users move; about half a minute
    Figure1 {
        /// Where report.json, the captures, configurations and logs go
        #[arg(long, value_name = "DIR", default_value = "demo-out")]
        out: PathBuf,
        /// Probes a second and direction
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
        rate: u32,
        /// A user that moves is on no link for so long, from its detach event to its attachment
        #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1000))]
        gap_ms: u64,
        /// Each sDBA is late by so much on the core link
        #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=900))]
        delay_sdba_ms: u64,
    },
}

/// Which router.
#[derive(Group, Debug)]
pub struct Router {
    /// Its control socket; default: the only one in /run/romip
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// An event of a station.
#[derive(Group, Debug)]
pub struct Event {
    /// The station, as 02:00:00:00:00:0a
    #[arg(long, value_parser = Mac::parse)]
    pub mac: Mac,
    #[command(flatten)]
    pub router: Router,
}

/// The tables.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// Mobile nodes and the state of each
    Mns,
    /// The internal and the external binding list
    Bindings,
    /// Every counter
    Counters,
    /// The last handovers with the time of each step
    Handovers,
}

impl Table {
    /// As the router calls it.
    pub fn name(self) -> &'static str {
        match self {
            Table::Mns => "mns",
            Table::Bindings => "bindings",
            Table::Counters => "counters",
            Table::Handovers => "handovers",
        }
    }
}

/// A MAC address, checked, in the form the router reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mac(String);

impl Mac {
    fn parse(text: &str) -> Result<Mac, String> {
        let pairs: Vec<&str> = text.split([':', '-']).collect();
        let octet = |pair: &&str| pair.len() == 2 && pair.chars().all(|c| c.is_ascii_hexdigit());
        if pairs.len() == 6 && pairs.iter().all(octet) {
            Ok(Mac(pairs.join(":").to_lowercase()))
        } else {
            Err("a MAC address is six pairs of hexadecimal digits, as 02:00:00:00:00:0a".to_owned())
        }
    }

    /// Lower case, with colons.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_mac_is_taken_in_both_usual_forms_and_nothing_else() {
        assert_eq!(Mac::parse("02-00-00-00-00-0A").unwrap().as_str(), "02:00:00:00:00:0a");
        for bad in ["", "02:00:00:00:00", "02:00:00:00:00:0g", "2:0:0:0:0:a", "+2:00:00:00:00:0a"] {
            assert!(Mac::parse(bad).is_err(), "{bad}");
        }
    }
}
