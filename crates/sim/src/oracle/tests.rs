// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each oracle is shown a world in which it must speak: a broken link, a wrong route, a stolen MAC. The routers in it
//! are the shipped ones; what is wrong is the world.

use super::*;
use crate::play::{rest, settle};
use crate::queue::{Act, Greeting, Told};
use crate::setup::Setup;
use crate::{MS, SECOND};
use mobility::config::Prefix;

fn setup() -> Setup {
    Setup { maars: 3, mns: 2, rest_s: 20, ..Setup::calm() }
}

fn arrive(world: &mut World, host: usize, to: usize) {
    let told = Told::After(0);
    let act = Act::Move { host, to, gap: 20 * MS, greeting: Greeting::Rs, leave: told, come: told };
    world.plan(world.now, act);
    world.run(world.now + SECOND);
}

/// A at the first MAAR talks to B at the second.
fn talking(mut world: World) -> World {
    world.run(SECOND);
    arrive(&mut world, 0, 0);
    arrive(&mut world, 1, 1);
    world.plan(world.now, Act::Session { a: 0, b: Some(1) });
    world.pace(10 * MS);
    world.run(world.now + SECOND);
    world
}

fn judged(mut world: World) -> Findings {
    world.run(world.now + SECOND);
    settle(&mut world);
    rest(&mut world, 0);
    world.findings
}

fn world(setup: &Setup) -> World {
    World::new(setup, 5)
}

#[test]
fn nothing_is_wrong_when_nothing_is() {
    let mut world = talking(world(&setup()));
    arrive(&mut world, 0, 2);
    arrive(&mut world, 1, 2);
    arrive(&mut world, 0, 0);
    assert_eq!(judged(world), Findings::default());
}

#[test]
fn a_session_over_a_cut_link_is_dead() {
    let mut world = talking(world(&setup()));
    world.plan(world.now, Act::Cut { a: 0, b: 1, cut: true });
    let findings = judged(world);
    assert_eq!((findings.dead, findings.indirect), (1, 0), "{:?}", findings.notes);
}

#[test]
fn a_session_whose_maars_cannot_tell_each_other_is_indirect() {
    let mut world = talking(world(&setup()));
    world.links.mute(2, 1);
    arrive(&mut world, 0, 2);
    let findings = judged(world);
    assert_eq!((findings.dead, findings.indirect), (0, 1), "{:?}", findings.notes);
}

#[test]
fn a_packet_between_two_routers_that_point_at_each_other_loops() {
    // Both know a net behind the third MAAR's pool, each by way of the other, and nobody is its anchor.
    let nowhere = Prefix { addr: "2001:db8:bad::".parse().unwrap(), len: 48 };
    let mut world = World::with_configs(&setup(), 5, move |node, config| match node {
        0 => config.routes.push((nowhere, vec![names::address(1)])),
        1 => config.routes.push((nowhere, vec![names::address(0)])),
        _ => {}
    });
    world.run(SECOND);
    arrive(&mut world, 0, 0);
    world.plan(world.now, Act::Session { a: 0, b: None });
    world.run(world.now + SECOND);
    world.flows[0].dst = "2001:db8:bad::1".parse().unwrap();
    world.send_probe(0);
    world.run(world.now + 5 * SECOND);
    assert!(world.findings.looped > 0);
}

#[test]
fn a_link_that_doubles_packets_is_noticed() {
    let findings = judged(talking(world(&Setup { data_duplicates: 10, ..setup() })));
    assert!(findings.doubled > 0 && findings.reordered == 0, "{findings:?}");
}

#[test]
fn a_link_that_jitters_reorders() {
    let findings = judged(talking(world(&Setup { link_jitter_ms: 50, ..setup() })));
    assert!(findings.reordered > 0 && findings.doubled == 0, "{findings:?}");
}

#[test]
fn a_host_with_anothers_mac_on_its_link_gets_what_is_not_its_own() {
    let mut world = talking(world(&Setup { hostile: true, ..setup() }));
    world.hosts[2].mac = world.hosts[0].mac;
    arrive(&mut world, 2, 0);
    world.run(world.now + SECOND);
    let notes = &world.findings.notes;
    assert!(world.findings.hijacked > 0);
    assert!(notes.iter().any(|note| note.contains("of A to C")), "an RA is noticed: {notes:?}");
    assert!(notes.iter().any(|note| note.contains("comes to C")), "a packet is noticed: {notes:?}");
}

#[test]
fn a_list_that_gives_a_hoa_to_another_is_noticed() {
    let mut world = talking(world(&setup()));
    arrive(&mut world, 0, 2);
    world.judge_owners();
    assert_eq!(world.findings.hijacked, 0);
    for owner in world.owners.values_mut() {
        *owner = 1 - *owner;
    }
    world.judge_owners();
    let notes = &world.findings.notes;
    assert!(notes.iter().any(|note| note.contains("lease")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("hoa")), "{notes:?}");
}

#[test]
fn a_list_with_an_address_of_the_core_or_a_strangers_maar_is_noticed() {
    let row =
        |hoa: &str, maar: &str| serde_json::json!({ "list": "internal", "hoa": hoa, "maar": maar });
    let core = names::address(1).to_string();
    assert!(forbidden(&row(&core, &core), 3).is_some());
    let hoa = names::pool(1).addr.to_string();
    assert!(forbidden(&row(&hoa, &names::EVIL.to_string()), 3).is_some());
    assert!(forbidden(&row(&hoa, "2001:db8::1"), 3).is_some());
    assert_eq!(forbidden(&row(&hoa, &core), 3), None);
}

#[test]
fn an_mn_that_is_still_there_is_a_leftover() {
    let mut world = talking(world(&setup()));
    world.judge_leftovers();
    assert!(world.findings.outlived >= 2);
}

#[test]
fn a_probe_that_is_lost_is_counted() {
    let mut world = talking(world(&setup()));
    settle(&mut world);
    assert_eq!(world.count_probes().lost, 0);
    world.plan(world.now, Act::Cut { a: 0, b: 1, cut: true });
    world.pace(10 * MS);
    world.run(world.now + SECOND);
    settle(&mut world);
    assert!(world.count_probes().lost > 100);
}
