// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Configurations: the shipped example loads; what is wrong is named with file, line, key and the mend.

use aaad::config::{Client, Config, StoreConfig, Subscribers};
use aaad::store::embedded::Limits;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/aaad.yaml");

fn good() -> String {
    std::fs::read_to_string(EXAMPLE).unwrap()
}

/// The problems of a text as `LINE: TEXT`.
fn problems(text: &str) -> Vec<String> {
    let list = Config::parse(text.as_bytes()).expect_err(text);
    list.into_iter().map(|problem| format!("{}: {}", problem.line, problem.text)).collect()
}

#[test]
fn the_example_loads() {
    let config = Config::load(Path::new(EXAMPLE)).unwrap();
    assert_eq!(config.identity.host, "aaa.example.org");
    assert_eq!(config.listen, ["[2001:db8:ff::aaaa]:3868".parse().unwrap()]);
    assert_eq!(config.clients, [Client::Below(".example.org".into())]);
    assert_eq!(config.subscribers, Subscribers::Realm);
    let path = "/var/lib/romip/aaad".into();
    assert_eq!(config.store, StoreConfig::Directory { path, limits: Limits::default() });
    assert_eq!((config.session_timeout, config.watchdog), (86_400, Duration::from_secs(30)));
}

#[test]
fn every_commented_default_of_the_example_is_a_good_key_with_that_value() {
    let text = good().replace("accept: realm", "# accept: realm");
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if rest.starts_with("  - ")
                    || rest.split(':').next().is_some_and(|k| !k.contains(' '))
                        && !rest.starts_with("accept") =>
            {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let config = Config::parse(uncommented.as_bytes()).unwrap();
    assert_eq!(config.subscribers, Subscribers::Listed(["usera@example.org".to_owned()].into()));
    assert_eq!((config.session_timeout, config.watchdog), (86_400, Duration::from_secs(30)));
    assert_eq!(config.log, log::LevelFilter::Info);
}

#[test]
fn all_problems_are_named_in_one_run() {
    let text = "host: aaa\nrealm: example.org\nlistn:\n  - 1\nlisten: [\"[::1]\"]\nclients: [\"*.example.org\"]\naccept: all\nwatchdog: 5\nstore: memory\n";
    let found = problems(text);
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found[0].starts_with("1: host: `aaa` is no full domain name"), "{}", found[0]);
    assert!(found[1].starts_with("3: unknown key `listn`; write `listen`"), "{}", found[1]);
    assert!(found[2].starts_with("5: listen: `[::1]` is no address and port"), "{}", found[2]);
    assert!(found[3].starts_with("7: accept: `all` means nothing"), "{}", found[3]);
    assert!(
        found[4].starts_with("8: watchdog: `5` is no number of seconds from 6"),
        "{}",
        found[4]
    );
}

#[test]
fn duplicates_after_parsing_are_refused_naming_both_lines() {
    let text = good() + "\n";
    let text = text.replace(
        "  - \"[2001:db8:ff::aaaa]:3868\"",
        "  - \"[2001:db8:ff::aaaa]:3868\"\n  - \"[2001:0DB8:ff:0::AAAA]:3868\"",
    );
    let found = problems(&text);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("stands in line") && found[0].contains("already"), "{}", found[0]);
}

#[test]
fn text_stays_the_text_that_stands_there() {
    let text = good().replace("realm: example.org", "realm: no");
    assert_eq!(Config::parse(text.as_bytes()).unwrap().identity.realm, "no");
    let text = good().replace("accept: realm", "subscribers: [12e45678, 0123, usera@EXAMPLE.org]");
    let listed = ["0123", "12e45678", "usera@example.org"].map(str::to_owned);
    assert_eq!(
        Config::parse(text.as_bytes()).unwrap().subscribers,
        Subscribers::Listed(listed.into())
    );
}

