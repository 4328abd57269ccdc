// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which worker has which queue of a port, brought in line with what the device can do (FC-51), and how flows get to
//! their workers where its hash does not bring them there.
//!
//! A device with a queue for each worker: worker n has queue n. With fewer, the first queue of port p is worker p's, so
//! that several such ports do not all burden the same worker; a worker without a receive queue lives on what others
//! hand over, one without a transmit queue sends through one that has.

use crate::config::Spread as Wanted;
use dataplane::fib::Role;
use dataplane::spread::Spread;
use dpdk::port::{Capabilities, Rss};

/// Queues of one port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortQueues {
    /// Receive queues.
    pub rx: usize,
    /// Transmit queues.
    pub tx: usize,
    /// Who has queue 0.
    first: usize,
    workers: usize,
}

impl PortQueues {
    /// As many as there are workers, or as the device has.
    pub fn fit(can: &Capabilities, port: usize, workers: usize) -> PortQueues {
        let fit = |most: u16| workers.min(usize::from(most)).max(1);
        let (mut rx, mut tx) = (fit(can.max_rx_queues), fit(can.max_tx_queues));
        if can.paired_queues {
            (rx, tx) = (rx.min(tx), rx.min(tx));
        }
        let first = if rx.min(tx) < workers { port % workers } else { 0 };
        PortQueues { rx, tx, first, workers }
    }

    /// Who has this queue.
    pub fn owner(&self, queue: usize) -> usize {
        (self.first + queue) % self.workers
    }

    /// Who sends for `worker`: itself, if it has a transmit queue.
    pub fn sender(&self, worker: usize) -> usize {
        let queue = (worker + self.workers - self.first) % self.workers;
        if queue < self.tx { worker } else { self.owner(queue % self.tx) }
    }

    /// Workers that have no receive queue.
    pub fn without(&self) -> impl Iterator<Item = usize> {
        (self.rx..self.workers).map(|queue| self.owner(queue))
    }

    /// What the device is to hash, and what is left to the workers.
    ///
    /// # Errors
    /// `spread: nic` was asked for and the device cannot: one sentence.
    pub fn spread(
        &self,
        wanted: Wanted,
        role: Role,
        can: &Capabilities,
    ) -> Result<(Rss, Spread), &'static str> {
        let inner = role == Role::Core && can.rss_inner && self.rx > 1;
        let hash = if inner { Rss::Inner } else { Rss::Outer };
        if self.workers == 1 {
            return Ok((Rss::Outer, Spread::Off));
        }
        match wanted {
            Wanted::Off => Ok((Rss::Outer, Spread::Off)),
            Wanted::Nic if role == Role::Core && !inner => Err(
                "this device does not hash the headers inside a tunnel, so each peer's packets stay on one worker; \
                 set `spread: auto`",
            ),
            Wanted::Nic => Ok((hash, Spread::Off)),
            Wanted::Auto | Wanted::Software if self.rx < self.workers => Ok((hash, Spread::All)),
            Wanted::Auto if inner => Ok((hash, Spread::Off)),
            Wanted::Auto | Wanted::Software => Ok((Rss::Outer, Spread::Tunnels)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(rx: u16, tx: u16) -> Capabilities {
        Capabilities {
            max_rx_queues: rx,
            max_tx_queues: tx,
            paired_queues: false,
            min_mtu: 68,
            max_mtu: 9600,
            rss: false,
            rss_inner: false,
        }
    }

    /// FC-51: net_tap wants as many receive as transmit queues, net_pcap has one, others differ.
    #[test]
    fn queue_counts_are_brought_in_line_with_the_device() {
        let counts = |can: &Capabilities| {
            let queues = PortQueues::fit(can, 0, 2);
            (queues.rx, queues.tx)
        };
        assert_eq!(counts(&device(16, 16)), (2, 2));
        assert_eq!(counts(&device(1, 1)), (1, 1));
        assert_eq!(counts(&device(4, 1)), (2, 1));
        assert_eq!(counts(&Capabilities { paired_queues: true, ..device(4, 1) }), (1, 1));
    }

    #[test]
    fn every_queue_has_one_worker_and_every_worker_a_way_out() {
        for workers in 1..6 {
            for (rx, tx, port) in [(16, 16, 1), (1, 1, 0), (1, 1, 1), (3, 2, 4), (2, 16, 1)] {
                let queues = PortQueues::fit(&device(rx, tx), port, workers);
                let mut owners: Vec<_> = (0..queues.rx).map(|queue| queues.owner(queue)).collect();
                owners.extend(queues.without());
                owners.sort_unstable();
                assert_eq!(owners, (0..workers).collect::<Vec<_>>());
                let senders: Vec<_> = (0..queues.tx).map(|queue| queues.owner(queue)).collect();
                for worker in 0..workers {
                    let sender = queues.sender(worker);
                    assert!(senders.contains(&sender) && queues.sender(sender) == sender);
                    assert_eq!(sender == worker, senders.contains(&worker));
                }
            }
        }
        let one_each = |port| PortQueues::fit(&device(1, 1), port, 2).owner(0);
        assert_ne!(one_each(0), one_each(1), "two ports of one queue burden two workers");
    }

    #[test]
    fn flows_are_spread_by_the_device_where_it_can_and_else_by_the_workers() {
        let inner = Capabilities { rss: true, rss_inner: true, ..device(16, 16) };
        let outer = Capabilities { rss_inner: false, ..inner };
        let of = |can: &Capabilities, wanted, workers| {
            PortQueues::fit(can, 0, workers).spread(wanted, Role::Core, can)
        };
        assert_eq!(of(&inner, Wanted::Auto, 2), Ok((Rss::Inner, Spread::Off)));
        assert_eq!(of(&inner, Wanted::Nic, 2), Ok((Rss::Inner, Spread::Off)));
        assert_eq!(of(&inner, Wanted::Software, 2), Ok((Rss::Outer, Spread::Tunnels)));
        assert_eq!(of(&inner, Wanted::Off, 2), Ok((Rss::Outer, Spread::Off)));
        assert_eq!(of(&outer, Wanted::Auto, 2), Ok((Rss::Outer, Spread::Tunnels)));
        assert!(of(&outer, Wanted::Nic, 2).is_err());
        assert_eq!(of(&device(1, 1), Wanted::Auto, 2), Ok((Rss::Outer, Spread::All)));
        assert_eq!(of(&device(1, 1), Wanted::Auto, 1), Ok((Rss::Outer, Spread::Off)));
    }
}
