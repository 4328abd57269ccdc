// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys `accept`, `subscribers` and `subscribers_file`: whose MNs are served. One of them.

use super::Subscribers;
use super::check::Checker;
use super::file::Placed;
use diameter::nasreq::MAX_USER_NAME;
use std::collections::BTreeSet;

/// The head of a file's first column.
const HEAD: &str = "mn_id";

impl Checker {
    pub(super) fn subscribers(
        &mut self,
        accept: Option<Placed<String>>,
        listed: Option<Vec<Placed<String>>>,
        file: Option<Placed<String>>,
    ) -> Subscribers {
        match (accept, listed, file) {
            (Some(accept), _, _) if accept.value != "realm" => {
                let text = accept.value.escape_debug();
                self.problem(
                    accept.line,
                    format!("accept: `{text}` means nothing; write `accept: realm`, or list `subscribers` instead"),
                );
            }
            (Some(accept), Some(_), _) => self.problem(
                accept.line,
                "accept: and `subscribers` are both there; keep one of them".into(),
            ),
            (Some(_), None, None) => return Subscribers::Realm,
            (None, Some(listed), None) => return Subscribers::Listed(self.listed(listed)),
            (None, None, Some(file)) => return Subscribers::Listed(self.in_file(&file)),
            (None, None, None) => self.missing("accept", "accept: realm"),
            (_, _, Some(file)) => self.problem(
                file.line,
                "subscribers_file: stands beside `accept` or `subscribers`; keep one of them"
                    .into(),
            ),
        }
        Subscribers::Realm
    }

    fn listed(&mut self, values: Vec<Placed<String>>) -> BTreeSet<String> {
        let mut taken: Vec<(String, u64)> = Vec::new();
        for value in values {
            let Some(mn_id) = mn_id(&value.value) else {
                let text = value.value.escape_debug();
                self.problem(
                    value.line,
                    format!("subscribers: `{text}` is no MN-ID; write it like usera@example.org"),
                );
                continue;
            };
            if let Some((_, line)) = taken.iter().find(|(other, _)| *other == mn_id) {
                let text =
                    format!("subscribers: `{mn_id}` stands in line {line} already; remove one");
                self.problem(value.line, text);
            } else {
                taken.push((mn_id, value.line));
            }
        }
        taken.into_iter().map(|(mn_id, _)| mn_id).collect()
    }

    /// One a line, the first column of a CSV file; what stands twice is there once.
    fn in_file(&mut self, file: &Placed<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let text = match std::fs::read_to_string(&file.value) {
            Ok(text) => text,
            Err(error) => {
                let name = file.value.escape_debug();
                let text = format!(
                    "subscribers_file: `{name}` cannot be read: {error}; give the absolute path of a text file"
                );
                self.problem(file.line, text);
                return found;
            }
        };
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let first = line.split(',').next().unwrap_or_default().trim().trim_matches('"');
            if first.is_empty() || first.starts_with('#') || at == 0 && first == HEAD {
                continue;
            }
            match mn_id(first) {
                Some(mn_id) => {
                    found.insert(mn_id);
                }
                None => {
                    let (name, place) = (file.value.escape_debug(), at + 1);
                    let first = first.escape_debug();
                    let text = format!(
                        "subscribers_file: {name}:{place}: `{first}` is no MN-ID; write it like usera@example.org"
                    );
                    self.problem(file.line, text);
                    break;
                }
            }
        }
        found
    }
}

fn mn_id(text: &str) -> Option<String> {
    let mn_id = crate::authority::canonical(text);
    let fits = !mn_id.is_empty() && mn_id.len() <= MAX_USER_NAME;
    (fits && !mn_id.chars().any(char::is_control)).then_some(mn_id)
}
