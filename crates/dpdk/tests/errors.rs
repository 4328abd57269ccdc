// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is wrong is said in one sentence, and nothing is left behind by the attempt.

mod common;

use common::{MIB, TestEal, first_cpu};
use dpdk::eal::{Args, EalError};
use dpdk::mempool::PoolError;
use dpdk::port::PortError;
use dpdk::{Eal, Mempool, Port, PortConfig};

#[test]
fn each_mistake_has_its_sentence() {
    a_cpu_that_is_not_there_is_named_before_dpdk_starts();
    let test = TestEal::start(1);
    assert_eq!(Eal::init(&[]).err(), Some(EalError::StartedBefore));
    pools(&test);
    devices(&test);
    queues_and_frames(&test);
}

fn a_cpu_that_is_not_there_is_named_before_dpdk_starts() {
    let args = Args::new("nothing").lcore(0, first_cpu()).lcore(1, 4000).build();
    let Some(EalError::Cpu { cpu: 4000, allowed }) = Eal::init(&args).err() else {
        panic!("CPU 4000 is there")
    };
    assert!(!allowed.is_empty());
}

fn pools(test: &TestEal) {
    let new = |name: &str, mbufs, cache, room| {
        Mempool::new(&test.eal, name, mbufs, cache, room).map(drop).unwrap_err()
    };
    let error = new("large", 1_000_000, 0, 2048);
    let PoolError::Memory { needed, free, pages: None, .. } = &error else { panic!("{error:?}") };
    assert!(*needed > 2000 && *free <= u64::from(MIB), "{error}");
    assert!(error.to_string().contains("1000000 mbufs of 2048 octets need"), "{error}");

    assert_eq!(new("", 10, 0, 2048), PoolError::Name { name: "".into() });
    assert!(new("a name that is longer than DPDK", 10, 0, 2048).to_string().contains("25 octets"));
    assert_eq!(
        new("a", 100, 90, 2048),
        PoolError::Cache { name: "a".into(), mbufs: 100, cache: 90, most: 66 }
    );
    assert_eq!(
        new("a", 0, 0, 2048),
        PoolError::Cache { name: "a".into(), mbufs: 0, cache: 0, most: 0 }
    );
    assert_eq!(new("a", 10, 0, 65535), PoolError::DataRoom { name: "a".into(), data_room: 65535 });

    let pool = test.pool(63);
    assert_eq!(new("test", 63, 0, 2048), PoolError::Exists { name: "test".into() });
    drop(pool);
    drop(test.pool(63));
}

fn devices(test: &TestEal) {
    let why = |device: &str| match Port::by_device(&test.eal, device).map(drop).unwrap_err() {
        PortError::NoSuchPort { device: named, why } if named == device => why,
        other => panic!("{other}"),
    };
    assert!(why("net_tpa0").contains("known drivers of virtual ports: net_af_packet"));
    assert!(why("net_pcap0,rx_pcap=/nowhere/in.pcap").contains("/nowhere/in.pcap"));
    assert!(why("0000:01:00.0").contains("without the PCI bus"));
    assert!(why("net_af_packet0,iface=nowhere0").contains("no network interface \"nowhere0\""));
    // A failed attempt leaves no port of that name behind.
    assert!(why("net_af_packet0,iface=nowhere0").contains("no network interface \"nowhere0\""));
    let error = Port::by_device(&test.eal, "two words").map(drop).unwrap_err();
    assert_eq!(error, PortError::NoDeviceString { device: "two words".into() });

    a_look_opens_nothing(test);

    let first = test.port("net_null3,size=64");
    let twice = Port::by_device(&test.eal, "net_null3,size=80").map(drop).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "port \"net_null3,size=80\" is given twice: it is the device of \"net_null3,size=64\""
    );
    drop(first);
    drop(test.port("net_null3,size=80"));
}

fn a_look_opens_nothing(test: &TestEal) {
    let look = |device: &str| Port::look_for(&test.eal, device);
    let said = |device: &str| look(device).unwrap_err().to_string();
    // A kernel interface may be missing, of the wrong kind of string, or of an impossible name.
    assert!(said("net_af_packet0,iface=nowhere0").contains("no network interface \"nowhere0\""));
    assert!(said("lo").contains("mend: `net_af_packet0,iface=lo`"));
    assert!(said("net_tap7,iface=sixteen_letters_").contains("1 to 15 octets"));
    assert!(said("net_tpa0").contains("known drivers of virtual ports: net_af_packet"));
    assert!(said("0000:01:00.0").contains("without the PCI bus"));
    assert!(said("two words").contains("no device string"));
    // The same device can be looked for twice and plugged afterwards.
    assert_eq!((look("net_null5,size=64"), look("net_null5")), (Ok(()), Ok(())));
    drop(test.port("net_null5,size=64"));
    assert_eq!(look("net_pcap1,rx_pcap=/nowhere/in.pcap"), Ok(()), "only opening it shows");
}

fn queues_and_frames(test: &TestEal) {
    let pool = test.pool(255);
    let mut port = test.port("net_ring0");
    let can = port.capabilities();
    let wanted = can.max_tx_queues + 1;
    let error = port
        .configure(PortConfig { tx_queues: wanted, ..PortConfig::default() }, &pool)
        .unwrap_err();
    let text = format!(
        "port net_ring0: 1 receive and {wanted} transmit queues wanted, {} and {} possible",
        can.max_rx_queues, can.max_tx_queues
    );
    assert_eq!(error.to_string(), text);

    let error = port.configure(PortConfig { mtu: 10, ..PortConfig::default() }, &pool).unwrap_err();
    assert!(error.to_string().contains("MTU 10 wanted"), "{error}");
    port.configure(PortConfig::default(), &pool)
        .expect("after the mistakes it can still be configured");
    port.start().expect("and started");
}
