// SPDX-License-Identifier: Apache-2.0 OR MIT
//! YAML text into a [`Node`] tree. The only file that knows the YAML library.
//!
//! Every scalar keeps the text that stands in the file: a key of 32 decimal digits, `12e4...` or `no` never becomes
//! a number or a truth value on its way. What a text means is decided where it is read (`read.rs`).

use super::tree::{Key, Node, Problem, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Error, Location, NonFiniteFloatPolicy, SnippetMode, Spanned,
    UserMessageFormatter,
};
use std::fmt;

/// Parses `text`; one [`Problem`] when it is no YAML document.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Keys given twice are passed on, so that `tree.rs` can name both lines.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // The library's own limits end at about 50,000 routes; depth and aliases stay limited.
        budget: serde_saphyr::budget! { max_events: 16_000_000, max_nodes: 8_000_000 },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(node(raw, text)),
        Err(error) => Err(problem(&error, text)),
    }
}

/// A scalar's first form: what the library calls a number, a truth value or null is taken from the text instead.
enum Raw {
    Null,
    Plain,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let line = line(raw.referenced);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Plain => Value::Text(slice(raw.defined, text).to_owned()),
        Raw::Text(s) => Value::Text(s),
        Raw::List(items) => Value::List(items.into_iter().map(|n| node(n, text)).collect()),
        Raw::Map(pairs) => Value::Map(pairs.into_iter().map(|(k, v)| entry(k, v, text)).collect()),
    };
    Node { line, value }
}

fn entry(key: Spanned<String>, value: Spanned<Raw>, text: &str) -> (Key, Node) {
    (Key { line: line(key.referenced), name: key.value }, node(value, text))
}

fn line(location: Location) -> u32 {
    u32::try_from(location.line()).unwrap_or(u32::MAX).max(1)
}

/// The characters of the file at `location`.
fn slice(location: Location, text: &str) -> &str {
    let span = location.span();
    let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) else { return "" };
    text.get(start as usize..(start + len) as usize).unwrap_or("").trim()
}

fn problem(error: &Error, text: &str) -> Problem {
    let line = error.location().map_or(1, line);
    let at = text.lines().nth(line as usize - 1).unwrap_or("");
    if at.trim_end().contains('\t') && at.trim_start_matches(' ').starts_with('\t') {
        return Problem::new(line, "", "a tab in the indentation; indent with spaces");
    }
    let options = serde_saphyr::render_options! { formatter: &UserMessageFormatter, snippets: SnippetMode::Off };
    let what = error.render_with_options(options).replace('\n', " ");
    Problem::new(line, "", format!("not YAML: {what}"))
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, s: &str) -> Result<Raw, E> {
        Ok(Raw::Text(s.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of<'n>(node: &'n Node, key: &str) -> &'n str {
        let Value::Map(pairs) = &node.value else { panic!("a mapping") };
        let (_, value) = pairs.iter().find(|(k, _)| k.name == key).expect("the key is there");
        let Value::Text(text) = &value.value else { panic!("a scalar") };
        text
    }

    #[test]
    fn every_scalar_keeps_its_text() {
        for text in [
            "12345678901234567890123456789012",
            "12e45678901234567890123456789012",
            "02:00:00:00:00:10",
            "no",
            "0755",
            "0x1F",
            "1_000",
            "1.50",
            ".inf",
            "-7",
            "2001:db8::1",
        ] {
            for end in ["\n", "\r\n", " # comment\n", ""] {
                let node = parse(&format!("a: 1\nkey: {text}{end}")).expect("YAML");
                assert_eq!(text_of(&node, "key"), text, "unquoted {text} before {end:?}");
            }
            let node = parse(&format!("key: \"{text}\"\n")).expect("YAML");
            assert_eq!(text_of(&node, "key"), text, "quoted {text}");
        }
    }

    #[test]
    fn anchors_and_merge_keys_work_and_keep_the_text() {
        let node = parse("base: &b { x: 0755 }\nuse: { <<: *b, y: 2 }\nalias: *b\n").expect("YAML");
        let Value::Map(pairs) = &node.value else { panic!("a mapping") };
        assert_eq!(text_of(&pairs[1].1, "x"), "0755");
        assert_eq!(text_of(&pairs[2].1, "x"), "0755");
    }

    #[test]
    fn lines_count_through_byte_order_mark_and_crlf() {
        let node = parse("\u{feff}# c\r\na: 1\r\nb:\r\n  - 7\r\n").expect("YAML");
        let Value::Map(pairs) = &node.value else { panic!("a mapping") };
        assert_eq!((pairs[0].0.line, pairs[1].0.line), (2, 3));
        let Value::List(items) = &pairs[1].1.value else { panic!("a list") };
        assert_eq!(items[0].line, 4);
    }
}
