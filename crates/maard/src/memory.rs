// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binding table's memory: addresses for as many keys as the configuration allows, backed as the table grows, by
//! hugepages where the kernel has free ones.

use dataplane::table::{Line, Memory, Parts, Sizing, Table};
use dpdk::Pages;
use dpdk::pages::PagesError;

struct Backed(Pages);

impl Memory for Backed {
    #[inline]
    fn lines(&self) -> &[Line] {
        self.0.words().as_chunks().0
    }

    fn prepare(&self, lines: usize) -> usize {
        self.0.back(lines * size_of::<Line>()) / size_of::<Line>()
    }
}

/// The table of `workers` workers.
///
/// # Errors
/// When there are not so many addresses.
pub fn table(bindings: usize, workers: usize, hugepages: bool) -> Result<Parts, PagesError> {
    let sizing = Sizing::new(bindings, workers);
    let pages = Pages::reserve(sizing.lines() * size_of::<Line>(), hugepages)?;
    Ok(Table::within(sizing, Box::new(Backed(pages))))
}
