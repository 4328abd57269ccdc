// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configuration: checked values, and errors that name file, line, key and the mend. Every key is commented in
//! `config/aaad.yaml`.

mod check;
mod file;
mod store;
mod subscribers;
mod tls;

use crate::store::embedded::Limits;
use diameter::nasreq::Identity;
use diameter::tls::{BadCertificates, Credentials};
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A configuration that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Own Diameter identity, in lower case.
    pub identity: Identity,
    /// Where to listen without encryption.
    pub listen: Vec<SocketAddr>,
    /// Encrypted connections.
    pub tls: Option<TlsConfig>,
    /// Who may connect.
    pub clients: Vec<Client>,
    /// Whose MNs are served.
    pub subscribers: Subscribers,
    /// Where the rows are kept.
    pub store: StoreConfig,
    /// Session-Timeout of answers, seconds.
    pub session_timeout: u32,
    /// Tw.
    pub watchdog: Duration,
    /// AARs a second of one peer; the rest is refused with 3004.
    pub rate: Option<u32>,
    /// Least level of log lines.
    pub log: log::LevelFilter,
}

/// Where to listen for TLS, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// At least one.
    pub listen: Vec<SocketAddr>,
    /// Own certificate, PEM; its name is the Diameter identity.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Whom the clients' certificates must come from, PEM.
    pub ca: PathBuf,
}

impl TlsConfig {
    /// Reads the files.
    pub fn load(&self) -> Result<Credentials, BadCertificates> {
        Credentials::load(&self.certificate, &self.key, &self.ca)
    }
}

/// Where the location table is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In memory: lost at every stop.
    Memory,
    /// Durably, in a directory of this machine.
    Directory {
        /// Absolute.
        path: PathBuf,
        /// Of memory and journal.
        limits: Limits,
    },
    /// In a PostgreSQL server, shared with other aaads.
    Postgres {
        /// libpq's connection string.
        url: String,
        /// Connections, each with its part of the MNs.
        shards: usize,
    },
}

/// Diameter identities that may connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// This one.
    Host(String),
    /// Any host below this domain; it starts with a dot.
    Below(String),
}

impl Client {
    /// Whether `host` (in lower case) is meant.
    pub fn admits(&self, host: &str) -> bool {
        match self {
            Client::Host(name) => host == name,
            Client::Below(domain) => host.len() > domain.len() && host.ends_with(domain.as_str()),
        }
    }
}

/// Which users are known; the others get 5030.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscribers {
    /// Every user of the own realm.
    Realm,
    /// These MN-IDs, realm in lower case.
    Listed(BTreeSet<String>),
}

impl Subscribers {
    /// Whether this MN-ID, realm in lower case, is known.
    pub fn know(&self, mn_id: &str, own_realm: &str) -> bool {
        match self {
            Subscribers::Realm => mn_id
                .rsplit_once('@')
                .is_some_and(|(user, realm)| !user.is_empty() && realm == own_realm),
            Subscribers::Listed(list) => list.contains(mn_id),
        }
    }
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 if it has none.
    pub line: u64,
    /// The sentence: key, what is wrong, the mend.
    pub text: String,
}

/// Everything to mend in one file; displays as a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// As it was given.
    pub file: String,
    /// At least one, in the order of their lines.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            match problem.line {
                0 => write!(f, "{end}{}: {}", self.file, problem.text)?,
                line => write!(f, "{end}{}:{line}: {}", self.file, problem.text)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Config, Problems> {
        let file = path.display().to_string();
        let octets = std::fs::read(path).map_err(|error| Problems {
            file: file.clone(),
            list: vec![Problem {
                line: 0,
                text: format!("cannot be read: {error}; give a readable file to --config"),
            }],
        })?;
        Config::parse(&octets).map_err(|list| Problems { file, list })
    }

    /// Checks the content of a file.
    pub fn parse(octets: &[u8]) -> Result<Config, Vec<Problem>> {
        let text = std::str::from_utf8(octets).map_err(|error| {
            let line =
                1 + octets[..error.valid_up_to()].iter().filter(|c| **c == b'\n').count() as u64;
            vec![Problem { line, text: "not UTF-8; save the file as UTF-8".into() }]
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Err(vec![Problem {
                line: 0,
                text: "no configuration in it; start from config/aaad.yaml".into(),
            }]);
        }
        if let Some(line) =
            text.lines().position(|line| line.trim_start_matches(' ').starts_with('\t'))
        {
            let text = "a tab indents this line; YAML takes spaces only".into();
            return Err(vec![Problem { line: line as u64 + 1, text }]);
        }
        let raw = file::parse(text)
            .map_err(|error| vec![Problem { line: error.line, text: error.value }])?;
        check::check(raw)
    }
}
