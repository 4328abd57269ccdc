// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From text to values. All problems are collected before anything is refused.

use super::file::{KEYS, Placed, Raw};
use super::{Client, Config, Problem};
use diameter::nasreq::Identity;
use std::net::SocketAddr;
use std::time::Duration;

const SESSION_TIMEOUT: u32 = 86_400;
const WATCHDOG: u32 = 30;

#[derive(Default)]
pub(super) struct Checker {
    problems: Vec<Problem>,
    /// Keys that an unknown one was perhaps meant to be: not missing as well.
    meant: Vec<&'static str>,
}

/// Turns what stands in the file into a configuration, or says all that is wrong with it.
pub fn check(raw: Raw) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker::default();
    for key in &raw.unknown {
        checker.unknown(key);
    }
    let host = checker.identity("host", raw.host.as_ref());
    let realm = checker.identity("realm", raw.realm.as_ref());
    let tls = checker.tls(raw.listen_tls, raw.certificate, raw.key, raw.ca);
    let listen = checker.listen("listen", raw.listen, tls.is_none());
    let clients = checker.clients(raw.clients);
    let subscribers = checker.subscribers(raw.accept, raw.subscribers, raw.subscribers_file);
    let store = checker.store(raw.store);
    let session_timeout =
        checker.number("session_timeout", raw.session_timeout, SESSION_TIMEOUT, 60..=u32::MAX);
    let watchdog = checker.number("watchdog", raw.watchdog, WATCHDOG, 6..=86_400);
    let rate = checker.rate(raw.rate);
    let log = checker.log(raw.log);
    if !checker.problems.is_empty() {
        checker.problems.sort_by_key(|problem| problem.line);
        return Err(checker.problems);
    }
    Ok(Config {
        identity: Identity { host, realm },
        listen,
        tls,
        clients,
        subscribers,
        store,
        session_timeout,
        watchdog: Duration::from_secs(watchdog.into()),
        rate,
        log,
    })
}

impl Checker {
    pub(super) fn problem(&mut self, line: u64, text: String) {
        self.problems.push(Problem { line, text });
    }

    fn unknown(&mut self, key: &Placed<String>) {
        let name = key.value.escape_debug();
        let mend = match KEYS.iter().find(|known| close(known, &key.value)) {
            Some(known) => {
                self.meant.push(known);
                format!("write `{known}` if that is meant")
            }
            None => format!("remove it; the keys are {}", KEYS.join(", ")),
        };
        self.problem(key.line, format!("unknown key `{name}`; {mend}"));
    }

    pub(super) fn missing(&mut self, key: &str, example: &str) {
        if !self.meant.contains(&key) {
            self.problem(0, format!("`{key}` is missing; add for example `{example}`"));
        }
    }

    fn identity(&mut self, key: &str, value: Option<&Placed<String>>) -> String {
        let Some(value) = value else {
            self.missing(
                key,
                &format!("{key}: {}example.org", if key == "host" { "aaa." } else { "" }),
            );
            return String::new();
        };
        if !is_name(&value.value) || key == "host" && !value.value.contains('.') {
            let name = value.value.escape_debug();
            self.problem(
                value.line,
                format!("{key}: `{name}` is no full domain name; write one like aaa.example.org"),
            );
        }
        value.value.to_ascii_lowercase()
    }

    pub(super) fn listen(
        &mut self,
        key: &str,
        values: Option<Vec<Placed<String>>>,
        needed: bool,
    ) -> Vec<SocketAddr> {
        let mut taken: Vec<(SocketAddr, u64)> = Vec::new();
        let values = values.unwrap_or_default();
        if values.is_empty() && needed {
            self.missing("listen", "listen: [\"[::]:3868\"]");
        }
        for value in values {
            let Ok(address) = value.value.parse::<SocketAddr>() else {
                let text = value.value.escape_debug();
                self.problem(
                    value.line,
                    format!("{key}: `{text}` is no address and port; write it like \"[2001:db8::1]:3868\", in quotes"),
                );
                continue;
            };
            match taken.iter().find(|(other, _)| *other == address && address.port() != 0) {
                Some((_, line)) => {
                    let text =
                        format!("{key}: {address} stands in line {line} already; remove one");
                    self.problem(value.line, text);
                }
                None => taken.push((address, value.line)),
            }
        }
        taken.into_iter().map(|(address, _)| address).collect()
    }

    fn clients(&mut self, values: Option<Vec<Placed<String>>>) -> Vec<Client> {
        let mut taken: Vec<(Client, u64)> = Vec::new();
        let values = values.unwrap_or_default();
        if values.is_empty() {
            self.missing("clients", "clients: [\"*.example.org\"]");
        }
        for value in values {
            let name = value.value.to_ascii_lowercase();
            let client = match name.strip_prefix('*') {
                Some(domain) if domain.strip_prefix('.').is_some_and(is_name) => {
                    Client::Below(domain.to_owned())
                }
                None if is_name(&name) => Client::Host(name),
                _ => {
                    let text = value.value.escape_debug();
                    self.problem(
                        value.line,
                        format!("clients: `{text}` is no Diameter identity; write maar1.example.org or \"*.example.org\""),
                    );
                    continue;
                }
            };
            match taken.iter().find(|(other, _)| *other == client) {
                Some((_, line)) => {
                    let text = format!(
                        "clients: `{}` stands in line {line} already; remove one",
                        value.value
                    );
                    self.problem(value.line, text);
                }
                None => taken.push((client, value.line)),
            }
        }
        taken.into_iter().map(|(client, _)| client).collect()
    }

    fn number(
        &mut self,
        key: &str,
        value: Option<Placed<String>>,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        let Some(value) = value else { return default };
        match value.value.parse::<u32>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (text, least, most) = (value.value.escape_debug(), range.start(), range.end());
                self.problem(
                    value.line,
                    format!("{key}: `{text}` is no number of seconds from {least} to {most}"),
                );
                default
            }
        }
    }

    fn rate(&mut self, value: Option<Placed<String>>) -> Option<u32> {
        let value = value.filter(|value| value.value != "unlimited")?;
        let rate = value.value.parse().ok().filter(|rate| (1..=10_000_000).contains(rate));
        if rate.is_none() {
            let text = value.value.escape_debug();
            self.problem(
                value.line,
                format!("rate: `{text}` is no number of requests a second; write 1 to 10000000 or unlimited"),
            );
        }
        rate
    }

    fn log(&mut self, value: Option<Placed<String>>) -> log::LevelFilter {
        let Some(value) = value else { return log::LevelFilter::Info };
        value.value.parse().unwrap_or_else(|_| {
            let text = value.value.escape_debug();
            self.problem(
                value.line,
                format!("log: `{text}` is no level; write off, error, warn, info, debug or trace"),
            );
            log::LevelFilter::Info
        })
    }
}

/// A domain name as a DiameterIdentity has it.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 255 && name.split('.').all(label)
}

/// Same letters but for one more, one less, one other or a swapped pair.
fn close(known: &str, given: &str) -> bool {
    let (known, given) = (known.as_bytes(), given.as_bytes());
    let front = known.iter().zip(given).take_while(|(a, b)| a == b).count();
    let (k, g) = (&known[front..], &given[front..]);
    let tails = |a: usize, b: usize| k.get(a..).is_some_and(|k| g.get(b..) == Some(k));
    let swapped = k.len() >= 2 && g.len() >= 2 && k[0] == g[1] && k[1] == g[0];
    tails(1, 1) || tails(1, 0) || tails(0, 1) || swapped && tails(2, 2)
}
