// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key `store`: where the rows are kept.

use super::StoreConfig;
use super::check::Checker;
use super::file::{Placed, RawStore};
use crate::store::embedded::Limits;
use crate::store::postgres;
use std::ops::RangeInclusive;
use std::path::PathBuf;

const MEND: &str = "write `store: {path: /var/lib/romip/aaad}`, `store: {postgres: \"host=db.example.org\"}`, or `store: memory` for trials";
const MIB: u64 = 1024 * 1024;

impl Checker {
    /// A store that forgets is a choice, so there is no default.
    pub(super) fn store(&mut self, value: Option<Placed<RawStore>>) -> StoreConfig {
        let Some(Placed { line, value }) = value else {
            self.missing("store", "store: {path: /var/lib/romip/aaad}");
            return StoreConfig::Memory;
        };
        match value {
            RawStore::Word(word) => {
                if word != "memory" {
                    let word = word.escape_debug();
                    self.problem(line, format!("store: `{word}` means nothing; {MEND}"));
                }
                StoreConfig::Memory
            }
            RawStore::Map(entries) => self.kept(line, entries),
        }
    }

    /// On one machine by `path`, on several by `postgres`.
    fn kept(&mut self, line: u64, entries: Vec<(Placed<String>, Placed<String>)>) -> StoreConfig {
        let (mut path, mut limits, mut postgres, mut shards) =
            (None, Limits::default(), None, postgres::SHARDS);
        let on_several = entries.iter().any(|(key, _)| key.value == "postgres");
        for (key, value) in entries {
            match key.value.as_str() {
                "path" => {
                    if !value.value.starts_with('/') {
                        let text = value.value.escape_debug();
                        self.problem(
                            value.line,
                            format!("store: path `{text}` is not absolute; start it with a slash"),
                        );
                    }
                    path = Some(PathBuf::from(value.value));
                }
                "journal" if !on_several => {
                    if let Some(mib) = self.within("journal", "MiB", &value, 1..=4096) {
                        limits.journal = mib * MIB;
                    }
                }
                "postgres" => {
                    if let Err(error) = value.value.parse::<::postgres::Config>() {
                        let error = postgres::full(&error);
                        self.problem(
                            value.line,
                            format!("store: postgres is no connection string ({error}); write it like \"host=db.example.org dbname=aaad user=aaad\""),
                        );
                    }
                    postgres = Some(value.value);
                }
                "shards" if on_several => {
                    if let Some(number) = self.within("shards", "connections", &value, 1..=64) {
                        shards = number as usize;
                    }
                }
                other => {
                    let other = other.escape_debug();
                    self.problem(key.line, format!("store: unknown key `{other}`; {MEND}"));
                }
            }
        }
        match (path, postgres) {
            (Some(path), None) => StoreConfig::Directory { path, limits },
            (None, Some(url)) => StoreConfig::Postgres { url, shards },
            (Some(_), Some(_)) => {
                self.problem(line, "store: has `path` and `postgres`; keep one of them".into());
                StoreConfig::Memory
            }
            (None, None) => {
                self.problem(line, format!("store: has neither `path` nor `postgres`; {MEND}"));
                StoreConfig::Memory
            }
        }
    }

    fn within(
        &mut self,
        key: &str,
        unit: &str,
        value: &Placed<String>,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let number = value.value.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (text, least, most) = (value.value.escape_debug(), range.start(), range.end());
            self.problem(
                value.line,
                format!("store: {key} `{text}` is no number of {unit} from {least} to {most}"),
            );
        }
        number
    }
}
