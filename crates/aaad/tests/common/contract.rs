// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every store must do: table 4.2 line by line, replay, one chain. Each case gets a new store.
#![allow(dead_code)] // Each test file uses its part.

use super::driver::*;
use aaad::store::{Attach, LocationStore, Operation, Outcome, Reply};
use std::net::Ipv6Addr;

/// A `#[test]` for each case of the contract, in a module `$name`; `$open` makes a driver of a new store.
#[macro_export]
macro_rules! contract {
    ($name:ident, $open:expr) => {
        $crate::contract!(@cases $name, $open,
            nothing_stored_and_no_time_is_a_first_attachment
            a_new_attachment_gets_the_previous_maar_and_a_later_time
            the_attach_time_rises_by_one_unit_when_the_clock_steps_back
            the_same_request_within_240_s_gets_the_same_answer_and_changes_nothing
            the_same_request_in_the_same_group_gets_the_same_answer
            another_origin_with_the_same_end_to_end_id_is_another_request
            the_last_eight_requests_are_remembered
            a_registration_newer_than_what_is_stored_or_with_nothing_stored_is_taken
            a_registration_of_the_same_attachment_is_confirmed
            an_older_registration_of_the_stored_maar_itself_is_told_the_stored_time
            a_registration_of_another_maar_that_is_not_newer_is_refused_with_the_current_one
            an_str_of_the_stored_attachment_clears_the_address_and_keeps_the_time
            a_late_str_changes_nothing
            after_a_detach_an_old_registration_does_not_bring_the_mn_back
            the_rows_of_two_mns_do_not_mix
            an_aar_delayed_past_the_next_move_is_an_attachment_and_the_next_move_names_what_is_stored
            a_thousand_concurrent_requests_for_one_mn_make_a_single_chain
            long_names_are_kept_whole
        );
    };
    (@cases $name:ident, $open:expr, $($case:ident)*) => {
        mod $name {
            use super::*;
            $(#[test]
            fn $case() {
                let (mut driver, _kept) = $open;
                common::contract::$case(&mut driver);
            })*
        }
    };
}

/// Asks where the MN is without moving it: a question older than anything stored, from nobody.
fn whereabouts<S: LocationStore>(store: &mut Driver<S>, now: u64) -> Ipv6Addr {
    let nobody: Ipv6Addr = "2001:db8::dead".parse().unwrap();
    match store.attach(at(now), attach(nobody, 0xffff_0000 + now as u32, Some(time(0)))) {
        Reply::Outdated { current } => current,
        other => panic!("{other:?}"),
    }
}

/// (A1, time(10)) by request 1.
fn stored<S: LocationStore>(store: &mut Driver<S>) {
    assert_eq!(store.attach(at(10), attach(A1, 1, None)), accepted(NOBODY, time(10)));
}

pub fn nothing_stored_and_no_time_is_a_first_attachment<S: LocationStore>(store: &mut Driver<S>) {
    assert_eq!(store.store.known(), 0);
    stored(store);
    assert_eq!(whereabouts(store, 11), A1);
    assert_eq!(store.store.known(), 1);
}

pub fn a_new_attachment_gets_the_previous_maar_and_a_later_time<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    assert_eq!(store.attach(at(20), attach(A2, 2, None)), accepted(A1, time(20)));
    assert_eq!(store.attach(at(30), attach(A2, 3, None)), accepted(A2, time(30)));
    assert_eq!(whereabouts(store, 31), A2);
}

pub fn the_attach_time_rises_by_one_unit_when_the_clock_steps_back<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    assert_eq!(store.attach(at(5), attach(A2, 2, None)), accepted(A1, time(10).next()));
    assert_eq!(store.attach(at(5), attach(A1, 3, None)), accepted(A2, time(10).next().next()));
}

