// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Faults of configuration files as a table: what is changed in the shipped example, and what must be said.

use super::Config;
use std::path::Path;

const EXAMPLE: &str = include_str!("../../../../config/maard.yaml");
const CPUS: &[usize] = &[0, 1];

fn load(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("m.yaml"), text, CPUS).map_err(|refused| refused.to_string())
}

/// The example with `from` replaced by `to`, and the number of the line where `from` begins.
fn edited(from: &str, to: &str) -> (String, usize) {
    let at = EXAMPLE.find(from).unwrap_or_else(|| panic!("the example has no {from:?}"));
    (EXAMPLE.replacen(from, to, 1), EXAMPLE[..at].matches('\n').count() + 1)
}

/// name; what is replaced; by what; lines below the edit where the fault lies; key; parts of the sentence.
type Case =
    (&'static str, &'static str, &'static str, usize, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("an unknown key, a slip",
        "pool: 2001", "poool: 2001", 0, "poool", &["unknown key", "did you mean `pool`?"]),
    ("an unknown key of a port",
        "    role: access", "    rolle: access", 0, "ports[0].rolle", &["did you mean `role`?"]),
    ("an unknown key, nothing near",
        "name: a_maar1", "name: a_maar1\nvelocity: 1", 1, "velocity", &["unknown key; known here: name, address"]),
    ("a slip in the key the other parts lean on",
        "\nports:", "\nportz:", 1, "portz", &["did you mean `ports`?"]),
    ("a key given twice",
        "name: a_maar1", "name: a_maar1\nname: b", 1, "name", &["given twice", "delete one"]),
    ("a device named twice",
        "net_tap1,iface=core0", "net_tap0,iface=core0", 0, "ports[1].device", &["given twice", "ports[0].device (line"]),
    ("an interface taken twice",
        "net_tap1,iface=core0", "net_tap1,iface=acc0", 0, "ports[1].device", &["given twice"]),
    ("a pool with host bits set",
        "pool: 2001:db8:a1::/48", "pool: 2001:db8:a1::1/48", 0, "pool", &["host bits set", "did you mean 2001:db8:a1::/48?"]),
    ("an anchor with host bits set",
        "  - prefix: 2001:db8:b1::/48\n    maar", "  - prefix: 2001:db8:b1:1::/32\n    maar", 0, "anchors[1].prefix", &["host bits set", "2001:db8::/32"]),
    ("a route with host bits set",
        "  - prefix: 2001:db8:b1::/48\n    via", "  - prefix: 2001:db8:b1::1/48\n    via", 0, "routes[1].prefix", &["host bits set"]),
    ("a next hop given twice",
        "via: 2001:db8:ff::a2", "via: [2001:db8:ff::a2, 2001:db8:FF:0::a2]", 0, "routes[0].via[1]", &["2001:db8:ff::a2 is given twice"]),
    ("a route without next hops",
        "via: 2001:db8:ff::a2", "via: []", 0, "routes[0].via", &["0 next hops; give 1 to 16"]),
    ("a route with a next hop that is none",
        "via: 2001:db8:ff::a2", "via: [2001:db8:ff::a2, nowhere]", 0, "routes[0].via[1]", &["`nowhere` is not"]),
    ("anchors that overlap",
        "  - prefix: 2001:db8:b1::/48\n    maar", "  - prefix: 2001:db8:a2:1::/64\n    maar", 0, "anchors[1].prefix", &["overlaps anchors[0].prefix (line"]),
    ("a pool on the core link",
        "pool: 2001:db8:a1::/48", "pool: 2001:db8:ff::/48", 0, "pool", &["overlaps the core link ports[1].link (line"]),
    ("a pool too small",
        "pool: 2001:db8:a1::/48", "pool: 2001:db8:a1::/57", 0, "pool", &["give /32 to /56"]),
    ("a pool too large",
        "pool: 2001:db8:a1::/48", "pool: 2000::/31", 0, "pool", &["give /32 to /56"]),
    ("a server without port",
        "\"[2001:db8:ff::aaaa]:3868\"", "2001:db8:ff::aaaa", 0, "aaa.server", &["is not an address and a port"]),
    ("a MAC a tool read in base 60",
        "\"02:00:00:00:00:0a\"", "1555200010", 0, "mobile_nodes[0].mac", &["base 60", "quoted"]),
    ("a MAC of a group",
        "\"02:00:00:00:00:0a\"", "\"33:33:00:00:00:01\"", 0, "mobile_nodes[0].mac", &["not a station's MAC"]),
    ("a MAC given twice",
        "    mn_id: usera@example.org", "    mn_id: usera@example.org\n  - mac: 02-00-00-00-00-0A\n    mn_id: b@example.org", 1, "mobile_nodes[1].mac", &["given twice", "mobile_nodes[0].mac (line"]),
    ("a peer given twice, written differently",
        "    auth: none", "    auth: none\n  - address: 2001:0DB8:ff:0::B1\n    auth: none", 1, "peers[2].address", &["given twice", "peers[1].address (line"]),
    ("a key that is no hexadecimal",
        "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"", "0x0102", 0, "peers[0].auth[0].key", &["hexadecimal", "quote it"]),
    ("a key too short",
        "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"", "\"0001\"", 0, "peers[0].auth[0].key", &["has 2 octets; give 16 to 64"]),
    ("an SPI too small",
        "spi: 256", "spi: 255", 0, "peers[0].auth[0].spi", &["`255` is not an SPI"]),
    ("an unknown auth",
        "    auth: none", "    auth: nnoe", 0, "peers[1].auth", &["`none` or a list of keys"]),
    ("the own address as peer",
        "    auth: none", "    auth: none\n  - address: 2001:db8:ff::a1\n    auth: none", 1, "peers[2].address", &["own address"]),
    ("a peer nothing leads to",
        "    auth: none", "    auth: none\n  - address: 2001:db8:fe::b1\n    auth: none", 1, "peers[2].address", &["no core link or route leads to 2001:db8:fe::b1"]),
    ("an address in no core link",
        "address: 2001:db8:ff::a1", "address: 2001:db8:fe::a1", 0, "address", &["in no core link (2001:db8:ff::/64)"]),
    ("an address of one link only",
        "address: 2001:db8:ff::a1", "address: fe80::1", 0, "address", &["global IPv6 address"]),
    ("an unknown role",
        "role: access", "role: acces", 0, "ports[0].role", &["`access` or `core`"]),
    ("a link on an access port",
        "role: access", "role: access\n    link: 2001:db8:fe::/64", 1, "ports[0].link", &["belongs to core ports"]),
    ("an MTU below IPv6's least",
        "    # mtu: 1500", "    mtu: 1279", 0, "ports[0].mtu", &["1280 to 9600"]),
    ("a CPU that is not allowed",
        "workers: [1]", "workers: [7]", 0, "cores.workers[0]", &["CPU 7", "[0, 1]"]),
    ("a slow path CPU that is not allowed",
        "slowpath: 0", "slowpath: 2", 0, "cores.slowpath", &["CPU 2", "[0, 1]"]),
    ("no worker",
        "workers: [1]", "workers: []", 0, "cores.workers", &["0 workers; there may be 1 to 32"]),
    ("a text for a number",
        "memory: 256", "memory: 256M", 0, "eal.memory", &["`256M` is not a number of MiB"]),
    ("yes for true",
        "hugepages: false", "hugepages: yes", 0, "eal.hugepages", &["`true` or `false`"]),
    ("a list for a text",
        "name: a_maar1", "name: [a]", 0, "name", &["takes a single value"]),
    ("a text for a list",
        "# rdnss: []", "rdnss: 2001:db8::53", 0, "rdnss", &["takes a list"]),
    ("a name with a slash",
        "name: a_maar1", "name: a/b", 0, "name", &["letters, digits"]),
    ("control characters",
        "name: a_maar1", "name: \"a\\nERROR x\"", 0, "name", &["`a\\nERROR x`"]),
    ("a tab",
        "  memory: 256", "	memory: 256", 0, "", &["tab", "indent with spaces"]),
];

