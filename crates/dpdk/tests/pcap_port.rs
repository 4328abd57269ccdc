// SPDX-License-Identifier: Apache-2.0 OR MIT
//! net_pcap reads one file and writes another: what goes through is the same octets, also where a frame needs several
//! mbufs.

mod common;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use arrayvec::ArrayVec;
use common::{TestEal, frame, receive};
use dpdk::{BURST, Mbuf, Mempool, PortConfig};
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use wire::buf::PacketBuf as _;

#[test]
fn frames_of_a_capture_leave_as_they_came() {
    let test = TestEal::start(1);
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("in.pcap"), folder.path().join("out.pcap"));
    let frames: Vec<_> = (0..100).map(|n| frame(n, 60 + n * 14)).collect();
    write(&from, &frames);

    let pool = test.pool(1023);
    let mut port =
        test.port(&format!("net_pcap0,rx_pcap={},tx_pcap={}", from.display(), to.display()));
    port.configure(PortConfig::default(), &pool).expect("one queue each");
    let (mut rx, mut tx) = port.start().expect("it starts");
    let mut left = receive(&mut rx[0], frames.len());
    assert_eq!(left.len(), frames.len());
    while !left.is_empty() {
        let mut burst: ArrayVec<Mbuf, BURST> = left.drain(..left.len().min(BURST)).collect();
        tx[0].send(&mut burst);
    }
    let octets: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
    assert_eq!((port.stats().rx_octets, port.stats().tx_octets), (octets, octets));
    drop((rx, tx, port));
    assert_eq!(read(&to), frames);
    assert_eq!(pool.in_use(), 0);

    a_frame_of_several_mbufs_is_cut_and_grown_like_any_other(&test, folder.path());
}

fn a_frame_of_several_mbufs_is_cut_and_grown_like_any_other(test: &TestEal, folder: &Path) {
    let (from, to) = (folder.join("jumbo.pcap"), folder.join("cut.pcap"));
    let jumbo = frame(3, 5000);
    write(&from, &[jumbo.clone(), jumbo.clone(), jumbo.clone()]);
    let pool = Mempool::new(&test.eal, "small", 255, 0, 512).expect("the pool fits");
    let mut port =
        test.port(&format!("net_pcap1,rx_pcap={},tx_pcap={}", from.display(), to.display()));
    port.configure(PortConfig { mtu: 8000, ..PortConfig::default() }, &pool)
        .expect("net_pcap chains mbufs");
    let (mut rx, mut tx) = port.start().expect("it starts");
    let mut mbufs = receive(&mut rx[0], 3);
    // The first mbuf has 512 octets behind its headroom, net_pcap fills the others' 640 whole.
    assert_eq!(pool.in_use(), 3 * 9);
    for mbuf in &mbufs {
        assert!(!mbuf.is_contiguous());
        assert_eq!((mbuf.frame_len(), mbuf.segments(), mbuf.data()), (5000, 9, &jumbo[..512]));
    }

    mbufs[0].truncate(2 * 512);
    assert_eq!((mbufs[0].frame_len(), mbufs[0].segments()), (1024, 2));
    mbufs[1].truncate(100);
    assert_eq!((mbufs[1].data(), mbufs[1].is_contiguous()), (&jumbo[..100], true));
    mbufs[2].truncate(4999);
    mbufs[2].trim_front(14);
    mbufs[2]
        .prepend(2)
        .expect("headroom")
        .copy_from_slice(&[[0xaa; 2].as_slice(), &jumbo[14..512]].concat());
    assert_eq!((mbufs[2].frame_len(), mbufs[2].segments()), (4987, 9));
    assert_eq!(pool.in_use(), 2 + 1 + 9);

    tx[0].send(&mut mbufs.into_iter().collect());
    assert_eq!(pool.in_use(), 0);
    drop((rx, tx, port));
    let grown = [[0xaa; 2].as_slice(), &jumbo[14..4999]].concat();
    assert_eq!(read(&to), [jumbo[..1024].to_vec(), jumbo[..100].to_vec(), grown]);
}

fn write(path: &Path, frames: &[Vec<u8>]) {
    let mut file = PcapWriter::new(File::create(path).expect("writable")).expect("a capture");
    for frame in frames {
        file.write_packet(&PcapPacket::new(Duration::ZERO, frame.len() as u32, frame))
            .expect("room");
    }
}

fn read(path: &Path) -> Vec<Vec<u8>> {
    let mut file = PcapReader::new(File::open(path).expect("written")).expect("a capture");
    let mut frames = Vec::new();
    while let Some(packet) = file.next_packet() {
        frames.push(packet.expect("whole").data.into_owned());
    }
    frames
}
