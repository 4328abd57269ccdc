// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control socket's questions and orders (FC-28), and the planned stop.

use crate::frames::*;
use crate::net::*;
use slowpath::Input;
use slowpath::control::{Request, Response, Table};

fn attach(mac: &str, port: Option<u8>, mn_id: Option<&str>) -> Request {
    Request::Attach { mac: mac.to_owned(), port, mn_id: mn_id.map(str::to_owned) }
}

fn detach(mac: &str) -> Request {
    Request::Detach { mac: mac.to_owned() }
}

const A: &str = "02:00:00:00:00:0a";

#[test]
fn requests_and_answers_are_the_documented_json() {
    let read = |text: &str| serde_json::from_str::<Request>(text);
    assert_eq!(read(r#"{"do":"show","what":"mns"}"#).unwrap(), Request::Show { what: Table::Mns });
    assert_eq!(read(&format!(r#"{{"do":"attach","mac":"{A}"}}"#)).unwrap(), attach(A, None, None));
    assert_eq!(read(&format!(r#"{{"do":"detach","mac":"{A}"}}"#)).unwrap(), detach(A));
    assert!(read(r#"{"do":"show","what":"secrets"}"#).is_err());
    assert!(read(r#"{"do":"detach","mac":"x","force":true}"#).is_err());
    let ok = serde_json::to_string(&Response::Ok(serde_json::json!([]))).unwrap();
    let error = serde_json::to_string(&Response::Error("no".to_owned())).unwrap();
    assert_eq!((ok.as_str(), error.as_str()), (r#"{"ok":[]}"#, r#"{"error":"no"}"#));
}

#[test]
fn an_attach_event_with_an_identity_is_an_attachment_of_that_identity() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    let answer = net.ask(0, attach(A, None, Some("usera@example.org")));
    let Response::Ok(row) = answer else { panic!("{answer:?}") };
    assert_eq!((&row["mac"], &row["state"]), (&A.into(), &"WaitAAA".into()));
    net.run(50 * MS);
    assert_eq!(net.aaa.asked[0].user_name, "usera@example.org");
    assert_eq!(net.aaa.asked[0].session_id.rsplit(';').next(), Some("usera"));
    let Response::Ok(rows) = net.ask(0, Request::Show { what: Table::Mns }) else { panic!("rows") };
    let row = &rows[0];
    assert_eq!(row["mn_id"], "usera@example.org");
    assert_eq!((&row["state"], &row["port"]), (&"Attached".into(), &0.into()));
    assert!(pool("a1").contains(ip(row["hoa"].as_str().unwrap())));
    assert!(row["attach_time_us"].as_u64().unwrap() >= 1_767_225_600_000_000);
}

#[test]
fn orders_that_make_no_sense_are_refused_in_one_sentence() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    for (order, says) in [
        (attach("02:00:00:00:00", None, None), "mac"),
        (attach("33:33:00:00:00:01", None, None), "mac"),
        (attach(A, Some(CORE), None), "no access port"),
        (attach(A, Some(9), None), "no access port"),
        (attach(A, None, Some("")), "NAI"),
        (attach(A, None, Some("a\nERROR x")), "NAI"),
        (detach(A), "not attached here"),
        (detach("usera@example.org"), "mac"),
    ] {
        let answer = net.ask(0, order.clone());
        let Response::Error(sentence) = answer else { panic!("{order:?}: {answer:?}") };
        assert!(sentence.contains(says), "{sentence}");
    }
    assert!(net.aaa.asked.is_empty());
    assert_eq!(net.nodes[0].counter("control_refused"), 8);
}

#[test]
fn a_detach_event_is_taken_where_the_mn_is() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.ask(0, attach(A, None, None));
    net.run(50 * MS);
    let Response::Ok(row) = net.ask(0, detach(A)) else { panic!("a row") };
    assert_eq!(row["state"], "Detached");
    // T_DETACH over: STR with the Session-Id of the AAR.
    net.run(700 * SECOND);
    assert_eq!(net.aaa.stopped.len(), 1);
    assert_eq!(net.aaa.stopped[0].session_id, net.aaa.asked[0].session_id);
}

/// A canonical MN-ID from the AAA does not change the Session-Id of the attachment (table 4.2 compares it).
#[test]
fn the_str_of_a_renamed_mn_has_the_session_id_of_its_aar() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.aaa.mood = crate::aaa::Mood::Rename("canonical@example.org".to_owned());
    net.ask(0, attach(A, None, None));
    net.run(50 * MS);
    net.ask(0, detach(A));
    net.run(700 * SECOND);
    assert_eq!(net.aaa.stopped[0].session_id, net.aaa.asked[0].session_id);
    assert_eq!(net.aaa.stopped[0].user_name, "canonical@example.org");
}

/// FC-28.
#[test]
fn a_late_detach_event_at_the_place_the_mn_left_changes_nothing() {
    let mut net = Net::new(&["a1", "a2"]);
    net.ask(0, attach(A, None, None));
    net.run(SECOND);
    net.ask(1, attach(A, None, None));
    // R-21's quiet second is over.
    net.run(3 * SECOND);
    let table = net.nodes[0].table.clone();
    let answer = net.ask(0, detach(A));
    assert_eq!(answer, Response::Error("not attached here, moved to 2001:db8:ff::a2".to_owned()));
    net.run(SECOND);
    assert_eq!(net.nodes[0].table, table);
    assert!(net.aaa.stopped.is_empty(), "no STR");
    assert_eq!(net.nodes[0].counter("detach_not_here"), 1);
    let Response::Ok(rows) = net.ask(1, Request::Show { what: Table::Mns }) else { panic!("rows") };
    assert_eq!(rows[0]["state"], "Attached");
}

#[test]
fn counters_are_rows_by_name() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    let what = Table::Counters;
    let Response::Ok(rows) = net.ask(0, Request::Show { what }) else { panic!("rows") };
    let rows = rows.as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted());
    for name in ["rs_received", "rs_sllao_mismatch", "mh_received", "icmp_limited_no_route"] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(rows.iter().all(|row| row["value"].is_u64()));
}

#[test]
fn a_planned_stop_says_goodbye_to_the_aaa() {
    let mut net = Net::one("a1", &["a1", "a2"]);
    net.handle(0, Input::Stop);
    net.run(100 * MS);
    assert_eq!(net.aaa.dprs, 1);
    assert!(net.nodes[0].stopped);
}

#[test]
fn a_planned_stop_does_not_wait_for_an_aaa_that_is_not_there() {
    let mut net = Net::cold(vec![config("a1", &["a1", "a2"])], &["a1"]);
    net.aaa_listens = false;
    net.run(SECOND);
    net.handle(0, Input::Stop);
    net.run(1900 * MS);
    assert!(net.nodes[0].stopped, "FC-52: within 2 s");
}
