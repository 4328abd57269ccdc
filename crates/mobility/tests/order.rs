// SPDX-License-Identifier: Apache-2.0 OR MIT
//! whose straight packets are held for a HoA that was taken over, until when, and who sends end markers.

mod common;

use common::world::*;
use common::{Net, ms, secs};
use mobility::{Input, Output};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::addr::Prefix64;
use wire::time::Instant;

/// What was said of order at `maar` since `start`, without when.
fn said(net: &Net, maar: Ipv6Addr, start: Instant) -> Vec<Output> {
    let all = net.router(maar).order.iter().filter(|(at, _)| *at >= start);
    all.map(|(_, output)| output.clone()).collect()
}

/// The end markers among that.
fn markers(net: &Net, maar: Ipv6Addr, start: Instant) -> Vec<Output> {
    let marker = |output: &Output| matches!(output, Output::EndMarker { .. });
    said(net, maar, start).into_iter().filter(marker).collect()
}

fn hold(hoa: Ipv6Addr, maar: Ipv6Addr) -> Output {
    Output::Hold { prefix: Prefix64::of(hoa), maar }
}

fn end_hold(hoa: Ipv6Addr, maar: Ipv6Addr, after_turn: bool) -> Output {
    Output::EndHold { prefix: Prefix64::of(hoa), maar, after_turn }
}

/// When the hold ended, from `start` on.
fn ended(net: &Net, maar: Ipv6Addr, of: Ipv6Addr, start: Instant) -> Vec<Duration> {
    let order = net.router(maar).order.iter();
    let ends =
        order.filter(|(_, output)| matches!(output, Output::EndHold { maar, .. } if *maar == of));
    ends.filter(|(at, _)| *at >= start).map(|&(at, _)| at - start).collect()
}

/// A went from A_MAAR2 to A_MAAR3; its CN is at B_MAAR2 and its anchor is A_MAAR1.
fn moved() -> (Net, Instant) {
    let mut net = Net::g0().both_away();
    let start = net.now;
    net.attach(A, A3);
    net.run(ms(100));
    (net, start)
}

#[test]
fn who_sent_by_the_previous_maar_is_held_and_the_previous_maar_is_not() {
    let (net, start) = moved();
    let held = said(&net, A3, start);
    assert!(held.contains(&hold(A_HOA1, A1)) && held.contains(&hold(A_HOA1, B2)), "{held:?}");
    let of_previous = |output: &Output| matches!(output, Output::Hold { maar, .. } if *maar == A2);
    assert!(!held.iter().any(of_previous), "{held:?}");
}

#[test]
fn the_marker_leaves_by_the_path_used_before_or_by_the_route_when_there_was_none() {
    let (net, start) = moved();
    assert_eq!(markers(&net, B2, start), [Output::EndMarker { hoa: A_HOA1, by: Some(A2) }]);
    assert_eq!(markers(&net, A1, start), [Output::EndMarker { hoa: A_HOA1, by: Some(A2) }]);
    let mut net = Net::g0();
    net.attach(A, A1);
    net.attach(B, B1);
    net.run(secs(1));
    net.talk(A_HOA1, B_HOA1);
    let start = net.now;
    net.attach(A, A2);
    net.run(secs(1));
    assert_eq!(markers(&net, B1, start), [Output::EndMarker { hoa: A_HOA1, by: None }]);
    assert_eq!(markers(&net, A1, start), [], "what it sends comes by one path");
}

#[test]
fn a_refresh_switches_no_path_and_sends_no_marker() {
    let (mut net, _) = moved();
    let later = net.now;
    net.run(secs(500));
    assert_eq!(markers(&net, B2, later), []);
}

#[test]
fn the_marker_ends_the_hold_when_the_workers_have_finished_a_turn() {
    let (mut net, _) = moved();
    let start = net.now;
    net.handle(A3, Input::Held { hoa: Prefix64::of(A_HOA1), maar: B2 });
    net.run(ms(5));
    net.handle(A3, Input::Marker { hoa: Prefix64::of(A_HOA1), maar: B2 });
    assert_eq!(said(&net, A3, start), [end_hold(A_HOA1, B2, true)]);
    // One that comes twice, or that nobody waits for.
    net.handle(A3, Input::Marker { hoa: Prefix64::of(A_HOA1), maar: B2 });
    net.handle(A3, Input::Marker { hoa: Prefix64::of(B_HOA1), maar: A2 });
    net.run(ms(100));
    assert_eq!(said(&net, A3, start), [end_hold(A_HOA1, B2, true)]);
    assert_eq!(net.router(A3).count("end_marker_missed"), 0);
}

#[test]
fn without_a_marker_packets_wait_thirty_milliseconds_from_the_first_on() {
    let (mut net, _) = moved();
    let start = net.now;
    let first = Input::Held { hoa: Prefix64::of(A_HOA1), maar: B2 };
    net.handle(A3, first.clone());
    net.run(ms(20));
    net.handle(A3, first);
    net.run(ms(100));
    assert_eq!(ended(&net, A3, B2, start), [ms(30)]);
    assert_eq!(net.router(A3).count("end_marker_missed"), 1);
}

#[test]
fn a_hold_in_which_nothing_waits_ends_by_itself() {
    let (mut net, start) = moved();
    net.run(secs(5));
    let ends = ended(&net, A3, B2, start);
    assert!(ends.len() == 1 && ends[0] > secs(2) && ends[0] < ms(2100), "{ends:?}");
    assert_eq!(net.router(A3).count("end_marker_missed"), 0);
}

#[test]
fn an_mn_that_moves_on_takes_its_holds_along() {
    let (mut net, _) = moved();
    let start = net.now;
    net.attach(A, A2);
    net.run(ms(100));
    assert!(said(&net, A3, start).contains(&end_hold(A_HOA1, B2, false)));
    net.run(secs(100));
    assert_eq!(ended(&net, A3, B2, start).len(), 1);
}

#[test]
fn the_knob_turns_both_sides_off() {
    let mut net =
        Net::new(common::NEW_YEAR, |config| config.timers.order = Duration::ZERO).both_away();
    net.attach(A, A3);
    net.run(secs(1));
    for maar in [A1, A3, B2] {
        assert_eq!(net.router(maar).order, []);
    }
}
