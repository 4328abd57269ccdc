// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One group: captures written, hugepages reserved, programs started one after the other and stopped, rounds.

use crate::Args;
use crate::case::{Program, Spec};
use crate::frames;
use crate::machine::{Hugepages, Machine};
use crate::measure::{Measured, rounds};
use crate::programs::maard::Options;
use crate::programs::{Buffers, Running, l3fwd, maard, testpmd};
use std::path::{Path, PathBuf};

/// Captures, rules, logs, l3fwd's build; removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Result<Folder, String> {
        let path = std::env::temp_dir().join(format!("romip-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Folder(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The capture of a spec, written when it is first wanted.
    pub fn capture(&self, spec: &Spec) -> Result<PathBuf, String> {
        let (input, frame, flows, of) = (spec.input, spec.frame, spec.flows, spec.bindings);
        let path = self.0.join(format!("{input:?}-{frame}-{flows}-{of}.pcap").to_lowercase());
        if !path.exists() {
            frames::write(&path, input, frame, flows, of)?;
        }
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Hugepages a program takes, MiB.
pub fn memory(spec: &Spec, options: &Options) -> u64 {
    let tables = match spec.case.program() {
        Program::Testpmd => 16,
        Program::L3fwd => l3fwd::table_mib(spec),
        Program::Maard => maard::table_mib(spec, options) + 64,
    };
    Buffers::of(spec).mib() + tables
}

pub fn start(
    spec: Spec,
    folder: &Folder,
    args: &Args,
    options: &Options,
    n: usize,
) -> Result<Running, String> {
    let capture = folder.capture(&spec)?;
    let prefix = format!("rb{}n{n}", std::process::id());
    let dir = folder.path();
    match spec.case.program() {
        Program::Testpmd => testpmd::start(spec, &prefix, &capture, dir),
        Program::L3fwd => l3fwd::start(spec, &prefix, &capture, dir),
        Program::Maard => maard::start(spec, &prefix, &capture, dir, &args.maard, options),
    }
}

pub fn run(
    specs: &[Spec],
    folder: &Folder,
    args: &Args,
    machine: &mut Machine,
) -> Result<Vec<Measured>, String> {
    let options = Options::default();
    let mib = specs.iter().map(|spec| memory(spec, &options)).sum();
    let _pages = Hugepages::reserve(mib)?;
    machine.hugepages = machine.hugepages.max(Hugepages::total());
    let mut programs = Vec::new();
    for (n, spec) in specs.iter().enumerate() {
        let mut program = start(*spec, folder, args, &options, n)?;
        program.until_it_sends()?;
        program.pause();
        programs.push(program);
    }
    rounds(&mut programs, args.timing())
}
