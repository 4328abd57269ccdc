// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `dpdk-testpmd`: what moving a frame costs, without looking into it (io) or with new MACs (mac).

use super::{Buffers, OTHER_CPU, Running, WORKER_CPU, eal};
use crate::case::Spec;
use std::path::Path;
use std::process::Command;

pub fn start(spec: Spec, prefix: &str, capture: &Path, dir: &Path) -> Result<Running, String> {
    let buffers = Buffers::of(&spec);
    let mut command = Command::new("dpdk-testpmd");
    eal(&mut command, &format!("{OTHER_CPU},{WORKER_CPU}"), prefix, capture);
    command.args(["--", "--nb-cores=1", "--burst=32", "--no-mlockall"]);
    command.arg(format!("--forward-mode={}", spec.case.name()));
    command.arg(format!("--total-num-mbufs={}", buffers.count));
    command.arg(format!("--mbuf-size={}", buffers.size));
    Running::start(spec, command, prefix, dir)
}