#[test]
fn corners_of_yaml_load_or_are_named() {
    let crlf = format!("\u{feff}{}", good().replace('\n', "\r\n"));
    assert!(Config::parse(crlf.as_bytes()).is_ok());
    assert_eq!(
        problems("# nothing\n\n"),
        ["0: no configuration in it; start from config/aaad.yaml"]
    );
    assert!(problems(&good().replace("  - \"*", "\t- \"*"))[0].contains("tab"));
    assert!(
        problems(&(good() + "\nhost: bbb.example.org\n"))[0]
            .ends_with("host: stands twice; remove one")
    );
    assert_eq!(problems("just text\n"), ["1: no `key: value` pairs; start from config/aaad.yaml"]);
    assert_eq!(
        problems("host: a.b\n---\nhost: a.b\n"),
        ["3: a second document starts here; keep one"]
    );
    assert!(problems("host: \"a\nrealm: b\n")[0].contains("unclosed quote; mend the YAML"));
}

#[test]
fn a_value_of_the_wrong_shape_is_named_with_its_key() {
    for (from, to, said) in [
        ("host: aaa.example.org", "host:", "host: has no value; write one, or remove the key"),
        ("host: aaa.example.org", "host: [a]", "host: takes one value, like `host: ...`"),
        (
            "  - \"*.example.org\"",
            "  - [1]",
            "clients: takes a list of texts, one `- \"...\"` a line",
        ),
        ("accept: realm", "accept: {a: b}", "accept: takes one value, like `accept: ...`"),
    ] {
        let line = 1 + good().lines().position(|line| line == from).unwrap();
        assert_eq!(problems(&good().replace(from, to)), [format!("{line}: {said}")]);
    }
}

#[test]
fn the_store_is_memory_a_directory_or_a_named_problem() {
    const EXAMPLES: &str = "store: {path: /var/lib/romip/aaad}";
    let with = |line: &str| good().replace(EXAMPLES, line);
    assert_eq!(
        problems(&with("")),
        ["0: `store` is missing; add for example `store: {path: /var/lib/romip/aaad}`"]
    );
    let small = Config::parse(with("store: {path: /a, journal: 1}").as_bytes()).unwrap().store;
    let limits = Limits { journal: 1024 * 1024, ..Limits::default() };
    assert_eq!(small, StoreConfig::Directory { path: "/a".into(), limits });
    assert_eq!(Config::parse(with("store: memory").as_bytes()).unwrap().store, StoreConfig::Memory);
    let line = 1 + good().lines().position(|line| line == EXAMPLES).unwrap();
    let mend = "write `store: {path: /var/lib/romip/aaad}`, `store: {postgres: \"host=db.example.org\"}`, or `store: memory` for trials";
    let shape = "store: takes `{path: DIR}`, `{postgres: \"...\"}` or the word `memory`";
    for (text, said) in [
        ("store: disk", format!("store: `disk` means nothing; {mend}")),
        ("store: {}", format!("store: has neither `path` nor `postgres`; {mend}")),
        ("store: {path: a/b}", "store: path `a/b` is not absolute; start it with a slash".into()),
        ("store: {path: /a, size: 3}", format!("store: unknown key `size`; {mend}")),
        (
            "store: {path: /a, journal: 0}",
            "store: journal `0` is no number of MiB from 1 to 4096".into(),
        ),
        ("store: [memory]", shape.into()),
        ("store: {path: [a]}", shape.into()),
        ("store: 5", shape.into()),
    ] {
        assert_eq!(problems(&with(text)), [format!("{line}: {said}")], "{text}");
    }
    assert_eq!(problems(&with("store:")).len(), 1);
}

fn aaad(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aaad"))
        .args(["--check", "--config"])
        .arg(file)
        .output()
        .unwrap()
}

#[test]
fn the_program_checks_a_file_and_exits_2_with_file_line_key_and_mend() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("aaad.yaml");
    std::fs::write(&file, good().replace("clients:", "client:")).unwrap();
    let output = aaad(&file);
    assert_eq!(output.status.code(), Some(2));
    let line = 1 + good().lines().position(|line| line == "clients:").unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains(&format!("{}:{line}: unknown key `client`; write `clients`", file.display())),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "what was meant is not missing as well: {text}");
    assert_eq!(aaad(directory.path()).status.code(), Some(2));
    assert_eq!(aaad(&directory.path().join("none")).status.code(), Some(2));
    assert_eq!(aaad(Path::new(EXAMPLE)).status.code(), Some(0));
}
