// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Old HoAs end: an MN that moves all day would otherwise collect one, with a default binding and a prefix in
//! each RA, at every MAAR it passes. One that is used after all is recovered from its anchor like any other.

use crate::maar::Maar;
use crate::mn::Mn;
use std::time::Duration;
use wire::addr::{Nai, Prefix64};
use wire::nd::PrefixInfo;
use wire::time::Now;

/// Longer than the established time-out of RFC 5382 (REQ-5), two hours and four minutes.
const UNUSED: Duration = Duration::from_secs(7_440);
/// HoAs of earlier MAARs an MN may have.
const MOST: usize = 16;
/// Seconds. Just more than the two hours below which a host does not believe a shorter lifetime (RFC 4862 §5.5.3).
const LAST: u32 = 7_201;

impl Maar {
    /// Ends the HoAs of earlier MAARs that nothing used for too long, and those unused longest beyond the most an MN may
    /// have. Their prefixes, for one last RA.
    pub(crate) fn retire(&mut self, now: Now, id: &Nai) -> Vec<PrefixInfo> {
        let Some(mn) = self.mns.get(id) else { return Vec::new() };
        let retired = due(mn, now);
        for &prefix in &retired {
            self.count("hoa_retired");
            self.end_updates_of_hoa(now, id, prefix);
            self.unplace(id, &[prefix]);
            if let Some(mn) = self.mns.get_mut(id) {
                mn.externals.remove(&prefix);
            }
        }
        let last =
            |prefix: Prefix64| PrefixInfo { prefix: prefix.with_iid(0), valid: LAST, preferred: 0 };
        retired.into_iter().map(last).collect()
    }
}

fn due(mn: &Mn, now: Now) -> Vec<Prefix64> {
    let active = mn.externals.iter().filter(|(_, entry)| entry.active);
    let mut by_use: Vec<_> = active.map(|(prefix, entry)| (entry.used, *prefix)).collect();
    by_use.sort_unstable();
    let beyond = by_use.len().saturating_sub(MOST);
    let is_due = |n: usize, used| n < beyond || now.mono - used >= UNUSED;
    by_use
        .into_iter()
        .enumerate()
        .filter(|&(n, (used, _))| is_due(n, used))
        .map(|(_, (_, prefix))| prefix)
        .collect()
}
