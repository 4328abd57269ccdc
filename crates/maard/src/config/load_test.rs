// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file of `--load-test`: stations and bindings that exist only to fill the binding table, for measurements.
//! `config/load-test.yaml` shows every key.

use super::scalar::{self, PrefixText};
use super::tree::{Field, Map, Problems};
use super::{Config, Refused, is_blank, text_of, tree, yaml};
use dataplane::PortId;
use dataplane::fib::Role;
use dataplane::synthetic::Population;
use slowpath::config::Prefix;
use std::net::Ipv6Addr;
use std::path::Path;

/// Keys that come and go among the updates, at a time.
pub const CHURN: u64 = 1024;

/// What is to be bound, and changed while it runs.
#[derive(Clone, Debug)]
pub struct LoadTest {
    /// Keys, MACs and verdicts by index.
    pub population: Population,
    /// Stations.
    pub mns: u64,
    /// Bindings at first.
    pub bindings: u64,
    /// Bindings in the end.
    pub grow_to: u64,
    /// Replaces, inserts and removes a second.
    pub updates_per_second: u64,
}

const KEYS: &[&str] =
    &["seed", "mns", "ports", "bindings", "bindings_in", "updates_per_second", "grow_to"];
/// 2^32 /64s of a unique local prefix.
const BINDINGS_IN: Prefix =
    Prefix { addr: Ipv6Addr::new(0xfd00, 0xdb8, 0, 0, 0, 0, 0, 0), len: 32 };
const MOST: u64 = 16_777_216;

impl LoadTest {
    /// Reads and checks `file` against the configuration.
    ///
    /// # Errors
    /// Every problem of the file at once.
    pub fn load(file: &Path, config: &Config) -> Result<LoadTest, Refused> {
        LoadTest::parse(file, &text_of(file)?, config)
    }

    /// As [`LoadTest::load`], from the file's text.
    ///
    /// # Errors
    /// Every problem of the text at once.
    pub fn parse(file: &Path, text: &str, config: &Config) -> Result<LoadTest, Refused> {
        if is_blank(text) {
            return Err(Refused::file(file, "nothing in this file; see config/load-test.yaml"));
        }
        let refused = |problems| Refused { file: file.into(), problems };
        let root = yaml::parse(text).map_err(|problem| refused(vec![problem]))?;
        let problems = Problems::default();
        let map = Field::root(&root).map(&problems, KEYS);
        let load = map.map(|map| Reader { map, config, p: &problems }.read());
        match (load, problems.into_sorted()) {
            (Some(load), problems) if problems.is_empty() => Ok(load),
            (_, problems) => Err(refused(problems)),
        }
    }
}

struct Reader<'a> {
    map: Map<'a>,
    config: &'a Config,
    p: &'a Problems,
}

