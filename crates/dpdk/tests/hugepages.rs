// SPDX-License-Identifier: Apache-2.0 OR MIT
//! More hugepages than there are: the error has what is wanted, what is free and the command.

use dpdk::Eal;
use dpdk::eal::{Args, EalError, Hugepages, Memory};

#[test]
fn too_few_hugepages_are_said_in_numbers_and_none_is_kept() {
    let before = Hugepages::read();
    let too_many = u32::try_from(before.free_mib()).expect("fits") + 64;
    let args = Args::new(&format!("romip-test-{}", std::process::id()))
        .memory(Memory::Hugepages { mib: Some(too_many) })
        .build();
    let error = Eal::init(&args).err().expect("there are not so many");
    let text = error.to_string();
    let EalError::Hugepages { wanted, .. } = error else { panic!("{text}") };
    assert_eq!(wanted, u64::from(too_many));
    assert!(text.contains("mend: `sysctl -w vm.nr_hugepages="), "{text}");
    let _ = std::fs::remove_dir_all(format!("/var/run/dpdk/romip-test-{}", std::process::id()));
}
