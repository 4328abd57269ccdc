// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `config/wireshark/romip.lua` names what is in the two captures of worked messages (PROTOCOL.md 3.4 to 3.6) as they do.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What tshark prints of a capture with our dissector, one row a frame, in the order of `fields`.
fn rows(capture: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let script = format!("lua_script:{}", root().join("config/wireshark/romip.lua").display());
    let mut tshark = Command::new("tshark");
    tshark.args(["-X", &script, "-r"]).arg(capture).args(["-Y", filter, "-T", "fields"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let out = tshark.output().expect("apt install tshark");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && !errors.contains("Lua"), "{errors}");
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn vectors(name: &str) -> PathBuf {
    root().join("crates/wire/tests/data").join(name)
}

#[test]
fn the_four_messages_have_their_names_and_addresses() {
    let fields = [
        "romip.message",
        "romip.seq",
        "romip.mn_id",
        "romip.hoa",
        "romip.cn",
        "romip.serving",
        "romip.lifetime",
        "_ws.col.Protocol",
    ];
    let rows = rows(&vectors("vectors-mh.pcap"), "romip", &fields);
    assert_eq!(rows.len(), 15);
    let (a, b) = ("2001:db8:a1:a:0:ff:fe00:a", "2001:db8:b1:b:0:ff:fe00:b");
    let (a3, b2) = ("2001:db8:ff::a3", "2001:db8:ff::b2");
    let user = "usera@example.org";
    assert_eq!(rows[0], ["sDBU", "0x1001", user, a, b, "", "92", "RoMIP"]);
    assert_eq!(rows[1], ["sDBA", "0x1001", user, a, b, b2, "92", "RoMIP"]);
    assert_eq!(rows[2], ["dDBU", "0x2001", "", a, b, a3, "600", "RoMIP"]);
    assert_eq!(rows[3], ["dDBA", "0x2001", "", a, b, "", "600", "RoMIP"]);
    assert_eq!(rows[5][5], "2001:db8:ff::b3", "the CN has moved on");
}

#[test]
fn times_and_security_are_read_where_wireshark_errs() {
    let fields = ["romip.attach_time", "romip.mesg_id", "romip.spi", "romip.mac"];
    let rows = rows(&vectors("vectors-mh.pcap"), "frame.number == 1", &fields);
    assert!(rows[0][0].contains("2026") && rows[0][0].contains("00:00:00.000000000"), "{rows:?}");
    assert!(rows[0][1].contains("2026") && rows[0][1].contains("00:00:00.25"), "{rows:?}");
    assert_eq!(rows[0][2..], ["0x00000100", "80342753ed9c37a4b3b4d3c7f14578e5"]);
}

#[test]
fn an_answer_is_matched_with_its_question_and_a_refusal_says_why() {
    let fields = ["romip.answers", "romip.answer_in", "romip.response_time", "romip.status"];
    let rows = rows(&vectors("vectors-mh.pcap"), "romip", &fields);
    assert_eq!(rows[1], ["1", "", "1000", "0"]);
    assert_eq!(rows[3], ["3", "", "1000", "0"]);
    assert_eq!(rows[7][3], "153");
}

#[test]
fn the_option_of_router_solicitations_and_advertisements_is_read() {
    let capture = vectors("vectors-nd-diameter.pcap");
    let fields = ["romip.nd", "romip.mn_id", "romip.hoa", "romip.cn", "romip.nd.assigned"];
    let rows = rows(&capture, "romip", &fields);
    let (a, b) = ("2001:db8:a1:a:0:ff:fe00:a", "2001:db8:b1:b:0:ff:fe00:b");
    assert_eq!(rows[0], ["1,2", "usera@example.org", a, b, ""]);
    assert_eq!(rows[1], ["3", "", "", "", "2001:db8:a3:a:0:ff:fe00:a"]);
    assert_eq!(rows.len(), 2);
}
