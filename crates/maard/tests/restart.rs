// SPDX-License-Identifier: Apache-2.0 OR MIT
//! R-43 with a real `maard` that is killed by SIGKILL, with the record it wrote and without one.

mod common;

use common::{Daemon, Net, aaad, ask, config, until};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const ATTACH: &str = r#"{"do":"attach","mac":"02:00:00:00:00:0a"}"#;

fn first_mn(control: &Path) -> Value {
    let rows = ask(control, r#"{"do":"show","what":"mns"}"#).expect("maard answers");
    rows["ok"][0].clone()
}

fn attached(control: &Path) -> Value {
    ask(control, ATTACH).expect("maard answers");
    until("the MN is attached", Duration::from_secs(60), || {
        Some(first_mn(control)).filter(|row| row["state"] == "Attached")
    })
}

/// The MN's row before the kill and after the next start.
fn killed(test: &str, state: bool) -> (Value, Value, Value) {
    let mut net = Net::new(test);
    let router = net.namespace("r");
    let _aaad = aaad(&net, &router);
    let control = net.dir.path().join("maard.sock");
    let mut text = config(&net.name(""), &control);
    if state {
        text += &format!("state: {}\n", net.dir.path().join("state").display());
    }
    let file = net.file("maard.yaml", &text);
    let maard = Daemon::maard(&net, &router, &file, &control);
    let before = attached(&control);
    let (status, _) = maard.terminate("-KILL");
    assert_eq!(status.code(), None, "a signal ended it");
    let maard = Daemon::maard(&net, &router, &file, &control);
    let after = first_mn(&control);
    let again = attached(&control);
    drop(maard);
    (before, after, again)
}

#[test]
fn who_was_served_is_known_after_a_kill_and_attaches_with_the_same_address() {
    let (before, after, again) = killed("k", true);
    assert_eq!(after["state"], "Detached", "{after}");
    for key in ["mn_id", "mac", "hoa", "lease", "attach_time_us"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!(again["hoa"], before["hoa"]);
}

#[test]
fn without_a_record_nobody_is_known_and_the_next_start_works_all_the_same() {
    let (before, after, again) = killed("n", false);
    assert_eq!(after, Value::Null);
    assert_eq!(again["hoa"], before["hoa"], "the MAC names the lease");
}
