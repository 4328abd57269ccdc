// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The YAML file as text with places: the only file that knows the YAML library. Values stay the text that stands there;
//! what they mean is `mod.rs`'s business. Unknown keys are collected, so that one run names them all.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::{Error, Spanned};
use std::fmt;

/// A value and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    pub line: u64,
    pub value: T,
}

impl<T> From<Spanned<T>> for Placed<T> {
    fn from(spanned: Spanned<T>) -> Placed<T> {
        Placed { line: spanned.referenced.line(), value: spanned.value }
    }
}

/// What stands in the file.
#[derive(Debug, Default)]
pub struct Raw {
    pub host: Option<Placed<String>>,
    pub realm: Option<Placed<String>>,
    pub listen: Option<Vec<Placed<String>>>,
    pub listen_tls: Option<Vec<Placed<String>>>,
    pub certificate: Option<Placed<String>>,
    pub key: Option<Placed<String>>,
    pub ca: Option<Placed<String>>,
    pub clients: Option<Vec<Placed<String>>>,
    pub accept: Option<Placed<String>>,
    pub subscribers: Option<Vec<Placed<String>>>,
    pub subscribers_file: Option<Placed<String>>,
    pub store: Option<Placed<RawStore>>,
    pub session_timeout: Option<Placed<String>>,
    pub watchdog: Option<Placed<String>>,
    pub rate: Option<Placed<String>>,
    pub log: Option<Placed<String>>,
    /// Keys that mean nothing.
    pub unknown: Vec<Placed<String>>,
}

/// The value of `store`.
#[derive(Debug)]
pub enum RawStore {
    /// One word.
    Word(String),
    /// Keys and values.
    Map(Vec<(Placed<String>, Placed<String>)>),
}

/// The keys in their order in the example.
pub const KEYS: &[&str] = &[
    "host",
    "realm",
    "listen",
    "listen_tls",
    "certificate",
    "key",
    "ca",
    "clients",
    "accept",
    "subscribers",
    "subscribers_file",
    "store",
    "session_timeout",
    "watchdog",
    "rate",
    "log",
];

/// Those that take a list.
const LISTS: &[&str] = &["listen", "listen_tls", "clients", "subscribers"];

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_map(RawVisitor)
    }
}

impl<'de> Deserialize<'de> for RawStore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawStore, D::Error> {
        deserializer.deserialize_any(RawStoreVisitor)
    }
}

struct RawStoreVisitor;

impl<'de> Visitor<'de> for RawStoreVisitor {
    type Value = RawStore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, or keys and values")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<RawStore, E> {
        Ok(RawStore::Word(word.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawStore, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push((key.into(), text(&mut map)?));
        }
        Ok(RawStore::Map(entries))
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keys of aaad's configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut raw = Raw::default();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            match key.value.as_str() {
                "host" => raw.host = Some(text(&mut map)?),
                "realm" => raw.realm = Some(text(&mut map)?),
                "listen" => raw.listen = Some(list(&mut map)?),
                "listen_tls" => raw.listen_tls = Some(list(&mut map)?),
                "certificate" => raw.certificate = Some(text(&mut map)?),
                "key" => raw.key = Some(text(&mut map)?),
                "ca" => raw.ca = Some(text(&mut map)?),
                "clients" => raw.clients = Some(list(&mut map)?),
                "accept" => raw.accept = Some(text(&mut map)?),
                "subscribers" => raw.subscribers = Some(list(&mut map)?),
                "subscribers_file" => raw.subscribers_file = Some(text(&mut map)?),
                "store" => raw.store = Some(map.next_value::<Spanned<RawStore>>()?.into()),
                "session_timeout" => raw.session_timeout = Some(text(&mut map)?),
                "watchdog" => raw.watchdog = Some(text(&mut map)?),
                "rate" => raw.rate = Some(text(&mut map)?),
                "log" => raw.log = Some(text(&mut map)?),
                _ => {
                    raw.unknown.push(key.into());
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(raw)
    }
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Placed<String>, A::Error> {
    map.next_value::<Spanned<String>>().map(Placed::from)
}

fn list<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<Placed<String>>, A::Error> {
    Ok(map.next_value::<Vec<Spanned<String>>>()?.into_iter().map(Placed::from).collect())
}

/// Reads the text of a file; an error has the line, if there is one, the key and the mend.
pub fn parse(text: &str) -> Result<Raw, Placed<String>> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |place| place.line());
        Placed { line, value: explain(&error, key_at(text, line)) }
    })
}

/// The top-level key whose value holds this line.
fn key_at(text: &str, line: u64) -> Option<&'static str> {
    let known = |line: &str| {
        KEYS.iter().find(|key| line.strip_prefix(**key).is_some_and(|rest| rest.starts_with(':')))
    };
    text.lines().take(line as usize).filter_map(known).last().copied()
}

fn explain(error: &Error, key: Option<&'static str>) -> String {
    let shape = match key {
        Some(key) if LISTS.contains(&key) => {
            format!("{key}: takes a list of texts, one `- \"...\"` a line")
        }
        Some("store") => {
            "store: takes `{path: DIR}`, `{postgres: \"...\"}` or the word `memory`".to_owned()
        }
        Some(key) => format!("{key}: takes one value, like `{key}: ...`"),
        None => "no `key: value` pairs; start from config/aaad.yaml".to_owned(),
    };
    match (error.without_snippet(), key) {
        (Error::NullIntoString { .. }, Some(key)) => {
            format!("{key}: has no value; write one, or remove the key")
        }
        (Error::Unexpected { .. } | Error::SerdeInvalidType { .. }, Some(_)) => shape,
        (Error::Unexpected { .. } | Error::NullIntoString { .. }, None) => shape,
        (Error::MultipleDocuments { .. }, _) => {
            "a second document starts here; keep one".to_owned()
        }
        (Error::DuplicateMappingKey { key: Some(key), .. }, _) => {
            format!("{}: stands twice; remove one", key.escape_debug())
        }
        (other, _) => {
            let said = other.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            format!("{said}; mend the YAML here or just above")
        }
    }
}