#[test]
fn each_fault_is_told_once_with_file_line_key_and_mend() {
    for (name, from, to, below, key, parts) in CASES {
        let (text, line) = edited(from, to);
        let told = load(&text).expect_err(name);
        let colon = if key.is_empty() { "" } else { ": " };
        let start = format!("m.yaml:{}{colon}{key}: ", line + below);
        assert!(
            told.starts_with(&start),
            "{name}: told {told:?}, expected it to start with {start:?}"
        );
        assert_eq!(told.lines().count(), 1, "{name}: {told}");
        for part in *parts {
            assert!(told.contains(part), "{name}: told {told:?}, expected {part:?}");
        }
    }
}

/// Faults whose line is not the edited one, or which are two.
#[test]
fn faults_that_show_elsewhere_name_the_place_where_they_show() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("poll: busy", "poll: busy\npoool: 1", &["poool: unknown key"]),
        (
            "pool: 2001:db8:a1::/48",
            "pool: 2001:db8:a2::/56",
            &["anchors[0].prefix: 2001:db8:a2::/48 overlaps the own pool (line"],
        ),
        (
            "    maar: 2001:db8:ff::b1",
            "    maar: 2001:db8:ff::b9",
            &["anchors[1].prefix: its MAAR 2001:db8:ff::b9 is no peer"],
        ),
        (
            "via: 2001:db8:ff::a2",
            "via: 2001:db8:fe::a2",
            &["routes[0].prefix: its next hop 2001:db8:fe::a2 is on no core link"],
        ),
        (
            "role: access",
            "role: core\n    link: 2001:db8:fe::/64",
            &["ports: no port has role `access`"],
        ),
        (
            "aaa:\n",
            "accounting:\n",
            &[
                "aaa: is missing; no AAA is configured: give aaa.server",
                "accounting: unknown key; known here",
            ],
        ),
        (
            "  server: \"[2001:db8:ff::aaaa]:3868\"\n",
            "",
            &["aaa.server: is missing; give the AAA's address and port"],
        ),
    ];
    for (from, to, parts) in cases {
        let (text, _) = edited(from, to);
        let told = load(&text).expect_err(to);
        assert_eq!(told.lines().count(), parts.len(), "{to:?}: {told}");
        for part in *parts {
            assert!(told.contains(part), "{to:?}: told {told:?}, expected {part:?}");
        }
    }
}

