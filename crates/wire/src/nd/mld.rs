// SPDX-License-Identifier: Apache-2.0 OR MIT
//! MLDv2 reports (RFC 3810 §5.2): how a router tells snooping bridges which groups it listens to.

use super::build::finish;
use super::kind;
use crate::ip6;
use std::net::Ipv6Addr;

/// Every MLDv2-capable router.
const REPORTS_TO: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// Record type: the whole group, whatever the sender (excluding no source).
const MODE_IS_EXCLUDE: u8 = 2;

/// A whole IPv6 packet: MLDv2 report (RFC 3810, hop-by-hop with Router Alert, hop limit 1, to ff02::16) that the
/// sender joins `groups` (mode is exclude). `src` is link-local or `::`. At most 61 groups fit into 1280 octets.
pub fn mld_report(groups: &[Ipv6Addr], src: Ipv6Addr) -> Vec<u8> {
    let [high, low] = (groups.len() as u16).to_be_bytes();
    let mut report = vec![kind::MLD2_REPORT, 0, 0, 0, 0, 0, high, low];
    for group in groups {
        report.extend_from_slice(&[MODE_IS_EXCLUDE, 0, 0, 0]);
        report.extend_from_slice(&group.octets());
    }
    // Router Alert, value 0 = MLD (RFC 2711), then PadN.
    let mut payload = vec![ip6::ICMPV6, 0, 5, 2, 0, 0, 1, 0];
    payload.extend_from_slice(&finish(report, src, REPORTS_TO));
    ip6::packet(src, REPORTS_TO, ip6::HOP_BY_HOP, 1, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip6::Ip6View;

    #[test]
    fn a_report_names_each_group_once_behind_a_router_alert() {
        let src = crate::addr::ROUTER_LINK_LOCAL;
        let groups = [super::super::ALL_ROUTERS, super::super::solicited_node(src)];
        let octets = mld_report(&groups, src);
        let view = Ip6View::new_checked(&octets).expect("valid");
        assert_eq!((view.hop_limit(), view.dst()), (1, "ff02::16".parse().unwrap()));
        let upper = view.upper().expect("one extension header");
        assert_eq!((upper.protocol, upper.offset), (58, 48));
        let report = &view.octets()[upper.offset..];
        assert_eq!(ip6::checksum(src, view.dst(), 58, report), 0);
        assert_eq!((report[0], &report[6..8], report.len()), (143, &[0, 2][..], 8 + 2 * 20));
        assert_eq!(report[8..12], [2, 0, 0, 0]);
        assert_eq!(report[12..28], groups[0].octets());
        assert_eq!(report[32..], groups[1].octets());
        assert_eq!(groups[1], "ff02::1:ff00:5213".parse::<Ipv6Addr>().unwrap());
    }
}