pub fn the_same_request_within_240_s_gets_the_same_answer_and_changes_nothing<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    let first = store.attach(at(20), attach(A2, 2, None));
    store.attach(at(30), attach(A1, 3, None));
    assert_eq!(store.attach(at(259), attach(A2, 2, None)), first);
    assert_eq!(whereabouts(store, 259), A1);
    let after = store.attach(at(260), attach(A2, 2, None));
    assert_ne!(after, first, "after 240 s the id may be another request's");
}

pub fn the_same_request_in_the_same_group_gets_the_same_answer<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    let group =
        [attach(A2, 2, None), attach(A2, 2, None), attach(A1, 3, None), attach(A2, 2, None)];
    let outcomes = store.run(at(20), group.map(Operation::Attach));
    let first = Outcome::Attached(accepted(A1, time(20)));
    assert_eq!(outcomes, [first, first, Outcome::Attached(accepted(A2, time(20).next())), first]);
    assert_eq!(whereabouts(store, 21), A1);
}

pub fn another_origin_with_the_same_end_to_end_id_is_another_request<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    assert_eq!(store.attach(at(20), attach(A2, 1, None)), accepted(A1, time(20)));
}

pub fn the_last_eight_requests_are_remembered<S: LocationStore>(store: &mut Driver<S>) {
    stored(store);
    let mut replies = Vec::new();
    for id in 2..=9 {
        replies.push(store.attach(at(20), attach(A1, id, None)));
    }
    assert_eq!(store.attach(at(21), attach(A1, 2, None)), replies[0]);
    let ninth_last = store.attach(at(21), attach(A1, 1, None));
    assert_eq!(ninth_last, accepted(A1, time(21)), "it is forgotten, so it is a new one");
}

pub fn a_registration_newer_than_what_is_stored_or_with_nothing_stored_is_taken<
    S: LocationStore,
>(
    store: &mut Driver<S>,
) {
    assert_eq!(store.attach(at(10), attach(A1, 1, Some(time(5)))), accepted(A1, time(5)));
    assert_eq!(store.attach(at(11), attach(A2, 2, Some(time(6)))), accepted(A2, time(6)));
    assert_eq!(whereabouts(store, 12), A2);
}

pub fn a_registration_of_the_same_attachment_is_confirmed<S: LocationStore>(store: &mut Driver<S>) {
    stored(store);
    assert_eq!(store.attach(at(50), attach(A1, 2, Some(time(10)))), accepted(A1, time(10)));
    assert_eq!(whereabouts(store, 51), A1);
}

pub fn an_older_registration_of_the_stored_maar_itself_is_told_the_stored_time<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    assert_eq!(store.attach(at(50), attach(A1, 2, Some(time(4)))), accepted(A1, time(10)));
    assert_eq!(whereabouts(store, 51), A1);
}

pub fn a_registration_of_another_maar_that_is_not_newer_is_refused_with_the_current_one<
    S: LocationStore,
>(
    store: &mut Driver<S>,
) {
    stored(store);
    for (id, asked) in [(2, time(4)), (3, time(10))] {
        let reply = store.attach(at(50), attach(A2, id, Some(asked)));
        assert_eq!((reply, reply.result_code()), (Reply::Outdated { current: A1 }, 5003));
    }
    assert_eq!(whereabouts(store, 51), A1);
}

pub fn an_str_of_the_stored_attachment_clears_the_address_and_keeps_the_time<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    assert!(store.detach("usera@example.org", "session of a1"));
    assert!(!store.detach("usera@example.org", "session of a1"), "it is over already");
    assert_eq!(whereabouts(store, 41), NOBODY);
    assert_eq!(store.attach(at(5), attach(A2, 2, None)), accepted(NOBODY, time(10).next()));
}

pub fn a_late_str_changes_nothing<S: LocationStore>(store: &mut Driver<S>) {
    stored(store);
    let again = Attach { session_id: "second session of a1".into(), ..attach(A1, 2, None) };
    store.attach(at(20), again);
    assert!(!store.detach("usera@example.org", "session of a1"));
    assert!(!store.detach("userb@example.org", "session of a1"));
    assert_eq!(whereabouts(store, 41), A1);
}