#[test]
fn all_faults_of_a_file_are_told_at_once_in_the_order_of_its_lines() {
    let text = EXAMPLE
        .replace("pool: 2001:db8:a1::/48", "pool: 2001:db8:a1::1/48")
        .replace("net_tap1,", "net_tap0,")
        .replace("spi: 256", "spi: 1")
        .replace("mn_id: usera@example.org", "mnid: usera@example.org");
    let told = load(&text).expect_err("four faults");
    let keys = ["pool", "ports[1].device", "peers[0].auth[0].spi", "mobile_nodes[0].mnid"];
    let mut lines = told.lines();
    for key in keys {
        let line = lines.next().unwrap_or_else(|| panic!("{key} is told: {told}"));
        assert!(line.contains(&format!(": {key}")), "{line}");
    }
}

#[test]
fn the_example_loads_also_with_byte_order_mark_and_crlf() {
    let config = load(EXAMPLE).expect("the example is right");
    assert_eq!((config.ports.len(), config.peers.len(), config.anchors.len()), (2, 2, 2));
    assert_eq!(config.control.value, Path::new("/run/romip/a_maar1.sock"));
    load(&format!("\u{feff}{}", EXAMPLE.replace('\n', "\r\n"))).expect("BOM and CRLF");
}

#[test]
fn numeric_looking_keys_are_taken_as_the_text_that_stands_there() {
    let quoted = "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"";
    for (text, first) in [
        ("12345678901234567890123456789012", 0x12),
        ("12e45678901234567890123456789012", 0x12),
        ("00010203040506070809101112131415", 0x00),
    ] {
        let config = load(&EXAMPLE.replace(quoted, text)).expect(text);
        let secret = &config.peers[0].keys[0].secret;
        assert_eq!((secret.len(), secret[0]), (16, first), "{text}");
    }
    let config = load(&EXAMPLE.replace("realm: example.org", "realm: no")).expect("a realm");
    assert_eq!(config.aaa.realm, "no");
    let config =
        load(&EXAMPLE.replace("\"02:00:00:00:00:0a\"", "02:00:00:00:00:10")).expect("a MAC");
    assert_eq!(config.mobile_nodes[0].value.0.to_string(), "02:00:00:00:00:10");
}

#[test]
fn a_file_without_content_is_told_in_one_line() {
    for text in ["", "\n", "# nothing\n", "---\n", "\u{feff}"] {
        let told = load(text).expect_err("nothing there");
        assert!(told.starts_with("m.yaml: no configuration in this file"), "{told}");
    }
    let told = load("just text\n").expect_err("no mapping");
    assert!(told.starts_with("m.yaml:1: takes a mapping of name, address"), "{told}");
}

#[test]
fn a_directory_and_a_file_that_is_not_there_are_told_in_one_line() {
    let told = |path: &str| {
        let refused = Config::load(Path::new(path), CPUS).expect_err(path);
        refused.to_string()
    };
    assert_eq!(told("/"), "/: is a directory; name a file");
    assert!(told("/nowhere/m.yaml").starts_with("/nowhere/m.yaml: cannot be read: "));
}

#[test]
fn a_control_path_longer_than_a_unix_socket_takes_is_refused() {
    let path = format!("/run/{}", "x".repeat(103));
    let told = load(&format!("{EXAMPLE}\ncontrol: {path}\n")).expect_err("108 octets");
    assert!(
        told.contains("control: has 108 octets; a Unix socket's path has 107 at most"),
        "{told}"
    );
    load(&format!("{EXAMPLE}\ncontrol: {}\n", &path[..107])).expect("107 octets");
}

/// The YAML library's own limits end at about 50,000.
#[test]
fn a_file_of_two_hundred_thousand_routes_is_read() {
    let routes: String = (0..200_000)
        .map(|n| {
            let (high, low) = (0xdc0 + (n >> 16), n & 0xffff);
            format!("  - {{prefix: '2001:{high:x}:{low:x}::/48', via: '2001:db8:ff::a2'}}\n")
        })
        .collect();
    let (text, _) = edited("\nroutes:\n", &format!("\nroutes:\n{routes}"));
    assert_eq!(load(&text).expect("it is right").routes.len(), 200_002);
}
