// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--load-test`: what it binds is applied by the workers, and its counters tell how far it is.

mod common;

use common::{Daemon, Net, config, counter, maard, until};
use std::time::Duration;

#[test]
fn a_load_test_fills_grows_and_then_changes_the_table_at_the_rate_it_was_given() {
    let mut net = Net::new("l");
    let namespace = net.namespace("r");
    let control = net.dir.path().join("maard.sock");
    let text = config(&net.name(""), &control)
        .replace("net_tap0,iface=acc0", "net_null0,no-rx=1")
        .replace("net_tap1,iface=core0", "net_null1,no-rx=1")
        .replace("net_tap2,iface=core1", "net_null2,no-rx=1");
    let file = net.file("maard.yaml", &text);
    let load = "mns: 3000\nbindings: 5000\ngrow_to: 9000\nupdates_per_second: 20000\n";
    let load = net.file("load.yaml", load);
    let load = load.to_str().expect("a path of text");
    let daemon = Daemon::maard_with(&net, &namespace, &file, &control, &["--load-test", load]);
    until("the table has grown", Duration::from_secs(60), || {
        (counter(&control, "load_test.stage") == 2).then_some(())
    });
    let filled = 3000 + 9000;
    assert!(counter(&control, "load_test.applied") >= filled);
    assert!(counter(&control, "load_test.grow_per_second") > 0);
    until("updates go on", Duration::from_secs(60), || {
        (counter(&control, "load_test.applied") > filled + 20_000).then_some(())
    });
    let refused = ["table_full", "update_misdirected"];
    for name in refused {
        assert_eq!(counter(&control, &format!("worker.0.info.{name}")), 0, "{name}");
    }
    let (status, said) = daemon.terminate("-TERM");
    assert!(status.success(), "{said}");
    for line in
        ["for measurements, never in service", "load test in force: 3000 leases, 5000 bindings"]
    {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
}

#[test]
fn a_load_test_that_does_not_fit_the_configuration_ends_with_status_2() {
    let net = Net::new("m");
    let file = net.file("maard.yaml", &config("m", &net.dir.path().join("m.sock")));
    let load = net.file("load.yaml", "mns: 70000\n");
    let path = |file: &std::path::Path| file.to_str().expect("a path of text").to_owned();
    let output = maard(&["--config", &path(&file), "--load-test", &path(&load), "--check"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("mns: is more than the pool's 65536 leases"), "{told}");
}