impl Reader<'_> {
    fn read(&self) -> LoadTest {
        let mns = self.number("mns", 0, MOST);
        let bindings = self.number("bindings", 0, MOST);
        let grow_to = self.number("grow_to", bindings, MOST);
        let updates_per_second = self.number("updates_per_second", 0, 100_000_000);
        let seed = self.number("seed", 1, u64::from(u32::MAX));
        let elsewhere = self.bindings_in();
        let pool = self.config.pool.value;
        let population = Population::new(
            seed,
            (pool.addr, pool.len),
            (elsewhere.addr, elsewhere.len),
            self.ports(),
            self.config.peers.len().clamp(1, 65_535) as u16,
        );
        if grow_to < bindings {
            let at = format!("is less than the {bindings} bindings it grows from");
            self.problem("grow_to", at);
        }
        if bindings.max(updates_per_second) > 0 && self.config.peers.is_empty() {
            self.problem(
                "bindings",
                "has no peer to lead to; add one to `peers` of the configuration",
            );
        }
        if pool.contains(elsewhere.addr) || elsewhere.contains(pool.addr) {
            self.problem("bindings_in", "overlaps the pool; give a prefix of its own");
        }
        if mns > population.leases.count() {
            let count = population.leases.count();
            self.problem("mns", format!("is more than the pool's {count} leases; widen the pool"));
        }
        let churn = if updates_per_second > 0 { CHURN } else { 0 };
        if grow_to + churn > population.elsewhere.count() {
            self.problem("bindings_in", "is too small for the bindings; give a shorter prefix");
        }
        let (needed, have) = (mns + grow_to.max(bindings) + churn, self.config.bindings as u64);
        if needed > have {
            let note = format!(
                "with the mns and {churn} keys that come and go makes {needed} keys and the table holds {have}; \
                 raise `bindings` of the configuration"
            );
            self.problem("bindings", note);
        }
        LoadTest { population, mns, bindings, grow_to, updates_per_second }
    }

    fn place(&self, key: &str) -> tree::Place {
        let at = |field: Field<'_>| field.at.clone();
        self.map
            .get(key)
            .map_or_else(|| tree::Place { line: self.map.at.line, key: key.to_owned() }, at)
    }

    fn problem(&self, key: &str, what: impl Into<String>) {
        self.p.add(&self.place(key), what);
    }

    fn number(&self, key: &str, default: u64, most: u64) -> u64 {
        let expected = format!("a number from 0 to {most}");
        let read = |text: &str| scalar::number(text, 0..=most);
        let field = self.map.get(key);
        field.and_then(|f| f.parse(self.p, &expected, read)).map_or(default, |at| at.value)
    }

    /// The stations' access ports: all by default.
    fn ports(&self) -> Vec<PortId> {
        let ports = &self.config.ports;
        let access = |n: usize| ports.get(n).is_some_and(|port| port.role == Role::Access);
        let Some(field) = self.map.get("ports") else {
            return (0..ports.len()).filter(|n| access(*n)).map(|n| n as PortId).collect();
        };
        let read = |text: &str| scalar::number(text, 0..=31).filter(|n| access(*n as usize));
        let items = field.list(self.p);
        let one = |f: &Field<'_>| f.parse(self.p, "the number of an access port", read);
        let given: Vec<PortId> =
            items.iter().filter_map(one).map(|at| at.value as PortId).collect();
        if items.is_empty() {
            self.p.add(&field.at, "is empty; name an access port");
        }
        given
    }

    fn bindings_in(&self) -> Prefix {
        let Some(field) = self.map.get("bindings_in") else { return BINDINGS_IN };
        let read = |text: &str| match scalar::prefix(text) {
            PrefixText::Good(prefix) if (8..=56).contains(&prefix.len) => Some(prefix),
            _ => None,
        };
        let given = field.parse(self.p, "a prefix of /8 to /56 without host bits", read);
        given.map_or(BINDINGS_IN, |at| at.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<LoadTest, String> {
        let config = include_str!("../../../../config/maard.yaml");
        let config = Config::parse(Path::new("m.yaml"), config, &[0, 1]).expect("the example");
        LoadTest::parse(Path::new("l.yaml"), text, &config).map_err(|refused| refused.to_string())
    }

    #[test]
    fn the_shipped_example_is_accepted() {
        let load = load(include_str!("../../../../config/load-test.yaml")).expect("a right file");
        assert_eq!((load.mns, load.bindings, load.grow_to), (1000, 10_000, 20_000));
        assert_eq!((load.population.peers, load.population.ports), (2, vec![0]));
    }

    #[test]
    fn each_fault_is_told_with_its_line_and_its_mend() {
        for (text, told) in [
            ("", "l.yaml: nothing in this file; see config/load-test.yaml"),
            ("bindngs: 4", "l.yaml:1: bindngs: unknown key; did you mean `bindings`?"),
            ("seed: x", "l.yaml:1: seed: `x` is not a number from 0 to 4294967295"),
            ("mns: 1\nports: [1]", "l.yaml:2: ports[0]: `1` is not the number of an access port"),
            ("mns: 65535\nbindings_in: 2001::/64", "`2001::/64` is not a prefix of /8 to /56"),
            ("bindings: 9\ngrow_to: 8", "l.yaml:2: grow_to: is less than the 9 bindings"),
            (
                "bindings: 1048577",
                "makes 1048577 keys and the table holds 1048576; raise `bindings`",
            ),
            ("bindings: 1048000\nupdates_per_second: 1", "makes 1049024 keys"),
            ("bindings_in: 2001:db8::/32", "bindings_in: overlaps the pool"),
            ("bindings: 300\nbindings_in: fd00::/56", "bindings_in: is too small"),
        ] {
            let error = load(text).expect_err(text);
            assert!(error.contains(told) && error.lines().count() == 1, "{text}: {error}");
        }
    }
}
