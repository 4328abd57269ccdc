// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slow path's own counters, by stable snake_case name. Names come from this program's text only, never from the
//! wire (FC-55); those that are known beforehand are there from the start with 0, so that a graph begins at start.

use std::collections::BTreeMap;
use wire::nd::NdError;

/// What the slow path itself counts; `diameter` has its own list, and `mobility` brings its names as it counts.
const NAMES: &[&str] = &[
    "aaa_answer_incomplete",
    "aaa_bad_mn_id",
    "aaa_lost_state",
    "aaa_silent",
    "aaa_stop_refused",
    "aaa_unavailable",
    "aaa_unexpected_result",
    "address_conflict",
    "control_refused",
    "echo_answered",
    "echo_not_ours",
    "frame_bad_source_mac",
    "frame_foreign_vlan",
    "frame_malformed",
    "frame_not_for_us",
    "frame_own_mac",
    "frame_sent",
    "handover_us",
    "handover_within_1ms",
    "handover_within_2ms",
    "handover_within_5ms",
    "handover_within_10ms",
    "handover_within_20ms",
    "handover_within_50ms",
    "handover_within_100ms",
    "handover_within_200ms",
    "handover_within_500ms",
    "handover_within_1s",
    "handover_longer",
    "icmp_error_forbidden",
    "icmp_error_received",
    "icmp_fragment",
    "icmp_limited_hop_limit",
    "icmp_limited_no_anchor",
    "icmp_limited_no_route",
    "icmp_limited_pool_unleased",
    "icmp_limited_source_failed",
    "icmp_limited_too_big",
    "icmp_limited_tunnel_unreachable",
    "icmp_other",
    "icmp_sent_hop_limit",
    "icmp_sent_no_anchor",
    "icmp_sent_no_route",
    "icmp_sent_pool_unleased",
    "icmp_sent_source_failed",
    "icmp_sent_too_big",
    "icmp_sent_tunnel_unreachable",
    "icmp_unroutable",
    "install_unknown_peer",
    "link_down",
    "link_up",
    "log_suppressed",
    "marker_received",
    "marker_sent",
    "marker_unsent",
    "mh_access_port",
    "mh_ext_header",
    "mh_received",
    "mh_sent",
    "mh_unroutable",
    "mld_query",
    "mld_query_limited",
    "mld_report_heard",
    "mld_report_sent",
    "na_unknown_neighbor",
    "nd_checksum",
    "nd_hop_limit",
    "nd_malformed",
    "neighbor_bad_mac",
    "neighbor_failed",
    "neighbor_queue_full",
    "neighbor_resolved",
    "neighbor_table_full",
    "neighbor_unresolved_drop",
    "ns_answered",
    "ns_not_ours",
    "ra_ignored",
    "ra_sent",
    "parked_report",
    "path_mtu_aged",
    "path_mtu_impossible",
    "path_mtu_lowered",
    "path_mtu_unchanged",
    "rs_core_port",
    "rs_received",
    "rs_sllao_mismatch",
    "source_pending",
    "station_core_port",
    "station_frame",
    "tunnel_error_foreign",
    "tunnel_error_other",
    "unresolved_peer",
    "unresolved_punt",
];

/// Name -> count.
#[derive(Clone, Debug)]
pub(crate) struct Counters(BTreeMap<&'static str, u64>);

impl Default for Counters {
    fn default() -> Self {
        let diameter = diameter::peer::Client::COUNTERS;
        Counters(NAMES.iter().chain(diameter).map(|&name| (name, 0)).collect())
    }
}

impl Counters {
    /// One more.
    pub(crate) fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    /// `n` more.
    pub(crate) fn add(&mut self, name: &'static str, n: u64) {
        *self.0.entry(name).or_insert(0) += n;
    }

    /// In alphabetical order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(&name, &value)| (name, value))
    }
}

/// Each ND error has a counter (PROTOCOL.md 3.6).
pub(crate) const fn nd_error(error: NdError) -> &'static str {
    match error {
        NdError::HopLimit => "nd_hop_limit",
        NdError::Checksum => "nd_checksum",
        NdError::Malformed => "nd_malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(dir: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if !path.ends_with("counters.rs") {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// A name that is counted somewhere and not listed would be missing from a graph until its first event.
    #[test]
    fn every_name_counted_in_this_crate_is_listed() {
        let mut texts = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
        let mut seen = 0;
        for after in texts.iter().flat_map(|text| text.split("count(\"").skip(1)) {
            let name = after.split('"').next().unwrap();
            assert!(NAMES.contains(&name), "{name} is counted but not listed");
            seen += 1;
        }
        assert!(seen > 40);
    }

    #[test]
    fn names_are_there_from_the_start_and_in_order() {
        let mut counters = Counters::default();
        counters.count("zz_new");
        counters.count("rs_received");
        let names: Vec<_> = counters.iter().map(|(name, _)| name).collect();
        assert!(names.is_sorted());
        assert_eq!(names.len(), NAMES.len() + diameter::peer::Client::COUNTERS.len() + 1);
        assert!(counters.iter().any(|row| row == ("rs_received", 1)));
        assert!(counters.iter().any(|row| row == ("ns_answered", 0)));
    }
}