pub fn after_a_detach_an_old_registration_does_not_bring_the_mn_back<S: LocationStore>(
    store: &mut Driver<S>,
) {
    stored(store);
    store.detach("usera@example.org", "session of a1");
    let reply = store.attach(at(50), attach(A1, 2, Some(time(10))));
    assert_eq!(reply, Reply::Outdated { current: NOBODY });
}

pub fn the_rows_of_two_mns_do_not_mix<S: LocationStore>(store: &mut Driver<S>) {
    stored(store);
    let other = Attach { mn_id: "userb@example.org".into(), ..attach(A2, 2, None) };
    assert_eq!(store.attach(at(20), other), accepted(NOBODY, time(20)));
    assert_eq!(whereabouts(store, 21), A1);
    assert_eq!(store.store.known(), 2);
}

/// Case 17: what is delayed carries no time, so it counts as the newest; the MAAR that has the MN registers it again.
pub fn an_aar_delayed_past_the_next_move_is_an_attachment_and_the_next_move_names_what_is_stored<
    S: LocationStore,
>(
    store: &mut Driver<S>,
) {
    assert_eq!(store.attach(at(20), attach(A2, 2, None)), accepted(NOBODY, time(20)));
    assert_eq!(store.attach(at(21), attach(A1, 1, None)), accepted(A2, time(21)));
    // The MN is at A2, which registers again with the time it was given: refused, it must ask anew.
    let refused = store.attach(at(30), attach(A2, 3, Some(time(20))));
    assert_eq!(refused, Reply::Outdated { current: A1 });
    assert_eq!(store.attach(at(31), attach(A2, 4, None)), accepted(A1, time(31)));
    let a3 = "2001:db8:ff::a3".parse().unwrap();
    assert_eq!(store.attach(at(40), attach(a3, 5, None)), accepted(A2, time(40)));
}

pub fn a_thousand_concurrent_requests_for_one_mn_make_a_single_chain<S: LocationStore>(
    store: &mut Driver<S>,
) {
    const GROUPS: [u16; 6] = [1, 9, 90, 250, 350, 300];
    let mut asked = Vec::new();
    for size in GROUPS {
        let first = asked.len() as u16;
        let group: Vec<_> = (first..first + size)
            .map(|n| attach(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1 + n), n.into(), None))
            .collect();
        asked.extend(group.iter().map(|request| request.maar));
        store.submit(at(20), group.into_iter().map(Operation::Attach));
    }
    let mut finished = Vec::new();
    while finished.len() < asked.len() {
        finished.extend(store.wait());
    }
    let mut links: Vec<_> = finished
        .into_iter()
        .map(|(id, outcome)| match outcome {
            Outcome::Attached(Reply::Accepted { previous, time }) => {
                (time, previous, asked[id as usize])
            }
            other => panic!("{other:?}"),
        })
        .collect();
    links.sort();
    assert_eq!(links.len(), 1000);
    let (mut expected, mut previous) = (time(20), NOBODY);
    for (time, from, to) in links {
        assert_eq!((time, from), (expected, previous), "versions rise by one");
        (expected, previous) = (time.next(), to);
    }
}

pub fn long_names_are_kept_whole<S: LocationStore>(store: &mut Driver<S>) {
    let long = |end: char| -> std::sync::Arc<str> { format!("{}{end}", "u".repeat(252)).into() };
    let session_id: std::sync::Arc<str> = "s".repeat(1024).into();
    let request = |end, id| Attach {
        mn_id: long(end),
        session_id: session_id.clone(),
        origin_host: "o".repeat(255).into(),
        ..attach(A1, id, None)
    };
    assert_eq!(store.attach(at(10), request('a', 1)), accepted(NOBODY, time(10)));
    assert_eq!(store.attach(at(11), request('b', 2)), accepted(NOBODY, time(11)));
    assert_eq!(store.attach(at(12), request('a', 3)), accepted(A1, time(12)));
    assert!(store.detach(&long('a'), &session_id));
}
