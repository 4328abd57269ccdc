// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two calls of the hot path. A queue belongs to one lcore: it can be sent to a thread once, never shared, and it
//! keeps its port alive.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use arrayvec::ArrayVec;
use dpdk_sys as sys;

use crate::mbuf::Mbuf;
use crate::port::Device;

/// Packets a queue gives or takes at once.
pub const BURST: usize = 32;

/// A receive queue.
pub struct RxQueue {
    at: Place,
}

/// A transmit queue.
pub struct TxQueue {
    at: Place,
    unsent: u64,
}

/// Which queue of which port; made by `Port::start` alone, once for each queue of a started port.
struct Place {
    port: u16,
    queue: u16,
    device: Arc<Device>,
    one_lcore: PhantomData<Cell<()>>,
}

impl Place {
    fn new(device: &Arc<Device>, queue: u16) -> Place {
        Place { port: device.id(), queue, device: device.clone(), one_lcore: PhantomData }
    }
}

impl RxQueue {
    pub(crate) fn new(device: &Arc<Device>, queue: u16) -> RxQueue {
        RxQueue { at: Place::new(device, queue) }
    }

    /// Appends what has arrived to `burst`, up to its capacity. Start with an empty one: some drivers give nothing for
    /// fewer than four places. Copies no packet, allocates nothing, never waits.
    #[inline]
    pub fn receive(&mut self, burst: &mut ArrayVec<Mbuf, BURST>) {
        let len = burst.len();
        // SAFETY: len is at most the capacity, so the pointer stays within the array or one past it.
        let free = unsafe { burst.as_mut_ptr().add(len) };
        let room = (BURST - len) as u16;
        // SAFETY: `room` places of Mbuf, which has the layout of `rte_mbuf *`, follow `free`; the port is started and
        // has this queue, as Place says and the device it holds ensures; `&mut self` keeps other callers out.
        let arrived = unsafe { sys::shim_rx_burst(self.at.port, self.at.queue, free.cast(), room) };
        // SAFETY: DPDK wrote `arrived` (at most `room`) chains there and gave up its claim on them.
        unsafe { burst.set_len(len + usize::from(arrived)) };
    }

    /// The port's name.
    pub fn port(&self) -> &str {
        self.at.device.name()
    }

    /// The queue's number on its port.
    pub fn number(&self) -> u16 {
        self.at.queue
    }
}

impl TxQueue {
    pub(crate) fn new(device: &Arc<Device>, queue: u16) -> TxQueue {
        TxQueue { at: Place::new(device, queue), unsent: 0 }
    }

    /// Hands the burst to the NIC and gives how many it took; it frees those when they are sent. What it did not take
    /// is freed here and counted in [`TxQueue::unsent`]: waiting for a full ring would stop every other port. `burst`
    /// is empty afterwards.
    #[inline]
    pub fn send(&mut self, burst: &mut ArrayVec<Mbuf, BURST>) -> usize {
        let first = burst.as_mut_ptr();
        let count = burst.len();
        // SAFETY: from here on the array claims nothing: each of the `count` mbufs is either the NIC's or freed below.
        unsafe { burst.set_len(0) };
        // SAFETY: `count` (at most BURST) valid chains stand at `first`; the port is started and has this queue (see
        // Place); `&mut self` keeps other callers out.
        let sent =
            unsafe { sys::shim_tx_burst(self.at.port, self.at.queue, first.cast(), count as u16) };
        let sent = usize::from(sent);
        if sent < count {
            self.free(first, sent, count);
        }
        sent
    }

    /// Mbufs freed because the NIC did not take them, since the queue was made.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// The port's name.
    pub fn port(&self) -> &str {
        self.at.device.name()
    }

    /// The queue's number on its port.
    pub fn number(&self) -> u16 {
        self.at.queue
    }

    #[cold]
    fn free(&mut self, first: *mut Mbuf, sent: usize, count: usize) {
        self.unsent += (count - sent) as u64;
        // SAFETY: sent < count: still within the array.
        let rest = unsafe { first.add(sent) };
        // SAFETY: the NIC took the first `sent` and left the rest, which no one else owns (see `send`).
        unsafe { sys::rte_pktmbuf_free_bulk(rest.cast(), (count - sent) as u32) };
    }
}
