// SPDX-License-Identifier: Apache-2.0 OR MIT
//! DPDK with ownership. The only crate where `unsafe` has meaning.
//!
//! The API the rest of the house is written against (contract; keep these names and this ownership):
//!
//! ```text
//! eal::Eal::init(args: &[String]) -> Result<Eal, EalError>        once a process; Drop runs rte_eal_cleanup. !Send, !Sync.
//! lcore::launch(&Eal, lcore: u32, f: impl FnOnce() + Send + 'static) -> Result<lcore::Handle, _>; Handle::join()
//! mempool::Mempool::new(&Eal, name, mbufs: u32, cache: u32, data_room: u16) -> Result<Mempool, _>   Clone (shared), Send, Sync
//!     .alloc() -> Option<Mbuf>   .alloc_copy(&[u8]) -> Option<Mbuf>   .available() -> u32   .in_use() -> u32
//! mbuf::Mbuf: wire::buf::PacketBuf, Send; frees itself on drop
//! port::Port::by_device(&Eal, device: &str) -> Result<Port, PortError>   the device string of the configuration, plugged
//!     in here (rte_dev_probe), so that "no such device" is an error with its name
//!     .name() .mac() .capabilities() -> {max_rx_queues, max_tx_queues, max_mtu,..}
//!     .configure(PortConfig{ rx_queues, tx_queues, rx_descriptors, tx_descriptors, mtu, promiscuous, all_multicast }, &Mempool)
//!     .start() -> Result<(Vec<RxQueue>, Vec<TxQueue>), _>   .link_up() .mtu() .stats() -> Stats   .stop()   Drop stops and closes
//! queue::RxQueue::receive(&mut self, &mut ArrayVec<Mbuf, 32>)    queue::TxQueue::send(&mut self, &mut ArrayVec<Mbuf, 32>) -> usize sent;
//!     what the NIC did not take is freed and counted. Both Send, not Sync, not Clone: a queue belongs to one lcore.
//! prefetch::read<T>(&T)
//! ```
