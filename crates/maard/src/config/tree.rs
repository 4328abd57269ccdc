// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A configuration file as a tree of texts with their lines, and what is wrong with it. Reading never stops at the
//! first fault: a file's problems are told all at once, in the order of its lines.

use std::cell::RefCell;
use std::fmt;

/// A value of the file.
#[derive(Clone, Debug)]
pub struct Node {
    /// Line where it begins, from 1.
    pub line: u32,
    /// What it is.
    pub value: Value,
}

/// As [`Node`].
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing behind the colon.
    Null,
    /// A scalar, as it stands in the file.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, keys in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its line.
    pub line: u32,
    /// Its text.
    pub name: String,
}

/// One thing that is wrong: where, and how to mend it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// Line in the file.
    pub line: u32,
    /// Path of the key, `ports[1].device`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and the mend.
    pub what: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(line: u32, key: impl Into<String>, what: impl Into<String>) -> Self {
        Problem { line, key: key.into(), what: what.into() }
    }
}

/// Where a value stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Line in the file.
    pub line: u32,
    /// Path of the key.
    pub key: String,
}

impl Place {
    fn child(&self, line: u32, key: &str) -> Place {
        let dot = if self.key.is_empty() { "" } else { "." };
        Place { line, key: format!("{}{dot}{key}", self.key) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.key, self.line)
    }
}

/// A value and where it stands, for checks that come later.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Place,
}

/// What was found wrong so far.
#[derive(Default, Debug)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Notes a problem.
    pub fn add(&self, at: &Place, what: impl Into<String>) {
        self.0.borrow_mut().push(Problem::new(at.line, at.key.clone(), what));
    }

    /// All of them, in the order of the file.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        all.sort();
        all.dedup();
        all
    }
}

/// A value with its place, to be read as something.
#[derive(Clone, Debug)]
pub struct Field<'n> {
    node: &'n Node,
    /// Its place.
    pub at: Place,
}

impl<'n> Field<'n> {
    /// The whole file.
    pub fn root(node: &'n Node) -> Self {
        Field { node, at: Place { line: node.line, key: String::new() } }
    }

    /// The scalar's text; a problem if it is none.
    pub fn text(&self, problems: &Problems) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) => return Some(text),
            Value::Null => problems.add(&self.at, "has no value; write one or delete the key"),
            _ => problems.add(&self.at, "takes a single value, not a list or a mapping"),
        }
        None
    }

    /// The scalar read by `read`; a problem that says what was expected if it cannot.
    pub fn parse<T>(
        &self,
        problems: &Problems,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<At<T>> {
        let text = self.text(problems)?;
        let value = read(text);
        if value.is_none() {
            problems.add(&self.at, format!("`{text}` is not {expected}"));
        }
        value.map(|value| At { value, at: self.at.clone() })
    }

    /// The items of a list; a problem if it is none.
    pub fn list(&self, problems: &Problems) -> Vec<Field<'n>> {
        match &self.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, node)| Field {
                    node,
                    at: Place { line: node.line, key: format!("{}[{i}]", self.at.key) },
                })
                .collect(),
            Value::Null => Vec::new(),
            _ => {
                problems.add(&self.at, "takes a list; put `- ` in front of each item");
                Vec::new()
            }
        }
    }

    /// Whether it is a scalar.
    pub fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    /// A mapping whose keys are all `known`; a problem for every other key and for every key given twice.
    pub fn map(&self, problems: &Problems, known: &'static [&'static str]) -> Option<Map<'n>> {
        let Value::Map(pairs) = &self.node.value else {
            problems.add(&self.at, format!("takes a mapping of {}", known.join(", ")));
            return None;
        };
        for (i, (key, _)) in pairs.iter().enumerate() {
            let at = self.at.child(key.line, &key.name);
            if let Some((first, _)) = pairs[..i].iter().find(|(k, _)| k.name == key.name) {
                let line = first.line;
                problems.add(&at, format!("is given twice, first on line {line}; delete one"));
            } else if !known.contains(&key.name.as_str()) {
                problems.add(&at, unknown_key(&key.name, known));
            }
        }
        Some(Map { pairs, known, at: self.at.clone() })
    }
}

/// The sentence for a key nobody knows: the nearest known one if it is a slip of the pen, else all of them.
fn unknown_key(name: &str, known: &[&str]) -> String {
    match meant(name, known) {
        Some(key) => format!("unknown key; did you mean `{key}`?"),
        None => format!("unknown key; known here: {}", known.join(", ")),
    }
}

/// The known key that an unknown one is a slip of the pen of.
fn meant<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let (distance, key) = known.iter().map(|k| (distance(name, k), *k)).min()?;
    (distance <= 2).then_some(key)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A mapping, read key by key.
#[derive(Clone, Debug)]
pub struct Map<'n> {
    pairs: &'n [(Key, Node)],
    known: &'static [&'static str],
    /// Its place.
    pub at: Place,
}

impl<'n> Map<'n> {
    /// The value of `key`, `None` when the key is absent or has no value.
    pub fn get(&self, key: &str) -> Option<Field<'n>> {
        let (k, node) = self.pairs.iter().find(|(k, _)| k.name == key)?;
        match node.value {
            Value::Null => None,
            _ => Some(Field { node, at: self.at.child(k.line, key) }),
        }
    }

    /// As [`Map::get`]; a problem when it is absent, with `mend` saying what to write. A key that was written with
    /// a slip has been told as that already.
    pub fn need(&self, problems: &Problems, key: &str, mend: &str) -> Option<Field<'n>> {
        let field = self.get(key);
        let slip = |k: &str| !self.known.contains(&k) && meant(k, self.known) == Some(key);
        if field.is_none() && !self.pairs.iter().any(|(k, _)| slip(&k.name)) {
            let at = self.at.child(self.line_of(key), key);
            problems.add(&at, format!("is missing; {mend}"));
        }
        field
    }

    fn line_of(&self, key: &str) -> u32 {
        self.pairs.iter().find(|(k, _)| k.name == key).map_or(self.at.line, |(k, _)| k.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_names_the_key_that_was_meant() {
        assert_eq!(
            unknown_key("adress", &["address", "pool"]),
            "unknown key; did you mean `address`?"
        );
        assert_eq!(
            unknown_key("speed", &["address", "pool"]),
            "unknown key; known here: address, pool"
        );
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_and_once_each() {
        let problems = Problems::default();
        for line in [7, 3, 3] {
            problems.add(&Place { line, key: "k".into() }, "x");
        }
        let lines: Vec<u32> = problems.into_sorted().iter().map(|p| p.line).collect();
        assert_eq!(lines, [3, 7]);
    }
}
